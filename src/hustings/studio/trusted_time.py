"""What time it is, for what must happen at a time: the wall clock, but not every step of it.

A machine's clock is corrected by small amounts all the time, and followed. When it jumps, either the jump or
what was before is wrong. The kernel knows more: whether a time service holds its clock (adjtimex(2)). If one
does, the jump is a correction and believed at once; if none does, time goes on as before until the new one
has lasted. So a clock that somebody sets an hour wrong and back again opens no room early, nor late.

Pure, but for the two functions at the end that ask the kernel.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

FOLLOW = 1.0
"""Seconds the wall clock may be set by between two looks and still be followed."""
BELIEVE_AFTER = 900.0
"""Seconds after which a jump is believed that no time service vouches for."""
_TIME_ERROR = 5


class TrustedTime:
    """`now` gives Unix seconds. `steady` never steps; `synchronised` says whether a time service holds the
    wall clock."""

    def __init__(
        self, wall: Callable[[], float], steady: Callable[[], float], synchronised: Callable[[], bool]
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._synchronised = synchronised
        self._offset = wall() - steady()
        self._other: tuple[float, float] | None = None
        """The offset that is not believed yet, and since when (steady) it lasts."""

    def now(self) -> float:
        """To be asked now and then, or steps add up between two looks."""
        steady = self._steady()
        offset = self._wall() - steady
        if abs(offset - self._offset) <= FOLLOW:
            self._offset, self._other = offset, None
        elif self._other is None or abs(offset - self._other[0]) > FOLLOW:
            self._other = (offset, steady)
            if self._synchronised():
                self._offset, self._other = offset, None
        elif steady - self._other[1] >= BELIEVE_AFTER or self._synchronised():
            self._offset, self._other = offset, None
        return steady + self._offset

    @property
    def doubts(self) -> bool:
        """Whether the wall clock says something else."""
        return self._other is not None


def since_boot() -> float:
    """Monotonic seconds that count a suspended machine's time too: waking up is no step."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def clock_is_held() -> bool:
    """Whether a time service holds this machine's clock. False where the kernel does not say."""
    try:
        # struct timex has 208 bytes; all zero asks and changes nothing (modes = 0).
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return False
    return bool(0 <= state < _TIME_ERROR)
