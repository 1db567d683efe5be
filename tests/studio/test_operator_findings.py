"""What is said to be wrong, and that it is said in the doctor's words where he says it, too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import hustings
from hustings.bus.health_messages import NodeEvent, NodeHealth, RoleHealth
from hustings.studio.operator.findings import DAY, GB, Finding, Key, Recording, find
from hustings.studio.operator.samples import Figures

WALL = 1_790_000_000.0
PACKAGE = Path(hustings.__file__).parent


def node(*roles: RoleHealth, events: list[NodeEvent] | None = None, free: float = 100 * GB) -> NodeHealth:
    return NodeHealth(
        node="n",
        wall_clock=WALL,
        started=WALL - 3600,
        roles=list(roles),
        events=events or [],
        disk_free=int(free),
        disk_size=int(200 * GB),
        cores=2,
    )


def role(name: str = "stage", **changes: object) -> RoleHealth:
    values = {"name": name, "up": True, "running": True, "since": WALL - 600, **changes}
    return RoleHealth(**values)  # type: ignore[arg-type]


WELL = Figures(seconds=5.0, live=1, chunks=50, late=0.0, loss=0.0, level=0, places_free=100)


def found(
    figures: Figures = WELL,
    nodes: list[NodeHealth] | None = None,
    recordings: list[Recording] | None = None,
    bus: bool = True,
) -> list[Finding]:
    return find(figures, [node(role())] if nodes is None else nodes, recordings or [], bus=bus, wall=WALL)


def keys(*arguments: object, **more: object) -> list[str]:
    return [each.key for each in found(*arguments, **more)]  # type: ignore[arg-type]


def test_nothing_is_said_of_a_server_that_is_well() -> None:
    assert found() == []
    assert found(Figures(), []) == []  # nobody has said anything yet


@pytest.mark.parametrize(
    ("figures", "key"),
    [
        (replace(WELL, chunks=0), "no_sound"),
        (replace(WELL, silent_seconds=61.0), "silent"),
        (replace(WELL, late=0.02), "ticks_late"),
        (replace(WELL, skipped=1), "ticks_late"),
        (replace(WELL, loss=0.06), "loss"),
        (replace(WELL, gaps=1), "chunks_missing"),
        (replace(WELL, level=1), "widened"),
        (replace(WELL, level=2), "no_input"),
        (replace(WELL, level=3), "newcomers_wait"),
        (replace(WELL, level=4), "pages_wait"),
        (replace(WELL, places_free=0), "no_places"),
        (replace(WELL, skips=4), "slow_listeners"),
        (replace(WELL, bus_dropped=1), "bus_drops"),
        (replace(WELL, store_failing=True), "store_failing"),
        (replace(WELL, certificate_failing=True), "certificate_failing"),
        (replace(WELL, certificate_ends=WALL - 1), "certificate_ended"),
        (replace(WELL, certificate_ends=WALL + 13 * DAY), "certificate_soon"),
    ],
)
def test_each_trouble_is_found(figures: Figures, key: str) -> None:
    assert keys(figures) == [key]


@pytest.mark.parametrize(
    "figures",
    [
        replace(WELL, live=0, chunks=0),
        replace(WELL, seconds=0.0, chunks=0),
        replace(WELL, silent_seconds=59.0),
        replace(WELL, late=0.01),
        replace(WELL, loss=0.05),
        replace(WELL, listeners={"push": 1000}, skips=50),
        replace(WELL, certificate_ends=WALL + 15 * DAY),
        replace(WELL, places_free=None, level=None),
    ],
)
def test_what_is_within_bounds_is_not(figures: Figures) -> None:
    assert keys(figures) == []


def test_a_role_that_is_away_is_wrong_unless_it_is_on_its_way() -> None:
    assert keys(nodes=[node(role(up=False))]) == ["role_away"]
    assert keys(nodes=[node(role(up=False, running=False, since=0.0))]) == ["role_away"]
    assert keys(nodes=[node(role(up=False, since=WALL - 5))]) == []
    fresh = NodeHealth(
        node="n", wall_clock=WALL, started=WALL - 5, roles=[role(up=False, running=False)], events=[]
    )
    assert keys(nodes=[fresh]) == []


def test_memory_disk_recordings_and_the_clock() -> None:
    near = role(memory=95, memory_limit=100)
    assert found(nodes=[node(near)]) == [Finding("warning", "memory_near", "stage", 95)]
    assert keys(nodes=[node(role(), free=4.2 * GB)]) == ["disk_low"]
    assert found(nodes=[node(role(), free=0.25 * GB)])[0] == Finding("wrong", "disk_full", number=0.2)
    assert keys(recordings=[Recording("Hall", "failing"), Recording("B", "on")]) == ["recording_failing"]
    assert keys(recordings=[Recording("Hall", "waiting")]) == ["recording_waiting"]
    step = NodeEvent(at=WALL - 100, kind="clock", seconds=-3600.0)
    assert found(nodes=[node(role(), events=[step])])[0].number == -3600.0
    old = NodeEvent(at=WALL - 700, kind="clock", seconds=5.0)
    assert keys(nodes=[node(role(), events=[old])]) == []


def test_without_the_bus_nothing_old_is_said() -> None:
    assert keys(replace(WELL, level=4, chunks=0), bus=False) == ["bus_away"]


def test_what_is_wrong_comes_first() -> None:
    levels = [each.level for each in found(replace(WELL, level=3, chunks=0, certificate_ends=0.0))]
    assert levels == sorted(levels, key=lambda level: level != "wrong")
    assert set(levels) == {"warning", "wrong"}


def test_it_is_said_in_the_doctors_words() -> None:
    """The same thing is to be done, whoever says it: the sentences stand in doctor/, too."""
    texts = json.loads((PACKAGE / "web" / "i18n" / "en.json").read_text("utf-8"))
    doctor = " ".join(path.read_text("utf-8") for path in sorted((PACKAGE / "doctor").glob("*.py")))
    same = {
        "role_away",
        "memory_near",
        "disk_low",
        "certificate_failing",
        "certificate_ended",
        "certificate_soon",
    }
    for key in same:
        assert f'"{texts[f"operator.do.{key}"]}"' in doctor, key
    assert "not alive: {', '.join(away)}" in doctor
    assert texts["operator.find.role_away"] == "not alive: {name}"
    assert texts["operator.find.certificate_failing"] in doctor
    for shared in ("recordings will stop.", "rooms start by this clock.", "in which recordings go on."):
        assert shared in doctor
        assert any(shared in texts[f"operator.do.{key}"] for key in get_args(Key.__value__))
