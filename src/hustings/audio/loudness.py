"""Loudness as ITU-R BS.1770-4 and EBU Tech 3341 define it, and slow levelling.

The K-weighting filter (two biquads) would be slow sample by sample. Here it is a linear system run 32 samples
at a time: inside a block one 32 x 32 matrix (its impulse response), between blocks the four state variables,
whose course over all 30 blocks of a frame is one more matrix product. Exact (it is the same filter). Costs:
`benchmarks/audio_cost.py`.

Levelling is slow, so it measures five frames at a time, and all streams of a stage at once: between two ticks
these matrices leave the processor's caches, and fetching them was most of what a frame's measurement took.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS, Frame, Samples

type _Matrix = NDArray[np.float64]

_BLOCK: Final = 32
_BLOCKS: Final = FRAME_SAMPLES // _BLOCK
_ABSOLUTE_GATE_LUFS: Final = -70.0
SILENT_LUFS: Final = -120.0

# BS.1770-4 annex 1, tables 1 and 2, for 48 kHz.
_SHELF: Final = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (-1.69065929318241, 0.73248077421585),
)
_HIGH_PASS: Final = ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))


def _biquad_step(
    coefficients: tuple[tuple[float, float, float], tuple[float, float]], state: _Matrix, x: float
) -> float:
    """One sample through a transposed direct form II biquad; changes `state`, shape (2,)."""
    (b0, b1, b2), (a1, a2) = coefficients
    y = b0 * x + float(state[0])
    state[0] = b1 * x - a1 * y + state[1]
    state[1] = b2 * x - a2 * y
    return y


def _run(state: _Matrix, block: list[float]) -> tuple[list[float], _Matrix]:
    """`block` through both biquads from `state`, shape (4,): output and new state. Builds the matrices."""
    shelf, high_pass = state[:2].copy(), state[2:].copy()
    out = [_biquad_step(_HIGH_PASS, high_pass, _biquad_step(_SHELF, shelf, x)) for x in block]
    return out, np.concatenate((shelf, high_pass))


class KWeighting:
    """The K-weighting filter of BS.1770-4, one channel at 48 kHz, with its state."""

    _through: _Matrix
    _observe: _Matrix
    _drive: _Matrix
    _driven: _Matrix
    _free: _Matrix
    _single: tuple[Samples, ...]
    _frame: list[list[float]]
    """What a frame makes of the state that it begins with, row by row."""
    _ready = False

    def __init__(self) -> None:
        if not KWeighting._ready:
            _prepare()
        self._state = np.zeros(4)

    def process(self, frame: Frame) -> _Matrix:
        """Filter one frame: float64, shape (960,)."""
        blocks = frame.astype(np.float64).reshape(_BLOCKS, _BLOCK)
        course = (blocks @ self._drive).reshape(-1) @ self._driven
        course += self._state @ self._free
        states = course.reshape(_BLOCKS + 1, 4)
        self._state = states[_BLOCKS]
        out = blocks @ self._through
        out += states[:_BLOCKS] @ self._observe
        return out.reshape(-1)

    def mean_square(self, frame: Frame) -> float:
        """Mean square of the filtered frame."""
        out = self.process(frame)
        return float(np.dot(out, out)) / FRAME_SAMPLES

    @staticmethod
    def mean_squares(
        filters: Sequence[KWeighting], counts: Sequence[int], frames: NDArray[np.float32]
    ) -> list[float]:
        """`mean_square` of many frames of many streams, one value for each row of `frames`, (n, 960): the
        first counts[0] rows go through filters[0], the next counts[1] through filters[1] and so on."""
        drive, driven, free, observe, through = KWeighting._single
        count = len(frames)
        blocks = frames.reshape(count * _BLOCKS, _BLOCK)
        course = (blocks @ drive).reshape(count, -1) @ driven
        starts: list[tuple[float, float, float, float]] = []
        left = iter(course[:, -4:].tolist())
        for one, rows in zip(filters, counts, strict=True):
            a, b, c, d = one._state.tolist()
            state = (a, b, c, d)
            for _ in range(rows):
                starts.append(state)
                state = _advanced(state, *next(left))
            one._state = np.array(state)
        course += np.array(starts, dtype=np.float32) @ free
        states = course.reshape(count, _BLOCKS + 1, 4)
        out = blocks @ through
        out += states[:, :_BLOCKS].reshape(-1, 4) @ observe
        out = out.reshape(count, FRAME_SAMPLES)
        return [square / FRAME_SAMPLES for square in np.einsum("ij,ij->i", out, out).tolist()]


def _prepare() -> None:
    """Work out the matrices once, by running the biquads over unit inputs and unit states."""
    impulses = [_run(np.zeros(4), [float(i == j) for i in range(_BLOCK)]) for j in range(_BLOCK)]
    resting = [_run(state, [0.0] * _BLOCK) for state in np.eye(4)]
    advance = np.array([state for _, state in resting])
    powers = [np.linalg.matrix_power(advance, n) for n in range(_BLOCKS + 1)]
    # State before block k: start * A^k plus, for every block j < k, what that left behind * A^(k - 1 - j).
    driven = np.zeros((_BLOCKS * 4, (_BLOCKS + 1) * 4))
    for k in range(_BLOCKS + 1):
        for j in range(k):
            driven[4 * j : 4 * j + 4, 4 * k : 4 * k + 4] = powers[k - 1 - j]
    KWeighting._through = np.array([out for out, _ in impulses])
    KWeighting._drive = np.array([state for _, state in impulses])
    KWeighting._observe = np.array([out for out, _ in resting])
    KWeighting._driven = driven
    KWeighting._free = np.hstack(powers)
    KWeighting._frame = powers[_BLOCKS].tolist()
    exact = (KWeighting._drive, driven, KWeighting._free, KWeighting._observe, KWeighting._through)
    KWeighting._single = tuple(matrix.astype(np.float32) for matrix in exact)
    KWeighting._ready = True


def _advanced(
    state: tuple[float, float, float, float], w: float, x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """`state` a whole frame later; `w` to `z`: what the frame left behind. In plain numbers: for so few a
    product of numpy's takes five times as long."""
    a, b, c, d = state
    (aw, ax, ay, az), (bw, bx, by, bz), (cw, cx, cy, cz), (dw, dx, dy, dz) = KWeighting._frame
    return (
        a * aw + b * bw + c * cw + d * dw + w,
        a * ax + b * bx + c * cx + d * dx + x,
        a * ay + b * by + c * cy + d * dy + y,
        a * az + b * bz + c * cz + d * dz + z,
    )


