"""What has happened in a room. A room is what its events made of it: `apply`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from hustings.rooms.due import start_ahead
from hustings.rooms.model import (
    MAX_LOWERED,
    Ban,
    Broadcast,
    Consent,
    Details,
    Invitation,
    Participant,
    Request,
    Role,
    Room,
    Stretch,
    open_stretch,
)
from hustings.rooms.table import InvitationState, RequestState, RoomStatus, SeatState


@dataclass(frozen=True, slots=True)
class DoorsOpened:
    """A new broadcast: the requests of the one before, and who came by them, are no longer of the room."""

    broadcast_id: str
    at: float
    planned_at: float | None = None
    starts_at: float | None = None


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
class RoomEdited:
    """`details` as a whole, the schedule included."""

    details: Details
    at: float


@dataclass(frozen=True, slots=True)
class RoomCancelled:
    at: float


@dataclass(frozen=True, slots=True)
class RoomScheduled:
    """Back from cancelled, or from ended to a new date; the details follow in a RoomEdited."""

    at: float


@dataclass(frozen=True, slots=True)
class StageLocked:
    locked: bool
    at: float


@dataclass(frozen=True, slots=True)
class TopicBegan:
    """A chapter mark while live (`marked`)."""

    broadcast_id: str
    topic_id: str
    title: str
    marked: bool
    at: float


@dataclass(frozen=True, slots=True)
class OffRecordChanged:
    """The conversation went off the record, or came back on it."""

    broadcast_id: str
    off: bool
    at: float


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """Somebody agreed to be recorded, or took that back."""

    participant_id: str
    agreed: bool
    at: float


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
    account_id: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class InvitationChanged:
    invitation_id: str
    state: InvitationState
    at: float


@dataclass(frozen=True, slots=True)
class WordSaid:
    """A public word of the invited, perhaps another time they propose."""

    invitation_id: str
    word: str
    proposed_at: float | None
    at: float


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """The first time, or again after it was vacant: on the stage or in the green room (`state`)."""

    participant_id: str
    invitation_id: str
    name: str
    role: Role
    at: float
    state: SeatState = SeatState.SEATED


@dataclass(frozen=True, slots=True)
class SeatChanged:
    participant_id: str
    state: SeatState
    at: float


@dataclass(frozen=True, slots=True)
class SeatLapsed:
    """Why the events after it happen: one who was brought up has been away for too long."""

    participant_id: str
    at: float


@dataclass(frozen=True, slots=True)
class MuteChanged:
    participant_id: str
    muted_self: bool
    muted_by_host: bool
    at: float


@dataclass(frozen=True, slots=True)
class AsideChanged:
    """A host now talks off air with `guest_id`; "" is back on the stage."""

    participant_id: str
    guest_id: str
    at: float


@dataclass(frozen=True, slots=True)
class RoleChanged:
    participant_id: str
    role: Role
    at: float


@dataclass(frozen=True, slots=True)
class ClockSet:
    """`until` None: taken away."""

    participant_id: str
    until: float | None
    at: float


@dataclass(frozen=True, slots=True)
class Banned:
    participant_id: str
    name: str
    marks: frozenset[str]
    at: float


@dataclass(frozen=True, slots=True)
class BanLifted:
    participant_id: str
    at: float


@dataclass(frozen=True, slots=True)
class HandRaised:
    request_id: str
    participant_id: str
    name: str
    at: float
    talked_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class HandChanged:
    request_id: str
    state: RequestState
    at: float


type Event = (
    DoorsOpened
    | WentLive
    | BroadcastPaused
    | BroadcastResumed
    | BroadcastEnded
    | RoomEdited
    | RoomCancelled
    | RoomScheduled
    | StageLocked
    | TopicBegan
    | OffRecordChanged
    | ConsentChanged
    | BroadcastTakenUp
    | InvitationOffered
    | InvitationChanged
    | WordSaid
    | SeatTaken
    | SeatChanged
    | SeatLapsed
    | MuteChanged
    | AsideChanged
    | RoleChanged
    | ClockSet
    | Banned
    | BanLifted
    | HandRaised
    | HandChanged
)


def apply(room: Room, events: Iterable[Event]) -> Room:
    """The room after `events`."""
    for event in events:
        room = _apply(room, event)
    return room


def _apply(room: Room, event: Event) -> Room:
    match event:
        case RoomEdited():
            return _edited(room, event)
        case RoomCancelled():
            return replace(room, status=RoomStatus.CANCELLED, revision=room.revision + 1)
        case RoomScheduled():
            return replace(room, status=RoomStatus.SCHEDULED, revision=room.revision + 1)
        case StageLocked():
            return replace(room, locked=event.locked)
        case InvitationOffered():
            return _with_invitation(room, _offered(event))
        case InvitationChanged():
            return _invitation(room, event.invitation_id, state=event.state, changed_at=event.at)
        case WordSaid():
            return _invitation(room, event.invitation_id, word=event.word, proposed_at=event.proposed_at)
        case SeatTaken():
            return _with_participant(room, _seated(room, event))
        case SeatChanged():
            return _seat(room, event.participant_id, state=event.state)
        case SeatLapsed():
            return room
        case MuteChanged():
            muted = {"muted_self": event.muted_self, "muted_by_host": event.muted_by_host}
            return _seat(room, event.participant_id, **muted)
        case AsideChanged():
            return _seat(room, event.participant_id, aside=event.guest_id)
        case RoleChanged():
            return _seat(room, event.participant_id, role=event.role)
        case ClockSet():
            return _seat(room, event.participant_id, clock_until=event.until)
        case Banned() | BanLifted():
            return _bans(room, event)
        case ConsentChanged():
            return _consents(room, event)
        case HandRaised() | HandChanged():
            return _hands(room, event)
        case _:
            return _on_air(room, event)


type _OnAir = (
    DoorsOpened
    | WentLive
    | BroadcastPaused
    | BroadcastResumed
    | BroadcastEnded
    | BroadcastTakenUp
    | TopicBegan
    | OffRecordChanged
)


def _on_air(room: Room, event: _OnAir) -> Room:
    match event:
        case DoorsOpened():
            broadcast = Broadcast(
                event.broadcast_id, event.at, planned_at=event.planned_at, starts_at=event.starts_at
            )
            return replace(_emptied(room), status=RoomStatus.OPEN, broadcast=broadcast)
        case WentLive():
            return _broadcast(room, RoomStatus.LIVE, live_since=event.at)
        case BroadcastPaused():
            return replace(room, status=RoomStatus.PAUSED)
        case BroadcastResumed():
            return replace(room, status=RoomStatus.LIVE)
        case BroadcastEnded():
            off = _turned(room.broadcast.off_record if room.broadcast else (), False, event.at)
            return _broadcast(
                room, RoomStatus.ENDED, ended_at=event.at, end_reason=event.reason, off_record=off
            )
        case OffRecordChanged():
            off = _turned(room.broadcast.off_record if room.broadcast else (), event.off, event.at)
            return _broadcast(room, room.status, off_record=off)
        case BroadcastTakenUp():
            return _broadcast(room, room.status, epoch=event.epoch)
        case TopicBegan():
            before = room.broadcast.chapters if room.broadcast else ()
            chapters = (*before, (event.at, event.title)) if event.marked else before
            return _broadcast(room, room.status, topic_id=event.topic_id, chapters=chapters)


def _emptied(room: Room) -> Room:
    """Without requests, and without those who were brought up by one and have gone: who comes and goes
    over the years must not add up. The removed stay, for they do not come back."""
    gone = {i.id for i in room.invitations.values() if i.request_id and i.state in _OVER}
    gone -= {p.invitation_id for p in room.participants.values() if p.state is SeatState.REMOVED}
    invitations = {key: i for key, i in room.invitations.items() if key not in gone}
    known = {invitation.participant_id for invitation in invitations.values()}
    return replace(
        room,
        requests=MappingProxyType({}),
        invitations=MappingProxyType(invitations),
        consents=MappingProxyType({key: c for key, c in room.consents.items() if key in known}),
        participants=MappingProxyType(
            {key: p for key, p in room.participants.items() if p.invitation_id not in gone}
        ),
    )


_OVER = frozenset({InvitationState.DECLINED, InvitationState.WITHDRAWN, InvitationState.EXPIRED})


def _edited(room: Room, event: RoomEdited) -> Room:
    turned = event.details.recording is not room.details.recording
    if turned and room.broadcast is not None and room.broadcast.ended_at is None:
        room = replace(room, broadcast=replace(room.broadcast, recording_at=event.at))
    if event.details.starts_itself is not room.details.starts_itself and room.status is RoomStatus.OPEN:
        # Who says so after the time does not mean this very moment.
        starts_at = start_ahead(event.details, event.at)
        room = _broadcast(room, room.status, starts_at=starts_at)
    return replace(room, details=event.details, revision=room.revision + 1)


def _turned(stretches: tuple[Stretch, ...], on: bool, at: float) -> tuple[Stretch, ...]:
    """With one that begins at `at`, or the one that has not ended ended then."""
    held = open_stretch(stretches)
    if on and held is None:
        return (*stretches, Stretch(at))
    if not on and held is not None:
        return (*stretches[:-1], replace(held, ended_at=at))
    return stretches


def _consents(room: Room, event: ConsentChanged) -> Room:
    before = room.consents.get(event.participant_id)
    stretches = _turned(before.stretches if before is not None else (), event.agreed, event.at)
    consent = Consent(event.participant_id, stretches)
    return replace(room, consents=_put(room.consents, consent.participant_id, consent))


def _broadcast(room: Room, status: RoomStatus, **changes: object) -> Room:
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
        account_id=event.account_id,
        request_id=event.request_id,
    )


def _seated(room: Room, event: SeatTaken) -> Participant:
    before = room.participants.get(event.participant_id)
    if before is not None:  # back again, perhaps brought up once more: mute state and role are kept
        return replace(before, state=event.state, invitation_id=event.invitation_id, name=event.name)
    return Participant(
        id=event.participant_id,
        invitation_id=event.invitation_id,
        name=event.name,
        role=event.role,
        state=event.state,
        taken_at=event.at,
    )


def _with_invitation(room: Room, invitation: Invitation) -> Room:
    return replace(room, invitations=_put(room.invitations, invitation.id, invitation))


def _invitation(room: Room, invitation_id: str, **changes: object) -> Room:
    return _with_invitation(room, replace(room.invitations[invitation_id], **changes))  # type: ignore[arg-type]


def _with_participant(room: Room, participant: Participant) -> Room:
    return replace(room, participants=_put(room.participants, participant.id, participant))


def _seat(room: Room, participant_id: str, **changes: object) -> Room:
    return _with_participant(room, replace(room.participants[participant_id], **changes))  # type: ignore[arg-type]


def _bans(room: Room, event: Banned | BanLifted) -> Room:
    others = tuple(ban for ban in room.bans if ban.participant_id != event.participant_id)
    if isinstance(event, BanLifted):
        return replace(room, bans=others)
    return replace(room, bans=(*others, Ban(event.participant_id, event.name, event.marks, event.at)))


def _hands(room: Room, event: HandRaised | HandChanged) -> Room:
    if isinstance(event, HandRaised):
        request = Request(
            id=event.request_id,
            participant_id=event.participant_id,
            name=event.name,
            state=RequestState.WAITING,
            asked_at=event.at,
            changed_at=event.at,
            talked_seconds=event.talked_seconds,
        )
    else:
        request = replace(room.requests[event.request_id], state=event.state, changed_at=event.at)
    return replace(room, requests=_remembered(_put(room.requests, request.id, request), request.id))


def _remembered(requests: Mapping[str, Request], latest: str) -> Mapping[str, Request]:
    """All open ones and the MAX_LOWERED lowered last: `latest` is one of these, whatever the clock says."""
    over = [r for r in requests.values() if r.state is RequestState.LOWERED]
    if len(over) <= MAX_LOWERED:
        return requests
    over.sort(key=lambda request: (request.id == latest, request.changed_at, request.id))
    forgotten = {request.id for request in over[:-MAX_LOWERED]}
    return MappingProxyType({key: r for key, r in requests.items() if key not in forgotten})


def _put[V](members: Mapping[str, V], key: str, value: V) -> Mapping[str, V]:
    return MappingProxyType({**members, key: value})
