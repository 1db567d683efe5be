"""How the roles and the machine are: as metrics, for the operator's page, for load balancers and systemd.

What it looks at: whether a role's process runs, has said that it serves and is still heard of; its processor
time (/proc/PID/stat); room where the data folder is; whether somebody set the clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import Counter, Gauge

from hustings.bus.health_messages import NodeEvent, NodeEventKind, NodeHealth, RoleHealth
from hustings.ids import new_id
from hustings.supervisor.hung import SILENT_FOR

KEPT: Final = 3600.0
MAX_EVENTS: Final = 50
"""Events of the last hour that are kept: the newest."""
STEP: Final = 1.0
"""Seconds by which the clock moves between two looks for it to have been set (as studio/trusted_time)."""

up_gauge = Gauge("hustings_role_up", "1 while the role runs and serves.", ["name"])
_since = Gauge("hustings_role_since_seconds", "When the role's process began, Unix time.", ["name"])
_cpu = Counter("hustings_role_cpu_seconds_total", "Processor time of the role's processes.", ["name"])
_free = Gauge("hustings_data_free_bytes", "Bytes that may still be written where the data folder is.")
_size = Gauge("hustings_data_size_bytes", "Bytes of the disk the data folder is on.")
_steps = Counter("hustings_clock_steps_total", "Times the machine's clock was set by more than a second.")


class Watched(Protocol):
    """supervisor.child.Child."""

    heard: float | None

    @property
    def pid(self) -> int: ...

    @property
    def is_ready(self) -> bool: ...

    @property
    def since(self) -> float: ...

    @property
    def deaths(self) -> int: ...


@dataclass(slots=True)
class _Processor:
    """Of one role: which process, its seconds so far, and the share at the last look."""

    pid: int
    seconds: float
    at: float
    share: float | None = None


def processor_seconds(pid: int, proc: Path = Path("/proc")) -> float | None:
    """What process `pid` has computed so far, user and system; None when that cannot be told (proc(5))."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


class Health:
    """Of one node. `steady`: seconds that count a suspended machine's time, too (CLOCK_BOOTTIME)."""

    def __init__(
        self,
        children: Mapping[str, Watched],
        data: Path,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        steady: Callable[[], float],
        processor: Callable[[int], float | None] = processor_seconds,
    ) -> None:
        self._children = children
        self._data = data
        self._wall = wall
        self._monotonic = monotonic
        self._steady = steady
        self._processor = processor
        self._offset = wall() - steady()
        self._node = new_id()
        self._started = wall()
        self._events: deque[NodeEvent] = deque(maxlen=MAX_EVENTS)
        self._processors: dict[str, _Processor] = {}
        self._memory: dict[str, int] = {}
        self._disk = (0, 0)
        """Bytes free for this process, and all."""
        self.limits: Mapping[str, int] = {}
        self.bus_connected: Callable[[], bool] = lambda: False

    def happened(self, kind: NodeEventKind, name: str = "", seconds: float = 0.0) -> None:
        """One more event, now."""
        self._events.append(NodeEvent(at=self._wall(), kind=kind, name=name, seconds=seconds))

    def has_memory(self, name: str, bytes_: int) -> None:
        """What a role has of its own."""
        self._memory[name] = bytes_

    def look(self) -> None:
        """Once a second: processor, disk, clock."""
        now = self._monotonic()
        for name, child in self._children.items():
            _since.labels(name).set(child.since if child.pid else 0.0)
            self._look_at(name, child.pid, now)
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(self._data)
            self._disk = usage.free, usage.total
            _free.set(usage.free)
            _size.set(usage.total)
        offset = self._wall() - self._steady()
        if abs(offset - self._offset) > STEP:
            _steps.inc()
            self.happened("clock", seconds=round(offset - self._offset, 3))
        self._offset = offset

    def _look_at(self, name: str, pid: int, now: float) -> None:
        seconds = self._processor(pid) if pid else None
        if seconds is None:
            self._processors.pop(name, None)
            return
        before = self._processors.get(name)
        if before is None or before.pid != pid:
            self._processors[name] = _Processor(pid, seconds, now)
            return
        _cpu.labels(name).inc(max(0.0, seconds - before.seconds))
        if now > before.at:
            share = max(0.0, seconds - before.seconds) / (now - before.at)
            # A look a second and ticks of 10 ms: a mean of some seconds is what can be read.
            before.share = share if before.share is None else before.share + 0.3 * (share - before.share)
        before.seconds, before.at = seconds, now

    def _is_up(self, name: str, child: Watched, now: float) -> bool:
        if not child.pid:
            return False
        # The bus says nothing of itself: it is up while we are connected to it.
        if name == "bus":
            return self.bus_connected()
        return child.is_ready and child.heard is not None and now - child.heard < SILENT_FOR

    def ups(self) -> dict[str, bool]:
        """Whether each role runs, has said that it serves, and is heard of; also as a metric."""
        now = self._monotonic()
        found = {name: self._is_up(name, child, now) for name, child in list(self._children.items())}
        for name, up in found.items():
            up_gauge.labels(name).set(int(up))
        return found

    def ready(self, asked: str = "") -> tuple[bool, str]:
        """Whether the node, or the one role `asked`, serves, and how each role is (JSON). KeyError: there is
        no such role. Of the node all count but scribe and certificates: nothing live waits for these."""
        roles = self.ups()
        if asked:
            roles = {asked: roles[asked]}
        needed = [up for name, up in roles.items() if asked or name not in ("scribe", "certificates")]
        connected = self.bus_connected()
        fine = connected and all(needed)
        said = {
            "status": "ok" if fine else "not ready",
            "bus": connected,
            "roles": {name: "up" if up else "away" for name, up in roles.items()},
        }
        return fine, json.dumps(said) + "\n"

    def report(self) -> NodeHealth:
        """For the bus."""
        now, wall = self._monotonic(), self._wall()
        while self._events and wall - self._events[0].at > KEPT:
            self._events.popleft()
        ups = self.ups()
        return NodeHealth(
            node=self._node,
            wall_clock=wall,
            started=self._started,
            roles=[self._role(name, child, ups[name], now) for name, child in self._children.items()],
            events=list(self._events),
            disk_free=self._disk[0],
            disk_size=self._disk[1],
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        )

    def _role(self, name: str, child: Watched, up: bool, now: float) -> RoleHealth:
        processor = self._processors.get(name)
        return RoleHealth(
            name=name,
            up=up,
            running=bool(child.pid),
            since=child.since if child.pid else 0.0,
            silent=None if child.heard is None else round(max(0.0, now - child.heard), 1),
            restarts=child.deaths,
            cpu=None if processor is None or processor.share is None else round(processor.share, 4),
            memory=self._memory.get(name, 0) if child.pid else 0,
            memory_limit=self.limits.get(name, 0),
        )
