"""A session's cookie counts only for requests our own pages make. Plain ASGI, around every route.

Whoever reads the cookie (`cookie_counts`) asks what this has found, so no route can forget it: without
this middleware no cookie is ever accepted.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from prometheus_client import Counter
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from hustings.studio.problems import problem

COOKIE = "hustings_session"
HOST_COOKIE = f"__Host-{COOKIE}"
"""Over https: a browser takes it from this very host over TLS only, so that neither a neighbouring name nor
somebody on the line can plant one (RFC 6265bis section 4.1.3.2)."""
HEADER = "Hustings-CSRF"
"""`1` says for a client that sends no Origin that it is no foreign page: those cannot set it."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FLAG = "hustings.cookie_counts"
_TLS = "hustings.over_tls"
_GUARDED = "/api/"

_refused = Counter("hustings_studio_cross_site_total", "Requests of foreign pages that were refused.")


def cookie_counts(connection: HTTPConnection) -> bool:
    """Whether a session's cookie may be believed in this request."""
    return connection.scope.get(_FLAG) is True


def session_secret(connection: HTTPConnection) -> str:
    """The session's cookie, where it may be believed; else ""."""
    if not cookie_counts(connection):
        return ""
    cookies = connection.cookies
    return cookies.get(HOST_COOKIE, "") or ("" if connection.scope.get(_TLS) else cookies.get(COOKIE, ""))


class SameSite:
    """Refuses (403) what another site's page sends with the reader's browser; `studio_url`: our public
    address, for proxies that hide the host that was asked for."""

    def __init__(self, app: ASGIApp, studio_url: str) -> None:
        self.app = app
        self._own = studio_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        ours = self._is_ours(scope, headers)
        safe = scope["type"] == "http" and scope["method"] in SAFE
        # A bearer's secret is set by a script that has it, never by a browser on its own.
        bearer = "authorization" in headers
        if not ours and not safe and not bearer and scope["type"] == "http" and self._guarded(scope):
            _refused.inc()
            answer = problem(403, "From another site", _WHY, where="header Origin")
            await answer(scope, receive, send)
            return
        scope[_FLAG] = not bearer and (safe or ours)
        scope[_TLS] = scope["scheme"] in ("https", "wss") or self._own.startswith("https:")
        await self.app(scope, receive, send)

    def _guarded(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.startswith(_GUARDED)

    def _is_ours(self, scope: Scope, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return is_own_origin(origin, headers.get("host", ""), scope["scheme"], self._own)
        if scope["type"] == "websocket":
            return False  # browsers always name it there
        # Not a browser's page, or an old one: with a cookie it must have been able to set a header.
        return f"{COOKIE}=" not in headers.get("cookie", "") or headers.get(HEADER) == "1"


_WHY = f"A session works from this server's own pages only. A client without Origin sends {HEADER}: 1."


def is_own_origin(origin: str, host: str, scheme: str, own: str) -> bool:
    """Whether a page at `origin` is one of ours: at the host the request asked for, or at `own`.

    `scheme`: of the request as it reached us. A proxy may have taken TLS away, but never added it, so a
    page without TLS is foreign to a server with it.
    """
    if own and origin == own:
        return True
    try:
        asked = urlsplit(origin)
    except ValueError:
        return False  # what no browser sends: brackets around what is no IPv6 address
    if not asked.netloc or asked.netloc != host or asked.scheme not in ("http", "https"):
        return False
    with_tls = scheme in ("https", "wss") or own == f"https://{host}"
    return asked.scheme == "https" or not with_tls
