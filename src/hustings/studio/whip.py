"""WHIP (RFC 9725) and WHEP: HTTP here, WebRTC on the stage.

A WHIP session belongs to the ticket that began it: PATCH and DELETE need the same one. A WHEP session
belongs to whoever knows its address.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from hustings.addresses import address_key
from hustings.bus.messages import SessionAnswer
from hustings.errors import Refused
from hustings.ids import new_id
from hustings.studio.answers import problems
from hustings.studio.auth import IsGuest, KnownSlug, TheStudio, content_type
from hustings.studio.devices import TheMarks
from hustings.studio.media import Coming
from hustings.studio.service import Studio
from hustings.turn import links

router = APIRouter()

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
_ETAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{0,128})"')

_CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "description": "The answer; Location is the session's address, ETag names its ICE session",
        "content": {SDP: {"schema": {"type": "string"}}},
    }
}
_OFFER = {"requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}}}
_TRICKLE = {"requestBody": {"required": True, "content": {FRAGMENT: {"schema": {"type": "string"}}}}}
_POST_PROBLEMS = problems(400, 401, 403, 404, 409, 413, 415, 422, 503)
_GONE = {204: {"description": "Taken"}, **problems(400, 401, 404, 410, 413, 415, 503)}


@router.post(
    "/whip/{slug}",
    status_code=201,
    response_class=Response,
    responses={**_CREATED, **_POST_PROBLEMS},
    openapi_extra=_OFFER,
)
async def whip_offer(
    slug: KnownSlug,
    request: Request,
    guest: IsGuest,
    marks: TheMarks,
    studio: TheStudio,
    when: Annotated[Literal["now", "connected"], Query()] = "now",
) -> Response:
    """Comes with a microphone: on the stage, or into the green room until a host admits him. A `sendrecv`
    offer also gets the others' voices back. A second session with the same ticket replaces the first;
    the seat and its mute state stay. With `when=connected` it replaces it once the connection stands, so
    that whoever only tries another way is heard on the one he has."""
    sdp = await _body(request, SDP)
    answer = await studio.speak(guest, Coming(sdp, when_connected=when == "connected"), marks)
    return _created(studio, "whip", slug, guest.participant_id, answer)


@router.options("/whip/{slug}", status_code=204, response_class=Response, include_in_schema=False)
async def whip_options(slug: KnownSlug, guest: IsGuest, studio: TheStudio) -> Response:
    """The relays, for whoever must name them to his browser before there is an offer; only with a ticket
    (RFC 9725 section 4.6)."""
    headers = {"Allow": "POST, OPTIONS", "Accept-Post": SDP, "Cache-Control": "no-store"}
    response = Response(status_code=204, headers=headers)
    _name_relays(studio, response)
    return response


@router.patch(
    "/whip/{slug}/{session}",
    status_code=204,
    response_class=Response,
    responses=_GONE,
    openapi_extra=_TRICKLE,
)
async def whip_trickle(
    slug: KnownSlug, session: str, request: Request, guest: IsGuest, studio: TheStudio
) -> Response:
    """More ICE candidates (RFC 9725 section 4.3.1)."""
    return await _trickle(studio, request, studio.ids.session("whip", slug, guest.participant_id, session))


@router.delete("/whip/{slug}/{session}", response_class=Response, responses=problems(401, 404, 503))
async def whip_delete(slug: KnownSlug, session: str, guest: IsGuest, studio: TheStudio) -> Response:
    """Leaves the stage; the seat stays."""
    await studio.media.hang_up(studio.ids.session("whip", slug, guest.participant_id, session))
    return Response(status_code=200)


@router.post(
    "/whep/{slug}",
    status_code=201,
    response_class=Response,
    responses={**_CREATED, **_POST_PROBLEMS},
    openapi_extra=_OFFER,
)
async def whep_offer(slug: KnownSlug, request: Request, studio: TheStudio) -> Response:
    """Listens to the program with the least delay. No ticket; few places (the audience door has many)."""
    studio.room(slug)
    sdp = await _body(request, SDP)
    return _created(studio, "whep", slug, "", await studio.media.listen(slug, sdp, *_visitor(request)))


@router.patch(
    "/whep/{slug}/{session}",
    status_code=204,
    response_class=Response,
    responses=_GONE,
    openapi_extra=_TRICKLE,
)
async def whep_trickle(slug: KnownSlug, session: str, request: Request, studio: TheStudio) -> Response:
    """More ICE candidates."""
    return await _trickle(studio, request, studio.ids.session("whep", slug, "", session))


@router.delete("/whep/{slug}/{session}", response_class=Response, responses=problems(404, 503))
async def whep_delete(slug: KnownSlug, session: str, studio: TheStudio) -> Response:
    """Ends listening."""
    await studio.media.hang_up(studio.ids.session("whep", slug, "", session))
    return Response(status_code=200)


def _visitor(request: Request) -> tuple[str, bytes]:
    """Address and browser, to count by."""
    address = address_key(request.client.host) if request.client is not None else ""
    return address, request.headers.get("user-agent", "").encode("latin-1", "replace")


def _created(studio: Studio, kind: str, slug: str, owner: str, answer: SessionAnswer) -> Response:
    name = studio.ids.name(kind, slug, owner, answer.session_id)
    etag = answer.etag.strip('"')
    headers = {"Location": f"/{kind}/{slug}/{name}", "ETag": f'"{etag}"', "Cache-Control": "no-store"}
    response = Response(answer.sdp, 201, headers, SDP)
    _name_relays(studio, response)
    return response


def _name_relays(studio: Studio, response: Response) -> None:
    """Link headers with a name and a password of their own (RFC 9725 section 4.6). They are not logged."""
    secret = studio.settings.turn_secret
    for link in links(studio.relays, secret, new_id(), studio.clock.wall()) if studio.relays else ():
        response.headers.append("Link", link)


async def _trickle(studio: Studio, request: Request, session_id: str) -> Response:
    etag = _if_match(request.headers.get("if-match"))
    fragment = await _body(request, FRAGMENT)
    await studio.media.trickle(session_id, fragment, etag)
    return Response(status_code=204)


def _if_match(header: str | None) -> str:
    """The entity tag, "*", or "" when the client named none (RFC 9725 section 4.3.1, RFC 9110 13.1.1)."""
    if header is None or header.strip() == "*":
        return (header or "").strip()
    match = _ETAG.fullmatch(header.strip())
    if match is None:
        raise Refused(400, "If-Match cannot be read", 'One entity tag in quotes, or "*".', "header If-Match")
    return match.group(1)


async def _body(request: Request, wanted: str) -> str:
    content_type(request, wanted)
    try:
        raw = await request.body()
    except ClientDisconnect:
        raise Refused(400, "The body is not whole", "The connection ended before it.", "body") from None
    if not raw.strip():
        raise Refused(400, "The body is empty", f"Send {wanted}.", where="body")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, "The body is no text", f"Byte {error.start} is not UTF-8.", "body") from error
