"""What can be asked of a room. `at` is the wall clock (Unix seconds); identifiers are made outside."""

from __future__ import annotations

from dataclasses import dataclass

from hustings.rooms.model import Role


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """Speakers may connect. In an ended room this begins the next broadcast."""

    broadcast_id: str
    at: float


@dataclass(frozen=True, slots=True)
class GoLive:
    """The program goes out from now on; `at` is the wall clock of media_time 0."""

    at: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Reserved: nothing offers it yet."""

    at: float


@dataclass(frozen=True, slots=True)
class Resume:
    """Reserved: nothing offers it yet."""

    at: float


@dataclass(frozen=True, slots=True)
class Stop:
    """The broadcast ends; the room stays."""

    at: float
    reason: str = "ended"


@dataclass(frozen=True, slots=True)
class TakeUpAgain:
    """The stage restarted and knows nothing: the broadcast continues in the next epoch."""

    at: float


@dataclass(frozen=True, slots=True)
class Invite:
    """Offers a seat."""

    invitation_id: str
    participant_id: str
    name: str
    role: Role
    public: bool
    at: float
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class SeeInvitation:
    """The invited opened the link."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """The invited will come; the seat is theirs."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class DeclineInvitation:
    """The invited will not come; a seat taken before becomes vacant."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class WithdrawInvitation:
    """The host takes the offer back; the seat, if taken, is removed."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class ExpireInvitation:
    """The offer's time has run out without an acceptance."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Connect:
    """The invited comes on the stage with a microphone: that accepts, too."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class MuteSelf:
    """A participant mutes or unmutes himself; unmuting also lifts a host's mute."""

    participant_id: str
    muted: bool
    at: float


@dataclass(frozen=True, slots=True)
class MuteOther:
    """A host mutes somebody. `muted=False` is always refused: nobody opens another's microphone."""

    participant_id: str
    muted: bool
    at: float


type Command = (
    OpenDoors
    | GoLive
    | Pause
    | Resume
    | Stop
    | TakeUpAgain
    | Invite
    | SeeInvitation
    | AcceptInvitation
    | DeclineInvitation
    | WithdrawInvitation
    | ExpireInvitation
    | Connect
    | MuteSelf
    | MuteOther
)
