"""Times as everybody outside reads them, in data and in words; for whoever writes pages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

MONTHS: Mapping[str, tuple[str, ...]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "de": ("Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."),
}


def iso(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second: "2026-11-22T20:00:00Z"."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def date(at: str, lang: str) -> str:
    """ "2026-11-22T20:00:00Z" -> "22 Nov 2026" or "22. Nov. 2026"; "" stays."""
    if not at:
        return ""
    year, month, day = (int(part) for part in at[:10].split("-"))
    return f"{day}{'.' if lang == 'de' else ''} {MONTHS[lang][month - 1]} {year}"


def clock(at: str) -> str:
    """ "2026-11-22T20:00:00Z" -> "20:00 UTC"; "" stays."""
    return f"{at[11:16]} UTC" if at else ""


def duration(seconds: float) -> str:
    """7080 -> "1 h 58 min"; the same in both languages."""
    if seconds < 60:
        return f"{int(seconds)} s"
    # Rounded as the page's script does (format.js).
    hours, minutes = divmod(int(seconds / 60 + 0.5), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def position(seconds: float) -> str:
    """A place in a recording: 247 -> "4:07", 3847 -> "1:04:07"."""
    whole = max(0, int(seconds + 0.5))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
