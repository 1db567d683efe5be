"""What has happened in a room. A room is what its events made of it: `apply`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

from hustings.rooms.model import Broadcast, Invitation, Participant, Role, Room
from hustings.rooms.table import InvitationState, RoomStatus, SeatState


@dataclass(frozen=True, slots=True)
class DoorsOpened:
    broadcast_id: str
    at: float


@dataclass(frozen=True, slots=True)
class WentLive:
    broadcast_id: str
    at: float


@dataclass(frozen=True, slots=True)
class BroadcastPaused:
    broadcast_id: str
    at: float


@dataclass(frozen=True, slots=True)
class BroadcastResumed:
    broadcast_id: str
    at: float


@dataclass(frozen=True, slots=True)
class BroadcastEnded:
    broadcast_id: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class BroadcastTakenUp:
    """A restarted stage continues it in `epoch`."""

    broadcast_id: str
    epoch: int
    at: float


@dataclass(frozen=True, slots=True)
class InvitationOffered:
    invitation_id: str
    participant_id: str
    name: str
    role: Role
    public: bool
    at: float
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class InvitationChanged:
    invitation_id: str
    state: InvitationState
    at: float


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """The first time, or again after it was vacant."""

    participant_id: str
    invitation_id: str
    name: str
    role: Role
    at: float


@dataclass(frozen=True, slots=True)
class SeatChanged:
    participant_id: str
    state: SeatState
    at: float


@dataclass(frozen=True, slots=True)
class MuteChanged:
    participant_id: str
    muted_self: bool
    muted_by_host: bool
    at: float


type Event = (
    DoorsOpened
    | WentLive
    | BroadcastPaused
    | BroadcastResumed
    | BroadcastEnded
    | BroadcastTakenUp
    | InvitationOffered
    | InvitationChanged
    | SeatTaken
    | SeatChanged
    | MuteChanged
)


def apply(room: Room, events: Iterable[Event]) -> Room:
    """The room after `events`."""
    for event in events:
        room = _apply(room, event)
    return room


def _apply(room: Room, event: Event) -> Room:
    match event:
        case DoorsOpened():
            return replace(
                room, status=RoomStatus.OPEN, broadcast=Broadcast(event.broadcast_id, opened_at=event.at)
            )
        case WentLive():
            return _broadcast(room, RoomStatus.LIVE, live_since=event.at)
        case BroadcastPaused():
            return replace(room, status=RoomStatus.PAUSED)
        case BroadcastResumed():
            return replace(room, status=RoomStatus.LIVE)
        case BroadcastEnded():
            return _broadcast(room, RoomStatus.ENDED, ended_at=event.at, end_reason=event.reason)
        case BroadcastTakenUp():
            return _broadcast(room, room.status, epoch=event.epoch)
        case InvitationOffered():
            return _with_invitation(room, _offered(event))
        case InvitationChanged():
            old = room.invitations[event.invitation_id]
            return _with_invitation(room, replace(old, state=event.state, changed_at=event.at))
        case SeatTaken():
            return _with_participant(room, _seated(room, event))
        case SeatChanged():
            seat = room.participants[event.participant_id]
            return _with_participant(room, replace(seat, state=event.state))
        case MuteChanged():
            seat = room.participants[event.participant_id]
            muted = replace(seat, muted_self=event.muted_self, muted_by_host=event.muted_by_host)
            return _with_participant(room, muted)


def _broadcast(room: Room, status: RoomStatus, **changes: float | str) -> Room:
    assert room.broadcast is not None, "the table lets no such event happen without a broadcast"
    return replace(room, status=status, broadcast=replace(room.broadcast, **changes))  # type: ignore[arg-type]


def _offered(event: InvitationOffered) -> Invitation:
    return Invitation(
        id=event.invitation_id,
        participant_id=event.participant_id,
        name=event.name,
        role=event.role,
        public=event.public,
        state=InvitationState.OFFERED,
        offered_at=event.at,
        changed_at=event.at,
        expires_at=event.expires_at,
    )


def _seated(room: Room, event: SeatTaken) -> Participant:
    before = room.participants.get(event.participant_id)
    if before is not None:  # back again: mute state is kept
        return replace(before, state=SeatState.SEATED)
    return Participant(
        id=event.participant_id,
        invitation_id=event.invitation_id,
        name=event.name,
        role=event.role,
        state=SeatState.SEATED,
        taken_at=event.at,
    )


def _with_invitation(room: Room, invitation: Invitation) -> Room:
    return replace(room, invitations=MappingProxyType({**room.invitations, invitation.id: invitation}))


def _with_participant(room: Room, participant: Participant) -> Room:
    return replace(room, participants=MappingProxyType({**room.participants, participant.id: participant}))
