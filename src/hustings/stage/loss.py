"""How much of a sender's sound the network lost lately: RFC 3550 appendix A.3, over the last seconds."""

from __future__ import annotations

from collections import deque

SECONDS = 5
"""What is looked back at."""
_MISORDER = 100
"""A sequence number this far behind the highest starts a new count (RFC 3550 A.1, MAX_MISORDER)."""


class LossMeter:
    """Counts one source's sequence numbers. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._highest = -1
        """Highest sequence number, unwrapped; -1 before the first."""
        self._received = 0
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=SECONDS)
        """Once a second: when, highest and received before that packet."""

    def take(self, sequence: int, now: float) -> None:
        """A packet came."""
        if self._highest < 0:
            self._highest = sequence - 1
        step = (sequence - self._highest + 0x8000) % 0x10000 - 0x8000
        if step < -_MISORDER:
            self._highest, self._received = sequence - 1, 0
            self._marks.clear()
            step = 1
        if not self._marks or now - self._marks[-1][0] >= 1.0:
            self._marks.append((now, self._highest, self._received))
        self._highest += max(step, 0)
        self._received += 1

    @property
    def share(self) -> float:
        """Share lost of what the sender sent in the last 5 s in which anything came, 0 to 1."""
        if not self._marks:
            return 0.0
        _, highest, received = self._marks[0]
        expected = self._highest - highest
        if expected <= 0:
            return 0.0
        return min(1.0, max(0.0, 1.0 - (self._received - received) / expected))
