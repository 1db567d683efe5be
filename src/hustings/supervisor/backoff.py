"""When a role that died is started again. Pure: times are arguments."""

from __future__ import annotations

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
AT_ONCE = 3
"""Deaths in a row after which a role is started again without waiting."""
HEALTHY_AFTER = 5.0
"""Seconds of life after which an earlier death counts no more: a role that dies every 5 s is away for a
quarter of a second each time; making its listeners wait would cost them more."""


class Backoff:
    """At once the first three times, then 0.5 s doubling to 10 s; forgiven after 5 s of life."""

    def __init__(self) -> None:
        self.deaths = 0
        """Deaths in a row, each after less than 5 s."""

    def died(self, lived: float) -> float:
        """The role died after `lived` seconds: seconds to wait before starting it again."""
        if lived >= HEALTHY_AFTER:
            self.deaths = 0
        self.deaths += 1
        if self.deaths <= AT_ONCE:
            return 0.0
        # The exponent is bounded so that a role failing for days cannot overflow it.
        return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self.deaths - AT_ONCE - 1, 16))
