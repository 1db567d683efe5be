"""What everybody may know of a room: the view the pages render and state.json. Pure."""

from __future__ import annotations

import json
from typing import Any

from hustings.rooms.model import Participant, Room
from hustings.rooms.table import InvitationState, RoomStatus, SeatState
from hustings.studio.board import Board
from hustings.studio.context import InvitationView, LinksView, ParticipantView, RoomView
from hustings.studio.text import utc
from hustings.studio.urls import Urls

_ON_AIR = (RoomStatus.LIVE, RoomStatus.PAUSED)


def room_view(room: Room, board: Board, urls: Urls, now: float, request_base: str = "") -> RoomView:
    """`room` with what is measured at monotonic `now`."""
    broadcast = room.broadcast
    doors = board.listeners(room.slug, now)
    ended = broadcast is not None and broadcast.ended_at is not None and broadcast.live_since is not None
    return RoomView(
        slug=room.slug,
        title=room.title,
        status=room.status.value,
        scheduled_at=utc(room.scheduled_at),
        opened_at=utc(broadcast.opened_at) if broadcast else "",
        started_at=utc(broadcast.live_since) if broadcast else "",
        ended_at=utc(broadcast.ended_at) if broadcast else "",
        broadcast=broadcast.id if broadcast else "",
        duration_seconds=round(broadcast.ended_at - broadcast.live_since, 1)  # type: ignore[operator, union-attr]
        if ended
        else 0.0,
        listeners=sum(doors.values()),
        listeners_by_door=doors,
        participants=_participants(room, board, now),
        invitations=_public_invitations(room),
        links=links(room, urls, request_base),
        audience_url=urls.room(room.slug, request_base),
    )


def _participants(room: Room, board: Board, now: float) -> tuple[ParticipantView, ...]:
    broadcast_id = room.broadcast.id if room.broadcast else ""
    measured = board.measured(broadcast_id, now)
    seats = {} if measured is None else {seat.participant_id: seat for seat in measured.report.seats}
    talked = board.talked(broadcast_id)
    on_stage = room.status not in (RoomStatus.ENDED, RoomStatus.SCHEDULED)
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
            )
        )
    return tuple(views)


def _public_invitations(room: Room) -> tuple[InvitationView, ...]:
    return tuple(
        InvitationView(i.name, i.role.value, i.state.value, utc(i.changed_at))
        for i in room.invitations.values()
        if i.public and i.state is not InvitationState.ACCEPTED
    )


def links(room: Room, urls: Urls, request_base: str = "") -> LinksView:
    """What there is: the push door from doors open (listeners wait there), the others while live."""
    base = f"/r/{room.slug}"
    waiting = room.status in (RoomStatus.OPEN, *_ON_AIR)
    on_air = room.status in _ON_AIR
    return LinksView(
        page=base,
        state=f"{base}/state.json",
        live=f"{base}/live" if waiting else "",
        hls=f"{base}/hls/index.m3u8" if on_air else "",
        stream_ogg=f"{base}/stream.ogg" if on_air else "",
        stream_aac=f"{base}/stream.aac" if on_air else "",
        whep=f"{urls.studio(request_base)}/whep/{room.slug}" if on_air else "",
    )


def state(view: RoomView) -> dict[str, Any]:
    """state.json as a value. Times that are not known are null; links that do not exist are absent."""
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
            }
            for p in view.participants
        ],
        "invitations": [
            {"name": i.name, "role": i.role, "state": i.state, "since": i.since} for i in view.invitations
        ],
        "links": {name: link for name in LinksView.__slots__ if (link := getattr(view.links, name))},
    }


def state_json(view: RoomView) -> bytes:
    """state.json as bytes."""
    return json.dumps(state(view), ensure_ascii=False, separators=(",", ":")).encode()


def me(room: Room, invitation_id: str) -> dict[str, Any]:
    """What the invited may know of himself."""
    invitation = room.invitations[invitation_id]
    seat: Participant | None = room.participants.get(invitation.participant_id)
    return {
        "id": invitation.participant_id,
        "name": invitation.name,
        "role": invitation.role.value,
        "invitation": invitation.state.value,
        "muted": seat is not None and seat.muted,
        "muted_by_host": seat is not None and seat.muted_by_host,
    }
