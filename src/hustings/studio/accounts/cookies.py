"""The session's cookie, and what a session is called."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from hustings.studio.accounts.csrf import COOKIE, HOST_COOKIE

_KEPT = 400 * 86400
"""Seconds the browser keeps it, the most it may (RFC 6265bis); how long it is good, the studio decides."""
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("HeadlessChrome", "Chromium"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def page_origin(request: Request, studio_url: str) -> str:
    """Origin of the page that asks. The middleware has refused foreign ones; programs may name none."""
    origin = request.headers.get("origin")
    if origin is None:
        return str(request.base_url).rstrip("/") if not studio_url else studio_url.rstrip("/")
    return origin


def give(response: Response, secret: str, origin: str) -> None:
    """`origin`: of the page; a browser sends it over TLS only when the page came so."""
    tls = origin.startswith("https:")
    response.set_cookie(
        HOST_COOKIE if tls else COOKIE,
        secret,
        max_age=_KEPT,
        path="/",
        secure=tls,
        httponly=True,
        samesite="strict",
    )


def take_back(response: Response, origin: str) -> None:
    tls = origin.startswith("https:")
    response.delete_cookie(
        HOST_COOKIE if tls else COOKIE, path="/", secure=tls, httponly=True, samesite="strict"
    )


def browser_name(user_agent: str) -> str:
    """ "Firefox/Linux": enough to know one's own sessions again; "" for what is no browser."""
    agent = user_agent[:512]
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser}/{system}" if browser else ""
