"""True-peak limiter: nothing above the ceiling leaves, and below it the sound only waits.

Peaks are found by 4-fold oversampling (ITU-R BS.1770-4 annex 2). The gain is worked out once per
millisecond, looks 5 ms ahead, falls along a straight line before the peak and recovers with a time constant
of about 100 ms. All of it is a handful of array operations a frame.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hustings.audio.frame import FRAME_SAMPLES, Frame

_OVERSAMPLING: Final = 4
_TAPS: Final = 24
"""Taps of each polyphase branch; 12 input samples to either side."""
_BLOCK: Final = 48
_BLOCKS: Final = FRAME_SAMPLES // _BLOCK
_LOOK_AHEAD_BLOCKS: Final = 5
_WINDOW: Final = _LOOK_AHEAD_BLOCKS + 2
_RELEASE_SECONDS: Final = 0.1
_UNDER_READ_DB: Final = 0.35
"""What 4-fold sampling may miss of a peak between its points: kept as a margin while limiting."""


def interpolator(oversampling: int, taps: int) -> NDArray[np.float32]:
    """Polyphase branches, shape (taps, oversampling - 1), of a windowed-sinc interpolator.

    Branch j gives the signal (j + 1) / oversampling of a sample after input sample taps / 2 - 1.
    """
    offsets = np.arange(taps)[:, None] - (taps // 2 - 1) - np.arange(1, oversampling)[None, :] / oversampling
    window = np.kaiser(2 * 1024 + 1, 7.0)
    shape = np.interp(offsets / (taps / 2), np.linspace(-1, 1, window.size), window)
    branches = np.sinc(offsets) * shape
    return (branches / branches.sum(axis=0)).astype(np.float32)


class Limiter:
    """One stream of frames through a look-ahead limiter.

    `ceiling_dbtp`: highest true peak that leaves, dBTP. `delay`: samples by which the output lags the input,
    constant. While no peak comes near the ceiling the output is the input, bit by bit, `delay` samples later.
    """

    delay: Final = _BLOCK * _WINDOW

    def __init__(self, ceiling_dbtp: float = -1.0) -> None:
        self._ceiling = 10.0 ** (ceiling_dbtp / 20.0)
        self._working = 10.0 ** ((ceiling_dbtp - _UNDER_READ_DB) / 20.0)
        self._branches = interpolator(_OVERSAMPLING, _TAPS)
        self._history = np.zeros(self.delay + _TAPS, dtype=np.float32)
        self._needed: list[float] = [1.0] * _WINDOW
        self._released = 1.0
        self._held: list[float] = [1.0] * _LOOK_AHEAD_BLOCKS
        self._last_gain = 1.0
        self._recovery = 1.0 - math.exp(-_BLOCK / 48_000 / _RELEASE_SECONDS)

    @property
    def gain(self) -> float:
        """Linear gain at the end of the last frame; 1.0 when the limiter rests."""
        return self._last_gain

    def process(self, frame: Frame) -> Frame:
        """Take one frame, shape (960,), any level; give the frame `delay` samples earlier, limited."""
        joined = np.concatenate((self._history, frame))
        # joined[-960 - _TAPS/2 : -_TAPS/2] is examined now: the interpolator needs 12 samples beyond.
        self._history = joined[FRAME_SAMPLES:]
        needed = self._examine(joined[-(FRAME_SAMPLES + _TAPS) :])
        waiting = joined[_TAPS : _TAPS + FRAME_SAMPLES]
        curve = self._gain_points(needed)
        if curve is None:
            return waiting.copy()
        gain = np.interp(_SAMPLE_POINTS, _BLOCK_POINTS, curve).astype(np.float32)
        limited: Frame = waiting * gain
        return limited

    def _examine(self, samples: NDArray[np.float32]) -> list[float]:
        """Gain each millisecond needs so that its true peak is at the ceiling."""
        windows = sliding_window_view(samples, _TAPS)[1:]
        between = windows @ self._branches
        peaks = np.maximum(np.abs(between).max(axis=1), np.abs(windows[:, _TAPS // 2 - 1]))
        blocks = peaks.reshape(_BLOCKS, _BLOCK).max(axis=1)
        if float(blocks.max()) <= self._working:
            return _NOTHING_NEEDED
        return [1.0 if peak <= self._working else self._working / peak for peak in blocks.tolist()]

    def _gain_points(self, needed: list[float]) -> list[float] | None:
        """Gain at the 21 block boundaries of the frame that leaves now, or None for exactly 1."""
        self._needed = self._needed[-_WINDOW:] + needed
        if self._last_gain == 1.0 and self._released == 1.0 and min(self._needed) == 1.0:
            return None
        points = [self._last_gain]
        for index in range(_BLOCKS):
            # The sound that leaves lies 6.75 blocks behind the examined one, so the point at the end of block
            # `index` touches examined blocks index - 7 to index - 5. Each of the last five values of
            # `_released`, whose mean the point is, has seen all three.
            floor = min(self._needed[index : index + _WINDOW])
            recovered = self._released + (1.0 - self._released) * self._recovery
            self._released = min(floor, recovered if recovered < 0.9999 else 1.0)
            self._held = [*self._held[1:], self._released]
            points.append(sum(self._held) / _LOOK_AHEAD_BLOCKS)
        self._last_gain = points[-1]
        return points


_NOTHING_NEEDED: Final[list[float]] = [1.0] * _BLOCKS
_BLOCK_POINTS: Final = np.arange(_BLOCKS + 1) * float(_BLOCK)
_SAMPLE_POINTS: Final = np.arange(FRAME_SAMPLES) + 1.0
