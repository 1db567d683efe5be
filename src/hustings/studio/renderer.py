"""Pages as bytes, by Jinja from studio/templates. What the templates get is written down in context.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import hustings
from hustings.studio import public
from hustings.studio.assets import Assets
from hustings.studio.context import Lang, PageContext, ProblemView, RoomView, SpeakerView, Translate
from hustings.studio.i18n import Texts
from hustings.wording import MONTHS, clock, date, duration, position

TEMPLATES = Path(__file__).with_name("templates")
EMBED_SIZE = (600, 200)
"""Pixels the embedded player asks for; it fits into less."""
_DAYS: Mapping[str, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}


class Renderer:
    """All templates, compiled once."""

    def __init__(self, texts: Mapping[Lang, Translate], assets: Assets, *, audience_home: str = "/") -> None:
        self.texts = self._texts = texts
        self._assets = assets
        self._audience_home = audience_home
        self._environment = make_environment()

    def room(self, view: RoomView, lang: Lang) -> bytes:
        """The room's page at the audience door."""
        return self._render("room.html", lang, room=view, state_json=_embedded(view))

    def embed(self, view: RoomView, lang: Lang) -> bytes:
        """The room's small player, for other sites' pages."""
        return self._render("embed.html", lang, room=view, state_json=_embedded(view))

    def oembed(self, view: RoomView) -> bytes:
        """How to embed the room (oEmbed 1.0, type "rich"); `{}` while its own address is not known."""
        if not view.audience_url:
            return b"{}"
        home = view.audience_url.removesuffix(f"/r/{view.slug}")
        width, height = EMBED_SIZE
        answer = {
            "version": "1.0",
            "type": "rich",
            "title": view.title,
            "provider_name": "Hustings",
            "provider_url": f"{home}/",
            "cache_age": 300,
            "width": width,
            "height": height,
            "html": str(
                Markup(
                    '<iframe src="{}" title="{}" width="{}" height="{}" allow="autoplay"'
                    ' loading="lazy"></iframe>'
                ).format(f"{view.audience_url}/embed", view.title, width, height)
            ),
            "thumbnail_url": f"{home}{view.cover or self._assets.address('img/card.png')}",
            "thumbnail_width": 1200,
            "thumbnail_height": 630,
        }
        if view.cover:
            # The picture's own size is not known here, and a wrong one is worse than none.
            del answer["thumbnail_url"], answer["thumbnail_width"], answer["thumbnail_height"]
        return json.dumps(answer, ensure_ascii=False).encode()

    def rooms(self, views: Sequence[RoomView], lang: Lang, *, feed: str = "") -> bytes:
        """The list of rooms at the audience door; `feed`: where there is one of all recordings."""
        return self._render("rooms.html", lang, rooms=views, feed=feed)

    def speaker(self, view: RoomView, lang: Lang) -> bytes:
        """The page of the invited; the same for all, their ticket stays in the browser."""
        api = f"/api/rooms/{view.slug}"
        speaker = SpeakerView(api=api, whip=f"/whip/{view.slug}", events=f"{api}/events")
        return self._render("console.html", lang, room=view, speaker=speaker, state_json=_embedded(view))

    def page(self, template: str, lang: Lang, **names: object) -> bytes:
        """Any other template, with its own names."""
        return self._render(template, lang, **names)

    def text(self, lang: Lang, key: str, **places: object) -> str:
        """One text of the catalogue."""
        return self._texts[lang](key, **places)

    def error(self, status: int, lang: Lang) -> bytes:
        """What went wrong, in the reader's words."""
        texts = self._texts[lang]
        known = isinstance(texts, Texts) and f"error.{status}.title" in texts.texts
        key = f"error.{status}" if known else "error.other"
        view = ProblemView(status, texts(f"{key}.title"), texts(f"{key}.detail"))
        return self._render("error.html", lang, problem=view)

    def _render(self, template: str, lang: Lang, **names: object) -> bytes:
        page = PageContext(
            lang=lang,
            t=self._texts[lang],
            asset=self._assets.address,
            version=getattr(hustings, "__version__", ""),
        )
        return self._environment.get_template(template).render(page=page, **names).encode()


def make_environment() -> Environment:
    """Jinja with escaping on, undefined names as errors, and the filters of context.py."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    environment.filters |= {"tenth": tenth, "position": position}
    environment.filters |= {"clock": clock, "date": date, "duration": duration, "local": local}
    return environment


def _embedded(view: RoomView) -> Markup:
    """state.json so that it can stand inside a script element whatever the texts contain."""
    text = public.state_json(view).decode()
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704  # escaped just above


def tenth(iso: str) -> str:
    """ "2026-11-22T20:00:00.412Z" -> "20:00:00.4 UTC"; without a fraction "20:00:00 UTC"."""
    return f"{iso[11:21].rstrip('Z')} UTC" if iso else ""


def local(iso: str, zone: str, lang: str) -> str:
    """ "2026-11-22T20:00:00Z" in "Europe/Berlin" -> "Sunday, 22 Nov 2026, 21:00 (Europe/Berlin)"."""
    if not iso:
        return ""
    try:
        at = datetime.fromisoformat(iso).astimezone(ZoneInfo(zone or "UTC"))
    except (KeyError, ValueError, OSError):
        zone, at = "UTC", datetime.fromisoformat(iso)
    day = f"{at.day}{'.' if lang == 'de' else ''} {MONTHS[lang][at.month - 1]} {at.year}"
    return f"{_DAYS[lang][at.weekday()]}, {day}, {at:%H:%M} ({zone or 'UTC'})"