def lufs(mean_square: float) -> float:
    """Loudness of a K-weighted mean square of one channel (BS.1770-4 equation 2), at least -120."""
    return -0.691 + 10.0 * math.log10(mean_square) if mean_square > 1e-12 else SILENT_LUFS


class Loudness:
    """Meter for one mono stream: push frames, read LUFS. Memory is constant.

    EBU Tech 3341: momentary over 400 ms, short-term over 3 s, integrated with the gates of BS.1770-4.
    """

    _MOMENTARY: Final = 20
    _SHORT_TERM: Final = 150
    _STEP: Final = 5
    _BINS: Final = 1000

    def __init__(self) -> None:
        self._filter = KWeighting()
        self._squares: deque[float] = deque(maxlen=self._SHORT_TERM)
        self._frames = 0
        # Gating blocks in bins of 0.1 LU from -70 LUFS up: how many, and their power in all.
        self._counts = np.zeros(self._BINS)
        self._powers = np.zeros(self._BINS)

    def push(self, frame: Frame) -> None:
        """Take one frame, shape (960,)."""
        self._squares.append(self._filter.mean_square(frame))
        self._frames += 1
        if self._frames >= self._MOMENTARY and self._frames % self._STEP == 0:
            self._push_gating_block(self._mean(self._MOMENTARY))

    def _push_gating_block(self, power: float) -> None:
        loudness = lufs(power)
        if loudness > _ABSOLUTE_GATE_LUFS:
            index = min(int((loudness - _ABSOLUTE_GATE_LUFS) * 10.0), self._BINS - 1)
            self._counts[index] += 1
            self._powers[index] += power

    def _mean(self, frames: int) -> float:
        squares = self._squares
        size = min(frames, len(squares))
        return sum(squares[-1 - i] for i in range(size)) / frames if size else 0.0

    @property
    def momentary(self) -> float:
        """LUFS over the last 400 ms."""
        return lufs(self._mean(self._MOMENTARY))

    @property
    def short_term(self) -> float:
        """LUFS over the last 3 s."""
        return lufs(self._mean(self._SHORT_TERM))

    @property
    def integrated(self) -> float:
        """LUFS over everything pushed, gated at -70 LUFS and at 10 LU below the ungated mean."""
        blocks = float(self._counts.sum())
        if blocks == 0:
            return SILENT_LUFS
        gate = lufs(float(self._powers.sum()) / blocks) - 10.0
        first = max(0, round((gate - _ABSOLUTE_GATE_LUFS) * 10.0))
        blocks = float(self._counts[first:].sum())
        return lufs(float(self._powers[first:].sum()) / blocks) if blocks else SILENT_LUFS


