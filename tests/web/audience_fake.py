"""The page of who listened, with made-up figures and without a server: for tests and quick looks.

`python tests/web/audience_fake.py FOLDER [STATE,...]` photographs the states.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pages_browser import chromium
from playwright.sync_api import Page, Route

from hustings.edge.http import Request
from hustings.edge.static import StaticFiles
from hustings.studio.assets import Assets
from hustings.studio.audience_page import audience_pages
from hustings.studio.context import Lang, RoomView
from hustings.studio.i18n import load_texts
from hustings.studio.middleware import CSP
from hustings.studio.renderer import Renderer

HOME = "http://room.localhost"
PAGE = f"{HOME}/r/library/audience"
HOSTS_PATH = "/rooms/library/audience"
HOST = SimpleNamespace(name="Clara Weiss", is_operator=False)
LIVE, EARLIER = "20261128T200000-a1b2c3", "20261121T200000-d4e5f6"
SINCE = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
VIEW = RoomView(
    slug="library",
    title="One building, fifteen million questions: the new library",
    status="live",
    audience_url=PAGE.removesuffix("/audience"),
)
CHAPTERS = [
    {"at": 0.0, "title": "Why a new library"},
    {"at": 840.0, "title": "What it costs"},
    {"at": 2580.0, "title": "Questions from the queue"},
]
VOICES = ("Elmstead Radio", "Building councillor", "أصدقاء المكتبة")
TEXT = {
    "en": "A listener counts when 60 seconds of sound have really been delivered to him within 90. "
    "What is delivered is what was taken from the connection.",
    "de": "Gezählt wird, wem innerhalb von 90 Sekunden 60 Sekunden Ton wirklich zugestellt wurden. "
    "Zugestellt ist, was von der Verbindung abgenommen wurde.",
}


DATABASE = {"built": "2026-11-03", "sha256": "cd" * 32, "at_least": 10}
SHARES = {"DE": 61_200, "AT": 9_900, "CH": 7_300, "FR": 3_210, "unknown": 2_400, "GB": 1_900, "other": 1_333}
"""Of the time listened, by weight."""
MANY = ("NL", "BE", "PL", "CZ", "IT", "ES", "US", "SE", "DK", "NO", "FI", "LU", "MK", "XK", "BA", "CD", "TW")


def heard_in(row: dict[str, Any], *, many: bool) -> dict[str, Any]:
    """An evening's totals with countries: by SHARES, and some that are little each."""
    shares = SHARES | ({code: 800 - 45 * n for n, code in enumerate(MANY)} if many else {})
    net = row["totals"]["net"]
    whole = sum(shares.values())
    net["countries"] = {
        code: {
            "listeners": max(10, net["peak"] * part // whole),
            "listening_seconds": net["listening_seconds"] * part // whole,
        }
        for code, part in sorted(shares.items())
    }
    return row


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def minutes(since: datetime, count: int, most: float, *, open_minutes: int = 0) -> list[dict[str, Any]]:
    """An evening: it fills up, some leave at each new chapter, many in minute 43, and all at the end."""
    rows: list[dict[str, Any]] = []
    there = 0
    unique = 0
    for n in range(count):
        wanted = most * (1 - math.exp(-(n + 1) / 9)) * (1 - 0.0025 * n) * (0.72 if n >= 43 else 1)
        joined = round(max(0.0, wanted - there) + most * 0.012)
        left = min(there + joined, round(max(0.0, there - wanted) + most * 0.008 * (1 + n % 3)))
        if n == 0:
            left = 0
        before, there = there, there + joined - left
        unique += joined
        doors = {"push": round(there * 0.7), "hls": round(there * 0.2), "whep": round(there * 0.02)}
        doors["stream"] = there - sum(doors.values())
        rows.append(
            {
                "at": iso(since + timedelta(minutes=n)),
                "final": n < count - open_minutes,
                "concurrent": there,
                "peak": max(before, there) + round(most * 0.004),
                "listening_seconds": 30 * (before + there),
                "by_door": doors,
                "joined": joined,
                "left": left,
                "unique": unique,
                "beacon": round(there * 0.05),
                "bots": 3 if most > 5 else 0,
            }
        )
    for n, row in enumerate(rows[count - open_minutes :]):
        row["concurrent"] = round(row["concurrent"] * (0.98 - 0.05 * n))  # who has just come is not in it yet
    return rows


def totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    final = [row for row in rows if row["final"]]

    def sums(peak: int, seconds: int, unique: int) -> dict[str, Any]:
        at = next((row["at"] for row in final if row["peak"] == peak), final[0]["at"]) if peak else None
        average = 100 * seconds // (60 * len(final)) if final else 0
        return {
            "peak": peak,
            "peak_at": at,
            "average_hundredths": average,
            "unique": unique,
            "listening_seconds": seconds,
        }

    peak = max((row["peak"] for row in final), default=0)
    seconds = sum(row["listening_seconds"] for row in final)
    unique = max((row["unique"] for row in final), default=0)
    by_door = {
        door: {
            "peak": max((row["by_door"][door] for row in final), default=0),
            "unique": unique * part // 100,
            "listening_seconds": seconds * part // 100,
        }
        for door, part in (("push", 70), ("hls", 20), ("stream", 8), ("whep", 2))
    }
    return {
        "net": {**sums(peak, seconds, unique), "by_door": by_door},
        "apart": {
            "beacon": sums(peak // 20, seconds // 20, unique // 20),
            "bots": sums(3 * (peak > 5), 0, 0),
        },
        "gross": {"requests": 41 * peak + 7, "connections": unique + peak // 3},
        "salts": 1,
    }


def broadcast(
    name: str,
    since: datetime,
    rows: list[dict[str, Any]],
    *,
    ended: bool = False,
    title: str = VIEW.title,
    **more: Any,
) -> dict[str, Any]:
    end = since + timedelta(minutes=len(rows) - 1, seconds=20)
    return {
        "broadcast": name,
        "title": title,
        "live_since": iso(since),
        "ended": iso(end) if ended else None,
        "totals": totals(rows),
        "minutes": rows,
        "minutes_left_out": 0,
        **more,
    }


def audience(
    *broadcasts: dict[str, Any], replay: bool = False, as_of: datetime = SINCE, database: str = ""
) -> dict[str, Any]:
    days = [
        {
            "day": f"2026-11-{28 - n}",
            "recording": EARLIER,
            "plays": 41 - 6 * n,
            "listening_seconds": 70_210 - 9_000 * n,
            "final": n > 0,
        }
        for n in range(6)
    ]
    return {
        "v": 1,
        "room": "library",
        "as_of": iso(as_of),
        "method": {
            "version": 1,
            "seconds": 60,
            "within": 90,
            "moment_seconds": 5,
            "unique_error": 0.02,
            "lists": {"agents": 38, "agents_sha256": "ab" * 32, "ranges": 0, "ranges_sha256": ""},
            "text": TEXT,
            **({"countries": {**DATABASE, "database": database}} if database else {}),
        },
        "broadcasts": list(broadcasts),
        "replay": days if replay else [],
    }


def timeline(seconds: float, *, over: bool = True) -> dict[str, Any]:
    """What the recording says: three who speak in turns, chapters."""
    speakers = [
        {
            "id": f"v{n}",
            "name": name,
            "speaking": [[at, at + 34.0 + 3 * n] for at in range(47 * n, int(seconds) - 60, 131)],
        }
        for n, name in enumerate(VOICES)
    ]
    return {
        "slug": "library",
        "begins": 0.0,
        "duration": seconds,
        "over": over,
        "speakers": speakers,
        "chapters": [each for each in CHAPTERS if each["at"] < seconds],  # type: ignore[operator]
        "gaps": [],
    }


def entries(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the public record says of these minutes, and of the chapters."""
    since = datetime.fromisoformat(rows[0]["at"])
    none = {"concurrent": 0, "peak": 0, "seconds": 0, "unique": 0}
    found: list[dict[str, Any]] = [
        {
            "at": iso(since + timedelta(seconds=float(each["at"]))),  # type: ignore[arg-type]
            "kind": "chapter",
            "data": {"broadcast": name, "title": each["title"]},
        }
        for each in CHAPTERS
    ]
    for row in rows:
        net = {key: row[key] for key in ("concurrent", "peak", "joined", "left", "unique")}
        data = {
            "broadcast": name,
            "threshold": 60,
            "minute": row["at"],
            "net": {**net, "seconds": row["listening_seconds"]},
            "doors": {door: {**none, "concurrent": count} for door, count in row["by_door"].items() if count},
            "beacon": {**none, "concurrent": row["beacon"]},
            "bots": {**none, "concurrent": row["bots"]},
            "requests": 0,
            "connections": 0,
            "salts": 1,
        }
        found.append({"at": row["at"], "kind": "audience", "data": data})
    return [*found, {"at": iso(since), "kind": "head", "seq": len(found)}]


def _evening(*, live: bool, most: float = 812, count: int = 97, **more: Any) -> dict[str, Any]:
    rows = minutes(SINCE, count, most, open_minutes=2 if live else 0)
    if not live:
        rows[-1] |= {"left": rows[-2]["concurrent"], "joined": 0, "concurrent": 0}
    return broadcast(LIVE, SINCE, rows, ended=not live, **more)


EARLIER_ONE = broadcast(
    EARLIER, SINCE - timedelta(days=7), minutes(SINCE - timedelta(days=7), 62, 390), ended=True
)
AFTER = SINCE + timedelta(minutes=97, seconds=50)
STATES: dict[str, dict[str, Any] | int] = {
    "live": audience(_evening(live=True), EARLIER_ONE, replay=True, as_of=AFTER),
    "ended": audience(_evening(live=False), EARLIER_ONE, replay=True, as_of=AFTER),
    "one-listener": audience(_evening(live=False, most=1.2, count=12), as_of=AFTER),
    "large": audience(
        _evening(live=False, most=1_234_567.0, count=240, minutes_left_out=30),
        as_of=SINCE + timedelta(hours=5),
    ),
    "countries": audience(
        heard_in(_evening(live=False), many=True), as_of=AFTER, database="GeoLite2-Country"
    ),
    "few-countries": audience(
        heard_in(_evening(live=True), many=False), as_of=AFTER, database="DBIP-Country-Lite"
    ),
    "none": audience(),
    "soon": audience(broadcast(LIVE, SINCE, []), as_of=SINCE + timedelta(seconds=40)),
    "nobody": audience(_evening(live=True, most=0, count=9), as_of=AFTER),
    "unpublished": 404,
    "unreachable": 503,
}


@dataclass(slots=True)
class Fake:
    """A door without a server. `figures`: audience.json, or a status instead; the same of the recording's
    timeline by broadcast, which may be missing."""

    figures: dict[str, Any] | int
    timelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    record: list[dict[str, Any]] = field(default_factory=list)
    view: RoomView = VIEW
    openings: str = ""
    """Of what is sealed in the record."""
    requests: list[str] = field(default_factory=list)


_static = StaticFiles()
_renderer = Renderer(load_texts(), Assets())


def fake(page: Page, door: Fake) -> Fake:
    """Answers all that `page` asks at HOME."""
    page.route(f"{HOME}/**", lambda route: _answer(route, door))
    return door


def _answer(route: Route, door: Fake) -> None:
    path, _, query = route.request.url.removeprefix(HOME).partition("?")
    door.requests.append(path)
    lang: Lang
    below = path.removeprefix("/r/library/")
    if path.startswith("/static/"):
        reply = _static.reply(path[8:].encode(), Request(b"GET", f"{path}?{query}".encode(), {}))
        if reply is None:
            route.fulfill(status=404)
            return
        head = dict(line.split(": ", 1) for line in reply.head.decode().split("\r\n")[1:] if line)
        route.fulfill(body=reply.body, content_type=head["Content-Type"])
    elif path == HOSTS_PATH:
        lang = "de" if query == "lang=de" else "en"
        names = {
            "account": HOST,
            "room": door.view,
            "hosts": True,
            "proof": bool(door.openings),
            "at_least": 10,
        }
        policy = CSP.replace("connect-src 'self'", f"connect-src 'self' {HOME}")
        headers = {"Content-Security-Policy": policy}
        body = _renderer.page("audience.html", lang, **names)
        route.fulfill(body=body, content_type="text/html; charset=utf-8", headers=headers)
    elif path == "/api/rooms/library/audience":
        _json(route, door.figures)
    elif path == "/api/rooms/library/audience/openings":
        route.fulfill(body=door.openings, content_type="application/x-ndjson")
    elif below == "audience":
        asked = query.removeprefix("lang=") or route.request.headers.get("accept-language", "")
        lang = "de" if asked.startswith("de") else "en"
        made = audience_pages(_renderer, door.view)[f"audience.{lang}"]
        policy = "default-src 'self'; object-src 'none'; base-uri 'none'"
        route.fulfill(
            body=made.body, content_type=made.content_type, headers={"Content-Security-Policy": policy}
        )
    elif below == "audience.json":
        _json(route, door.figures)
    elif below.startswith("replay/") and below.endswith("/timeline.json"):
        _json(route, door.timelines.get(below.split("/")[1], 404))
    elif below == "record.jsonl" and door.record:
        route.fulfill(body="".join(json.dumps(each) + "\n" for each in door.record))
    elif below == "state.json":
        _json(route, door.state or 404)
    else:
        route.fulfill(status=404)


def _json(route: Route, content: dict[str, Any] | int) -> None:
    if isinstance(content, int):
        route.fulfill(status=content, body="{}", content_type="application/problem+json")
    else:
        route.fulfill(body=json.dumps(content), content_type="application/json")


def door_of(state: str) -> Fake:
    """The door in this state; what was recorded is known of the evenings in which many listened."""
    figures = deepcopy(STATES[state])
    door = Fake(figures)
    if state in ("live", "ended", "large", "countries", "few-countries"):
        count = 240 if state == "large" else 97
        door.timelines[LIVE] = timeline(60.0 * count, over=state not in ("live", "few-countries"))
    return door


def ready(page: Page) -> None:
    page.wait_for_selector("html[data-ready]", state="attached")


type Deed = Callable[[Page], object]
DEEDS: dict[str, tuple[str, Deed]] = {
    "doors": ("ended", lambda page: page.click("#by-door")),
    "table": ("live", lambda page: page.click("#minutes-box summary")),
}
"""States in which somebody has done something: in which one, and what."""
SHEETS = ("live", "ended", "doors", "countries", "one-listener", "none", "unreachable", "hosts")
"""Those there are pictures of in docs/img/states."""


def arrange(page: Page, state: str, *, lang: str = "en") -> Fake:
    """The page in this state."""
    name, deed = DEEDS.get(state, (state, lambda _: None))
    for_hosts = state == "hosts"
    door = fake(page, door_of("live" if for_hosts else name))
    if for_hosts:
        door.view = replace(VIEW, figures="hosts", listeners=None, listeners_by_door=None)
        door.openings = "{}\n"
    page.goto(f"{HOME}{HOSTS_PATH}?lang={lang}" if for_hosts else f"{PAGE}?lang={lang}")
    ready(page)
    deed(page)
    return door


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2].split(",") if len(sys.argv) > 2 else [*STATES, *DEEDS]
    with chromium() as browser:
        for state in wanted:
            for width, scheme, lang in ((1440, "light", "en"), (360, "dark", "de")):
                context = browser.new_context(
                    viewport={"width": width, "height": 1000 if width > 600 else 780},
                    color_scheme=scheme,  # type: ignore[arg-type]
                    locale="de-DE" if lang == "de" else "en-GB",
                    timezone_id="Europe/Berlin",
                )
                page = context.new_page()
                arrange(page, state, lang=lang)
                page.wait_for_timeout(200)
                page.screenshot(path=folder / f"audience-{state}-{width}-{scheme}-{lang}.png", full_page=True)
                context.close()
            print(state, flush=True)


if __name__ == "__main__":
    main()
