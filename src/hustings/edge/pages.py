"""Pages for people: what the studio rendered, and the few the edge has to say itself.

The studio's bytes are served as they are; the edge chooses the language and adds the headers.
"""

from __future__ import annotations

import html
import random
import re
from typing import Final

import msgspec

from hustings.archive.about import OfRoom
from hustings.archive.said import OfBroadcasts, SaidOf
from hustings.bus.messages import UNDECODABLE, Page, RoomPublic
from hustings.edge.http import ANY_ORIGIN, Headers, Reply, Request, Resource, language, make_reply, problem

_POLICY = (
    "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; connect-src 'self'{studio}; "
    "frame-ancestors {ancestors}"
)


def security(*, studio: str = "", embeddable: bool = False) -> Headers:
    """Headers of a page. `studio`: the other origin it may talk to, where who was brought up sends sound."""
    # Of another origin, http does not stand for ws, too (CSP 3, 6.7.2.8): speakers' sockets are named.
    doors = f" {studio} {studio.replace('http', 'ws', 1)}" if studio else ""
    policy = _POLICY.format(studio=doors, ancestors="*" if embeddable else "'self'")
    return (
        ("Content-Security-Policy", policy),
        ("Referrer-Policy", "no-referrer"),
        *(() if embeddable else (("X-Frame-Options", "SAMEORIGIN"),)),
        # The microphone is for listeners who are brought up on the stage, and asked for only then.
        ("Permissions-Policy", f"camera=(), geolocation=(), microphone=({'' if embeddable else 'self'})"),
    )


SECURITY: Headers = security()
"""Of the edge's own pages."""
_NO_PAGE: Headers = (("Content-Security-Policy", "default-src 'none'; sandbox"),)
_PAGE_CACHE: Headers = (("Cache-Control", "public, max-age=5"), ("Vary", "Accept-Language, Accept-Encoding"))
_STATE_CACHE: Headers = (("Cache-Control", "public, max-age=1"),)
_FILE_CACHE: Headers = (("Cache-Control", "public, max-age=60"),)

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
    "deleted": {
        "en": ("This recording was deleted", "It was here once; now there is nothing to hear any more."),
        "de": (
            "Diese Aufzeichnung wurde gelöscht",
            "Es gab sie einmal; jetzt ist hier nichts mehr zu hören.",
        ),
    },
    "edited": {
        "en": ("There is an edited version", "This recording was edited; another version is in its place."),
        "de": (
            "Es gibt eine bearbeitete Fassung",
            "Diese Aufzeichnung wurde bearbeitet; an ihrer Stelle steht eine andere Fassung.",
        ),
    },
    "being_edited": {
        "en": (
            "This recording is being edited",
            "For now there is nothing to hear here. An edited version will be among the room's recordings.",
        ),
        "de": (
            "Diese Aufzeichnung wird gerade bearbeitet",
            "Vorerst ist hier nichts zu hören. Die bearbeitete Fassung steht dann bei den Aufzeichnungen.",
        ),
    },
    "figures": {
        "en": (
            "Only the hosts see who listened",
            "This room keeps its audience figures to its hosts. Its public record holds them sealed: if they "
            "are told one day, anybody can check that they are those of then.",
        ),
        "de": (
            "Wer zugehört hat, sehen nur die Gastgeber",
            "Dieser Raum behält seine Publikumszahlen für seine Gastgeber. Im öffentlichen Protokoll stehen "
            "sie versiegelt: Werden sie einmal genannt, kann jeder prüfen, dass es die von damals sind.",
        ),
    },
}
_TO_PROGRAMS = {
    "no_room": "There is no room at this address.",
    "no_page": "There is nothing at this address.",
    "figures": "This room keeps its audience figures to its hosts.",
}
_HOME = {"en": "All rooms", "de": "Alle Räume"}
_INSTEAD = {"en": "To the edited version", "de": "Zur bearbeiteten Fassung"}


