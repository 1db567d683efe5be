"""What can be asked of a room. `at` is the wall clock (Unix seconds); identifiers are made outside."""

from __future__ import annotations

from dataclasses import dataclass

from hustings.rooms.model import MAX_SEATED, Details, Role


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """Speakers may connect. In an ended room this begins the next broadcast.

    `due`: by itself, for the room planned at that time; nothing happens if it no longer is.
    """

    broadcast_id: str
    at: float
    due: float | None = None


@dataclass(frozen=True, slots=True)
class GoLive:
    """The program goes out from now on; `at` is the wall clock of media_time 0.

    `due`: by itself, if the broadcast is still to begin at that time; else nothing happens.
    """

    at: float
    due: float | None = None


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
    next_at: float | None = None
    """When a weekly room is on next (worked out by the caller, who knows time zones)."""


@dataclass(frozen=True, slots=True)
class Edit:
    """New details, as a whole. Not `scheduled_at`, `time_zone` and `weekly`: see Schedule."""

    details: Details
    at: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """Another time; a cancelled room takes place again. `scheduled_at` None: when the host is ready."""

    scheduled_at: float | None
    time_zone: str
    weekly: bool
    at: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """It will not take place. Only while it is not on."""

    at: float


@dataclass(frozen=True, slots=True)
class MoveOn:
    """A weekly room whose time (`due`) has gone by unused gets its next one; nothing if it has another."""

    due: float
    next_at: float
    at: float


@dataclass(frozen=True, slots=True)
class Lock:
    """Nobody new comes on the stage (`locked`), or again somebody may."""

    locked: bool
    at: float


@dataclass(frozen=True, slots=True)
class BeginTopic:
    """The agenda goes on to this topic; while live that is a chapter mark. "" for none."""

    topic_id: str
    at: float


@dataclass(frozen=True, slots=True)
class OffRecord:
    """What is said is not written from now on (`off`), or again it is. The live sound goes on."""

    off: bool
    at: float


@dataclass(frozen=True, slots=True)
class AgreeToRecording:
    """The invited agrees to be recorded, or takes that back (`agree` False): which counts from now on."""

    invitation_id: str
    agree: bool
    at: float


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
    account_id: str = ""
    """The account's own seat: accepted at once, since nobody else is asked."""


@dataclass(frozen=True, slots=True)
class SeeInvitation:
    """The invited opened the link."""

    invitation_id: str
    at: float


@dataclass(frozen=True, slots=True)
class AcceptInvitation:
    """The invited will come. The seat is taken when they do (Connect)."""

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
class SayWord:
    """The invited adds a public word ("" takes it back) and may propose another time."""

    invitation_id: str
    word: str
    proposed_at: float | None
    at: float


@dataclass(frozen=True, slots=True)
class Connect:
    """The invited comes with a microphone, on the stage or into the green room: that accepts, too.
    `marks`: keyed hashes of who connects, compared with the bans."""

    invitation_id: str
    at: float
    marks: frozenset[str] = frozenset()
    voices: int = MAX_SEATED
    """How many may be on the stage."""


@dataclass(frozen=True, slots=True)
class Admit:
    """From the green room on the stage."""

    participant_id: str
    at: float
    voices: int = MAX_SEATED


@dataclass(frozen=True, slots=True)
class SendBack:
    """Off the stage: into the green room; a listener who was brought up goes back to listening."""

    participant_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Lapse:
    """Somebody has not been connected since `absent_since`. One who was brought up goes back among the
    listeners after ABSENT_SECONDS; for whoever was invited or conducts nothing happens."""

    participant_id: str
    absent_since: float
    at: float


@dataclass(frozen=True, slots=True)
class Remove:
    """Off the stage for good: the link no longer holds. With `ban`, `marks` keep the person out.
    Somebody without a seat yet loses the invitation or the place in the queue."""

    participant_id: str
    at: float
    ban: bool = False
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LiftBan:
    """The banned may be invited again and raise a hand. Nothing for one who is not banned: a listener
    whose ban was lifted may be forgotten with the broadcast."""

    participant_id: str
    at: float


@dataclass(frozen=True, slots=True)
class TalkAside:
    """A host talks off air with one who waits; `guest_id` "" ends it. Both may also just leave."""

    participant_id: str
    guest_id: str
    at: float


@dataclass(frozen=True, slots=True)
class ChangeRole:
    """Cohost or speaker. Who is host changes by HandOver only."""

    participant_id: str
    role: Role
    at: float


@dataclass(frozen=True, slots=True)
class HandOver:
    """`participant_id`, who is seated, becomes host; the hosts before become cohosts."""

    participant_id: str
    at: float


@dataclass(frozen=True, slots=True)
class SetClock:
    """A speaking clock of so many seconds from now; 0 takes it away."""

    participant_id: str
    seconds: int
    at: float


@dataclass(frozen=True, slots=True)
class AskToSpeak:
    """A listener raises a hand. The hash of a ticket the asker made goes to the store with it."""

    request_id: str
    participant_id: str
    name: str
    at: float
    talked_seconds: float = 0.0
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LowerHand:
    """By the asker, or by a host."""

    request_id: str
    at: float


@dataclass(frozen=True, slots=True)
class BringUp:
    """The asker is offered a seat (an invitation of its own, good until `expires_at`)."""

    request_id: str
    invitation_id: str
    at: float
    expires_at: float | None = None
    voices: int = MAX_SEATED


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
    | Edit
    | Schedule
    | Cancel
    | MoveOn
    | Lock
    | BeginTopic
    | OffRecord
    | AgreeToRecording
    | TakeUpAgain
    | Invite
    | SeeInvitation
    | AcceptInvitation
    | DeclineInvitation
    | WithdrawInvitation
    | ExpireInvitation
    | SayWord
    | Connect
    | Admit
    | SendBack
    | Lapse
    | Remove
    | LiftBan
    | TalkAside
    | ChangeRole
    | HandOver
    | SetClock
    | AskToSpeak
    | LowerHand
    | BringUp
    | MuteSelf
    | MuteOther
)
