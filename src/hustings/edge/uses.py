"""How often each place has been used: a signed token lets in so many times, not for ever. Bounded, in
memory."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 50_000
"""Places remembered; the one used least of late goes first."""


class Uses:
    """Counts by the place's random number."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._remembered = remembered

    def __len__(self) -> int:
        return len(self._counts)

    def take(self, number: bytes, most: int) -> bool:
        """Whether it may be used once more (it then is): `most` times in all."""
        count = self._counts.pop(number, 0)
        self._counts[number] = min(count + 1, most)
        if len(self._counts) > self._remembered:
            self._counts.popitem(last=False)
        return count < most
