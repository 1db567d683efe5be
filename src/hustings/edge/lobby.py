"""The queue before a door: whoever came first goes in first, in waves, and nobody is told to come back all
at once.

Pure; times are Unix seconds. Each edge has a queue of its own, but a place is a signed time of arrival, so
it holds at every edge of the server: up to `front` all who came are let in. Of those who wait only their
number is kept, for each quarter of a second of arrival; who goes away costs at most the turn he does not
take.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

SLOT = 0.25
"""Seconds of arrival that are counted together."""
KEPT = 3600.0
"""Seconds for which a place is kept."""
SOONEST = 2.0
WAVE = 10.0
"""Seconds after which a waiting one asks again, at the soonest and at the latest: nobody who came later is
let in before him by more than this. With so many waiting that `RETURNS` are reached it takes longer."""
RETURNS = 400
"""Who waits comes back at so many a second at most: two percent of a core."""
HORIZON = 600
"""Seconds within which everybody is told to come back."""
EMPTY_WITHIN = 3.0
"""Seconds in which the queue is let in when there is no reason for it any more."""


class Returns:
    """Spreads the moments at which people come back."""

    def __init__(self, chance: Callable[[], float] = random.random, per_second: int = RETURNS) -> None:
        self._chance = chance
        self._per_second = per_second
        self._told: dict[int, int] = {}
        self._free_from = 0

    def after(self, now: float, wanted: float) -> float:
        """Seconds from `now` at which somebody is to come back: `wanted`, or when there is room again."""
        first = math.floor(now + wanted)
        second = max(first, self._free_from if self._told.get(first, 0) >= self._per_second else first)
        last = math.floor(now) + HORIZON
        while second < last and self._told.get(second, 0) >= self._per_second:
            second += 1
        if second >= last:
            second = math.floor(now + wanted + self._chance() * (HORIZON - wanted))
        elif second > first:
            self._free_from = second
        self._told[second] = self._told.get(second, 0) + 1
        return max(0.0, second + self._chance() - now)

    def some_time(self) -> float:
        """Seconds for whose turn is far: between half a wave and a whole one."""
        return WAVE / 2 + self._chance() * (WAVE / 2 - 1.0)

    def tick(self, now: float) -> None:
        """Forgets what is past."""
        for second in [each for each in self._told if each < now - 1]:
            del self._told[second]


class Lobby:
    """Open at first: everybody goes in. `tick` closes it and opens it again."""

    def __init__(self, returns: Returns) -> None:
        self.front = math.inf
        """Whoever came up to this moment goes in."""
        self.since = math.inf
        """When it was closed."""
        self.rate = 0.0
        self._returns = returns
        self._turns = 0.0
        """How many may be let in now."""
        self._room = math.inf
        self._promised = 0.0
        """How many of those `front` has passed are not in yet."""
        self._waiting: dict[int, int] = {}
        self._slots: list[int] = []
        self._sums: list[int] = []

    @property
    def open(self) -> bool:
        """Whether nobody has to wait."""
        return self.front == math.inf

    @property
    def waiting(self) -> int:
        """How many wait here, about."""
        return sum(self._waiting.values())

    def tick(self, now: float, seconds: float, *, closed: bool, rate: float, room: float = math.inf) -> None:
        """`seconds` after the last tick: `closed` while there is reason to let in only `rate` a second,
        `room` of them in all."""
        self._room = room
        if self.open:
            if not closed:
                return
            self._close(now)
        if self.front > now + SLOT:
            # The clock was set back: those who waited by the old one are let in by turns like newcomers.
            self.front = now
            self._waiting.clear()
        # While it empties the rate does not fall, or the last ones would wait longer and longer.
        self.rate = rate if closed else max(rate, self.rate, self.waiting / EMPTY_WITHIN)
        self._promised *= max(0.0, 1.0 - seconds / WAVE)
        free = max(0.0, room - self._promised)
        self._turns = min(self._turns + self.rate * seconds, max(1.0, self.rate), free)
        self._advance()
        if not closed and not self._waiting and free >= 1.0:
            self.front = self.since = math.inf
            return
        self._slots = sorted(self._waiting)
        self._sums = list(accumulate((self._waiting[slot] for slot in self._slots), initial=0))

    def _close(self, now: float) -> None:
        self.front = self.since = now
        self._turns = self._promised = 0.0

    def passes(self, now: float) -> bool:
        """Whether one goes in because nobody has to wait; he is counted, and the last place closes the
        door."""
        if not self.open:
            return False
        if self._room < 1.0:
            self._close(now)
            return False
        self._room -= 1.0
        return True

    def _advance(self) -> None:
        for slot in sorted(self._waiting):
            count = self._waiting[slot]
            taken = min(count, int(self._turns))
            self._turns -= taken
            self._promised += taken
            if taken < count:
                # A part of those of this quarter of a second, by the moment at which they came.
                begin = max(self.front, slot * SLOT)
                self.front = max(self.front, begin + ((slot + 1) * SLOT - begin) * taken / count)
                self._waiting[slot] = count - taken
                return
            del self._waiting[slot]
            self.front = max(self.front, (slot + 1) * SLOT)

    def enter(self, arrival: float, *, new: bool = False) -> bool:
        """Whether one who came at `arrival` goes in now although people wait; he is counted. `new`: he came
        only now."""
        if self._room < 1.0:
            return False
        if new or arrival > self.front:
            if self._waiting or self._turns < 1.0:
                return False
            # Nobody waits before him.
            self._turns -= 1.0
            self.front = max(self.front, arrival)
        else:
            self._promised = max(0.0, self._promised - 1.0)
        self._room -= 1.0
        return True

    def came_back(self, arrival: float) -> None:
        """One who was told to wait asks again."""
        if arrival <= self.front:
            return
        slot = int(arrival / SLOT)
        left = self._waiting.get(slot, 0) - 1
        if left > 0:
            self._waiting[slot] = left
        else:
            self._waiting.pop(slot, None)

    def wait(self, arrival: float, now: float) -> tuple[float, int]:
        """(seconds after which to ask again, how many are before him here): he is counted as waiting."""
        if not self.open and arrival > self.front:
            slot = int(arrival / SLOT)
            self._waiting[slot] = self._waiting.get(slot, 0) + 1
        ahead = self.ahead(arrival)
        turn = ahead / self.rate if self.rate else WAVE
        return self._returns.after(now, max(min(turn, self._returns.some_time()), SOONEST)), ahead

    def ahead(self, arrival: float) -> int:
        """How many of those who wait came before, about."""
        if not self._sums:
            return 0
        return self._sums[bisect_left(self._slots, int(arrival / SLOT))]
