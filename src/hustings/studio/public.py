"""What everybody may know of a room: the view the pages render and state.json. Pure."""

from __future__ import annotations

import json
from typing import Any

from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import CONDUCTING, FIGURES_ALL, Broadcast, Participant, Request, Room
from hustings.rooms.queue import ordered
from hustings.rooms.table import TABLE, InvitationState, RequestState, RoomStatus, SeatState, Verb
from hustings.studio.board import Board
from hustings.studio.context import (
    ChapterView,
    HandsView,
    InvitationView,
    LinksView,
    ParticipantView,
    PinnedView,
    QuestionsView,
    QuestionView,
    RecordingView,
    RoomView,
    TopicView,
)
from hustings.studio.hold_names import hold_address
from hustings.studio.retention import kept_until
from hustings.studio.start_view import start_state
from hustings.studio.text import utc
from hustings.studio.urls import Urls

QUESTIONS_SHOWN = 50
_ON_AIR = (RoomStatus.LIVE, RoomStatus.PAUSED)
_OFF_STAGE = (RoomStatus.ENDED, RoomStatus.SCHEDULED, RoomStatus.CANCELLED)
_PLACES = {SeatState.SEATED: "stage", SeatState.WAITING: "green"}


def room_view(
    room: Room, board: Board, urls: Urls, now: float, request_base: str = "", *, hosts: bool = False
) -> RoomView:
    """`room` with what is measured at monotonic `now`; `hosts`: for those who conduct it."""
    broadcast = room.broadcast
    details = room.details
    told = hosts or details.figures == FIGURES_ALL
    doors = board.listeners(room.slug, now) if told else None
    questions = _questions(room, board)
    replay = board.replay(room.slug)
    return RoomView(
        slug=room.slug,
        title=room.title,
        status=room.status.value,
        scheduled_at=utc(room.scheduled_at),
        opened_at=utc(broadcast.opened_at) if broadcast else "",
        started_at=utc(broadcast.live_since) if broadcast else "",
        ended_at=utc(broadcast.ended_at) if broadcast else "",
        broadcast=broadcast.id if broadcast else "",
        duration_seconds=_duration(broadcast),
        figures=details.figures,
        listeners=sum(doors.values()) if doors is not None else None,
        listeners_by_door=doors,
        participants=_participants(room, board, now),
        invitations=_public_invitations(room),
        links=links(room, urls, request_base, asked=questions.asked > 0, recorded=replay is not None),
        audience_url=urls.room(room.slug, request_base),
        description=details.description,
        language=details.language,
        time_zone=details.time_zone,
        weekly=details.weekly,
        # Another picture has another address, so that caches may keep each for long.
        cover=f"/r/{room.slug}/cover.webp?v={details.cover[:16]}" if details.cover else "",
        topics=tuple(TopicView(t.id, t.title, t.minutes) for t in details.topics),
        topic_id=broadcast.topic_id if broadcast else "",
        chapters=_chapters(broadcast),
        pinned=tuple(PinnedView(link.label, link.url) for link in details.links),
        locked=room.locked,
        equal_time=details.equal_time,
        hands=_hands(room, board),
        questions=questions,
        recording=recording(room),
        replay=replay,
        start=board.start(room),
        published=board.published(room.slug),
        kept_until=utc(kept_until(replay.ended, details.keep_days, board.keep_days)) if replay else "",
    )


def recording(room: Room) -> RecordingView | None:
    """Whether what is on air is recorded, as decided, and since when; None off air."""
    broadcast = room.broadcast
    if room.status not in _ON_AIR or broadcast is None or broadcast.live_since is None:
        return None
    changed = max(broadcast.live_since, broadcast.recording_at or 0.0)
    if not room.details.recording:
        return RecordingView("off", utc(changed))
    last = broadcast.off_record[-1] if broadcast.off_record else None
    if last is None:
        return RecordingView("on", utc(changed))
    if last.ended_at is None:
        return RecordingView("off_record", utc(max(changed, last.began_at)))
    return RecordingView("on", utc(max(changed, last.ended_at)))


def _duration(broadcast: Broadcast | None) -> float:
    """Seconds an ended broadcast was live."""
    if broadcast is None or broadcast.ended_at is None or broadcast.live_since is None:
        return 0.0
    return round(broadcast.ended_at - broadcast.live_since, 1)


