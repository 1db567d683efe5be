"""Why a command was refused. Each carries the state it met.

RoomError
├── IllegalCommand      the table has no such transition
│   └── DoorsClosed     somebody wants to come on the stage of a room that is not open
├── UnknownMember       no such invitation, participant, request or topic in this room
├── AlreadyThere        an identifier is somebody else's
├── OnlyYourself        a host may mute others, never unmute them
├── WrongPlace          a correction of what cannot be corrected there
├── TooMany             a bound of the room is reached
├── StageLocked         nobody new comes on the stage
├── PersonBanned        a host has banned who wants to come
├── LastHost            the room would be on without a host
├── WrongRole           this role does not do that, or cannot be given
├── GuestBusy           another host talks with the guest already
├── FiguresSettled      who sees the audience figures is settled for what is on
├── HandsClosed         nobody may ask to speak in this room
└── AskedAlready        one open request each
"""

from __future__ import annotations

from hustings.errors import HustingsError
from hustings.rooms.model import Role
from hustings.rooms.table import RequestState, RoomStatus, SeatState, State, Verb


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
    """No invitation, participant, request or topic with this identifier."""

    def __init__(self, kind: str, member_id: str) -> None:
        super().__init__(f"There is no such {kind} in this room.")
        self.kind = kind
        self.member_id = member_id


class AlreadyThere(RoomError):
    """The identifier of a new member is taken. Identifiers are made at random: this is a caller's fault."""

    def __init__(self, kind: str, member_id: str) -> None:
        super().__init__(f"There is another {kind} with this identifier in this room.")
        self.kind = kind
        self.member_id = member_id


class OnlyYourself(RoomError):
    """Unmuting somebody else."""

    def __init__(self) -> None:
        super().__init__("You can mute another, but only the speaker can unmute again.")


class WrongPlace(RoomError):
    """A correction names no subject, two of them, or a place its subject does not have."""


class TooMany(RoomError):
    """A bound is reached: `what` is what there is too much of."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"The room has its {limit} {what} already.")
        self.what = what
        self.limit = limit


class StageLocked(RoomError):
    """The stage is locked; `state` is the seat's of who wanted to come, None without one."""

    def __init__(self, state: SeatState | None) -> None:
        super().__init__("The stage is locked: nobody new comes on it until a host unlocks it.")
        self.state = state


class PersonBanned(RoomError):
    """Who wants to come, or to ask, was banned."""

    def __init__(self, participant_id: str) -> None:
        super().__init__("You were removed from this room.")
        self.participant_id = participant_id
        """Of the ban, not of who comes now."""


class LastHost(RoomError):
    """It would leave a room that is on (`state`) without a host on the stage."""

    def __init__(self, state: RoomStatus) -> None:
        super().__init__("The room is on and has no other host: hand it over first.")
        self.state = state


class WrongRole(RoomError):
    """`role` does not allow what was asked, or is not given this way."""

    def __init__(self, role: Role, why: str) -> None:
        super().__init__(why)
        self.role = role


class GuestBusy(RoomError):
    """Another host (`host_id`) talks off air with this guest."""

    def __init__(self, host_id: str) -> None:
        super().__init__("Another host talks with this guest right now.")
        self.host_id = host_id


class FiguresSettled(RoomError):
    """Who sees the figures cannot be changed while the room is on (`state`): they would be half sealed."""

    def __init__(self, state: RoomStatus) -> None:
        super().__init__("Who sees the audience figures can be changed only while the room is not on.")
        self.state = state


class HandsClosed(RoomError):
    """The hosts take no requests to speak."""

    def __init__(self, state: RoomStatus) -> None:
        super().__init__("This room takes no requests to speak.")
        self.state = state


class AskedAlready(RoomError):
    """The asker has an open request (`request_id`, in `state`)."""

    def __init__(self, request_id: str, state: RequestState) -> None:
        super().__init__("You have asked to speak already.")
        self.request_id = request_id
        self.state = state
