"""What is wrong with the server now. Pure.

Each finding has a text and one thing to do in the catalogues (web/i18n: `operator.find.KEY`,
`operator.do.KEY`); where the doctor looks at the same thing, it says the same (test_operator_findings.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from hustings.bus.health_messages import NodeHealth, RoleHealth
from hustings.studio.operator.samples import Figures

type Level = Literal["warning", "wrong"]
type Key = Literal[
    "bus_away",
    "role_away",
    "memory_near",
    "no_sound",
    "silent",
    "ticks_late",
    "loss",
    "chunks_missing",
    "recording_failing",
    "recording_waiting",
    "disk_full",
    "disk_low",
    "store_failing",
    "widened",
    "no_input",
    "newcomers_wait",
    "pages_wait",
    "no_places",
    "slow_listeners",
    "bus_drops",
    "certificate_failing",
    "certificate_ended",
    "certificate_soon",
    "clock_set",
]

GB: Final = 1024**3
DISK_FULL, DISK_LOW = 0.5 * GB, 5 * GB
"""As doctor/folders.py."""
DAY: Final = 86_400.0
SOON: Final = 14.0
"""Days before its end from which a certificate is worth a word; what renews itself is renewed long before."""
STARTING: Final = 20.0
"""Seconds a role may take until it serves."""
MEMORY_NEAR: Final = 0.9
TICKS_LATE: Final = 0.01
"""Share of ticks more than 5 ms late from which it is said."""
LOSS: Final = 0.05
SILENT: Final = 60.0
CLOCK_FOR: Final = 600.0
"""Seconds for which it is said that somebody set the clock."""
SKIPS: Final = 0.05
"""Share of the listeners that were too slow in a few seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` with `name` is one thing, which lasts as long as it is found again. `number` is in the text."""

    level: Level
    key: Key
    name: str = ""
    number: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """How a live room's recording stands."""

    title: str
    state: str


def find(
    figures: Figures,
    nodes: list[NodeHealth],
    recordings: list[Recording],
    *,
    bus: bool,
    wall: float,
) -> list[Finding]:
    """All there is to say, what is wrong first. `bus`: whether the studio is connected to it."""
    if not bus:
        # What is known is old then, and says nothing about now.
        return [Finding("wrong", "bus_away")]
    found = [*_roles(nodes), *_sound(figures), *_recordings(recordings, nodes)]
    found += [*_audience(figures), *_certificate(figures, wall), *_clock(nodes, wall)]
    return sorted(found, key=lambda finding: finding.level != "wrong")


def _roles(nodes: list[NodeHealth]) -> Iterator[Finding]:
    for node in nodes:
        for role in node.roles:
            if role.up and _near(role):
                share = round(100 * role.memory / role.memory_limit)
                yield Finding("warning", "memory_near", role.name, share)
            elif not role.up and not starting(role, node):
                yield Finding("wrong", "role_away", role.name)


def starting(role: RoleHealth, node: NodeHealth) -> bool:
    """Whether it is on its way: the server has just been started, or the role has."""
    if node.wall_clock - node.started < STARTING:
        return True
    return role.running and node.wall_clock - role.since < STARTING


def _near(role: RoleHealth) -> bool:
    return bool(role.memory_limit) and role.memory > MEMORY_NEAR * role.memory_limit


def _sound(figures: Figures) -> Iterator[Finding]:
    if figures.live and figures.seconds and not figures.chunks:
        yield Finding("wrong", "no_sound", number=figures.live)
    elif figures.silent_seconds >= SILENT:
        yield Finding("warning", "silent", number=round(figures.silent_seconds / 60))
    if figures.skipped or (figures.late is not None and figures.late > TICKS_LATE):
        yield Finding("warning", "ticks_late", number=round(100 * (figures.late or 0.0)))
    if figures.loss is not None and figures.loss > LOSS:
        yield Finding("warning", "loss", number=round(100 * figures.loss))
    if figures.gaps:
        yield Finding("warning", "chunks_missing", number=figures.gaps)


def _recordings(recordings: list[Recording], nodes: list[NodeHealth]) -> Iterator[Finding]:
    for recording in recordings:
        if recording.state == "failing":
            yield Finding("wrong", "recording_failing", recording.title)
        elif recording.state == "waiting":
            yield Finding("warning", "recording_waiting", recording.title)
    for node in nodes:
        if node.disk_size and node.disk_free < DISK_LOW:
            full = node.disk_free < DISK_FULL
            yield Finding(
                "wrong" if full else "warning",
                "disk_full" if full else "disk_low",
                number=round(node.disk_free / GB, 1),
            )


def _audience(figures: Figures) -> Iterator[Finding]:
    rungs: tuple[Key, ...] = ("widened", "no_input", "newcomers_wait", "pages_wait")
    if figures.level:
        yield Finding("warning", rungs[min(figures.level, len(rungs)) - 1], number=figures.waiting)
    if figures.places_free == 0:
        yield Finding("warning", "no_places", number=figures.waiting)
    listening = sum(figures.listeners.get(door, 0) for door in ("push", "stream"))
    if figures.skips > max(3.0, SKIPS * listening):
        yield Finding("warning", "slow_listeners", number=figures.skips)
    if figures.bus_dropped:
        yield Finding("warning", "bus_drops", number=figures.bus_dropped)
    if figures.store_failing:
        yield Finding("warning", "store_failing")


def _certificate(figures: Figures, wall: float) -> Iterator[Finding]:
    if figures.certificate_failing:
        yield Finding("wrong", "certificate_failing")
    if figures.certificate_ends is None:
        return
    left = (figures.certificate_ends - wall) / DAY
    if left <= 0:
        yield Finding("wrong", "certificate_ended")
    elif left < SOON:
        yield Finding("warning", "certificate_soon", number=int(left))


def _clock(nodes: list[NodeHealth], wall: float) -> Iterator[Finding]:
    for node in nodes:
        steps = [event for event in node.events if event.kind == "clock" and wall - event.at < CLOCK_FOR]
        if steps:
            yield Finding("warning", "clock_set", number=round(steps[-1].seconds, 1))