def _participants(room: Room, board: Board, now: float) -> tuple[ParticipantView, ...]:
    broadcast_id = room.broadcast.id if room.broadcast else ""
    measured = board.measured(broadcast_id, now)
    seats = {} if measured is None else {seat.participant_id: seat for seat in measured.report.seats}
    talked = board.talked(broadcast_id)
    on_stage = room.status not in _OFF_STAGE
    views = []
    for person in room.participants.values():
        if person.state is not SeatState.SEATED:
            continue
        seat = seats.get(person.id) if on_stage else None
        connected = seat is not None and seat.connected
        views.append(
            ParticipantView(
                id=person.id,
                name=person.name,
                role=person.role.value,
                connected=connected,
                speaking=seat is not None and connected and seat.speaking and not person.muted,
                muted=person.muted,
                muted_by_host=person.muted_by_host,
                talked_seconds=round(talked.get(person.id, 0.0), 1),
                clock_until=utc(person.clock_until),
            )
        )
    return tuple(views)


def _public_invitations(room: Room) -> tuple[InvitationView, ...]:
    return tuple(
        InvitationView(
            i.name, i.role.value, i.state.value, utc(i.changed_at), i.id, i.word, utc(i.proposed_at)
        )
        for i in room.invitations.values()
        if i.public and i.state is not InvitationState.ACCEPTED
    )


def _chapters(broadcast: Broadcast | None) -> tuple[ChapterView, ...]:
    if broadcast is None or broadcast.live_since is None:
        return ()
    since = broadcast.live_since
    return tuple(
        ChapterView(title, utc(at), round(max(0.0, at - since), 1)) for at, title in broadcast.chapters
    )


def waiting(room: Room, board: Board) -> list[Request]:
    """Requests to speak in the order they will be called."""
    talked = board.talked(room.broadcast.id if room.broadcast else "")
    return ordered(room.requests.values(), room.details.queue_by_talk, talked)


def _hands(room: Room, board: Board) -> HandsView:
    return HandsView(
        open=room.details.hands and (room.status, Verb.ASK) in TABLE,
        queue=tuple(request.id for request in waiting(room, board)),
        called=tuple(r.id for r in room.requests.values() if r.state is RequestState.CALLED),
    )


def _questions(room: Room, board: Board) -> QuestionsView:
    summary = board.questions.summary(room.slug)
    return QuestionsView(
        open=bool(summary.get("open", room.details.questions and room.status in CONNECTABLE)),
        moderated=room.details.moderated,
        asked=int(summary.get("asked", 0)),
        list=tuple(
            QuestionView(q["id"], q["text"], q["name"], q["votes"], q["state"], q["asked_at"])
            for q in list(summary.get("list", ()))[:QUESTIONS_SHOWN]
        ),
    )


def links(
    room: Room, urls: Urls, request_base: str = "", *, asked: bool = False, recorded: bool = False
) -> LinksView:
    """What there is: the push door from doors open (listeners wait there), the others while live."""
    base = f"/r/{room.slug}"
    doors_open = room.status in CONNECTABLE
    on_air = room.status in _ON_AIR
    studio = urls.studio(request_base)
    return LinksView(
        page=base,
        state=f"{base}/state.json",
        live=f"{base}/live" if doors_open else "",
        hls=f"{base}/hls/index.m3u8" if on_air else "",
        stream_ogg=f"{base}/stream.ogg" if on_air else "",
        stream_aac=f"{base}/stream.aac" if on_air else "",
        whep=f"{studio}/whep/{room.slug}" if on_air else "",
        # Always: pages that are open already when the doors open must be allowed to reach it (CSP).
        whip=f"{studio}/whip/{room.slug}",
        calendar=f"{base}/calendar.ics" if room.scheduled_at is not None else "",
        embed=f"{base}/embed",
        questions_log=f"{base}/questions.json" if asked else "",
        replay=f"{base}/replay/" if recorded else "",
        audience=f"{base}/audience.json" if room.details.figures == FIGURES_ALL else "",
        start=f"{base}/start.json" if room.broadcast is not None or room.scheduled_at is not None else "",
        record=f"{base}/record.jsonl",
        hold=hold_address(room.slug, room.details.hold) if room.status is RoomStatus.OPEN else "",
        feed=f"{base}/feed.xml" if urls.knows_audience else "",
        feed_host=f"/h/{room.owner_id}/feed.xml" if urls.knows_audience and room.owner_id else "",
    )


