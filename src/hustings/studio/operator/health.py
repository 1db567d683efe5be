"""How the server is, gathered from what roles and supervisors say on the bus; the last hour in memory.

Costs the same however many look: every five seconds the newest metrics of each role are read once, and what
is asked for is made at most once a second for each language.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from hustings.bus.health_messages import NodeHealth
from hustings.bus.messages import RoleMetrics
from hustings.clock import Clock
from hustings.studio.operator.findings import Finding, Recording, find
from hustings.studio.operator.samples import Figures, Sample, figures, read_role

log = structlog.get_logger()

SAMPLE: Final = 5.0
HOUR: Final = 3600.0
POINT: Final = 30.0
"""Seconds of one point of the curves."""
POINTS: Final = int(HOUR / POINT)
OLD: Final = 10.0
"""Seconds after which what somebody said is no more of now; roles speak every two."""
MAX_ROLES, MAX_NODES, MAX_SPANS = 64, 8, 200

type Curve = deque[float | None]
CURVES: Final = ("listeners", "late", "loss", "level", "used")


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was so for a while: `since` and `until` in Unix seconds; `going`: it still is."""

    finding: Finding
    since: float
    until: float
    going: bool = True


class Curves:
    """An hour in POINTS points, each the largest of its POINT seconds; None where nothing was known."""

    def __init__(self) -> None:
        self.points: dict[str, Curve] = {}
        self._begun: float | None = None

    def add(self, now: float, **values: float | None) -> None:
        """What is so at `now` (monotonic). At most MAX_ROLES * 2 + 5 curves."""
        if self._begun is None:
            self._begun = now
        new = now - self._begun >= POINT
        if new:
            # A studio that stood still for minutes: the points of that time are not known.
            missed = min(POINTS, int((now - self._begun) / POINT))
            self._begun += POINT * int((now - self._begun) / POINT)
            for curve in self.points.values():
                curve.extend([None] * missed)
        length = max((len(curve) for curve in self.points.values()), default=1)
        for name, value in values.items():
            if name not in self.points:
                if len(self.points) >= 2 * MAX_ROLES + len(CURVES):
                    continue
                self.points[name] = deque([None] * length, POINTS)
            if value is not None:
                last = self.points[name][-1]
                self.points[name][-1] = value if last is None else max(last, value)

    def forget(self, keep: Iterable[str]) -> None:
        """Curves of roles that are no more."""
        keep = set(keep)
        for name in [name for name in self.points if name not in keep]:
            if all(point is None for point in self.points[name]):
                del self.points[name]


class Health:
    """`recordings` tells how those of the live rooms stand, `connected` whether the studio has its bus."""

    def __init__(
        self, clock: Clock, connected: Callable[[], bool], recordings: Callable[[], list[Recording]]
    ) -> None:
        self._clock = clock
        self._connected = connected
        self._recordings = recordings
        self._texts: dict[str, tuple[float, str]] = {}
        self._nodes: dict[str, tuple[float, NodeHealth]] = {}
        self._sample: tuple[float, Sample] | None = None
        self._spans: dict[tuple[str, str], Span] = {}
        self._past: deque[Span] = deque(maxlen=MAX_SPANS)
        self.figures = Figures()
        self.curves = Curves()
        self.sampled = 0.0
        """Unix seconds of the last sample."""

    # --- what is heard -----------------------------------------------------------------------

    def role_said(self, message: RoleMetrics) -> None:
        if message.role in self._texts or len(self._texts) < MAX_ROLES:
            self._texts[message.role] = (self._clock.monotonic(), message.text)

    def node_said(self, message: NodeHealth) -> None:
        now = self._clock.monotonic()
        self._nodes = {node: kept for node, kept in self._nodes.items() if now - kept[0] <= HOUR}
        if message.node in self._nodes or len(self._nodes) < MAX_NODES:
            self._nodes[message.node] = (now, message)

    # --- what is so --------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the studio has its bus."""
        return self._connected()

    @property
    def nodes(self) -> list[NodeHealth]:
        """Those that were heard of within OLD seconds, and if there is none the one heard of last."""
        now = self._clock.monotonic()
        fresh = [node for at, node in self._nodes.values() if now - at <= OLD]
        if fresh or not self._nodes:
            return fresh
        return [max(self._nodes.values(), key=lambda kept: kept[0])[1]]

    def unheard(self) -> float | None:
        """Seconds since a supervisor was heard of; None: never."""
        now = self._clock.monotonic()
        return min((now - at for at, _ in self._nodes.values()), default=None)

    def findings(self) -> list[Finding]:
        """What is wrong now."""
        return find(
            self.figures,
            self.nodes,
            self._recordings(),
            bus=self._connected(),
            wall=self._clock.wall(),
        )

    def spans(self) -> list[Span]:
        """What was wrong within the last hour, newest beginning first."""
        wall = self._clock.wall()
        past = [span for span in self._past if wall - span.until <= HOUR]
        return sorted([*past, *self._spans.values()], key=lambda span: span.since, reverse=True)[:MAX_SPANS]

    # --- looking -----------------------------------------------------------------------------

    def look(self) -> None:
        """Every SAMPLE seconds."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        self._texts = {role: kept for role, kept in self._texts.items() if now - kept[0] <= OLD}
        sample = {role: read_role(text) for role, (_, text) in self._texts.items()}
        if self._sample is not None:
            self.figures = figures(self._sample[1], sample, now - self._sample[0])
        self._sample = (now, sample)
        self.sampled = wall
        self._curve(now)
        self._follow(wall)

    def _curve(self, now: float) -> None:
        current = self.figures
        roles = [role for node in self.nodes for role in node.roles]
        of_roles: dict[str, float | None] = {}
        if self.connected:
            of_roles = {f"cpu {role.name}": role.cpu for role in roles[:MAX_ROLES]}
            of_roles |= {
                f"memory {role.name}": float(role.memory) for role in roles[:MAX_ROLES] if role.memory
            }
        self.curves.add(
            now,
            listeners=float(sum(current.listeners.values())) if current.listeners else None,
            late=current.late,
            loss=current.loss,
            level=None if current.level is None else float(current.level),
            used=current.used,
            **of_roles,
        )
        self.curves.forget([*CURVES, *of_roles])

    def _follow(self, wall: float) -> None:
        """Findings become spans of time."""
        there: dict[tuple[str, str], Span] = {}
        for finding in self.findings():
            key = (finding.key, finding.name)
            known = self._spans.pop(key, None)
            worst = finding
            if known is not None and known.finding.number > finding.number:
                worst = replace(finding, number=known.finding.number)
            there[key] = Span(worst, wall if known is None else known.since, wall)
        self._past.extend(replace(span, going=False) for span in self._spans.values())
        self._spans = dict(list(there.items())[:MAX_SPANS])

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE)
            try:
                self.look()
            except Exception:
                log.exception("the server's health could not be looked at")