def page_language(request: Request) -> str:
    """ "de" or "en" for this request."""
    asked = request.parameters().get("lang", "") if b"lang=" in request.query else ""
    return language(asked, request.headers.get(b"accept-language", b""))


def own_page(key: str, lang: str, *, refresh: int = 0, link: str = "") -> bytes:
    """One of the edge's own pages; `refresh` seconds make it load itself again, without a script; `link`:
    what is there instead."""
    title, text = (html.escape(part) for part in _TEXT[key][lang])
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    actions = f'<a class="button{"" if link else " main"}" href="/?lang={lang}">{_HOME[lang]}</a>'
    if link:
        instead = html.escape(link)
        actions = f'<a class="button main" href="{instead}">{_INSTEAD[lang]}</a> {actions}'
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        f'<title>{title} · Hustings</title><link rel="stylesheet" href="/static/css/hustings.css"></head>'
        f'<body><div class="page"><main><div class="notice"><h1>{title}</h1><p class="lead">{text}</p>'
        f'<p class="actions">{actions}</p>'
        "</div></main></div></body></html>\n"
    ).encode()


def own_reply(
    status: int, key: str, request: Request, headers: Headers = (), *, close: bool = False, link: str = ""
) -> Reply:
    """One of the edge's own pages as a reply; 429 and 503 try again by themselves, with jitter."""
    lang = page_language(request)
    refresh = random.randint(4, 15) if status in (429, 503) else 0  # noqa: S311 (jitter, no secret)
    again: Headers = (("Retry-After", str(refresh)),) if refresh else ()
    fixed: Headers = (("Cache-Control", "no-store"), ("Vary", "Accept-Language"), ("Content-Language", lang))
    return make_reply(
        status,
        "text/html; charset=utf-8",
        own_page(key, lang, refresh=refresh, link=link),
        (*fixed, *SECURITY, *again, *headers),
        close=close,
    )


def not_found(request: Request, key: str) -> Reply:
    """404, for people or for programs: "no_room", "no_page", "figures"."""
    if request.wants_html:
        return own_reply(404, key, request)
    return problem(404, "Not found", _TO_PROGRAMS[key])