class Leveller:
    """Bring one stream slowly to `target_lufs` (short-term), without pumping.

    Loudness is measured before the gain, over the last 3 s *of speech*, every fifth frame; while `speaking`
    is False both the measurement and the gain stand still. The gain moves at most `rise_db`/`fall_db` per
    second, stays within `min_gain_db`..`max_gain_db` and runs linearly from one frame to the next, so it
    cannot click. `enabled=False` returns the frames themselves.
    """

    _SETTLE_FRAMES: Final = 20
    """Speech that must have been heard before the first move: 400 ms, a momentary block."""
    _BATCH: Final = 5
    """Frames of speech that are measured together."""

    def __init__(
        self,
        target_lufs: float = -18.0,
        max_gain_db: float = 18.0,
        *,
        min_gain_db: float = -12.0,
        rise_db: float = 3.0,
        fall_db: float = 6.0,
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled
        self._target = target_lufs
        self._bounds = (min_gain_db, max_gain_db)
        self._rise = rise_db * FRAME_SECONDS
        self._fall = fall_db * FRAME_SECONDS
        self._filter = KWeighting()
        self._waiting = np.empty((self._BATCH, FRAME_SAMPLES), dtype=np.float32)
        """Frames of speech not measured yet, the first `_count` rows."""
        self._count = 0
        self._squares: deque[float] = deque(maxlen=150)
        self._sum = 0.0
        self._gain_db = 0.0
        self._gain = 1.0

    @property
    def gain_db(self) -> float:
        """The gain at the end of the last frame, in dB."""
        return self._gain_db

    def process(self, frame: Frame, speaking: bool) -> Frame:
        """Take one frame, shape (960,), and whether its speaker is speaking; give the levelled frame."""
        if not self.enabled:
            return frame
        if speaking:
            if self._count == self._BATCH:
                Leveller._measure([self])
            self._wait(frame)
        before, after = self._gains(speaking)
        if before == after:
            return frame if after == 1.0 else frame * np.float32(after)
        ramped: Frame = frame * ramp(before, after)
        return ramped

    @staticmethod
    def process_all(
        levellers: list[Leveller],
        frames: NDArray[np.float32],
        speaking: list[bool],
        besides: Leveller | None = None,
    ) -> None:
        """`process` of many streams at once, in place: frame n, of shape (n, 960), by leveller n. When one of
        them measures, all do, and `besides`, whose own frames come by `process`, with them."""
        if any(one._count == one._BATCH for one in levellers):
            Leveller._measure(levellers if besides is None else [*levellers, besides])
        for one, frame, speaks in zip(levellers, frames, speaking, strict=True):
            if one.enabled and speaks:
                one._wait(frame)
        gains = [one._gains(speaks) for one, speaks in zip(levellers, speaking, strict=True)]
        if any(gain != (1.0, 1.0) for gain in gains):
            column = np.array(gains)
            before, change = column[:, :1], column[:, 1:] - column[:, :1]
            frames *= before.astype(np.float32) + change.astype(np.float32) * _RAMP

    def _wait(self, frame: Frame) -> None:
        """Keeps a frame until it is measured; there must be room."""
        self._waiting[self._count] = frame
        self._count += 1

    @staticmethod
    def _measure(levellers: list[Leveller]) -> None:
        """Takes what has waited in all of them into their loudness."""
        some = [one for one in levellers if one._count]
        counts = [one._count for one in some]
        frames = np.concatenate([one._waiting[: one._count] for one in some])
        squares = iter(KWeighting.mean_squares([one._filter for one in some], counts, frames))
        for one in some:
            for square in itertools.islice(squares, one._count):
                if len(one._squares) == one._squares.maxlen:
                    one._sum -= one._squares[0]
                one._squares.append(square)
                one._sum += square
            one._count = 0

    def _gains(self, speaking: bool) -> tuple[float, float]:
        """The gain at the beginning and at the end of the frame that comes now."""
        before = self._gain
        if speaking and self.enabled:
            self._gain = self._next_gain()
        return before, self._gain

    def _next_gain(self) -> float:
        if len(self._squares) < self._SETTLE_FRAMES:
            return self._gain
        loudness = lufs(max(self._sum, 0.0) / len(self._squares))
        if loudness < _ABSOLUTE_GATE_LUFS:
            return self._gain
        low, high = self._bounds
        wanted = min(max(self._target - loudness, low), high)
        self._gain_db += min(max(wanted - self._gain_db, -self._fall), self._rise)
        return float(10.0 ** (self._gain_db / 20.0))


def ramp(before: float, after: float) -> Samples:
    """Gain of each sample of a frame that goes from one gain to another, shape (960,)."""
    curve: Samples = np.float32(before) + np.float32(after - before) * _RAMP
    return curve


_RAMP: Final = (np.arange(1, FRAME_SAMPLES + 1) / FRAME_SAMPLES).astype(np.float32)
