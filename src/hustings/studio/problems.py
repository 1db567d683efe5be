"""Every error as application/problem+json (RFC 9457): what is wrong and where."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hustings.errors import Refused, Unavailable
from hustings.rooms.errors import (
    DoorsClosed,
    IllegalCommand,
    OnlyYourself,
    PersonBanned,
    RoomError,
    StageLocked,
    TooMany,
    UnknownMember,
    WrongPlace,
)
from hustings.store.store import LinkUsed, SlugTaken, UnknownLink, UnknownRoom
from hustings.studio.text import utc

log = structlog.get_logger()

RETRY_AFTER = "2"
"""Seconds until another try, when a role or the database did not answer."""
_MAX_PROBLEMS = 20

_TITLES = {
    404: "There is nothing here",
    405: "This address does not take that method",
    413: "The body is too large",
}


class Unauthorized(Refused):
    """No token or ticket, or an unknown one: 401 with a challenge (RFC 6750 section 3). `state`: what became
    of the invitation."""

    def __init__(self, title: str, detail: str, *, state: str = "") -> None:
        super().__init__(401, title, detail, where="header Authorization")
        self.state = state


class Forbidden(Refused):
    """Known, but not allowed: 403. `scope`: what a token would have to have (RFC 6750 section 3.1)."""

    def __init__(self, title: str, detail: str, *, scope: str = "") -> None:
        super().__init__(403, title, detail)
        self.scope = scope


class ProofNeeded(Forbidden):
    """The session is good, but older than this takes: 403, with the challenge of RFC 9470 section 3.
    `within`: seconds a session may be old."""

    def __init__(self, within: float) -> None:
        super().__init__(
            "Prove again that it is you",
            "This takes a session that has just begun: send your passkey or password to"
            " /api/sessions/current, then try again.",
        )
        self.within = within


class Limited(Refused):
    """Too often: 429. `retry_after`: seconds until the next try may pass."""

    def __init__(self, title: str, detail: str, retry_after: float) -> None:
        super().__init__(429, title, detail)
        self.retry_after = retry_after


def problem(
    status: int,
    title: str,
    detail: str = "",
    where: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """A problem document; `more` are extension members (RFC 9457 section 3.2)."""
    body = {**Refused(status, title, detail, where).problem(), **more}
    # ensure_ascii: a lone surrogate someone sent must not break the answer that names it.
    content = json.dumps(body).encode("ascii")
    return Response(content, status, dict(headers or {}), "application/problem+json")


def from_refused(error: Refused) -> Response:
    """401 and 403 carry a challenge, 429 and 503 say when to come back."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="hustings"'
    if isinstance(error, Forbidden) and error.scope:
        headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
    if isinstance(error, ProofNeeded):
        headers["WWW-Authenticate"] = (
            f'Bearer error="insufficient_user_authentication", max_age="{error.within:.0f}"'
        )
    if error.status in (429, 503):
        headers["Retry-After"] = RETRY_AFTER
    if isinstance(error, Limited):
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if isinstance(error, Unauthorized) and error.state:
        return problem(401, error.title, error.detail, error.where, headers=headers, state=error.state)
    return problem(error.status, error.title, error.detail, error.where, headers=headers)


def from_unavailable(error: Unavailable) -> Response:
    """503; the log has the cause."""
    log.warning("unavailable", cause=str(error))
    return problem(
        503,
        "Not available right now",
        "A part of the server did not answer; try again in a moment.",
        headers={"Retry-After": RETRY_AFTER},
    )


def from_room_error(error: RoomError) -> Response:
    """A command the room refuses: 409 with the state, 404 for whom it does not know."""
    match error:
        case DoorsClosed():
            when = f"Doors open at {utc(error.scheduled_at)}." if error.scheduled_at else "Doors are closed."
            if error.state.value == "ended":
                when = "The broadcast has ended; doors are closed."
            return problem(
                409, "Doors are closed", when, state=error.state.value, headers={"Retry-After": "5"}
            )
        case IllegalCommand():
            return problem(409, "Not possible now", str(error), state=error.state.value)
        case UnknownMember():
            return problem(404, f"No such {error.kind}", str(error), where="path")
        case OnlyYourself():
            return problem(409, "Only the speaker can unmute", str(error), where="body: muted")
        case StageLocked():
            wait = {"Retry-After": "5"}
            return problem(409, "The stage is locked", str(error), state="locked", headers=wait)
        case PersonBanned():
            return problem(403, "You were removed from this room", str(error))
        case WrongPlace():
            return problem(422, "Nothing to correct there", str(error), where="body")
        case TooMany():
            return problem(409, "The room is full", str(error), limit=error.limit)
        case _:
            return problem(409, "Not possible now", str(error))


def from_http(error: HTTPException) -> Response:
    """What the framework refuses: unknown addresses, methods, sizes."""
    title = _TITLES.get(error.status_code, str(error.detail))
    detail = "" if title == str(error.detail) else str(error.detail)
    return problem(error.status_code, title, detail, headers=error.headers)


def _from_validation(error: RequestValidationError) -> Response:
    """422 with every fault and its place (the first one also as `where`)."""
    faults = [
        {"where": _place(fault["loc"]), "detail": str(fault["msg"])}
        for fault in error.errors()[:_MAX_PROBLEMS]
    ]
    first = faults[0] if faults else {"where": "body", "detail": "not valid"}
    return problem(422, "Not valid", first["detail"], first["where"], errors=faults)


def _place(location: tuple[int | str, ...]) -> str:
    """("body", "title") -> "body: title"."""
    first, *rest = [str(part) for part in location] or ["body"]
    return f"{first}: {'.'.join(rest)[:200]}" if rest else first


def install(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Registers a handler for every kind of error, including what nobody expected (see also pages).
    `headers`: those every answer has."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> Response:
        return from_refused(error)

    @app.exception_handler(Unavailable)
    async def unavailable(_request: Request, error: Unavailable) -> Response:
        return from_unavailable(error)

    @app.exception_handler(RoomError)
    async def room_error(_request: Request, error: RoomError) -> Response:
        return from_room_error(error)

    @app.exception_handler(UnknownRoom)
    async def unknown_room(_request: Request, error: UnknownRoom) -> Response:
        return problem(404, "No such room", str(error), where="path: slug")

    @app.exception_handler(SlugTaken)
    async def slug_taken(_request: Request, error: SlugTaken) -> Response:
        return problem(409, "The slug is taken", str(error), where="body: slug")

    @app.exception_handler(UnknownLink)
    async def unknown_link(_request: Request, error: UnknownLink) -> Response:
        return problem(404, "Unknown link", str(error), where="body: link")

    @app.exception_handler(LinkUsed)
    async def link_used(_request: Request, error: LinkUsed) -> Response:
        return problem(409, "This link has been used", str(error), where="body: link")

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return _from_validation(error)

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        # This one is answered outside of all middleware, which puts the headers on everything else.
        return problem(500, "Internal error", "The server's log has the cause.", headers=headers)
