"""What the store refuses by itself; what a room refuses is a RoomError."""

from __future__ import annotations

from hustings.errors import HustingsError


class UnknownRoom(HustingsError):
    """No room has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__("There is no such room.")
        self.slug = slug


class SlugTaken(HustingsError):
    """Another room has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is a room '{slug}' already; choose another slug.")
        self.slug = slug


class UnknownLink(HustingsError):
    """No invitation has this link, or a newer one has taken its place."""

    def __init__(self) -> None:
        super().__init__("This link is no invitation, or there is a newer one. Ask for a new link.")


class LinkUsed(HustingsError):
    """Somebody has redeemed the link before."""

    def __init__(self) -> None:
        super().__init__("Your link works once. Ask for a new one.")


class TicketTaken(HustingsError):
    """A listener asks to speak with a ticket that was used before, in this or another room."""

    def __init__(self) -> None:
        super().__init__("This ticket was used before. Make a new one and ask again.")
