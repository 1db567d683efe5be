"""Pages as bytes, by Jinja from studio/templates. What the templates get is written down in context.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import hustings
from hustings.studio import public
from hustings.studio.assets import Assets
from hustings.studio.context import Lang, PageContext, ProblemView, RoomView, SpeakerView, Translate
from hustings.studio.i18n import Texts

TEMPLATES = Path(__file__).with_name("templates")
_MONTHS: Mapping[str, tuple[str, ...]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "de": ("Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."),
}


class Renderer:
    """All templates, compiled once."""

    def __init__(self, texts: Mapping[Lang, Translate], assets: Assets, *, audience_home: str = "/") -> None:
        self._texts = texts
        self._assets = assets
        self._audience_home = audience_home
        self._environment = make_environment()

    def room(self, view: RoomView, lang: Lang) -> bytes:
        """The room's page at the audience door."""
        return self._render("room.html", lang, room=view, state_json=_embedded(view))

    def rooms(self, views: Sequence[RoomView], lang: Lang) -> bytes:
        """The list of rooms at the audience door."""
        return self._render("rooms.html", lang, rooms=views)

    def studio(self, views: Sequence[RoomView], lang: Lang) -> bytes:
        """The studio door's first page."""
        return self._render("studio.html", lang, rooms=views)

    def speaker(self, view: RoomView, lang: Lang) -> bytes:
        """The page of the invited; the same for all, their ticket stays in the browser."""
        api = f"/api/rooms/{view.slug}"
        speaker = SpeakerView(
            me=f"{api}/me",
            answer=f"{api}/me/answer",
            mute=f"{api}/participants/me/mute",
            whip=f"/whip/{view.slug}",
            events=f"{api}/events",
        )
        return self._render("speaker.html", lang, room=view, speaker=speaker, state_json=_embedded(view))

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
    environment.filters |= {"clock": clock, "date": date, "duration": duration}
    return environment


def _embedded(view: RoomView) -> Markup:
    """state.json so that it can stand inside a script element whatever the texts contain."""
    text = public.state_json(view).decode()
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704  # escaped just above


def clock(iso: str) -> str:
    """ "2026-11-22T20:00:00Z" -> "20:00 UTC"."""
    return f"{iso[11:16]} UTC" if iso else ""


def date(iso: str, lang: str) -> str:
    """ "2026-11-22T20:00:00Z" -> "22 Nov 2026" or "22. Nov. 2026"."""
    if not iso:
        return ""
    year, month, day = (int(part) for part in iso[:10].split("-"))
    return f"{day}{'.' if lang == 'de' else ''} {_MONTHS[lang][month - 1]} {year}"


def duration(seconds: float) -> str:
    """7080 -> "1 h 58 min"; the same in both languages."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
