"""What those are told who have to wait: a page of one piece for browsers, a problem (RFC 9457) for programs.

The page brings its style and its script along, since whoever is refused has no connection left to fetch
them by; its policy allows exactly these two by their hashes (CSP 3, 8.1), and requests to this server. It
sets no cookie: the place stands in the address, so that loading the page again, also without a script,
keeps it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from functools import cache
from pathlib import Path
from urllib.parse import quote

from hustings.edge.http import ANY_ORIGIN, Headers, Reply, Request, make_reply
from hustings.edge.pages import page_language
from hustings.edge.static import WEB

_TITLE, _DETAIL = "One moment", "Many people come at once. Ask again after the seconds in Retry-After."
_CROWDED, _CLOSE = (
    "Too many connections",
    "Too many connections from one address; close some, then ask again.",
)
SPOKEN = (
    *("ahead_one", "ahead_other", "first", "unknown", "next", "asking", "test", "tested", "turn", "lost"),
)
"""Texts that the script says."""


def lobby_reply(fields: dict[str, object], request: Request, status: int, *, close: bool = False) -> Reply:
    """`fields` as `doorkeeper.Told` gives them; `status` 503, or 429 for too many of one address; `close`
    ends the connection, too."""
    wait = fields.get("wait")
    seconds = max(1, math.ceil(wait)) if isinstance(wait, int | float) else 5
    again: Headers = (("Retry-After", str(seconds)), ("Cache-Control", "no-store"))
    if request.wants_html:
        lang = page_language(request)
        body = _page(lang, fields, seconds, crowded=status == 429)
        headers = (*again, ("Vary", "Accept-Language"), ("Content-Language", lang), *_policy(request.path))
        return make_reply(status, "text/html; charset=utf-8", body, headers, close=close)
    title, detail = (_CROWDED, _CLOSE) if status == 429 else (_TITLE, _DETAIL)
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail, **fields}
    packed = json.dumps(content).encode()
    return make_reply(status, "application/problem+json", packed, (*again, *ANY_ORIGIN), close=close)


def _page(lang: str, fields: dict[str, object], seconds: int, *, crowded: bool) -> bytes:
    texts, (style, script, work) = _texts(lang), _files()
    spoken = {name: texts[f"lobby.{name}"] for name in SPOKEN}
    data = html.escape(json.dumps({"texts": spoken, **fields}, ensure_ascii=False))
    # Without a script the page loads itself again, with its place.
    again = f"{seconds}; url=?place={quote(str(fields.get('place', '')))}&amp;lang={lang}"
    parts = (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">',
        f"<title>{texts['lobby.title']} · Hustings</title>",
        f'<noscript><meta http-equiv="refresh" content="{again}"></noscript>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark">',
        f'<style>{style}</style></head><body data-lobby="{data}"><main><p class="brand">Hustings</p>',
        f"<h1>{texts['lobby.title']}</h1>",
        f'<p class="lead">{texts["lobby.crowded" if crowded else "lobby.lead"]}</p>',
        f'<p id="ahead" role="status">{_ahead(texts, fields.get("ahead"))}</p>',
        '<p id="next" class="soft" aria-live="off"></p><p id="test" class="soft" role="status"></p>',
        f'<noscript><p class="soft">{texts["lobby.noscript"]}</p></noscript>',
        f'<p class="soft">{texts["lobby.stay"]}</p><p class="soft">{texts["lobby.invited"]}</p></main>',
        f'<script type="text/plain" id="work">{work}</script><script>{script}</script></body></html>\n',
    )
    return "".join(parts).encode()


def _ahead(texts: dict[str, str], ahead: object) -> str:
    if not isinstance(ahead, int):
        return texts["lobby.unknown"]
    if not ahead:
        return texts["lobby.first"]
    return texts[f"lobby.ahead_{'one' if ahead == 1 else 'other'}"].replace("{n}", str(ahead))


@cache
def _texts(lang: str) -> dict[str, str]:
    every: dict[str, str] = json.loads((WEB / "i18n" / f"{lang}.json").read_text("utf-8"))
    return {key: text for key, text in every.items() if key.startswith("lobby.")}


@cache
def _files() -> tuple[str, str, str]:
    """Style, script, and the worker's script, as they stand in the page."""
    return (
        _slim(WEB / "css" / "lobby.css"),
        _slim(WEB / "js" / "lobby.js"),
        _slim(WEB / "js" / "lobby_work.js"),
    )


def _slim(path: Path) -> str:
    """Without lines that are only comment: nobody reads them there. None of ours holds an end tag."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*", "*")))


@cache
def _hashes() -> tuple[str, str]:
    def of(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    style, script, _ = _files()
    return of(style), of(script)


@cache
def _headers(ancestors: str) -> Headers:
    style, script = _hashes()
    policy = (
        f"default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; "
        f"worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    )
    return (("Content-Security-Policy", policy), ("Referrer-Policy", "no-referrer"))


def _policy(path: bytes) -> Headers:
    return _headers("*" if path.endswith(b"/embed") else "'self'")
