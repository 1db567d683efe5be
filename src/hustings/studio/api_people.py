"""Who is on the stage, waits for it or asks for it: what a host does about them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from hustings.errors import Refused
from hustings.rooms import commands as c
from hustings.rooms.model import Role
from hustings.studio.answers import RoomState, problems
from hustings.studio.api_state import room_state
from hustings.studio.auth import Actor, KnownSlug, TheStudio, conductor
from hustings.studio.schemas import ChangeRole, Mute, Remove, SetClock, TalkAside
from hustings.studio.service import Studio

router = APIRouter(prefix="/api/rooms/{slug}", dependencies=[Depends(conductor)])

_BODY = problems(400, 401, 403, 404, 409, 413, 422, 503)
_COMMAND = problems(401, 403, 404, 409, 503)


async def _done(studio: Studio, slug: str, command: c.Command, request: Request) -> dict[str, Any]:
    return room_state(studio, await studio.execute(slug, command), request)


@router.post("/participants/me/aside", response_model=RoomState, responses=_BODY)
async def talk_aside(
    slug: KnownSlug,
    body: TalkAside,
    request: Request,
    studio: TheStudio,
    actor: Annotated[Actor, Depends(conductor)],
) -> dict[str, Any]:
    """Talks off air with somebody in the green room: neither is heard on the stage meanwhile. For hosts
    with a seat."""
    if actor.guest is None:
        raise Refused(403, "Only from a seat", "Come on the stage first; a token has no voice.")
    command = c.TalkAside(actor.guest.participant_id, body.guest_id, studio.clock.wall())
    return await _done(studio, slug, command, request)


@router.post("/participants/{participant_id}/mute", response_model=RoomState, responses=_BODY)
async def mute(
    slug: KnownSlug, participant_id: str, body: Mute, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Mutes somebody, kept over reconnections. `muted: false` is refused (409): nobody opens another's
    microphone."""
    return await _done(studio, slug, c.MuteOther(participant_id, body.muted, studio.clock.wall()), request)


@router.post("/participants/{participant_id}/admit", response_model=RoomState, responses=_COMMAND)
async def admit(slug: KnownSlug, participant_id: str, request: Request, studio: TheStudio) -> dict[str, Any]:
    """From the green room on the stage."""
    command = c.Admit(participant_id, studio.clock.wall(), voices=studio.settings.voices)
    return await _done(studio, slug, command, request)


@router.post("/participants/{participant_id}/send-back", response_model=RoomState, responses=_COMMAND)
async def send_back(
    slug: KnownSlug, participant_id: str, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Off the stage into the green room; a listener who was brought up goes back to listening."""
    return await _done(studio, slug, c.SendBack(participant_id, studio.clock.wall()), request)


@router.post("/participants/{participant_id}/remove", response_model=RoomState, responses=_BODY)
async def remove(
    slug: KnownSlug, participant_id: str, body: Remove, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Off the stage for good. A ban also holds against a new link, a raised hand and a question."""
    return room_state(studio, await studio.remove(slug, participant_id, body.ban), request)


@router.post("/participants/{participant_id}/role", response_model=RoomState, responses=_BODY)
async def change_role(
    slug: KnownSlug, participant_id: str, body: ChangeRole, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Makes a speaker cohost, or a cohost speaker."""
    command = c.ChangeRole(participant_id, Role(body.role), studio.clock.wall())
    return await _done(studio, slug, command, request)


@router.post("/participants/{participant_id}/hand-over", response_model=RoomState, responses=_COMMAND)
async def hand_over(
    slug: KnownSlug, participant_id: str, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Makes somebody on the stage the host; the host before becomes cohost."""
    return await _done(studio, slug, c.HandOver(participant_id, studio.clock.wall()), request)


@router.post("/participants/{participant_id}/clock", response_model=RoomState, responses=_BODY)
async def set_clock(
    slug: KnownSlug, participant_id: str, body: SetClock, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """A speaking clock from now; pages warn gently, nobody is cut off. 0 takes it away."""
    command = c.SetClock(participant_id, body.seconds, studio.clock.wall())
    return await _done(studio, slug, command, request)


@router.post("/requests/{request_id}/bring-up", response_model=RoomState, responses=_COMMAND)
async def bring_up(slug: KnownSlug, request_id: str, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Calls a listener who raised a hand on the stage; three minutes to come."""
    return room_state(studio, await studio.bring_up(slug, request_id), request)


@router.post("/requests/{request_id}/lower", response_model=RoomState, responses=_COMMAND)
async def lower(slug: KnownSlug, request_id: str, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Takes a raised hand, or a call, back."""
    return room_state(studio, await studio.lower_hand(slug, request_id), request)


@router.post("/bans/{participant_id}/lift", response_model=RoomState, responses=_COMMAND)
async def lift_ban(
    slug: KnownSlug, participant_id: str, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """The banned may be invited again and raise a hand."""
    return await _done(studio, slug, c.LiftBan(participant_id, studio.clock.wall()), request)
