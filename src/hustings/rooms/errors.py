"""Why a command was refused. Each carries the state it met.

RoomError
├── IllegalCommand      the table has no such transition
│   └── DoorsClosed     somebody wants to come on the stage of a room that is not open
├── UnknownMember       no such invitation or participant in this room
├── OnlyYourself        a host may mute others, never unmute them
└── TooMany             a bound of the room is reached
"""

from __future__ import annotations

from hustings.errors import HustingsError
from hustings.rooms.table import RoomStatus, State, Verb


class RoomError(HustingsError):
    """Base: a command the room refuses."""


class IllegalCommand(RoomError):
    """`verb` is not possible in `state`."""

    def __init__(self, verb: Verb, state: State, what: str) -> None:
        super().__init__(f"Cannot {verb.value} {what}: it is {state.value}.")
        self.verb = verb
        self.state = state


class DoorsClosed(IllegalCommand):
    """Coming on the stage of a room whose doors are closed; `scheduled_at` (Unix seconds) if known."""

    def __init__(self, state: RoomStatus, scheduled_at: float | None) -> None:
        super().__init__(Verb.CONNECT, state, "to the room")
        self.scheduled_at = scheduled_at


class UnknownMember(RoomError):
    """No invitation or participant with this identifier."""

    def __init__(self, kind: str, member_id: str) -> None:
        super().__init__(f"There is no such {kind} in this room.")
        self.kind = kind
        self.member_id = member_id


class OnlyYourself(RoomError):
    """Unmuting somebody else."""

    def __init__(self) -> None:
        super().__init__("You can mute another, but only the speaker can unmute again.")


class TooMany(RoomError):
    """A bound is reached: `what` is what there is too much of."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"The room has its {limit} {what} already.")
        self.what = what
        self.limit = limit
