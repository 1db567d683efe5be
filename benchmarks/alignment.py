"""Compares sound that was delivered with the sound that was spoken. Pure: arrays in, figures out.

All signals: 48 kHz mono float32. A lag is positive when the delivered sound comes later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
WINDOW = RATE
HOP = RATE // 2
SEARCH = round(0.12 * RATE)
"""How far around its usual lag a window is looked for: six frames either way."""
STEP = round(0.0002 * RATE)
JUMP = round(0.014 * RATE)
"""Neighbouring windows whose lags differ by more have a jump between them: a frame of 20 ms was repeated or
is missing. A jitter buffer that adapts moves in smaller steps, a pitch period each; those count as steps."""
CLEARLY = 0.15
"""By how much another lag must correlate better than the usual one. Voiced speech resembles itself a pitch
period later (12.5 ms for a deep voice), and at the end of a word that may look a little better."""
ACTIVE_DBFS = -45.0
DOMINANT_DB = 30.0

type Signal = NDArray[np.float32]


@dataclass(slots=True)
class Fidelity:
    """What `compare` found."""

    correlation: float = 0.0
    """Of the whole, each second at the lag it has."""
    correlation_worst_second: float = 0.0
    correlation_constant: float = 0.0
    """Of the whole, with one constant lag per speaker: falls when a jitter buffer adapts in between."""
    seconds_compared: int = 0
    lags_ms: list[float] = field(default_factory=list)
    """One per speaker."""
    lag_spread_ms: float = 0.0
    """Largest deviation of a window from its speaker's lag."""
    jumps: list[float] = field(default_factory=list)
    """Seconds into the delivered sound at which the lag jumped by more than 14 ms: a frame."""
    steps: list[tuple[float, float]] = field(default_factory=list)
    """Every change of lag by more than 0.2 ms: seconds, and milliseconds it grew by."""
    holes: int = 0
    """Frames of 20 ms that are silent although somebody spoke loudly."""
    windows: int = 0


def dbfs(signal: Signal) -> float:
    """RMS level; -200 for digital silence."""
    power = float(np.mean(np.square(signal, dtype=np.float64))) if len(signal) else 0.0
    return 10 * np.log10(power) if power > 1e-20 else -200.0


def correlation(a: Signal, b: Signal) -> float:
    """Normalised, without an offset; 0 when one is silent."""
    norm = float(np.sqrt(np.dot(a, a) * np.dot(b, b)))
    return float(np.dot(a, b)) / norm if norm > 0 else 0.0


def find_lag(delivered: Signal, spoken: Signal, low: int, high: int) -> int:
    """The lag in [low, high] with the strongest correlation, by FFT."""
    size = 1 << int(np.ceil(np.log2(len(delivered) + len(spoken))))
    product = np.fft.rfft(delivered, size) * np.conj(np.fft.rfft(spoken, size))
    strength = np.fft.irfft(product, size)
    low, high = max(low, -len(spoken) + 1), min(high, len(delivered) - 1)
    lags = np.arange(low, high + 1)
    return int(lags[np.argmax(strength[lags])])


def shifted(signal: Signal, lag: int, length: int) -> Signal:
    """`signal` delayed by `lag`, cut or padded with silence to `length`."""
    out = np.zeros(length, np.float32)
    start, source = max(lag, 0), max(-lag, 0)
    count = min(length - start, len(signal) - source)
    if count > 0:
        out[start : start + count] = signal[source : source + count]
    return out


def compare(
    delivered: Signal, spoken: list[Signal], *, low: int = -20 * RATE, high: int = 20 * RATE
) -> Fidelity:
    """How `delivered` compares with the sum of what each speaker said.

    Each speaker has a lag in [low, high] of his own, followed through windows of a second.
    """
    result = Fidelity()
    lags = [find_lag(delivered, signal, low, high) for signal in spoken]
    tracks: list[list[tuple[int, int]]] = [[] for _ in spoken]
    # The second round knows the lags that hold most of the time, and so who is alone when.
    for _ in range(2):
        placed = [shifted(signal, lag, len(delivered)) for signal, lag in zip(spoken, lags, strict=True)]
        for index in range(len(spoken)):
            others = _sum([each for other, each in enumerate(placed) if other != index], len(delivered))
            tracks[index] = _window_lags(delivered, placed[index], others)
            if tracks[index]:
                typical = int(np.median([offset for _, offset in tracks[index]]))
                lags[index] += typical
                tracks[index] = [(start, offset - typical) for start, offset in tracks[index]]
                placed[index] = shifted(spoken[index], lags[index], len(delivered))
    result.lags_ms = [round(lag / RATE * 1000, 2) for lag in lags]
    for track in tracks:
        _follow(result, track)
    result.jumps.sort()
    result.steps.sort()
    moved = [_moved(signal, track) for signal, track in zip(placed, tracks, strict=True)]
    _correlate(result, delivered, _sum(placed, len(delivered)), _sum(moved, len(delivered)))
    return result


def _follow(result: Fidelity, track: list[tuple[int, int]]) -> None:
    result.windows += len(track)
    for (_, before), (start, after) in pairwise(track):
        if abs(after - before) > STEP:
            result.steps.append((round(start / RATE, 2), round((after - before) / RATE * 1000, 2)))
        if abs(after - before) > JUMP:
            result.jumps.append(round(start / RATE, 2))
    spread = max((abs(offset) for _, offset in track), default=0)
    result.lag_spread_ms = max(result.lag_spread_ms, round(spread / RATE * 1000, 2))


