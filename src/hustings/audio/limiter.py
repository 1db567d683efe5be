"""True-peak limiter: nothing above the ceiling leaves, and below it the sound only waits.

Peaks are found by 8-fold oversampling (ITU-R BS.1770-4 annex 2). The gain is worked out once per
millisecond, looks 5 ms ahead, falls along a straight line before the peak and recovers with a time constant
of about 100 ms.

Cost: `benchmarks/audio_cost.py`. Between two ticks of a stage its code and data leave the processor's caches,
so all arrays are made once and each step is one call.

The interpolator sees content up to about 22 kHz; whatever came out of Opus ends at 20 kHz (RFC 6716 table 1).
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hustings.audio.frame import FRAME_SAMPLES, Frame

_OVERSAMPLING: Final = 8
_TAPS: Final = 48
"""Taps of each polyphase branch; 24 input samples to either side: flat to about 22 kHz."""
_BLOCK: Final = 48
_BLOCKS: Final = FRAME_SAMPLES // _BLOCK
_STRIP: Final = 16
"""Samples whose oversampled points are worked out by one row of a matrix product."""
_LOOK_AHEAD_BLOCKS: Final = 5
_WINDOW: Final = _LOOK_AHEAD_BLOCKS + 2
_RELEASE_SECONDS: Final = 0.1
_UNDER_READ_DB: Final = 0.25
"""What 8-fold sampling may miss of a peak between its points (0.17 dB at 24 kHz, BS.1770-4 annex 2), and a
little for the course of the gain: the margin kept while limiting."""


def interpolator(oversampling: int, taps: int) -> NDArray[np.float32]:
    """Polyphase branches, shape (taps, oversampling - 1), of a windowed-sinc interpolator.

    Branch j gives the signal (j + 1) / oversampling of a sample after input sample taps / 2 - 1.
    """
    offsets = np.arange(taps)[:, None] - (taps // 2 - 1) - np.arange(1, oversampling)[None, :] / oversampling
    window = np.kaiser(2 * 1024 + 1, 5.0)
    shape = np.interp(offsets / (taps / 2), np.linspace(-1, 1, window.size), window)
    branches = np.sinc(offsets) * shape
    return (branches / branches.sum(axis=0)).astype(np.float32)


def _strips(branches: NDArray[np.float32]) -> NDArray[np.float32]:
    """One matrix that gives all points of `_STRIP` samples: shape (_STRIP + taps - 1, _STRIP * 8).

    Multiplies three times as much as need be, in a shape that BLAS is four times faster with.
    """
    taps, between = branches.shape
    matrix = np.zeros((_STRIP + taps - 1, _STRIP, between + 1), dtype=np.float32)
    for sample in range(_STRIP):
        matrix[sample : sample + taps, sample, :between] = branches
        matrix[sample + taps // 2 - 1, sample, between] = 1.0
    return matrix.reshape(matrix.shape[0], -1)


@functools.cache
def _tables() -> tuple[NDArray[np.float32], float]:
    """The matrix of `_strips`, and by how much a point may at most exceed the highest sample."""
    branches = interpolator(_OVERSAMPLING, _TAPS)
    return _strips(branches), float(np.abs(branches).sum(axis=0).max())


class Limiter:
    """One stream of frames through a look-ahead limiter.

    `ceiling_dbtp`: highest true peak that leaves, dBTP. `delay`: samples by which the output lags the input,
    constant. While no peak comes near the ceiling the output is the input, bit by bit, `delay` samples later.
    """

    delay: Final = _BLOCK * _WINDOW

    def __init__(self, ceiling_dbtp: float = -1.0) -> None:
        self._ceiling = 10.0 ** (ceiling_dbtp / 20.0)
        self._working = 10.0 ** ((ceiling_dbtp - _UNDER_READ_DB) / 20.0)
        self._strips, self._worst_case = _tables()
        self._joined = np.zeros(self.delay + _TAPS + FRAME_SAMPLES, dtype=np.float32)
        """What waits, and the newest frame behind it."""
        # The newest 24 samples are examined with the next frame: the interpolator looks that far ahead.
        self._examined = self._joined[-(FRAME_SAMPLES + _TAPS) :]
        self._windows = sliding_window_view(self._examined[1:], self._strips.shape[0])[::_STRIP]
        self._gathered = np.empty(self._windows.shape, dtype=np.float32)
        self._points = np.empty((self._windows.shape[0], self._strips.shape[1]), dtype=np.float32)
        self._blocks = self._points.reshape(_BLOCKS, -1)
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
        joined = self._joined
        joined[:-FRAME_SAMPLES] = joined[FRAME_SAMPLES:]
        joined[-FRAME_SAMPLES:] = frame
        curve = self._gain_points(self._examine())
        waiting: Frame = joined[_TAPS : _TAPS + FRAME_SAMPLES].copy()
        if curve is not None:
            points = np.array(curve, dtype=np.float32)[:, None]
            gain = points[:-1] + (points[1:] - points[:-1]) * _RAMP
            waiting *= gain.reshape(-1)
        return waiting

    def _examine(self) -> list[float]:
        """Gain each millisecond needs so that its true peak is at the ceiling."""
        highest = max(float(self._examined.max()), -float(self._examined.min()))
        if highest * self._worst_case <= self._working:
            return _NOTHING_NEEDED
        # A copy, because an overlapping view cannot go to BLAS.
        np.copyto(self._gathered, self._windows)
        np.matmul(self._gathered, self._strips, out=self._points)
        np.abs(self._points, out=self._points)
        peaks = self._blocks.max(axis=1).tolist()
        if max(peaks) <= self._working:
            return _NOTHING_NEEDED
        return [1.0 if peak <= self._working else self._working / peak for peak in peaks]

    def _gain_points(self, needed: list[float]) -> list[float] | None:
        """Gain at the 21 block boundaries of the frame that leaves now, or None for exactly 1."""
        self._needed = self._needed[-_WINDOW:] + needed
        resting = self._last_gain == 1.0 and self._released == 1.0
        if resting and (needed is _NOTHING_NEEDED or min(needed) == 1.0) and min(self._needed) == 1.0:
            return None
        # The sound that leaves lies 6.5 blocks behind the examined one, so the point at the end of block
        # `index` touches examined blocks index - 7 to index - 5. Each of the last five values of `_released`,
        # whose mean the point is, has seen all three.
        every = self._needed
        floors = [min(every[index : index + _WINDOW]) for index in range(_BLOCKS)]
        held, released, recovery = self._held, self._released, self._recovery
        points = [self._last_gain]
        for index in range(_BLOCKS):
            recovered = released + (1.0 - released) * recovery
            released = min(floors[index], recovered if recovered < 0.9999 else 1.0)
            held.append(released)
            points.append(sum(held[-_LOOK_AHEAD_BLOCKS:]) / _LOOK_AHEAD_BLOCKS)
        self._held = held[-_LOOK_AHEAD_BLOCKS:]
        self._released = released
        self._last_gain = points[-1]
        return points


_NOTHING_NEEDED: Final[list[float]] = [1.0] * _BLOCKS
_RAMP: Final = ((np.arange(_BLOCK) + 1) / _BLOCK).astype(np.float32)
