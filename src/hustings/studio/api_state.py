"""A room as its hosts get it from the API."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from hustings.rooms.model import Details, Invitation, Room
from hustings.studio import public
from hustings.studio.service import Studio
from hustings.studio.text import utc


def request_base(request: Request) -> str:
    """scheme://host:port as the client asked, for links when the settings name no address."""
    return str(request.base_url).rstrip("/")


def room_state(studio: Studio, room: Room, request: Request, settled: bool | None = None) -> dict[str, Any]:
    """The hosts' picture of a room: answers.RoomState."""
    base = request_base(request)
    view = public.room_view(room, studio.board, studio.urls, studio.clock.monotonic(), base, hosts=True)
    return {
        **public.state(view),
        "audience_url": view.audience_url,
        "studio_url": studio.urls.studio(base),
        "broadcast_id": view.broadcast,
        "invitations": [invitation_state(each) for each in room.invitations.values()],
        "details": details_state(room.details),
        "owner_id": room.owner_id,
        "stage": "" if settled is None else "ready" if settled else "waiting",
    }


def invitation_state(invitation: Invitation) -> dict[str, Any]:
    """answers.Invitation."""
    return {
        "id": invitation.id,
        "participant_id": invitation.participant_id,
        "name": invitation.name,
        "role": invitation.role.value,
        "public": invitation.public,
        "state": invitation.state.value,
        "since": utc(invitation.changed_at),
        "expires_at": utc(invitation.expires_at) or None,
        "word": invitation.word,
        "proposed_at": utc(invitation.proposed_at) or None,
        "own": bool(invitation.account_id),
        "by_hand": bool(invitation.request_id),
    }


def details_state(details: Details) -> dict[str, Any]:
    """answers.RoomDetails: what PATCH takes, as it is now."""
    return {
        "title": details.title,
        "description": details.description,
        "language": details.language,
        "topics": [{"id": t.id, "title": t.title, "minutes": t.minutes} for t in details.topics],
        "links": [{"label": link.label, "url": link.url} for link in details.links],
        "cover": details.cover,
        "at": utc(details.scheduled_at) or None,
        "time_zone": details.time_zone,
        "weekly": details.weekly,
        "green_room": details.green_room,
        "hands": details.hands,
        "questions": details.questions,
        "moderated": details.moderated,
        "equal_time": details.equal_time,
        "turn_seconds": details.turn_seconds,
        "queue_by_talk": details.queue_by_talk,
        "recording": details.recording,
        "keep_days": details.keep_days,
        "opens_itself": details.opens_itself,
        "doors_minutes": details.doors_minutes,
        "starts_itself": details.starts_itself,
        "hold": details.hold or "silence",
        "figures": details.figures,
    }
