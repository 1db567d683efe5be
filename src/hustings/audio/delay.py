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
    FEC_LOSSES: Final = 3
    """Packets missing among the last 100 from which on waiting one packet longer, for FEC, pays."""
    FAR_DELAY: Final = 0.240
    """Where waiting ends for a network that is late all the time: talking is laboured then, but words are
    whole. Beyond that the jitter is concealed."""
    LATE_PACKETS: Final = 10
    """Of the last 100 later than `max_delay` ..."""
    LATE_FOR: Final = 120
    """... at each of so many packets in a row (2.4 s), which no single stall is: from then on it is waited
    longer ..."""
    CALM_FOR: Final = 500
    """... until it was not so for as many (10 s)."""
    REBASE_PACKETS: Final = 25
    """So many packets in a row far above the base: the path itself has become longer."""

    def __init__(self, min_delay: float, max_delay: float) -> None:
        self._min_delay = min_delay
        self._max_delay = max_delay
        self._minima: deque[tuple[float, float]] = deque()
        self._recent: deque[float] = deque(maxlen=self.REBASE_PACKETS)
        self._order: deque[float] = deque()
        self._sorted: list[float] = []
        self._arrivals: deque[tuple[int, bool]] = deque(maxlen=self.WINDOW_PACKETS)
        """Highest sequence number so far at each arrival, and whether that packet carried FEC."""
        self._late_for = self._calm_for = 0
        """Packets in a row."""
        self._limit = max_delay
        self._highest = 0
        self._with_fec = 0
        self._waits_for_fec = False
        self.base: float = 0.0
        """Smallest transit of the last seconds; valid once a packet was observed."""
        self.jitter: float = 0.0
        """Interarrival jitter as RFC 3550 section 6.4.1 smooths it, seconds."""
        self.setpoint: float = min_delay
        """Where playing should be: the target, and above `max_delay` up to one tick more."""
        self._last_transit: float | None = None

    def resume(self) -> None:
        """Packets come again after a time in which none were observed: what was not seen is no loss."""
        self._arrivals.clear()
        self._recent.clear()
        self._with_fec = 0
        self._waits_for_fec = False

    @property
    def observed(self) -> bool:
        """Whether any packet was seen."""
        return self._last_transit is not None

    def relative(self, media_seconds: float, now: float) -> float:
        """Relative delay that a packet of `media_seconds` arriving at `now` would have. Changes nothing."""
        return now - media_seconds - self.base

    @property
    def target(self) -> float:
        """Target playout delay, `min_delay`..`max_delay`.

        What the network may cost ends at `limit`; the tick on which a packet is due may come on top.
        """
        return min(self.setpoint, self._limit)

    @property
    def limit(self) -> float:
        """The longest delay there may be now: `max_delay`, or `FAR_DELAY` while most would come too late."""
        return self._limit

    def observe(self, media_seconds: float, now: float, sequence: int = 0, fec: bool = False) -> None:
        """Take the arrival of one packet at monotonic `now`; `sequence` unwrapped, `fec`: it carries FEC."""
        self._count(sequence, fec)
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
        if self._fec_pays():
            wanted += self.TICK
        self._follow_limit(ordered)
        self.setpoint = min(max(wanted, self._min_delay), self._limit + self.TICK)

    def _follow_limit(self, ordered: list[float]) -> None:
        """Waits longer where the network is late all the time, not after a stall."""
        full = len(ordered) == self.WINDOW_PACKETS
        if full and ordered[-self.LATE_PACKETS] > self._max_delay:
            self._late_for += 1
            self._calm_for = 0
        else:
            self._calm_for += 1
            self._late_for = 0
        if self._late_for >= self.LATE_FOR:
            self._limit = max(self._max_delay, self.FAR_DELAY)
        elif self._calm_for >= self.CALM_FOR:
            self._limit = self._max_delay

    def _fec_pays(self) -> bool:
        """Whether packets get lost and enough of them carry a copy of the one before."""
        highest_then, _ = self._arrivals[0]
        missing = self._highest - highest_then - (len(self._arrivals) - 1)
        enough = 1 if self._waits_for_fec else self.FEC_LOSSES
        self._waits_for_fec = missing >= enough and self._with_fec * 4 >= len(self._arrivals)
        return self._waits_for_fec

    def _count(self, sequence: int, fec: bool) -> None:
        if len(self._arrivals) == self._arrivals.maxlen:
            self._with_fec -= self._arrivals[0][1]
        self._highest = max(self._highest, sequence) if self._arrivals else sequence
        self._arrivals.append((self._highest, fec))
        self._with_fec += fec
