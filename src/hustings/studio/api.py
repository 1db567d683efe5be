"""Rooms in the JSON API under /api. docs/api.md describes it; /api/openapi.json is made from here.

People are in `api_people`, the invited themselves in `api_guest`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from hustings.ids import new_id
from hustings.rooms import commands as c
from hustings.rooms.model import Details, Link, Role, Room, Topic
from hustings.studio import desk, holds
from hustings.studio.answers import InvitationMade, LinkMade, OwnSeat, RoomList, RoomState, problems
from hustings.studio.api_state import request_base, room_state
from hustings.studio.auth import Actor, KnownSlug, TheStudio, conductor, member
from hustings.studio.hold_names import LOOP
from hustings.studio.schemas import (
    BeginTopic,
    EditRoom,
    Lock,
    NewInvitation,
    NewRoom,
    OffRecord,
    RoomFields,
    ScheduleRoom,
)
from hustings.studio.service import merged

router = APIRouter(prefix="/api/rooms")
PAGE = 100
"""Rooms in one answer, at most."""

_conducts = [Depends(conductor)]
_BODY_PROBLEMS = problems(400, 401, 403, 404, 409, 413, 422, 503)
_COMMAND_PROBLEMS = problems(401, 403, 404, 409, 503)


@router.post("", status_code=201, response_model=RoomState, responses=_BODY_PROBLEMS)
async def create_room(
    body: NewRoom, request: Request, studio: TheStudio, actor: Annotated[Actor, Depends(member)]
) -> dict[str, Any]:
    """Creates a room. It is a durable place: broadcast after broadcast happens in it."""
    details = Details(
        title=body.title,
        scheduled_at=body.at.timestamp() if body.at is not None else None,
        time_zone=body.time_zone or "UTC",
        weekly=bool(body.weekly) and body.at is not None,
    )
    room = await studio.create_room(_edited(details, body), body.slug or "", actor.account_id)
    return room_state(studio, room, request)


@router.get("", response_model=RoomList, responses=problems(401, 422, 503))
async def list_rooms(
    request: Request,
    studio: TheStudio,
    actor: Annotated[Actor, Depends(member)],
    after: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
) -> dict[str, Any]:
    """The rooms one may conduct, in order of their slugs, 100 at a time."""
    rooms = sorted(
        (r for r in studio.board.rooms() if r.slug > after and actor.may_conduct(r)), key=lambda r: r.slug
    )
    page = rooms[:PAGE]
    following = page[-1].slug if len(rooms) > PAGE else ""
    return {"rooms": [room_state(studio, room, request) for room in page], "next": following}


@router.get(
    "/{slug}", response_model=RoomState, dependencies=_conducts, responses=problems(401, 403, 404, 503)
)
async def get_room(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """One room, as it is now, with `host`: who waits, raised hands, connections, what is to be decided."""
    room = studio.room(slug)
    host = desk.host_state(room, studio.board, studio.clock.monotonic())
    return {**room_state(studio, room, request), "host": host}


@router.patch("/{slug}", response_model=RoomState, dependencies=_conducts, responses=_BODY_PROBLEMS)
async def edit_room(slug: KnownSlug, body: EditRoom, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Changes what a host writes about the room; what is absent stays."""
    held = studio.room(slug).details.hold
    room = await studio.edit(slug, lambda details: _edited(merged(details, title=body.title), body))
    if room.details.hold != held:
        await holds.forget_unused(studio, request.app.state.holds, held)
    return room_state(studio, room, request)


def _edited(details: Details, fields: RoomFields) -> Details:
    """`details` with what `fields` names changed."""
    topics = links = None
    if fields.topics is not None:
        # A topic keeps its identifier only if the room had it: one may not be made up twice.
        free = {topic.id for topic in details.topics}
        topics = tuple(
            Topic(_taken(topic.id, free) or new_id(), topic.title, topic.minutes) for topic in fields.topics
        )
    if fields.links is not None:
        links = tuple(Link(link.label, link.url) for link in fields.links)
    details = merged(
        details,
        description=fields.description,
        language=fields.language,
        topics=topics,
        links=links,
        green_room=fields.green_room,
        hands=fields.hands,
        questions=fields.questions,
        moderated=fields.moderated,
        equal_time=fields.equal_time,
        queue_by_talk=fields.queue_by_talk,
        recording=fields.recording,
        turn_seconds=fields.turn_seconds,
        keep_days=fields.keep_days,
        opens_itself=fields.opens_itself,
        doors_minutes=fields.doors_minutes,
        starts_itself=fields.starts_itself,
        figures=fields.figures,
        hold=None if fields.hold is None else LOOP if fields.hold == "loop" else "",
    )
    return replace(details, turn_seconds=details.turn_seconds or None, keep_days=details.keep_days or None)


def _taken(topic_id: str | None, free: set[str]) -> str | None:
    if topic_id is None or topic_id not in free:
        return None
    free.discard(topic_id)
    return topic_id


