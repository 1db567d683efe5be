"""Time as an argument: shells own a clock and pass `now` into the pure cores."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks that are never mixed."""

    def monotonic(self) -> float:
        """Seconds, never stepping; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Unix time in seconds; may step."""
        ...


class SystemClock:
    """The machine's clocks."""

    # Not methods that call these: edges ask for the time with every answer.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class FakeClock:
    """A clock that moves only when told; both clocks advance together."""

    def __init__(self, monotonic: float = 1000.0, wall: float = 1_790_000_000.0) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += seconds

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._wall += seconds
