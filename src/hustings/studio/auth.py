"""Who is asking: an operator's token or a ticket, as `Authorization: Bearer` (RFC 6750)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from hustings.errors import Refused
from hustings.ids import is_slug
from hustings.store.store import UnknownRoom
from hustings.studio.problems import Unauthorized
from hustings.studio.service import Guest, Studio

# Only for the OpenAPI document: what is wrong with a header is said here, not by FastAPI.
_operator_scheme = HTTPBearer(scheme_name="operator", description="`hustings token`", auto_error=False)
_ticket_scheme = HTTPBearer(scheme_name="ticket", description="The ticket of an invitation", auto_error=False)
_MAX_SECRET = 512


def bearer(header: str | None) -> str:
    """The token of an Authorization header; "" when there is none."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and len(token) <= _MAX_SECRET else ""


def get_studio(request: Request) -> Studio:
    studio = request.app.state.studio
    assert isinstance(studio, Studio)
    return studio


def known_slug(slug: str) -> str:
    """The path's slug. Raises UnknownRoom for what can be none."""
    if not is_slug(slug):
        raise UnknownRoom(slug)
    return slug


type TheStudio = Annotated[Studio, Depends(get_studio)]
type KnownSlug = Annotated[str, Depends(known_slug)]


async def operator(
    request: Request, studio: TheStudio, _scheme: Annotated[object, Depends(_operator_scheme)] = None
) -> None:
    """Raises Unauthorized unless the request carries an operator's token."""
    token = bearer(request.headers.get("authorization"))
    if not token:
        raise Unauthorized("A token is needed", "Send `Authorization: Bearer TOKEN` (see `hustings token`).")
    if not await studio.is_operator(token):
        raise Unauthorized("Unknown token", "Ask the operator for a good one (`hustings token`).")


async def guest(
    request: Request,
    slug: KnownSlug,
    studio: TheStudio,
    _scheme: Annotated[object, Depends(_ticket_scheme)] = None,
) -> Guest:
    """Raises Unauthorized unless the request carries a good ticket of this room."""
    ticket = bearer(request.headers.get("authorization"))
    if not ticket:
        raise Unauthorized("A ticket is needed", "Send `Authorization: Bearer TICKET` from your link.")
    return await studio.guest(slug, ticket)


def content_type(request: Request, wanted: str) -> None:
    """Raises Refused (415) unless the body is declared as `wanted`."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != wanted:
        raise Refused(415, "Another content type is needed", f"Send {wanted}.", where="header Content-Type")


type IsGuest = Annotated[Guest, Depends(guest)]
