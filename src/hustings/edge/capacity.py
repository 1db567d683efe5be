"""How many listeners this edge can hold: by descriptors, by memory, by measured processor time. The least
binds.

Pure: fed with what was measured once a second. A write to one listener costs what it costs on this machine,
with or without TLS; the cheapest second of the last minutes is the best estimate, as anything else that
goes on only adds to it. With the widest batches a push listener is written to 1.25 times a second.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

type Bound = Literal["descriptors", "memory", "cpu"]

FOR_LISTENERS = 0.9
"""Share of all connections that may be listeners: pages, and who is told to wait, need some, too."""
FOR_OTHERS = 64
"""So many are left for these at least, but not more than half: where few may come in, more people wait."""
TARGET_SHARE = 0.75
"""Share of a core that listeners may take, at the widest batches."""
PUSH_WRITES = 1.25
"""Writes a second to a push listener, at the widest batches: 800 ms."""
STREAM_WRITES = 5.0
"""Writes a second to a listener to a plain stream, which have no batches."""
CONNECTION_BYTES = 24 * 1024
"""Memory reckoned for one connection: 2.5 kB here, the rest for the kernel's and for slow ones' buffers."""
TLS_BYTES = 16 * 1024
"""What TLS adds to it."""
MIN_WRITES = 500
"""Writes in a second below which it says nothing about the cost of one."""
LEAST_COST = 1e-6
WORST_COST = 120e-6
"""Seconds of processor time for a write at most, four times of what TLS costs a slow core: under a flood of
something else the estimate would grow without a bound."""
MINUTES = 5


class Capacity:
    """`connections`: how many the descriptors allow; `memory`: bytes this process may use; 0: no bound."""

    def __init__(self, *, connections: int, memory: int, tls: bool = False) -> None:
        self.connections = connections
        self.memory = memory
        self.each = CONNECTION_BYTES + (TLS_BYTES if tls else 0)
        others = min(FOR_OTHERS, connections / 2)
        most = min(connections * FOR_LISTENERS, connections - others)
        self.places: dict[Bound, float] = {"descriptors": most}
        """Listeners at most by each bound that is known: `cpu` is not until something was measured."""
        self._cheapest: deque[tuple[int, float]] = deque(maxlen=MINUTES)
        self._open = self._push = self._streams = 0

    def sample(self, now: float, *, cpu_seconds: float, writes: int, resident: int) -> None:
        """What one second took: processor time of the event loop, writes to listeners; and the memory in
        use."""
        if writes >= MIN_WRITES:
            self._note(int(now // 60), min(max(cpu_seconds / writes, LEAST_COST), WORST_COST))
        while self._cheapest and self._cheapest[0][0] <= int(now // 60) - MINUTES:
            self._cheapest.popleft()
        if self.memory:
            self.places["memory"] = max(0.0, self._open + (self.memory - resident) / self.each)
        if (cost := self.cost) is None:
            self.places.pop("cpu", None)
        else:
            streams = self._streams * STREAM_WRITES / PUSH_WRITES - self._streams
            self.places["cpu"] = max(0.0, TARGET_SHARE / (cost * PUSH_WRITES) - streams)

    def _note(self, minute: int, cost: float) -> None:
        if self._cheapest and self._cheapest[-1][0] == minute:
            cost = min(cost, self._cheapest.pop()[1])
        self._cheapest.append((minute, cost))

    @property
    def cost(self) -> float | None:
        """Seconds of processor time for one write; None: not known yet."""
        return min((cost for _, cost in self._cheapest), default=None)

    @property
    def binding(self) -> Bound:
        """The bound that allows least."""
        return min(self.places, key=lambda bound: self.places[bound])

    def count(self, *, connections: int, push: int, streams: int) -> None:
        """Who is here now."""
        self._open, self._push, self._streams = connections, push, streams

    @property
    def room(self) -> int:
        """How many more listeners may come in."""
        listeners = self._push + self._streams
        taken = {"descriptors": self._open, "memory": self._open, "cpu": listeners}
        return max(0, min(int(most - taken[bound]) for bound, most in self.places.items()))
