"""How loaded this edge is, and what it does about it before it refuses anybody.

Pure. Every write to a listener costs the same whether it holds one chunk or four, so under load push
batches grow from 200 to 400 to 800 ms: half and a quarter of the writes. What is given up when that is not
enough says shedding.py; nobody who listens is ever dropped for load.
"""

from __future__ import annotations

WIDEN_ABOVE = 0.75
"""Share of one core at which batches grow."""
NARROW_BELOW = 0.30
"""Share at which they shrink again: below half of WIDEN_ABOVE, or they would swing."""
LAG_ABOVE = 0.25
"""Seconds a tick may come late before that counts as load by itself."""
WIDEN_AFTER = 2
NARROW_AFTER = 10
"""Samples in a row (one a second) before batches grow or shrink."""
WIDEST = 4


class Load:
    """Fed once a second; `batch` is the number of chunks in a push batch: 1, 2 or 4."""

    def __init__(self) -> None:
        self.batch = 1
        self._high = 0
        self._low = 0

    def update(self, cpu_share: float, lag: float) -> None:
        """One second's share of a core used by the event loop's thread, and how late the tick came."""
        high = cpu_share > WIDEN_ABOVE or lag > LAG_ABOVE
        low = cpu_share < NARROW_BELOW and lag < LAG_ABOVE / 2
        self._high = self._high + 1 if high else 0
        self._low = self._low + 1 if low else 0
        if self._high >= WIDEN_AFTER and self.batch < WIDEST:
            self.batch *= 2
            self._high = 0
        elif self._low >= NARROW_AFTER and self.batch > 1:
            self.batch //= 2
            self._low = 0

    def widest(self) -> None:
        """At once: there is no time for steps."""
        self.batch = WIDEST
        self._high = self._low = 0