FILES: dict[bytes, tuple[str, bool, Headers]] = {
    b"state.json": ("application/json", True, (*_STATE_CACHE, *ANY_ORIGIN)),
    b"start.json": ("application/json", True, (*_STATE_CACHE, *ANY_ORIGIN, *_NO_PAGE)),
    # Its address has the content's hash in it.
    b"hold.m4a": ("audio/mp4", False, (("Cache-Control", "public, max-age=86400"), *ANY_ORIGIN, *_NO_PAGE)),
    b"audience.json": ("application/json", True, (*_PAGE_CACHE[:1], *ANY_ORIGIN, *_NO_PAGE)),
    b"questions.json": ("application/json", True, (*_PAGE_CACHE[:1], *ANY_ORIGIN, *_NO_PAGE)),
    b"oembed.json": ("application/json", True, (*_FILE_CACHE, *ANY_ORIGIN, *_NO_PAGE)),
    b"calendar.ics": ("text/calendar; charset=utf-8", True, (*_FILE_CACHE, *_NO_PAGE)),
    b"feed.xml": ("application/rss+xml; charset=utf-8", True, (*_FILE_CACHE, *ANY_ORIGIN, *_NO_PAGE)),
    b"feed.atom": ("application/atom+xml; charset=utf-8", True, (*_FILE_CACHE, *ANY_ORIGIN, *_NO_PAGE)),
    b"hustings-key": ("application/json", False, (*_FILE_CACHE, *ANY_ORIGIN, *_NO_PAGE)),
    b"qr.svg": ("image/svg+xml", True, (*_FILE_CACHE, *_NO_PAGE)),
    # Its address has the content's hash in it.
    b"cover.webp": ("image/webp", False, (("Cache-Control", "public, max-age=86400"), *_NO_PAGE)),
}
"""Names below a room's address that the studio may fill: content type, whether to compress, headers."""
_PAGES = ("page", "embed", "audience")
NAMED: Final = {b"embed": "embed", b"audience": "audience"}
"""Pages below a room's address, by the name they are asked for."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]{1,260}")


class RoomPages:
    """One version of a room's pages, ready to serve. What is as in the version `before` is taken over."""

    def __init__(self, room: RoomPublic, before: RoomPages | None = None) -> None:
        self._sources = room.pages
        self._studio = _studio_origin(room)
        self._made: dict[str, Resource] = {}
        self.recordings = _recordings(room)
        """What the studio lets us say of the room's recordings; None: there are none."""
        self.said = _said(room)
        """Statements and corrections, by broadcast."""
        same_policy = before is not None and before._studio == self._studio
        for key, page in room.pages.items():
            if (
                before is not None
                and same_policy
                and before._sources.get(key) is page
                and key in before._made
            ):
                self._made[key] = before._made[key]
            elif (made := self._make(key, page)) is not None:
                self._made[key] = made

    def _make(self, key: str, page: Page) -> Resource | None:
        kind, _, lang = key.partition(".")
        if kind in _PAGES:
            safe = security(studio=self._studio, embeddable=kind == "embed")
            headers = (*_PAGE_CACHE, ("Content-Language", lang), *safe)
            return Resource(page.content_type, page.body, headers, compress=True, level=9)
        known = FILES.get(key.encode())
        if known is None:
            return None
        content_type, compress, headers = known
        return Resource(content_type, page.body, headers, compress=compress)

    def page(self, request: Request, kind: str = "page") -> Reply | None:
        """The room's page in the visitor's language, else in any there is. `kind`: "page", one of NAMED."""
        lang = page_language(request)
        for key in (f"{kind}.{lang}", f"{kind}.en", *self._made):
            if key.startswith(f"{kind}.") and key in self._made:
                return self._made[key].reply(request)
        return None

    def source(self, name: str) -> bytes | None:
        """What the studio gave under a name that no visitor asks for."""
        page = self._sources.get(name)
        return page.body if page is not None else None

    def template(self, kind: str, request: Request) -> tuple[bytes, Headers] | None:
        """A page with places that the edge fills (filled.py), in the visitor's language, and its headers."""
        lang = page_language(request)
        for each in (lang, "en", "de"):
            if (page := self._sources.get(f"{kind}.{each}")) is not None:
                return page.body, (*_PAGE_CACHE, ("Content-Language", each), *SECURITY)
        return None

    def file(self, name: bytes, request: Request) -> Reply | None:
        """One of `FILES`; None when this room has none."""
        made = self._made.get(name.decode("latin-1")) if name in FILES else None
        return made.reply(request) if made is not None else None

    def missing(self, name: bytes) -> str:
        """Why there is nothing under a name: a key of `not_found`."""
        kept = name in (b"audience", b"audience.json") and "figures.hosts" in self._sources
        return "figures" if kept else "no_page"


def _recordings(room: RoomPublic) -> OfRoom | None:
    page = room.pages.get("replay.json")
    try:
        return msgspec.json.decode(page.body, type=OfRoom) if page is not None else None
    except UNDECODABLE:
        return None


def _said(room: RoomPublic) -> dict[str, list[SaidOf]]:
    page = room.pages.get("published.json")
    try:
        return msgspec.json.decode(page.body, type=OfBroadcasts).broadcasts if page is not None else {}
    except UNDECODABLE:
        return {}


def _studio_origin(room: RoomPublic) -> str:
    """The origin of links.whip, "" when there is none or it is none that can stand in a header."""
    page = room.pages.get("state.json")
    try:
        links = msgspec.json.decode(page.body, type=_State).links if page is not None else {}
    except UNDECODABLE:
        return ""
    found = _ORIGIN.match(links.get("whip", ""))
    return found[0] if found is not None else ""


class _State(msgspec.Struct):
    links: dict[str, str] = {}
