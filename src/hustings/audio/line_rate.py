"""How many bits a sender spends as its line allows, from the far end's reports. Pure: `now` is passed in.

Loss alone says little: a radio link loses packets whatever their size, and fewer bits would not help it.
Loss together with a round trip that grows is a queue that overflows; heavy loss is taken as one, too. Then
one step down; and one up after a while without either, which becomes longer each time it was too early.
`web/js/line_rate.js` does the same for browsers.
"""

from __future__ import annotations

from typing import Final


class LineRate:
    """Bit rates in bit/s, the highest first."""

    STEPS: Final = (64_000, 48_000, 32_000, 24_000)
    LOSS: Final = 0.03
    HEAVY: Final = 0.15
    GROWN: Final = 0.1
    """Seconds beyond the shortest round trip that mean a queue."""
    REPORTS: Final = 2
    """So many bad reports in a row for a step down."""
    CALM: Final = 10.0
    """Seconds without trouble for a step up, doubled after one that failed ..."""
    LONGEST_CALM: Final = 120.0

    def __init__(self, most: int = 64_000) -> None:
        self._steps = [most, *(step for step in self.STEPS if step < most)]
        self._at = 0
        self._bad = 0
        self._shortest: float | None = None
        self._calm = self.CALM
        self._since: float | None = None
        """When the present calm began."""
        self._raised: float | None = None

    @property
    def bitrate(self) -> int:
        """What to send now."""
        return self._steps[self._at]

    def take(self, lost: float, round_trip: float | None, now: float) -> bool:
        """One report: share lost 0..1, seconds. True when `bitrate` changed by it."""
        if round_trip is not None:
            self._shortest = round_trip if self._shortest is None else min(self._shortest, round_trip)
        queue = (
            round_trip is not None and self._shortest is not None and round_trip > self._shortest + self.GROWN
        )
        bad = lost >= self.HEAVY or (lost >= self.LOSS and queue)
        if not bad:
            self._bad = 0
            self._since = now if self._since is None else self._since
            return self._rise(now) if lost < self.LOSS and not queue else False
        self._since = None
        self._bad += 1
        if self._bad < self.REPORTS or self._at == len(self._steps) - 1:
            return False
        self._bad = 0
        if self._raised is not None and now - self._raised < self.CALM:
            self._calm = min(2 * self._calm, self.LONGEST_CALM)
        self._at += 1
        return True

    def _rise(self, now: float) -> bool:
        assert self._since is not None
        if self._at == 0 or now - self._since < self._calm:
            return False
        self._at -= 1
        self._since = self._raised = now
        return True
