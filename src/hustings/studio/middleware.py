"""Around every request: a bound on bodies, security headers, CORS for WHIP and WHEP. Plain ASGI."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hustings.studio.problems import problem

MAX_BODY = 64 * 1024
"""Bytes. An offer of a browser has 2-10 kB, a request of the API far less."""
MAX_COVER = 8 * 1024 * 1024
"""... but a room's picture or hold music, which are taken only from whoever conducts the room."""
_COVER = re.compile(r"/api/rooms/[a-z0-9-]{1,64}/(?:cover|hold)")

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    # No other site's page gets hold of an answer as a picture, a script or a sound. What is asked for by CORS
    # (WHIP, WHEP) this does not touch (Fetch, section 3.7).
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer at the studio's door."""
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Location, ETag, Link, Retry-After, WWW-Authenticate, Accept-Post, Accept-Patch"
    ),
}
_OWN_SEAT = re.compile(r"/api/rooms/[^/]+/(?:me|me/consent|participants/me/mute)")
"""What a listener who was brought up needs at the audience's door, with a ticket and never with a cookie."""
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Hustings-Device, If-Match",
    "Access-Control-Max-Age": "86400",
}


class BodyLimit:
    """413 for more than MAX_BODY bytes (MAX_COVER of a picture), whether announced or not. Nothing more
    than that is read. 400 for a query that is none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not scope["query_string"].isascii():
            # Starlette decodes it as UTF-8 in some places, and fails.
            await problem(
                400, "No address", "Bytes above 127 after the ? have to be written with % (RFC 3986)."
            )(scope, receive, send)
            return
        picture = scope["method"] == "PUT" and _COVER.fullmatch(scope["path"]) is not None
        limit = MAX_COVER if picture else MAX_BODY
        announced = Headers(scope=scope).get("content-length", "0")
        # Bytes of a header are Latin-1, where other signs are digits, too, that int() does not take.
        if (
            not announced.isascii()
            or not announced.isdigit()
            or len(announced) > 18
            or int(announced) > limit
        ):
            await _too_large(limit)(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, f"At most {limit} bytes.")
            return message

        await self.app(scope, limited, send)


def _too_large(limit: int) -> ASGIApp:
    # Closing tells the client to stop sending; the unread rest is dropped with the connection.
    return problem(
        413,
        "The body is too large",
        f"At most {limit} bytes.",
        "body",
        headers={"Connection": "close", **SECURITY, **_CORS},
    )


class ResponseHeaders:
    """Security headers on everything; CORS where a bearer ticket protects (RFC 9725 section 4.7)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        media = path.startswith(("/whip/", "/whep/")) or _OWN_SEAT.fullmatch(path) is not None
        # Whoever asks for relays shows a ticket; a browser's question before a request never does.
        asks = path.startswith("/whip/") and path.count("/") == 2 and "authorization" in Headers(scope=scope)
        if media and scope["method"] == "OPTIONS" and not asks:
            await _preflight(path, scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**SECURITY, **(_CORS if media else {})}.items():
                    headers.setdefault(name, value)
                if not path.startswith("/static/") or message["status"] >= 400:
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


async def _preflight(path: str, scope: Scope, receive: Receive, send: Send) -> None:
    """An endpoint takes POST, a session PATCH and DELETE; Accept-Post says what (RFC 9725 section 4.2)."""
    from starlette.responses import Response

    api = path.startswith("/api/")
    session = not api and path.count("/") > 2
    methods = "PATCH, DELETE, OPTIONS" if session else "POST, OPTIONS"
    accepts = (
        {"Accept-Patch": "application/trickle-ice-sdpfrag"} if session else {"Accept-Post": "application/sdp"}
    )
    headers = {**SECURITY, **_CORS, **_PREFLIGHT, **({} if api else accepts)}
    headers |= {"Allow": methods, "Access-Control-Allow-Methods": methods}
    await Response(status_code=204, headers=headers)(scope, receive, send)
