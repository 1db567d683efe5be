"""How long packets take, and how long playing must therefore wait.

The transit of a packet is its arrival minus its media time: meaningless by itself, but the smallest transit
of the last seconds is the undisturbed path, and what a packet takes beyond that is its *relative delay*,
>= 0. The smallest transit is a sliding minimum, so it follows the sender's clock when that is fast or slow.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Final


class DelayEstimator:
    """Relative delays of one stream, their high percentile and the target playout delay.

    All in seconds. Memory is constant: a window of packets and one minimum for each of the last seconds.
    """

    WINDOW_PACKETS: Final = 100
    RANK: Final = 3
    """The target covers all but the two slowest of the last 100 packets: about the 97th percentile."""
    MARGIN: Final = 0.003
    TICK: Final = 0.020
    """A packet must be there when its first sample's 20 ms frame begins, up to one tick early."""
    BASE_SECONDS: Final = 6.0
    REBASE_PACKETS: Final = 25
    """So many packets in a row far above the base: the path itself has become longer."""

    def __init__(self, min_delay: float, max_delay: float) -> None:
        self._min_delay = min_delay
        self._max_delay = max_delay
        self._minima: deque[tuple[float, float]] = deque()
        self._recent: deque[float] = deque(maxlen=self.REBASE_PACKETS)
        self._order: deque[float] = deque()
        self._sorted: list[float] = []
        self.base: float = 0.0
        """Smallest transit of the last seconds; valid once a packet was observed."""
        self.jitter: float = 0.0
        """Interarrival jitter as RFC 3550 section 6.4.1 smooths it, seconds."""
        self.target: float = min_delay
        self._last_transit: float | None = None

    @property
    def observed(self) -> bool:
        """Whether any packet was seen."""
        return self._last_transit is not None

    def relative(self, media_seconds: float, now: float) -> float:
        """Relative delay that a packet of `media_seconds` arriving at `now` would have. Changes nothing."""
        return now - media_seconds - self.base

    def observe(self, media_seconds: float, now: float) -> None:
        """Take the arrival of one packet at monotonic `now`."""
        transit = now - media_seconds
        if self._last_transit is not None:
            self.jitter += (abs(transit - self._last_transit) - self.jitter) / 16.0
        self._last_transit = transit
        self._recent.append(transit)
        self._follow_base(transit, now)
        self._rank(transit - self.base)

    def _follow_base(self, transit: float, now: float) -> None:
        """Sliding minimum: candidates in rising order, each the smallest of its stretch of the window."""
        minima = self._minima
        while minima and minima[-1][1] >= transit:
            minima.pop()
        if not minima or now - minima[-1][0] >= 0.1:
            minima.append((now, transit))
        while minima[0][0] < now - self.BASE_SECONDS and len(minima) > 1:
            minima.popleft()
        lowest = minima[0][1]
        recent = self._recent
        if len(recent) == recent.maxlen and transit - lowest > self._max_delay:
            shortest = min(recent)
            if shortest - lowest > self._max_delay:
                minima.clear()
                minima.append((now, shortest))
                lowest = shortest
                self._order.clear()
                self._sorted.clear()
        self.base = lowest

    def _rank(self, relative: float) -> None:
        ordered = self._sorted
        self._order.append(relative)
        insort(ordered, relative)
        if len(ordered) > self.WINDOW_PACKETS:
            del ordered[bisect_left(ordered, self._order.popleft())]
        high = ordered[max(len(ordered) - self.RANK, 0)] if len(ordered) >= self.RANK else ordered[-1]
        wanted = high + self.TICK + self.MARGIN
        self.target = min(max(wanted, self._min_delay), self._max_delay)
