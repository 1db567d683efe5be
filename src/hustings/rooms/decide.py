"""Command + state -> events, or a RoomError. The table says what is possible; here is what follows.

The room and its broadcasts are here, invitations and coming in `decide_people`, the stage and requests to
speak in `decide_stage`, consent and off the record in `decide_recording`.
"""

from __future__ import annotations

from dataclasses import replace

from hustings.rooms import commands as c
from hustings.rooms import decide_people as people
from hustings.rooms import decide_recording as recording
from hustings.rooms import decide_stage as stage
from hustings.rooms import events as e
from hustings.rooms.draft import CONNECTABLE, OPEN_REQUESTS, Draft, is_host
from hustings.rooms.due import doors_due, planned_near, start_ahead
from hustings.rooms.errors import AlreadyThere, FiguresSettled, TooMany, UnknownMember
from hustings.rooms.model import (
    CONDUCTING,
    MAX_CHAPTERS,
    MAX_LINKS,
    MAX_TOPICS,
    Details,
    Participant,
    Room,
)
from hustings.rooms.table import TABLE, InvitationState, RoomStatus, SeatState, Verb

__all__ = ["CONNECTABLE", "decide"]


def decide(room: Room, command: c.Command) -> list[e.Event]:
    """What `command` makes happen in `room`; an empty list when it is already so.

    Raises RoomError, which carries the state that stood against it.
    """
    draft = Draft(room)
    match command:
        case c.OpenDoors():
            _open(draft, command)
        case c.GoLive() | c.Pause() | c.Resume() | c.TakeUpAgain():
            _run(draft, command)
        case c.Stop():
            _stop(draft, command)
        case c.Edit():
            _edit(draft, command)
        case c.Schedule():
            _schedule(draft, command)
        case c.Cancel():
            _cancel(draft, command.at)
        case c.MoveOn():
            _move_on(draft, command)
        case c.Lock():
            draft.moves(Verb.LOCK)
            if room.locked is not command.locked:
                draft.happen(e.StageLocked(command.locked, command.at))
        case c.BeginTopic():
            _begin_topic(draft, command)
        case c.OffRecord() | c.AgreeToRecording():
            recording.decide(draft, command)
        case (
            c.Invite()
            | c.SeeInvitation()
            | c.AcceptInvitation()
            | c.DeclineInvitation()
            | c.WithdrawInvitation()
            | c.ExpireInvitation()
            | c.SayWord()
            | c.Connect()
            | c.Remove()
            | c.LiftBan()
        ):
            people.decide(draft, command)
        case _:
            stage.decide(draft, command)
    return draft.events


def _open(draft: Draft, command: c.OpenDoors) -> None:
    """The next broadcast: everybody but a host comes anew, nothing of the last one is left over."""
    at, details = command.at, draft.room.details
    if command.due is not None and (command.due != details.scheduled_at or doors_due(draft.room) is None):
        return  # moved, cancelled or opened meanwhile
    if not draft.moves(Verb.OPEN):
        return
    if draft.room.broadcast is not None and draft.room.broadcast.id == command.broadcast_id:
        raise AlreadyThere("broadcast", command.broadcast_id)
    _listeners_listen_again(draft, at)
    # Who opens late by hand decides about going live, too.
    by_itself = command.due if details.starts_itself else None
    starts_at = by_itself if by_itself is not None else start_ahead(details, at)
    draft.happen(e.DoorsOpened(command.broadcast_id, at, planned_near(details, at), starts_at))
    if draft.room.locked:
        draft.happen(e.StageLocked(False, at))
    for seat in list(draft.room.participants.values()):
        _come_anew(draft, seat, at)


def _come_anew(draft: Draft, seat: Participant, at: float) -> None:
    _clear(draft, seat, at)
    if seat.state not in (SeatState.SEATED, SeatState.WAITING):
        return
    guest = seat.role not in CONDUCTING
    if guest and draft.room.details.green_room:
        draft.move_seat(seat.id, Verb.WAIT, at)
    elif not is_host(seat):
        draft.move_seat(seat.id, Verb.VACATE, at)


def _clear(draft: Draft, seat: Participant, at: float) -> None:
    """No speaking clock and no talk off air outlasts a broadcast."""
    if seat.clock_until is not None:
        draft.happen(e.ClockSet(seat.id, None, at))
    if seat.aside:
        draft.happen(e.AsideChanged(seat.id, "", at))


def _run(draft: Draft, command: c.GoLive | c.Pause | c.Resume | c.TakeUpAgain) -> None:
    at = command.at
    match command:
        case c.GoLive():
            if command.due is not None and not _is_to_start(draft, command.due):
                return
            broadcast = draft.broadcast(Verb.START)
            if draft.moves(Verb.START):
                draft.happen(e.WentLive(broadcast.id, at))
                if broadcast.topic_id:  # what was begun before is the first chapter
                    _begin(draft, broadcast.topic_id, at)
        case c.Pause():
            broadcast = draft.broadcast(Verb.PAUSE)
            if draft.moves(Verb.PAUSE):
                draft.happen(e.BroadcastPaused(broadcast.id, at))
        case c.Resume():
            broadcast = draft.broadcast(Verb.RESUME)
            if draft.moves(Verb.RESUME):
                draft.happen(e.BroadcastResumed(broadcast.id, at))
        case c.TakeUpAgain():
            broadcast = draft.broadcast(Verb.TAKE_UP)
            draft.happen(e.BroadcastTakenUp(broadcast.id, broadcast.epoch + 1, at))