def _moved(placed: Signal, track: list[tuple[int, int]]) -> Signal:
    """`placed`, each stretch at the lag of the window around it."""
    if not any(offset for _, offset in track):
        return placed
    starts = np.array([start + WINDOW // 2 for start, _ in track])
    offsets = np.array([offset for _, offset in track])
    here = np.arange(len(placed))
    # Half-way between two windows the next one's lag takes over.
    borders = (starts[1:] + starts[:-1]) // 2
    source = here - offsets[np.searchsorted(borders, here, "right")]
    moved = placed[np.clip(source, 0, len(placed) - 1)]
    return np.asarray(moved, np.float32)


def _sum(signals: list[Signal], length: int) -> Signal:
    total = np.zeros(length, np.float32)
    for signal in signals:
        total += signal
    return total


def _window_lags(delivered: Signal, placed: Signal, others: Signal) -> list[tuple[int, int]]:
    """(start, remaining lag) of each window in which this speaker is heard clearly and alone."""
    found: list[tuple[int, int]] = []
    for start in range(SEARCH, len(delivered) - WINDOW - SEARCH, HOP):
        window = placed[start : start + WINDOW]
        level = dbfs(window)
        if level < ACTIVE_DBFS or level - dbfs(others[start : start + WINDOW]) < DOMINANT_DB:
            continue
        around = delivered[start - SEARCH : start + WINDOW + SEARCH]
        offset = find_lag(around, window, 0, 2 * SEARCH)
        peak = correlation(around[offset : offset + WINDOW], window)
        if correlation(around[SEARCH : SEARCH + WINDOW], window) > peak - CLEARLY:
            offset = _near(around, window)
        if peak > 0.5:
            found.append((start, offset - SEARCH))
    return found


def _near(around: Signal, window: Signal) -> int:
    """The best offset within 2 ms of the usual lag."""
    low = SEARCH - round(0.002 * RATE)
    return low + find_lag(around[low : SEARCH + WINDOW + round(0.002 * RATE)], window, 0, round(0.004 * RATE))


def _correlate(result: Fidelity, delivered: Signal, constant: Signal, expected: Signal) -> None:
    heard = np.flatnonzero(np.abs(expected) > 1e-4)
    if not len(heard):
        return
    first, last = int(heard[0]), int(heard[-1]) + 1
    result.correlation_constant = round(correlation(delivered[first:last], constant[first:last]), 4)
    result.correlation = round(correlation(delivered[first:last], expected[first:last]), 4)
    seconds: list[float] = []
    for start in range(first, last - RATE, RATE):
        piece = expected[start : start + RATE]
        if dbfs(piece) > ACTIVE_DBFS:
            seconds.append(correlation(delivered[start : start + RATE], piece))
    result.seconds_compared = len(seconds)
    result.correlation_worst_second = round(min(seconds), 4) if seconds else 0.0
    result.holes = _holes(delivered[first:last], expected[first:last])


def _holes(delivered: Signal, expected: Signal) -> int:
    count = len(expected) // 960
    wanted = expected[: count * 960].reshape(count, 960)
    got = delivered[: count * 960].reshape(count, 960)
    loud = np.sqrt(np.mean(np.square(wanted), axis=1)) > 10 ** (-30 / 20)
    silent = np.sqrt(np.mean(np.square(got), axis=1)) < 10 ** (-60 / 20)
    return int(np.sum(loud & silent))


@dataclass(frozen=True, slots=True)
class OwnVoice:
    """How much of a speaker's own voice comes back to him, in dB below how he spoke."""

    other_gain_db: float
    """Gain of the other's voice, by projection; near 0."""
    other_correlation: float
    own_gain_db: float
    """Strongest projection on the own voice at any lag of the first second."""
    alone_db: float
    """Level of everything that comes back while only he speaks: an upper bound without any alignment."""


def own_voice(returned: Signal, own: Signal, other: Signal) -> OwnVoice:
    """`own` and `other` begin at the same moment; `returned` may begin at any."""
    lag = find_lag(returned, other, -20 * RATE, 20 * RATE)
    length = len(returned)
    other_placed, own_placed = shifted(other, lag, length), shifted(own, lag, length)
    heard = compare(returned, [other])
    gain = float(np.dot(returned, other_placed) / max(1e-12, float(np.dot(other_placed, other_placed))))
    # Only where the other is silent: elsewhere his voice would drown what little there is.
    alone = _alone(own_placed, other_placed)
    masked = np.where(alone, returned, 0).astype(np.float32)
    strongest = 0.0
    norm = float(np.dot(own_placed[alone], own_placed[alone]))
    size = 1 << int(np.ceil(np.log2(2 * length)))
    product = np.fft.rfft(masked, size) * np.conj(np.fft.rfft(own_placed, size))
    strengths = np.fft.irfft(product, size)
    around = np.concatenate((strengths[: RATE // 2], strengths[-RATE // 2 :]))
    if norm > 0:
        strongest = float(np.max(np.abs(around))) / norm
    residual = 10 ** (dbfs(returned[alone]) / 20) / max(1e-12, 10 ** (dbfs(own_placed[alone]) / 20))
    return OwnVoice(round(_db(gain), 2), heard.correlation, round(_db(strongest), 1), round(_db(residual), 1))


def _db(gain: float) -> float:
    return 20 * float(np.log10(max(1e-10, abs(gain))))


def _alone(own: Signal, other: Signal) -> NDArray[np.bool_]:
    """Samples in 100 ms blocks in which only the own voice sounds, 300 ms away from the other's."""
    block = RATE // 10
    count = len(own) // block
    mine = np.max(np.abs(own[: count * block].reshape(count, block)), axis=1) > 0.01
    his = np.max(np.abs(other[: count * block].reshape(count, block)), axis=1) > 1e-4
    near = np.convolve(his.astype(float), np.ones(7), "same") > 0
    mask = np.zeros(len(own), np.bool_)
    mask[: count * block] = np.repeat(mine & ~near, block)
    return mask