def state(view: RoomView) -> dict[str, Any]:
    """state.json as a value, without `stream` and `seq`. Times that are not known are null, figures that are
    for hosts only, too; links that do not exist are absent."""
    return {
        "slug": view.slug,
        "title": view.title,
        "status": view.status,
        "scheduled_at": view.scheduled_at or None,
        "opened_at": view.opened_at or None,
        "started_at": view.started_at or None,
        "ended_at": view.ended_at or None,
        "broadcast": view.broadcast or None,
        "listeners": view.listeners,
        "listeners_by_door": view.listeners_by_door,
        "participants": [
            {
                "id": p.id,
                "name": p.name,
                "role": p.role,
                "connected": p.connected,
                "speaking": p.speaking,
                "muted": p.muted,
                "muted_by_host": p.muted_by_host,
                "talked_seconds": p.talked_seconds,
                "clock_until": p.clock_until or None,
            }
            for p in view.participants
        ],
        "invitations": [
            {
                "id": i.id,
                "name": i.name,
                "role": i.role,
                "state": i.state,
                "since": i.since,
                "word": i.word,
                "proposed_at": i.proposed_at or None,
            }
            for i in view.invitations
        ],
        "links": {name: link for name in LinksView.__slots__ if (link := getattr(view.links, name))},
        **_about(view),
        "locked": view.locked,
        "equal_time": view.equal_time,
        "hands": {
            "open": view.hands.open,
            "queue": list(view.hands.queue),
            "called": list(view.hands.called),
        },
        "questions": questions_state(view),
        "recording": {"state": view.recording.state, "since": view.recording.since}
        if view.recording is not None
        else None,
        "start": start_state(view.start) if view.start is not None else None,
    }


def _about(view: RoomView) -> dict[str, Any]:
    """What the room is about."""
    return {
        "description": view.description,
        "language": view.language,
        "time_zone": view.time_zone,
        "weekly": view.weekly,
        "cover": view.cover or None,
        "topics": [{"id": t.id, "title": t.title, "minutes": t.minutes} for t in view.topics],
        "topic_id": view.topic_id,
        "chapters": [{"title": c.title, "at": c.at, "media_time": c.media_time} for c in view.chapters],
        "pinned": [{"label": link.label, "url": link.url} for link in view.pinned],
    }


def questions_state(view: RoomView) -> dict[str, Any]:
    """The member `questions`."""
    shown = view.questions
    return {
        "open": shown.open,
        "moderated": shown.moderated,
        "asked": shown.asked,
        "list": [
            {
                "id": q.id,
                "text": q.text,
                "name": q.name,
                "votes": q.votes,
                "state": q.state,
                "asked_at": q.asked_at,
            }
            for q in shown.list
        ],
    }


def state_json(view: RoomView) -> bytes:
    """state.json as bytes."""
    value = {"stream": view.stream, "seq": view.seq, **state(view)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def me(room: Room, invitation_id: str) -> dict[str, Any]:
    """What the invited may know of himself."""
    invitation = room.invitations[invitation_id]
    seat: Participant | None = room.participants.get(invitation.participant_id)
    role = seat.role if seat is not None else invitation.role
    return {
        "id": invitation.participant_id,
        "name": invitation.name,
        "role": role.value,
        "invitation": invitation.state.value,
        "word": invitation.word,
        "proposed_at": utc(invitation.proposed_at) or None,
        "seat": seat.state.value if seat is not None else "",
        "place": _PLACES.get(seat.state, "") if seat is not None else "",
        "aside": seat is not None and _aside(room, seat),
        "conducts": role in CONDUCTING and (seat is None or seat.state is not SeatState.REMOVED),
        "muted": seat is not None and seat.muted,
        "muted_by_host": seat is not None and seat.muted_by_host,
        "clock_until": utc(seat.clock_until) or None if seat is not None else None,
        "green_room": room.details.green_room,
        "recording": room.details.recording,
        "agreed_at": _agreed_at(room, invitation.participant_id),
    }


def _agreed_at(room: Room, participant_id: str) -> str | None:
    consent = room.consents.get(participant_id)
    return utc(consent.since) or None if consent is not None else None


def _aside(room: Room, seat: Participant) -> bool:
    """Whether `seat` talks off air: a host with a guest, or the guest with a host."""
    return bool(seat.aside) or any(other.aside == seat.id for other in room.participants.values())
