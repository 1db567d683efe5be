"""Replay by the measurement guideline podcasts use (IAB Tech Lab, version 2.2): who took 60 seconds of a
recording within a day is one play; what is fetched twice counts once.

Everything is turned into time: bytes of a file, by its length; segments, by where they lie. So it does not
matter by which file or how many requests somebody listens.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

from hustings.audience.lanes import SECONDS
from hustings.audience.sketch import Unique

MAX_LISTENERS: Final = 50_000
"""Pairs of recording and visitor in one day at one edge."""
MAX_RANGES: Final = 64
"""Stretches of one recording that one visitor took; those that are closest become one."""

type Recording = tuple[str, str]
"""Room and broadcast."""


class Stretches:
    """Stretches of time, merged."""

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []
        self.total = 0.0
        """Seconds in all that were really added."""

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, begin: float, end: float) -> float:
        """Adds one; how many seconds of it are new."""
        if end <= begin:
            return 0.0
        first = bisect_left(self._ends, begin)
        after = first
        known = 0.0
        low, high = begin, end
        while after < len(self._starts) and self._starts[after] <= end:
            known += max(0.0, min(end, self._ends[after]) - max(begin, self._starts[after]))
            low, high = min(low, self._starts[after]), max(high, self._ends[after])
            after += 1
        self._starts[first:after] = [low]
        self._ends[first:after] = [high]
        if len(self._starts) > MAX_RANGES:
            self._close_narrowest()
        new = end - begin - known
        self.total += new
        return new

    def _close_narrowest(self) -> None:
        """What lay between counts as known from now on: too little rather than too much."""
        gaps = [self._starts[n + 1] - self._ends[n] for n in range(len(self._starts) - 1)]
        place = gaps.index(min(gaps))
        del self._starts[place + 1]
        del self._ends[place]


class _Listener:
    __slots__ = ("counted", "stretches")

    def __init__(self) -> None:
        self.counted = False
        self.stretches = Stretches()


class Told(NamedTuple):
    """Of one recording and day, so far."""

    day: str
    recording: Recording
    sketch: bytes
    milliseconds: int


class Replays:
    """One edge's. Two days at most are kept: today's, and yesterday's until it was told."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.dropped = 0
        self._seconds = seconds
        self._day = ""
        self._listeners: dict[tuple[Recording, int], _Listener] = {}
        self._unique: dict[tuple[str, Recording], Unique] = {}
        self._taken: dict[tuple[str, Recording], float] = {}
        self._dirty: set[tuple[str, Recording]] = set()

    def took(self, day: str, recording: Recording, key: int, begin: float, end: float) -> None:
        """`key` (sketch.visitor_key with the day's salt) was given the seconds from `begin` to `end`."""
        if day != self._day:
            self._day = day
            self._listeners.clear()
        who = (recording, key)
        listener = self._listeners.get(who)
        if listener is None:
            if len(self._listeners) >= MAX_LISTENERS:
                self.dropped += 1
                return
            listener = self._listeners[who] = _Listener()
        new = listener.stretches.add(begin, end)
        of = (day, recording)
        if listener.counted:
            self._count(of, new)
        elif listener.stretches.total >= self._seconds - 1e-6:
            listener.counted = True
            self._unique.setdefault(of, Unique()).add(key)
            self._count(of, listener.stretches.total)

    def _count(self, of: tuple[str, Recording], seconds: float) -> None:
        self._taken[of] = self._taken.get(of, 0.0) + seconds
        self._dirty.add(of)

    def drain(self, *, everything: bool = False) -> list[Told]:
        """What changed since the last call, each whole; lets go of days that are over."""
        told = [
            Told(of[0], of[1], unique.to_bytes(), round(self._taken[of] * 1000))
            for of, unique in self._unique.items()
            if everything or of in self._dirty
        ]
        self._dirty.clear()
        for of in [of for of in self._unique if of[0] != self._day]:
            del self._unique[of], self._taken[of]
        return told