@router.post("/{slug}/schedule", response_model=RoomState, dependencies=_conducts, responses=_BODY_PROBLEMS)
async def schedule_room(
    slug: KnownSlug, body: ScheduleRoom, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Another time, or the next one of an ended room. A cancelled room takes place again. 409 while it
    is on."""
    at = body.at.timestamp() if body.at is not None else None
    command = c.Schedule(at, body.time_zone, body.weekly, studio.clock.wall())
    return room_state(studio, await studio.execute(slug, command), request)


@router.post("/{slug}/cancel", response_model=RoomState, dependencies=_conducts, responses=_COMMAND_PROBLEMS)
async def cancel_room(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """It will not take place; the page says so. `schedule` brings it back."""
    return room_state(studio, await studio.execute(slug, c.Cancel(studio.clock.wall())), request)


@router.post("/{slug}/open", response_model=RoomState, dependencies=_conducts, responses=_COMMAND_PROBLEMS)
async def open_doors(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Doors open: the invited connect and hear each other; nothing goes out. In an ended room this
    begins the next broadcast. Repeating it changes nothing."""
    return room_state(studio, *_swap(request, await studio.open_doors(slug)))


@router.post("/{slug}/start", response_model=RoomState, dependencies=_conducts, responses=_COMMAND_PROBLEMS)
async def start(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Live: the program goes out. 409 while doors are closed. Repeating it changes nothing."""
    return room_state(studio, *_swap(request, await studio.go_live(slug)))


@router.post("/{slug}/stop", response_model=RoomState, dependencies=_conducts, responses=_COMMAND_PROBLEMS)
async def stop(slug: KnownSlug, request: Request, studio: TheStudio) -> dict[str, Any]:
    """The broadcast ends; the room stays and can be opened again. Repeating it changes nothing."""
    return room_state(studio, *_swap(request, await studio.stop(slug)))


def _swap(request: Request, done: tuple[Room, bool]) -> tuple[Room, Request, bool]:
    return done[0], request, done[1]


@router.post("/{slug}/lock", response_model=RoomState, dependencies=_conducts, responses=_BODY_PROBLEMS)
async def lock(slug: KnownSlug, body: Lock, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Locks the stage: whoever is on it stays, nobody else comes."""
    command = c.Lock(body.locked, studio.clock.wall())
    return room_state(studio, await studio.execute(slug, command), request)


@router.post("/{slug}/topic", response_model=RoomState, dependencies=_conducts, responses=_BODY_PROBLEMS)
async def begin_topic(
    slug: KnownSlug, body: BeginTopic, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """The agenda goes on to this topic; while live that is a chapter mark."""
    command = c.BeginTopic(body.topic_id, studio.clock.wall())
    return room_state(studio, await studio.execute(slug, command), request)


@router.post("/{slug}/off-record", response_model=RoomState, dependencies=_conducts, responses=_BODY_PROBLEMS)
async def off_record(slug: KnownSlug, body: OffRecord, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Off the record, or back on it: meanwhile tracks and program recording hold silence; the live sound
    goes on. 409 while the room is not on. `stage` says whether the stage has it."""
    return room_state(studio, *_swap(request, await studio.off_record(slug, body.off)))


@router.post(
    "/{slug}/invitations",
    status_code=201,
    response_model=InvitationMade,
    dependencies=_conducts,
    responses=_BODY_PROBLEMS,
)
async def invite(slug: KnownSlug, body: NewInvitation, request: Request, studio: TheStudio) -> dict[str, Any]:
    """Offers a seat. The link works once, for a browser; the ticket lets its bearer on the stage at once.
    Both are shown this once: send the link privately."""
    expires_at = body.expires_at.timestamp() if body.expires_at is not None else None
    room, offer = await studio.invite(slug, body.name, Role(body.role), body.public, expires_at)
    invitation = room.invitations[offer.invitation_id]
    return {
        "id": invitation.id,
        "participant_id": invitation.participant_id,
        "name": invitation.name,
        "role": invitation.role.value,
        "public": invitation.public,
        "state": invitation.state.value,
        "link": studio.urls.invitation(slug, offer.link, request_base(request)),
        "ticket": offer.ticket,
    }


@router.post(
    "/{slug}/invitations/{invitation_id}/withdraw",
    response_model=RoomState,
    dependencies=_conducts,
    responses=_COMMAND_PROBLEMS,
)
async def withdraw(
    slug: KnownSlug, invitation_id: str, request: Request, studio: TheStudio
) -> dict[str, Any]:
    """Takes the offer back; whoever sits there leaves, and link and ticket no longer hold."""
    command = c.WithdrawInvitation(invitation_id, studio.clock.wall())
    return room_state(studio, await studio.execute(slug, command), request)


@router.post(
    "/{slug}/invitations/{invitation_id}/link",
    response_model=LinkMade,
    dependencies=_conducts,
    responses=_COMMAND_PROBLEMS,
)
async def new_link(
    slug: KnownSlug, invitation_id: str, request: Request, studio: TheStudio
) -> dict[str, str]:
    """A new link, for somebody who lost the first or opened it elsewhere. The old one no longer works."""
    link = await studio.renew_link(slug, invitation_id)
    return {"link": studio.urls.invitation(slug, link, request_base(request))}


@router.post("/{slug}/host-seat", response_model=OwnSeat, responses=_COMMAND_PROBLEMS)
async def host_seat(
    slug: KnownSlug, request: Request, studio: TheStudio, actor: Annotated[Actor, Depends(conductor)]
) -> dict[str, str]:
    """The seat of a logged-in host, made at the first call. 403 for tokens and tickets: they have none."""
    ticket = await studio.own_seat(slug, *actor.own_seat())
    return {"link": studio.urls.invitation(slug, ticket, request_base(request)), "ticket": ticket}
