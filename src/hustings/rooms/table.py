"""Every transition of a room, an invitation, a seat and a request to speak, in one table.

A pair that is missing is illegal. A state that leads to itself means "already so": the command
succeeds and nothing happens, so that a client may repeat it when an answer got lost.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType


class RoomStatus(Enum):
    """A room is a durable place; its status is that of its current or last broadcast."""

    SCHEDULED = "scheduled"
    OPEN = "open"
    """Doors open: speakers connect and hear each other, nothing goes out."""
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"
    CANCELLED = "cancelled"
    """It will not take place; scheduling it anew brings it back."""


class InvitationState(Enum):
    """Never more than what the invited did: seen is not accepted."""

    OFFERED = "offered"
    SEEN = "seen"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class SeatState(Enum):
    """A participant's right to speak; whether he is connected right now is the stage's knowledge."""

    WAITING = "waiting"
    """In the green room: connected or not, nobody on the stage hears him."""
    SEATED = "seated"
    VACANT = "vacant"
    """He declined after having accepted, or has not come to this broadcast yet; he may come back."""
    REMOVED = "removed"
    """By the host; a new invitation is a new seat."""


class RequestState(Enum):
    """A listener's raised hand."""

    WAITING = "waiting"
    CALLED = "called"
    """Brought up: his ticket is good, he may come."""
    LOWERED = "lowered"
    """By himself or by a host, or because the broadcast ended."""


class Verb(Enum):
    """What commands do to one of the three."""

    # rooms
    OPEN = "open"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    TAKE_UP = "take up"
    """The stage restarted and continues the broadcast."""
    CONNECT = "connect"
    """Somebody comes on the stage."""
    INVITE = "invite"
    EDIT = "edit"
    CANCEL = "cancel"
    SCHEDULE = "schedule"
    """A new time for a room that is not on; brings a cancelled one back."""
    ASK = "ask to speak in"
    LOCK = "lock"
    STEP = "step the agenda of"
    OFF_RECORD = "take off the record, or back on it,"
    # invitations
    SEE = "see"
    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    WORD = "add a word to"
    CONSENT = "agree to be recorded by"
    """... or take that back."""
    # seats
    TAKE = "take"
    VACATE = "vacate"
    REMOVE = "remove"
    MUTE = "mute"
    WAIT = "let wait"
    """Into the green room from anywhere: a guest who comes, or the next broadcast begins."""
    ADMIT = "admit"
    """From the green room on the stage."""
    SEND_BACK = "send back"
    """From the stage to the green room; one who was brought up goes back among the listeners."""
    TALK_ASIDE = "talk off air with"
    PROMOTE = "change the role of"
    HAND_OVER = "hand the room over to"
    CLOCK = "set the clock of"
    # requests
    BRING_UP = "bring up"
    LOWER = "lower"


type State = RoomStatus | InvitationState | SeatState | RequestState

_R, _I, _S, _Q, _V = RoomStatus, InvitationState, SeatState, RequestState, Verb

