"""What was decided in a room, in the words of the event stream (docs/api.md). Pure.

`public` is for everybody and never says more than the public state does: no private invitation, no name of
one who waits or asks. `private` is what only those who conduct are told besides. Who comes and goes on the
stage is not here: that is not decided but seen (feed.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hustings.rooms import events as e
from hustings.rooms.model import Details, Invitation, Room
from hustings.rooms.table import InvitationState, RequestState, SeatState
from hustings.studio.feed import News
from hustings.studio.public import recording
from hustings.studio.text import utc


@dataclass(slots=True)
class Told:
    """News of one commit, or of several."""

    public: list[News] = field(default_factory=list)
    private: list[News] = field(default_factory=list)


def tell(room: Room, events: Iterable[e.Event], before: Room | None) -> Told:
    """`room` as it is after `events`, `before` as it was."""
    told = Told()
    for event in events:
        match event:
            case e.InvitationOffered() | e.InvitationChanged() | e.WordSaid():
                _invitation(room, event, told)
            case e.SeatTaken() | e.SeatChanged() | e.MuteChanged() | e.RoleChanged() | e.ClockSet():
                _seat(room, event, told)
            case e.AsideChanged() | e.Banned() | e.BanLifted() | e.SeatLapsed():
                _hosts_only(room, event, told)
            case e.HandRaised() | e.HandChanged():
                _hand(room, event, told)
            case e.OffRecordChanged() | e.ConsentChanged():
                _recording(room, event, told)
            case _:
                told.public += _room(room, event, before)
    return told


type _OfRoom = (
    e.DoorsOpened
    | e.WentLive
    | e.BroadcastPaused
    | e.BroadcastResumed
    | e.BroadcastEnded
    | e.RoomEdited
    | e.RoomCancelled
    | e.RoomScheduled
    | e.StageLocked
    | e.TopicBegan
    | e.BroadcastTakenUp
)


def _room(room: Room, event: _OfRoom, before: Room | None) -> list[News]:
    match event:
        case e.DoorsOpened():
            return [News("opened")]
        case e.WentLive():
            return [News("live", {"at": utc(event.at)})]
        case e.BroadcastPaused():
            return [News("paused")]
        case e.BroadcastResumed():
            return [News("resumed")]
        case e.BroadcastEnded():
            return [News("ended", {"reason": event.reason})]
        case e.RoomCancelled():
            return [News("cancelled")]
        case e.StageLocked():
            return [News("locked", {"locked": event.locked})]
        case e.TopicBegan():
            return [News("topic", {"id": event.topic_id, "title": event.title})]
        case e.RoomScheduled():
            return [_scheduled(room)]
        case e.RoomEdited():
            moved = before is not None and _when(event.details) != _when(before.details)
            turned = before is not None and event.details.recording is not before.details.recording
            news = [_scheduled(room) if moved else News("edited", {"title": event.details.title})]
            return news + (_recorded(room) if turned else [])
        case e.BroadcastTakenUp():
            return []  # nobody hears of it but by the sound


def _recorded(room: Room) -> list[News]:
    """How what is on air is recorded now; nothing off air."""
    view = recording(room)
    return [News("recording", {"state": view.state})] if view is not None else []


def _recording(room: Room, event: e.OffRecordChanged | e.ConsentChanged, told: Told) -> None:
    match event:
        case e.OffRecordChanged():
            # In a room that does not record, or is not on air yet, only those who conduct are concerned.
            shown = _recorded(room) if room.details.recording else []
            told.public += shown
            if not shown:
                told.private.append(News("off_record", {"off": event.off}))
        case e.ConsentChanged():
            names = (i.name for i in room.invitations.values() if i.participant_id == event.participant_id)
            data = {"id": event.participant_id, "name": next(names, ""), "agreed": event.agreed}
            told.private.append(News("consent", data))


def _when(details: Details) -> object:
    return details.scheduled_at, details.time_zone, details.weekly


def _scheduled(room: Room) -> News:
    return News("scheduled", {"at": utc(room.scheduled_at) or None, "time_zone": room.details.time_zone})


def _invitation(
    room: Room, event: e.InvitationOffered | e.InvitationChanged | e.WordSaid, told: Told
) -> None:
    invitation = room.invitations.get(event.invitation_id)
    if invitation is None or invitation.request_id or invitation.account_id:
        return  # a request's invitation is told as the request; one's own is no news
    news = News("answered", _of_invitation(invitation))
    match event:
        case e.InvitationOffered():
            news = News("invited", _of_invitation(invitation))
        case e.WordSaid():
            news = News("answered", {**_of_invitation(invitation), "word": event.word})
        case e.InvitationChanged():
            if event.state is InvitationState.OFFERED:
                return
            news = News("answered", {**_of_invitation(invitation), "state": event.state.value})
    (told.public if invitation.public else told.private).append(news)


def _of_invitation(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "name": invitation.name,
        "role": invitation.role.value,
        "state": invitation.state.value,
    }


def _seat(
    room: Room,
    event: e.SeatTaken | e.SeatChanged | e.MuteChanged | e.RoleChanged | e.ClockSet,
    told: Told,
) -> None:
    person = room.participants.get(event.participant_id)
    if person is None:
        return
    who = {"id": person.id, "name": person.name}
    news: News
    match event:
        case e.SeatTaken() | e.SeatChanged():
            if event.state is SeatState.WAITING:
                told.private.append(News("waiting", who))
            elif event.state is SeatState.SEATED:
                told.public.append(News("seated", {**who, "role": person.role.value}))
            return
        case e.MuteChanged():
            muted = event.muted_self or event.muted_by_host
            news = News("muted", {**who, "muted": muted, "by_host": event.muted_by_host})
        case e.RoleChanged():
            news = News("role", {**who, "role": event.role.value})
        case e.ClockSet():
            news = News("clock", {**who, "until": utc(event.until) or None})
    (told.public if person.state is SeatState.SEATED else told.private).append(news)


def _hosts_only(
    room: Room, event: e.AsideChanged | e.Banned | e.BanLifted | e.SeatLapsed, told: Told
) -> None:
    person = room.participants.get(event.participant_id)
    name = person.name if person is not None else ""
    match event:
        case e.AsideChanged():
            data = {"id": event.participant_id, "name": name, "guest_id": event.guest_id}
            told.private.append(News("aside", data))
        case e.Banned():
            told.private.append(News("banned", {"id": event.participant_id, "name": event.name}))
        case e.BanLifted():
            told.private.append(News("ban_lifted", {"id": event.participant_id, "name": name}))
        case e.SeatLapsed():
            told.private.append(News("lapsed", {"id": event.participant_id, "name": name}))


def _hand(room: Room, event: e.HandRaised | e.HandChanged, told: Told) -> None:
    state = RequestState.WAITING if isinstance(event, e.HandRaised) else event.state
    data = {"id": event.request_id, "state": state.value}
    told.public.append(News("hand", data))
    request = room.requests.get(event.request_id)
    if request is not None:
        told.private.append(News("hand", {**data, "name": request.name}))
