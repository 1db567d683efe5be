"""Pages for people: what the studio rendered, and the few the edge has to say itself.

The studio's bytes are served as they are; the edge chooses the language and adds the headers.
"""

from __future__ import annotations

import html
import random

from hustings.bus.messages import RoomPublic
from hustings.edge.http import ANY_ORIGIN, Headers, Reply, Request, Resource, language, make_reply

SECURITY: Headers = (
    (
        "Content-Security-Policy",
        "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
_PAGE_CACHE: Headers = (("Cache-Control", "public, max-age=5"), ("Vary", "Accept-Language, Accept-Encoding"))
_STATE_CACHE: Headers = (("Cache-Control", "public, max-age=1"),)

_TEXT = {
    "no_room": {
        "en": (
            "No such room",
            "There is no room at this address. Perhaps it has moved, or a letter is wrong.",
        ),
        "de": (
            "Diesen Raum gibt es nicht",
            "Unter dieser Adresse gibt es keinen Raum. Ist er umgezogen, oder stimmt ein Buchstabe nicht?",
        ),
    },
    "no_page": {
        "en": ("Nothing here", "There is nothing at this address."),
        "de": ("Hier ist nichts", "Unter dieser Adresse gibt es nichts."),
    },
    "full": {
        "en": (
            "One moment",
            "Many people want to listen right now. This page tries again by itself.",
        ),
        "de": (
            "Einen Augenblick",
            "Gerade wollen viele zuhören. Diese Seite versucht es von selbst noch einmal.",
        ),
    },
}
_HOME = {"en": "All rooms", "de": "Alle Räume"}


def page_language(request: Request) -> str:
    """ "de" or "en" for this request."""
    asked = request.parameters().get("lang", "") if b"lang=" in request.query else ""
    return language(asked, request.headers.get(b"accept-language", b""))


def own_page(key: str, lang: str, *, refresh: int = 0) -> bytes:
    """One of the edge's own pages; `refresh` seconds make it load itself again, without a script."""
    title, text = (html.escape(part) for part in _TEXT[key][lang])
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        f'<title>{title} · Hustings</title><link rel="stylesheet" href="/static/css/hustings.css"></head>'
        f'<body><div class="page"><main><div class="notice"><h1>{title}</h1><p class="lead">{text}</p>'
        f'<p class="actions"><a class="button main" href="/?lang={lang}">{_HOME[lang]}</a></p>'
        "</div></main></div></body></html>\n"
    ).encode()


def own_reply(
    status: int, key: str, request: Request, headers: Headers = (), *, close: bool = False
) -> Reply:
    """One of the edge's own pages as a reply; 429 and 503 try again by themselves, with jitter."""
    lang = page_language(request)
    refresh = random.randint(4, 15) if status in (429, 503) else 0  # noqa: S311 (jitter, no secret)
    again: Headers = (("Retry-After", str(refresh)),) if refresh else ()
    fixed: Headers = (("Cache-Control", "no-store"), ("Vary", "Accept-Language"), ("Content-Language", lang))
    return make_reply(
        status,
        "text/html; charset=utf-8",
        own_page(key, lang, refresh=refresh),
        (*fixed, *SECURITY, *again, *headers),
        close=close,
    )


class RoomPages:
    """One version of a room's pages, ready to serve."""

    def __init__(self, room: RoomPublic) -> None:
        self._pages: dict[str, Resource] = {}
        self.state: Resource | None = None
        for key, page in room.pages.items():
            if key.startswith("page."):
                lang = key.removeprefix("page.")
                headers = (*_PAGE_CACHE, ("Content-Language", lang), *SECURITY)
                self._pages[lang] = Resource(page.content_type, page.body, headers, compress=True)
            elif key == "state.json":
                headers = (*_STATE_CACHE, *ANY_ORIGIN)
                self.state = Resource(page.content_type, page.body, headers, compress=True)

    def page(self, request: Request) -> Reply | None:
        """The room's page in the visitor's language, else in any there is."""
        lang = page_language(request)
        page = self._pages.get(lang) or self._pages.get("en") or next(iter(self._pages.values()), None)
        return page.reply(request) if page else None
