"""When a role that died is started again. Pure: times are arguments."""

from __future__ import annotations

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
HEALTHY_AFTER = 30.0
"""Seconds of life after which an earlier death counts no more."""


class Backoff:
    """At once the first time, then 0.5 s doubling to 10 s; forgiven after 30 s of life."""

    def __init__(self) -> None:
        self.deaths = 0
        """Deaths in a row, each after less than 30 s."""

    def died(self, lived: float) -> float:
        """The role died after `lived` seconds: seconds to wait before starting it again."""
        if lived >= HEALTHY_AFTER:
            self.deaths = 0
        self.deaths += 1
        if self.deaths == 1:
            return 0.0
        # The exponent is bounded so that a role failing for days cannot overflow it.
        return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self.deaths - 2, 16))
