"""How late the studio's event loop is: what listeners send must not be felt by hosts and speakers.

Measured where the loop waits, between one turn and the next: a studio with nothing to do is not woken for it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Callable

from prometheus_client import Gauge

_late = Gauge(
    "hustings_studio_loop_late_seconds",
    "Most the event loop was late since the last report (2 s before); NaN where it is not measured.",
)
_late.set(math.nan)


class WatchedSelector(selectors.DefaultSelector):
    """What an event loop waits in. What becomes ready while a turn goes on is late by what is left of it,
    so the longest turn is the worst; or the loop is woken late, because the processor was another's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._woken = clock()
        self._worst = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        begin = self._clock()
        late = begin - self._woken
        events = super().select(timeout)
        self._woken = self._clock()
        if timeout and not events:
            late = max(late, self._woken - begin - timeout)
        self._worst = max(self._worst, late)
        return events

    def worst(self) -> float:
        """Seconds, since this was asked last."""
        worst, self._worst = self._worst, 0.0
        return worst


def watched_loop() -> asyncio.AbstractEventLoop:
    """The event loop to run a studio in."""
    selector = WatchedSelector()
    _late.set_function(selector.worst)
    return asyncio.SelectorEventLoop(selector)
