"""What an encoder is told of the loss its packets meet, from the far end's reports. Pure.

In-band error correction costs sound quality while nothing is lost, and loss comes in bursts: it is
believed at once and given up slowly, in steps, so that an encoder is not tuned at every report.
"""

from __future__ import annotations

from typing import Final


class ExpectedLoss:
    """Takes the share lost as each report says it (about one a second)."""

    ON: Final = 0.03
    """Share from which error correction pays."""
    OFF: Final = 0.01
    """... below which it is given up."""
    FALL: Final = 0.15
    """Of the way down at each report: half in five seconds."""
    STEPS: Final = (10, 15, 20, 30)
    """Percent. Below 10 libopus writes no copies at 32 kbit/s (`OpusEncoder`); beyond 30 the sound falls
    apart in any case."""

    def __init__(self) -> None:
        self._smooth = 0.0
        self.percent = 0
        """For the encoder; 0: no error correction."""

    def take(self, lost: float) -> bool:
        """One report: share 0..1. True when `percent` changed by it."""
        if lost > self._smooth:
            self._smooth += (lost - self._smooth) / 2
        else:
            self._smooth += (lost - self._smooth) * self.FALL
        before = self.percent
        if self._smooth < (self.OFF if before else self.ON):
            self.percent = 0
        else:
            wanted = next((step for step in self.STEPS if step >= 100 * self._smooth), self.STEPS[-1])
            lower = 100 * self._smooth < 0.8 * before
            if wanted > before or (wanted < before and lower):
                self.percent = wanted
        return self.percent != before
