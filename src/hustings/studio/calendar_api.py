"""A room's appointment and addresses for other programs: calendar files and QR codes, made by `outreach`.

Listeners get theirs from the edges (`room_files` publishes them beside the room's page); the invited and the
hosts theirs from here. No file holds a ticket or a link with one, only the room's page for everybody.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from hustings.errors import Refused
from hustings.outreach import calendar, qr
from hustings.rooms.model import Invitation, Room
from hustings.rooms.table import InvitationState, RoomStatus
from hustings.studio.answers import problems
from hustings.studio.api_state import request_base
from hustings.studio.auth import IsGuest, KnownSlug, TheStudio, conductor
from hustings.studio.context import Lang
from hustings.studio.i18n import choose_language
from hustings.studio.renderer import Renderer
from hustings.studio.schemas import Body
from hustings.studio.service import Studio

router = APIRouter(prefix="/api/rooms/{slug}")

CALENDAR = "text/calendar; charset=utf-8"
SVG = "image/svg+xml"

_ANSWERS: dict[InvitationState, calendar.Answer] = {
    InvitationState.ACCEPTED: "ACCEPTED",
    InvitationState.DECLINED: "DECLINED",
}


def appointment(room: Room, page: str, made_at: float) -> calendar.Appointment | None:
    """The room on its date; None while it has none."""
    details = room.details
    if details.scheduled_at is None:
        return None
    minutes = sum(topic.minutes or 0 for topic in details.topics)
    return calendar.Appointment(
        uid=calendar.room_uid(room.slug, room.created_at),
        sequence=room.revision,
        title=details.title,
        description=details.description,
        page=page,
        starts_at=details.scheduled_at,
        made_at=made_at,
        time_zone=details.time_zone,
        weekly=details.weekly,
        minutes=minutes or calendar.DEFAULT_MINUTES,
        language=details.language,
        cancelled=room.status is RoomStatus.CANCELLED,
    )


def _own_calendar(studio: Studio, request: Request, slug: str, invitation: Invitation) -> Response:
    room = studio.room(slug)
    dated = appointment(room, studio.urls.room(slug, request_base(request)), studio.clock.wall())
    if dated is None:
        raise Refused(404, "There is no date yet", "The room begins when the host is ready.", where="path")
    renderer = request.app.state.renderer
    assert isinstance(renderer, Renderer)
    invited = calendar.Invited(
        uid=calendar.guest_uid(dated.uid, invitation.participant_id),
        name=invitation.name,
        answer=_ANSWERS.get(invitation.state, "NEEDS-ACTION"),
        note=renderer.text(_language(request), f"desk.calendar_note.{invitation.role.value}"),
    )
    return Response(
        calendar.invitation_calendar(dated, invited),
        media_type=CALENDAR,
        headers={"Content-Disposition": f'attachment; filename="{slug}.ics"'},
    )


def _language(request: Request) -> Lang:
    return choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))


type _Lang = Annotated[str, Query(max_length=8, description="`de` or `en`; else by Accept-Language.")]
_CALENDAR_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "iCalendar (RFC 5545)", "content": {"text/calendar": {"schema": {"type": "string"}}}}
}


@router.get(
    "/me/calendar.ics", response_class=Response, responses=problems(401, 404, 422, 503) | _CALENDAR_ANSWER
)
async def my_calendar(
    slug: KnownSlug, guest: IsGuest, studio: TheStudio, request: Request, lang: _Lang = ""
) -> Response:
    """The invited's own appointment: REQUEST, or CANCEL once the room is cancelled. Holds no ticket."""
    del lang  # for the document; read from the request, with Accept-Language
    return _own_calendar(studio, request, slug, studio.room(slug).invitations[guest.invitation_id])


@router.get(
    "/invitations/{invitation_id}/calendar.ics",
    response_class=Response,
    dependencies=[Depends(conductor)],
    responses=problems(401, 403, 404, 422, 503) | _CALENDAR_ANSWER,
)
async def invitation_calendar(
    slug: KnownSlug, invitation_id: str, studio: TheStudio, request: Request, lang: _Lang = ""
) -> Response:
    """The same file for a host, to send along with the link."""
    del lang
    invitation = studio.room(slug).invitations.get(invitation_id)
    if invitation is None:
        raise Refused(404, "No such invitation", where="path: invitation_id")
    return _own_calendar(studio, request, slug, invitation)


class Draw(Body):
    """A link of this room: to its page, or of an invitation."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "https://studio.example.org/s/town-hall#l_SECRET"}]}
    )
    text: Annotated[str, Field(min_length=1, max_length=qr.MAX_TEXT)]


@router.post(
    "/qr",
    response_class=Response,
    dependencies=[Depends(conductor)],
    responses=problems(400, 401, 403, 404, 413, 422, 503)
    | {200: {"description": "A QR code", "content": {SVG: {"schema": {"type": "string"}}}}},
)
async def draw(slug: KnownSlug, body: Draw, studio: TheStudio, request: Request) -> Response:
    """Draws a link of this room. An invitation's secret is kept nowhere, so whoever just got it sends it
    here; other addresses are refused, so that nobody's QR codes come from this server."""
    room, base = studio.room(slug), request_base(request)
    own = body.text == studio.urls.room(slug, base)
    if not own and not body.text.startswith(studio.urls.invitation(slug, "", base)):
        raise Refused(
            422, "No link of this room", "Only this room's own links are drawn.", where="body: text"
        )
    return Response(qr.svg(body.text, room.title), media_type=SVG)
