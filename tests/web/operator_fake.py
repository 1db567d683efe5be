"""The operator's page at a real studio's door; how the server is, is made up, and said by the real code."""

from __future__ import annotations

import math
import random
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

HERE = Path(__file__).parent
for folder in (HERE.parent / "e2e", HERE.parent / "studio"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from hustings.bus.health_messages import NodeEvent, NodeHealth, RoleHealth  # noqa: E402
from hustings.clock import FakeClock  # noqa: E402
from hustings.studio.board import Board  # noqa: E402
from hustings.studio.i18n import choose_language, load_texts  # noqa: E402
from hustings.studio.operator.findings import GB, Recording  # noqa: E402
from hustings.studio.operator.health import POINT, POINTS, Health  # noqa: E402
from hustings.studio.operator.samples import Figures  # noqa: E402
from hustings.studio.operator.view import health_state  # noqa: E402
from hustings.studio.text import utc  # noqa: E402

TEXTS = load_texts()
CPU = {"bus": 0.02, "stage": 0.34, "studio": 0.03, "edge-0": 0.48, "edge-1": 0.44, "scribe": 0.01}
MEMORY = {"bus": 14, "stage": 71, "studio": 88, "edge-0": 96, "edge-1": 93, "scribe": 42}
DOORS = {"push": 3980, "stream": 120, "hls_waiting": 310}
WELL = Figures(
    seconds=5.0,
    live=2,
    speakers=5,
    listeners=DOORS,
    late=0.0004,
    late_ms=2.0,
    loss=0.002,
    chunks=100,
    level=0,
    places_free=21_400,
)
ROOMS: tuple[tuple[str, str, str, dict[str, int], int], ...] = (
    (
        "library",
        "The new library: fifteen million questions",
        "live",
        {"push": 3610, "hls": 290, "stream": 118},
        3,
    ),
    ("harbour", "Harbour nights, part two", "live", {"push": 370, "whep": 4}, 2),
    ("council", "Before the council: open questions about the bridge over the old canal", "open", {}, 1),
)


class FakeServer:
    """Answers the page. `kind`: how the server is."""

    def __init__(self, page: Page, kind: str = "live") -> None:
        self.kind = kind
        self.asked = 0
        page.route(re.compile(r"/api/operator/health"), self._answer)

    def _answer(self, route: Route) -> None:
        self.asked += 1
        if self.kind == "lost":
            route.abort()
            return
        if self.kind == "refused":
            route.fulfill(status=403, json={"title": "For operators only"})
            return
        query = parse_qs(urlsplit(route.request.url).query)
        made = state(self.kind, query.get("lang", ["en"])[0])
        if query.get("history") == ["false"]:
            made["history"] = None
        route.fulfill(json=made)


def state(kind: str, lang: str = "en") -> dict[str, Any]:
    """`quiet`, `live`, `trouble` or `alone` (roles without a supervisor)."""
    clock = FakeClock(wall=float(int(time.time())))
    recordings: list[Recording] = []
    health = Health(clock, lambda: True, lambda: recordings)
    if kind != "alone":
        health.node_said(_node(clock.wall(), kind))
    _curves(health, clock, kind)
    health.figures = {"quiet": _quiet(), "alone": _quiet()}.get(kind, WELL)
    if kind == "live":
        health.figures = replace(WELL, certificate_ends=clock.wall() + 71.5 * 86_400)
    if kind == "trouble":
        health.figures = replace(
            WELL, late=0.031, late_ms=20.0, loss=0.07, level=3, waiting=812, places_free=0
        )
        health.figures = replace(health.figures, certificate_ends=clock.wall() + 9.5 * 86_400)
        recordings.append(Recording(ROOMS[0][1], "failing"))
        for _ in range(3):
            health._follow(clock.wall() - 700)
        health.figures, kept = replace(WELL, bus_dropped=7), health.figures
        health._follow(clock.wall() - 400)
        health.figures = kept
        health._follow(clock.wall())
    lang = choose_language(lang, None)
    made = health_state(
        health, Board(), TEXTS[lang], lang, now=clock.monotonic(), wall=clock.wall(), version="0.6.0"
    )
    if kind in ("live", "trouble"):
        made["rooms"] = [
            _room(*room, clock.wall(), bad=kind == "trouble" and n == 0) for n, room in enumerate(ROOMS)
        ]
    return made


def _quiet() -> Figures:
    return Figures(
        seconds=5.0, listeners={"push": 0, "stream": 0, "hls_waiting": 0}, level=0, places_free=25_500
    )


def _node(wall: float, kind: str) -> NodeHealth:
    trouble = kind == "trouble"
    events = [NodeEvent(at=wall - 2100, kind="restarted", name="edge-0")] if kind != "quiet" else []
    if trouble:
        events += [
            NodeEvent(at=wall - 900, kind="died", name="stage"),
            NodeEvent(at=wall - 300, kind="clock", seconds=-3.2),
        ]
    roles = [
        RoleHealth(
            name=name,
            up=not (trouble and name == "edge-1"),
            running=not (trouble and name == "edge-1"),
            since=0.0
            if trouble and name == "edge-1"
            else wall - (840 if trouble and name == "stage" else 7420),
            silent=None if name == "bus" else 1.2,
            restarts=int(trouble and name in ("stage", "edge-1")),
            cpu=None if trouble and name == "edge-1" else CPU[name] * (0.03 if kind == "quiet" else 1),
            memory=0 if trouble and name == "edge-1" else MEMORY[name] * 1024**2,
            memory_limit=(100 if trouble and name == "edge-0" else 410 if name == "bus" else 1640) * 1024**2,
        )
        for name in CPU
    ]
    return NodeHealth(
        node="n",
        wall_clock=wall,
        started=wall - 7430,
        roles=roles,
        events=events,
        disk_free=int((3.4 if trouble else 212.0) * GB),
        disk_size=int(480 * GB),
        cores=4,
    )


def _curves(health: Health, clock: FakeClock, kind: str) -> None:
    chance = random.Random(7)
    for point in range(POINTS):
        along = point / POINTS
        busy = 0.0 if kind in ("quiet", "alone") else 1.0
        gone = kind == "trouble" and 60 <= point < 64
        health.curves.add(
            1000.0 + point * POINT,
            listeners=None
            if gone
            else busy * 4300 / (1 + math.exp(-12 * (along - 0.35))) * (1 + chance.uniform(-0.01, 0.01)),
            late=None if gone else busy * (0.03 if kind == "trouble" and point > 100 else 0.0004),
            loss=None if gone else busy * chance.uniform(0.0, 0.01),
            level=None if gone else (3.0 if kind == "trouble" and point > 96 else 0.0),
            used=None if gone else busy * min(1.0, 0.2 * along),
            **(
                {}
                if kind == "alone"
                else {f"cpu {name}": busy * share * chance.uniform(0.8, 1.1) for name, share in CPU.items()}
            ),
        )


def _room(
    slug: str, title: str, status: str, listeners: dict[str, int], speakers: int, wall: float, *, bad: bool
) -> dict[str, Any]:
    recording = {"state": "on", "problem": "", "bytes": 61_200_000}
    if bad:
        recording = {"state": "failing", "problem": "no space left on the disk", "bytes": 61_200_000}
    if status == "open":
        recording = {"state": "off", "problem": "", "bytes": 0}
    return {
        "slug": slug,
        "title": title,
        "status": status,
        "live_since": utc(wall - 3300) if status == "live" else None,
        "speakers": speakers,
        "listeners": listeners,
        "recording": recording,
    }


KINDS: tuple[str, ...] = ("quiet", "live", "trouble", "alone", "lost")


def shown(page: Page, url: str, kind: str, lang: str = "en") -> FakeServer:
    """The page as it is when the server is so."""
    server = FakeServer(page, "live" if kind == "lost" else kind)
    page.goto(f"{url}/operator?lang={lang}")
    page.wait_for_selector("#shown:not([hidden])")
    page.wait_for_selector("#tiles .curve svg")
    if kind == "lost":
        server.kind = "lost"
        page.wait_for_selector("#health[data-level=lost]", timeout=20_000)
    return server
