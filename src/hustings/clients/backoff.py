"""How long to wait before the next try. Pure: it neither sleeps nor looks at a clock."""

from __future__ import annotations

import random

FIRST = 0.3
LONGEST = 10.0
"""Seconds between two tries at a server that is gone."""
LONGEST_REFUSED = 1.0
"""Seconds between two tries at a server that answers "not yet": it is there, and its doors may open now."""

LONGEST_NO_PATH = 0.5
"""Seconds between two tries while nothing at all comes back: each try waits by itself, and the network may
be there again at any moment."""


class Backoff:
    """Waits double from try to try; each is taken from the upper half of its interval at random, so that
    those who lost the same server do not come back at the same moment."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311  # spreads tries, keeps no secret
        self._next = FIRST

    def wait(self, longest: float = LONGEST) -> float:
        """Seconds until the next try."""
        interval = min(self._next, longest)
        self._next = min(2 * interval, LONGEST)
        return interval * self._chance.uniform(0.5, 1.0)