def _is_to_start(draft: Draft, due: float) -> bool:
    """Whether the broadcast is to go live by itself at `due`, and has not yet."""
    broadcast = draft.room.broadcast
    return draft.room.status is RoomStatus.OPEN and broadcast is not None and broadcast.starts_at == due


def _stop(draft: Draft, command: c.Stop) -> None:
    broadcast = draft.broadcast(Verb.STOP)
    if not draft.moves(Verb.STOP):
        return
    at = command.at
    draft.happen(e.BroadcastEnded(broadcast.id, at, command.reason))
    _listeners_listen_again(draft, at)
    for request in list(draft.room.requests.values()):
        if request.state in OPEN_REQUESTS:
            draft.lower(request.id, at)
    for seat in list(draft.room.participants.values()):
        _clear(draft, seat, at)
    if command.next_at is not None:
        _set_details(draft, replace(draft.room.details, scheduled_at=command.next_at), at)


def _listeners_listen_again(draft: Draft, at: float) -> None:
    """Who was brought up was so for one broadcast, unless a host has made more of them."""
    for invitation in list(draft.room.invitations.values()):
        if not invitation.request_id or (invitation.state, Verb.WITHDRAW) not in TABLE:
            continue
        seat = draft.seat_of(invitation)
        if seat is not None and seat.role in CONDUCTING and invitation.state is InvitationState.ACCEPTED:
            continue
        draft.give_back(invitation, at)


def _edit(draft: Draft, command: c.Edit) -> None:
    draft.moves(Verb.EDIT)
    old, new = draft.room.details, command.details
    for what, count, limit in (
        ("topics", len(new.topics), MAX_TOPICS),
        ("links", len(new.links), MAX_LINKS),
    ):
        if count > limit:
            raise TooMany(what, limit)
    if new.figures != old.figures and draft.room.status in CONNECTABLE:
        raise FiguresSettled(draft.room.status)
    kept = replace(new, scheduled_at=old.scheduled_at, time_zone=old.time_zone, weekly=old.weekly)
    _set_details(draft, kept, command.at)
    broadcast = draft.room.broadcast
    gone = broadcast is not None and broadcast.topic_id not in {"", *(topic.id for topic in new.topics)}
    if gone and draft.room.status in CONNECTABLE:
        _begin(draft, "", command.at)


def _schedule(draft: Draft, command: c.Schedule) -> None:
    moves = draft.moves(Verb.SCHEDULE)
    if draft.room.status is RoomStatus.ENDED and command.scheduled_at is None:
        moves = False  # no next time: it stays what it is, over
    if moves:
        draft.happen(e.RoomScheduled(command.at))
    details = replace(
        draft.room.details,
        scheduled_at=command.scheduled_at,
        time_zone=command.time_zone,
        weekly=command.weekly,
    )
    _set_details(draft, details, command.at)


def _cancel(draft: Draft, at: float) -> None:
    if draft.moves(Verb.CANCEL):
        draft.happen(e.RoomCancelled(at))
    elif draft.room.status is RoomStatus.ENDED:
        details = draft.room.details
        ahead = details.scheduled_at is not None and details.scheduled_at > at
        when = None if ahead else details.scheduled_at
        _set_details(draft, replace(details, scheduled_at=when, weekly=False), at)


def _move_on(draft: Draft, command: c.MoveOn) -> None:
    details = draft.room.details
    off = draft.room.status in (RoomStatus.SCHEDULED, RoomStatus.ENDED)
    if off and details.weekly and details.scheduled_at == command.due:
        _set_details(draft, replace(details, scheduled_at=command.next_at), command.at)


def _set_details(draft: Draft, details: Details, at: float) -> None:
    if details != draft.room.details:
        draft.happen(e.RoomEdited(details, at))


def _begin_topic(draft: Draft, command: c.BeginTopic) -> None:
    broadcast = draft.broadcast(Verb.STEP)
    if broadcast.topic_id != command.topic_id:
        _begin(draft, command.topic_id, command.at)


def _begin(draft: Draft, topic_id: str, at: float) -> None:
    broadcast = draft.broadcast(Verb.STEP)
    title = next((topic.title for topic in draft.room.details.topics if topic.id == topic_id), None)
    if title is None and topic_id:
        raise UnknownMember("topic", topic_id)
    live = draft.room.status is RoomStatus.LIVE
    marked = bool(topic_id) and live and len(broadcast.chapters) < MAX_CHAPTERS
    draft.happen(e.TopicBegan(broadcast.id, topic_id, title or "", marked, at))
