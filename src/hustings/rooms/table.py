"""Every transition of a room, an invitation and a seat, in one table.

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

    SEATED = "seated"
    VACANT = "vacant"
    """He declined after having accepted; he may come back."""
    REMOVED = "removed"
    """By the host; a new invitation is a new seat."""


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
    # invitations
    SEE = "see"
    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    # seats
    TAKE = "take"
    VACATE = "vacate"
    REMOVE = "remove"
    MUTE = "mute"


type State = RoomStatus | InvitationState | SeatState

_R, _I, _S, _V = RoomStatus, InvitationState, SeatState, Verb

TABLE: MappingProxyType[tuple[State, Verb], State] = MappingProxyType(
    {
        # a room; `open` in an ended room begins its next broadcast
        (_R.SCHEDULED, _V.OPEN): _R.OPEN,
        (_R.SCHEDULED, _V.INVITE): _R.SCHEDULED,
        (_R.OPEN, _V.OPEN): _R.OPEN,
        (_R.OPEN, _V.START): _R.LIVE,
        (_R.OPEN, _V.STOP): _R.ENDED,
        (_R.OPEN, _V.TAKE_UP): _R.OPEN,
        (_R.OPEN, _V.CONNECT): _R.OPEN,
        (_R.OPEN, _V.INVITE): _R.OPEN,
        (_R.LIVE, _V.START): _R.LIVE,
        (_R.LIVE, _V.PAUSE): _R.PAUSED,
        (_R.LIVE, _V.STOP): _R.ENDED,
        (_R.LIVE, _V.TAKE_UP): _R.LIVE,
        (_R.LIVE, _V.CONNECT): _R.LIVE,
        (_R.LIVE, _V.INVITE): _R.LIVE,
        (_R.PAUSED, _V.PAUSE): _R.PAUSED,
        (_R.PAUSED, _V.RESUME): _R.LIVE,
        (_R.PAUSED, _V.STOP): _R.ENDED,
        (_R.PAUSED, _V.TAKE_UP): _R.PAUSED,
        (_R.PAUSED, _V.CONNECT): _R.PAUSED,
        (_R.PAUSED, _V.INVITE): _R.PAUSED,
        (_R.ENDED, _V.OPEN): _R.OPEN,
        (_R.ENDED, _V.STOP): _R.ENDED,
        (_R.ENDED, _V.INVITE): _R.ENDED,
        # an invitation; the invited may change his mind until the host withdraws it
        (_I.OFFERED, _V.SEE): _I.SEEN,
        (_I.OFFERED, _V.ACCEPT): _I.ACCEPTED,
        (_I.OFFERED, _V.DECLINE): _I.DECLINED,
        (_I.OFFERED, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.OFFERED, _V.EXPIRE): _I.EXPIRED,
        (_I.SEEN, _V.SEE): _I.SEEN,
        (_I.SEEN, _V.ACCEPT): _I.ACCEPTED,
        (_I.SEEN, _V.DECLINE): _I.DECLINED,
        (_I.SEEN, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.SEEN, _V.EXPIRE): _I.EXPIRED,
        (_I.ACCEPTED, _V.SEE): _I.ACCEPTED,
        (_I.ACCEPTED, _V.ACCEPT): _I.ACCEPTED,
        (_I.ACCEPTED, _V.DECLINE): _I.DECLINED,
        (_I.ACCEPTED, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.DECLINED, _V.SEE): _I.DECLINED,
        (_I.DECLINED, _V.ACCEPT): _I.ACCEPTED,
        (_I.DECLINED, _V.DECLINE): _I.DECLINED,
        (_I.DECLINED, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.DECLINED, _V.EXPIRE): _I.EXPIRED,
        (_I.WITHDRAWN, _V.WITHDRAW): _I.WITHDRAWN,
        (_I.EXPIRED, _V.EXPIRE): _I.EXPIRED,
        (_I.EXPIRED, _V.WITHDRAW): _I.WITHDRAWN,
        # a seat; a muted one stays muted over every reconnection
        (_S.SEATED, _V.TAKE): _S.SEATED,
        (_S.SEATED, _V.VACATE): _S.VACANT,
        (_S.SEATED, _V.REMOVE): _S.REMOVED,
        (_S.SEATED, _V.MUTE): _S.SEATED,
        (_S.VACANT, _V.TAKE): _S.SEATED,
        (_S.VACANT, _V.VACATE): _S.VACANT,
        (_S.VACANT, _V.REMOVE): _S.REMOVED,
        (_S.REMOVED, _V.REMOVE): _S.REMOVED,
    }
)
