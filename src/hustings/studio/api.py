"""The JSON API under /api. docs/api.md describes it; /api/openapi.json is made from here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from hustings.rooms.model import Role, Room
from hustings.studio import public
from hustings.studio.auth import IsGuest, KnownSlug, TheStudio, operator
from hustings.studio.schemas import (
    Answer,
    InvitationMade,
    Me,
    Mute,
    NewInvitation,
    NewRoom,
    RoomList,
    RoomState,
    problems,
)
from hustings.studio.service import Studio
from hustings.studio.text import utc

router = APIRouter(prefix="/api/rooms")
PAGE = 100
"""Rooms in one answer, at most."""

_operator = [Depends(operator)]


def request_base(request: Request) -> str:
    """scheme://host:port as the client asked, for links when the settings name no address."""
    return str(request.base_url).rstrip("/")


def room_state(studio: Studio, room: Room, request: Request, settled: bool | None = None) -> dict[str, Any]:
    """The operator's picture of a room: RoomState."""
    base = request_base(request)
    view = public.room_view(room, studio.board, studio.urls, studio.clock.monotonic(), base)
    invitations = [
        {
            "id": i.id,
            "participant_id": i.participant_id,
            "name": i.name,
            "role": i.role.value,
            "public": i.public,
            "state": i.state.value,
            "since": utc(i.changed_at),
        }
        for i in room.invitations.values()
    ]
    return {
        **public.state(view),
        "audience_url": view.audience_url,
        "studio_url": studio.urls.studio(base),
        "broadcast_id": view.broadcast,
        "invitations": invitations,
        "stage": "" if settled is None else "ready" if settled else "waiting",
    }


@router.post(
    "",
    status_code=201,
    response_model=RoomState,
    dependencies=_operator,
    responses=problems(400, 401, 409, 413, 422, 503),
)
async def create_room(body: NewRoom, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Creates a room. It is a durable place: broadcast after broadcast happens in it."""
    scheduled_at = body.at.timestamp() if body.at is not None else None
    room = await studio.create_room(body.title, body.slug or "", scheduled_at)
    return room_state(studio, room, request)


@router.get("", response_model=RoomList, dependencies=_operator, responses=problems(401, 422, 503))
async def list_rooms(
    request: Request,
    studio: TheStudio,
    after: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
) -> dict[str, Any]:
    """All rooms in order of their slugs, 100 at a time."""
    rooms = sorted((r for r in studio.board.rooms() if r.slug > after), key=lambda r: r.slug)
    page = rooms[:PAGE]
    following = page[-1].slug if len(rooms) > PAGE else ""
    return {"rooms": [room_state(studio, room, request) for room in page], "next": following}


@router.get("/{slug}", response_model=RoomState, dependencies=_operator, responses=problems(401, 404, 503))
async def get_room(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """One room, as it is now."""
    return room_state(studio, studio.room(slug), request)


@router.post(
    "/{slug}/invitations",
    status_code=201,
    response_model=InvitationMade,
    dependencies=_operator,
    responses=problems(400, 401, 404, 409, 413, 422, 503),
)
async def invite(slug: KnownSlug, body: NewInvitation, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Offers a seat. The ticket is shown this once; it lets its bearer on the stage, so send it privately."""
    room, invitation_id, ticket = await studio.invite(slug, body.name, Role(body.role), body.public)
    invitation = room.invitations[invitation_id]
    return {
        "id": invitation.id,
        "participant_id": invitation.participant_id,
        "name": invitation.name,
        "role": invitation.role.value,
        "public": invitation.public,
        "state": invitation.state.value,
        "link": studio.urls.invitation(slug, ticket, request_base(request)),
        "ticket": ticket,
    }


_COMMAND_PROBLEMS = problems(401, 404, 409, 503)


@router.post("/{slug}/open", response_model=RoomState, dependencies=_operator, responses=_COMMAND_PROBLEMS)
async def open_doors(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Doors open: the invited connect and hear each other; nothing goes out. In an ended room this
    begins the next broadcast. Repeating it changes nothing."""
    return room_state(studio, *_swap(request, await studio.open_doors(slug)))


@router.post("/{slug}/start", response_model=RoomState, dependencies=_operator, responses=_COMMAND_PROBLEMS)
async def start(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Live: the program goes out. 409 while doors are closed. Repeating it changes nothing."""
    return room_state(studio, *_swap(request, await studio.go_live(slug)))


@router.post("/{slug}/stop", response_model=RoomState, dependencies=_operator, responses=_COMMAND_PROBLEMS)
async def stop(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """The broadcast ends; the room stays and can be opened again. Repeating it changes nothing."""
    return room_state(studio, *_swap(request, await studio.stop(slug)))


def _swap(request: Request, done: tuple[Room, bool]) -> tuple[Room, Request, bool]:
    return done[0], request, done[1]


# --- the invited ---------------------------------------------------------------------------------


@router.post("/{slug}/me", response_model=Me, responses=problems(401, 404, 409, 503))
async def me(slug: KnownSlug, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """Who the ticket's bearer is. Marks the invitation as seen, never more."""
    return public.me(await studio.see(guest), guest.invitation_id)


@router.post("/{slug}/me/answer", response_model=Me, responses=problems(400, 401, 404, 409, 413, 422, 503))
async def answer(slug: KnownSlug, body: Answer, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """Accepts or declines; may be changed until the host withdraws. Connecting by WHIP accepts, too."""
    return public.me(await studio.answer(guest, body.answer == "accepted"), guest.invitation_id)


@router.post(
    "/{slug}/participants/me/mute", response_model=Me, responses=problems(400, 401, 404, 409, 413, 422, 503)
)
async def mute_me(slug: KnownSlug, body: Mute, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """Mutes or unmutes oneself. Unmuting also lifts a host's mute: only the speaker opens his microphone."""
    return public.me(await studio.mute_self(guest, body.muted), guest.invitation_id)


@router.post(
    "/{slug}/participants/{participant_id}/mute",
    response_model=RoomState,
    dependencies=_operator,
    responses=problems(400, 401, 404, 409, 413, 422, 503),
)
async def mute_participant(
    slug: KnownSlug, participant_id: str, body: Mute, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Mutes somebody, kept over reconnections. `muted: false` is refused (409): see above."""
    return room_state(studio, await studio.mute_other(slug, participant_id, body.muted), request)