TABLE: MappingProxyType[tuple[State, Verb], State] = MappingProxyType(
    {
        # a room; `open` in an ended room begins its next broadcast
        (_R.SCHEDULED, _V.OPEN): _R.OPEN,
        (_R.SCHEDULED, _V.INVITE): _R.SCHEDULED,
        (_R.SCHEDULED, _V.EDIT): _R.SCHEDULED,
        (_R.SCHEDULED, _V.SCHEDULE): _R.SCHEDULED,
        (_R.SCHEDULED, _V.CANCEL): _R.CANCELLED,
        (_R.OPEN, _V.OPEN): _R.OPEN,
        (_R.OPEN, _V.START): _R.LIVE,
        (_R.OPEN, _V.STOP): _R.ENDED,
        (_R.OPEN, _V.TAKE_UP): _R.OPEN,
        (_R.OPEN, _V.CONNECT): _R.OPEN,
        (_R.OPEN, _V.INVITE): _R.OPEN,
        (_R.OPEN, _V.EDIT): _R.OPEN,
        (_R.OPEN, _V.ASK): _R.OPEN,
        (_R.OPEN, _V.LOCK): _R.OPEN,
        (_R.OPEN, _V.STEP): _R.OPEN,
        (_R.OPEN, _V.OFF_RECORD): _R.OPEN,
        (_R.LIVE, _V.START): _R.LIVE,
        (_R.LIVE, _V.PAUSE): _R.PAUSED,
        (_R.LIVE, _V.RESUME): _R.LIVE,
        (_R.LIVE, _V.STOP): _R.ENDED,
        (_R.LIVE, _V.TAKE_UP): _R.LIVE,
        (_R.LIVE, _V.CONNECT): _R.LIVE,
        (_R.LIVE, _V.INVITE): _R.LIVE,
        (_R.LIVE, _V.EDIT): _R.LIVE,
        (_R.LIVE, _V.ASK): _R.LIVE,
        (_R.LIVE, _V.LOCK): _R.LIVE,
        (_R.LIVE, _V.STEP): _R.LIVE,
        (_R.LIVE, _V.OFF_RECORD): _R.LIVE,
        (_R.PAUSED, _V.PAUSE): _R.PAUSED,
        (_R.PAUSED, _V.RESUME): _R.LIVE,
        (_R.PAUSED, _V.STOP): _R.ENDED,
        (_R.PAUSED, _V.TAKE_UP): _R.PAUSED,
        (_R.PAUSED, _V.CONNECT): _R.PAUSED,
        (_R.PAUSED, _V.INVITE): _R.PAUSED,
        (_R.PAUSED, _V.EDIT): _R.PAUSED,
        (_R.PAUSED, _V.ASK): _R.PAUSED,
        (_R.PAUSED, _V.LOCK): _R.PAUSED,
        (_R.PAUSED, _V.STEP): _R.PAUSED,
        (_R.PAUSED, _V.OFF_RECORD): _R.PAUSED,
        # one that has ended keeps its page; what is cancelled there is only the next date
        (_R.ENDED, _V.OPEN): _R.OPEN,
        (_R.ENDED, _V.STOP): _R.ENDED,
        (_R.ENDED, _V.INVITE): _R.ENDED,
        (_R.ENDED, _V.EDIT): _R.ENDED,
        (_R.ENDED, _V.SCHEDULE): _R.SCHEDULED,
        (_R.ENDED, _V.CANCEL): _R.ENDED,
        (_R.CANCELLED, _V.EDIT): _R.CANCELLED,
        (_R.CANCELLED, _V.SCHEDULE): _R.SCHEDULED,
        (_R.CANCELLED, _V.CANCEL): _R.CANCELLED,
        # an invitation; the invited may change his mind until the host withdraws it
        (_I.OFFERED, _V.SEE): _I.SEEN,
        (_I.OFFERED, _V.ACCEPT): _I.ACCEPTED,
        (_I.OFFERED, _V.DECLINE): _I.DECLINED,
        (_I.OFFERED, _V.WORD): _I.OFFERED,
        (_I.OFFERED, _V.CONSENT): _I.OFFERED,
        (_I.OFFERED, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.OFFERED, _V.EXPIRE): _I.EXPIRED,
        (_I.SEEN, _V.SEE): _I.SEEN,
        (_I.SEEN, _V.ACCEPT): _I.ACCEPTED,
        (_I.SEEN, _V.DECLINE): _I.DECLINED,
        (_I.SEEN, _V.WORD): _I.SEEN,
        (_I.SEEN, _V.CONSENT): _I.SEEN,
        (_I.SEEN, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.SEEN, _V.EXPIRE): _I.EXPIRED,
        (_I.ACCEPTED, _V.SEE): _I.ACCEPTED,
        (_I.ACCEPTED, _V.ACCEPT): _I.ACCEPTED,
        (_I.ACCEPTED, _V.DECLINE): _I.DECLINED,
        (_I.ACCEPTED, _V.WORD): _I.ACCEPTED,
        (_I.ACCEPTED, _V.CONSENT): _I.ACCEPTED,
        (_I.ACCEPTED, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.DECLINED, _V.SEE): _I.DECLINED,
        (_I.DECLINED, _V.ACCEPT): _I.ACCEPTED,
        (_I.DECLINED, _V.DECLINE): _I.DECLINED,
        (_I.DECLINED, _V.WORD): _I.DECLINED,
        (_I.DECLINED, _V.CONSENT): _I.DECLINED,
        (_I.DECLINED, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.DECLINED, _V.EXPIRE): _I.EXPIRED,
        (_I.WITHDRAWN, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.EXPIRED, _V.EXPIRE): _I.EXPIRED,
        (_I.EXPIRED, _V.WITHDRAW): _I.WITHDRAWN,
        # a seat; who comes again is where he was, and a muted one stays muted throughout
        (_S.WAITING, _V.TAKE): _S.WAITING,
        (_S.WAITING, _V.WAIT): _S.WAITING,
        (_S.WAITING, _V.VACATE): _S.VACANT,
        (_S.WAITING, _V.REMOVE): _S.REMOVED,
        (_S.WAITING, _V.MUTE): _S.WAITING,
        (_S.WAITING, _V.ADMIT): _S.SEATED,
        (_S.WAITING, _V.SEND_BACK): _S.WAITING,
        (_S.WAITING, _V.TALK_ASIDE): _S.WAITING,
        (_S.WAITING, _V.PROMOTE): _S.WAITING,
        (_S.SEATED, _V.TAKE): _S.SEATED,
        (_S.SEATED, _V.WAIT): _S.WAITING,
        (_S.SEATED, _V.VACATE): _S.VACANT,
        (_S.SEATED, _V.REMOVE): _S.REMOVED,
        (_S.SEATED, _V.MUTE): _S.SEATED,
        (_S.SEATED, _V.ADMIT): _S.SEATED,
        (_S.SEATED, _V.SEND_BACK): _S.WAITING,
        (_S.SEATED, _V.PROMOTE): _S.SEATED,
        (_S.SEATED, _V.HAND_OVER): _S.SEATED,
        (_S.SEATED, _V.CLOCK): _S.SEATED,
        (_S.VACANT, _V.TAKE): _S.SEATED,
        (_S.VACANT, _V.WAIT): _S.WAITING,
        (_S.VACANT, _V.VACATE): _S.VACANT,
        (_S.VACANT, _V.REMOVE): _S.REMOVED,
        (_S.VACANT, _V.PROMOTE): _S.VACANT,
        (_S.REMOVED, _V.REMOVE): _S.REMOVED,
        # a request to speak; a lowered hand is over, the next one is another request
        (_Q.WAITING, _V.BRING_UP): _Q.CALLED,
        (_Q.WAITING, _V.LOWER): _Q.LOWERED,
        (_Q.CALLED, _V.BRING_UP): _Q.CALLED,
        (_Q.CALLED, _V.LOWER): _Q.LOWERED,
        (_Q.LOWERED, _V.LOWER): _Q.LOWERED,
    }
)
