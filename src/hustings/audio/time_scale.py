"""Make a stretch of speech a little shorter or longer without a click.

One pitch period (or several) is taken out or put in where the signal resembles itself, with a cross-fade as
long as that period (synchronous overlap-add). Pitch and timbre stay.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from hustings.audio.frame import Samples

MIN_LAG: Final = 120
"""2.5 ms."""
MAX_LAG: Final = 720
"""15 ms."""
_DECIMATION: Final = 6
_QUIET: Final = 1e-6
"""Mean square (-60 dBov) under which any cut is inaudible."""
_ALIKE: Final = 0.5
"""Normalised correlation from which a cut passes for the signal itself."""


def _best_lag(reference: Samples, moving: Samples, lags: range, size: int) -> tuple[int, float]:
    """Lag at which moving[lag : lag + size] resembles reference[:size] most, and the correlation there."""
    best, best_score = lags.start, -2.0
    head = reference[:size]
    energy = float(np.dot(head, head)) + 1e-12
    for lag in lags:
        window = moving[lag : lag + size]
        score = float(np.dot(head, window)) / math.sqrt(energy * (float(np.dot(window, window)) + 1e-12))
        if score > best_score:
            best, best_score = lag, score
    return best, best_score


def _search(reference: Samples, moving: Samples, low: int, high: int, size: int) -> tuple[int, float]:
    """Coarse search at 8 kHz, then sample by sample around the best."""
    coarse_reference = reference[: size // _DECIMATION * _DECIMATION].reshape(-1, _DECIMATION).mean(axis=1)
    whole = moving.shape[0] // _DECIMATION * _DECIMATION
    coarse_moving = moving[:whole].reshape(-1, _DECIMATION).mean(axis=1)
    coarse_size = coarse_reference.shape[0]
    last = min(high // _DECIMATION, coarse_moving.shape[0] - coarse_size)
    lag, _ = _best_lag(coarse_reference, coarse_moving, range(low // _DECIMATION, last + 1), coarse_size)
    centre = lag * _DECIMATION
    fine = range(max(low, centre - _DECIMATION), min(high, centre + _DECIMATION, moving.shape[0] - size) + 1)
    return _best_lag(reference, moving, fine, size)


def _fade(size: int) -> Samples:
    """Raised cosine from 0 to 1, both ends left out."""
    steps = (np.arange(size) + 0.5) / size
    return (0.5 - 0.5 * np.cos(np.pi * steps)).astype(np.float32)


def accelerate(samples: Samples, *, at_most: int = MAX_LAG, force: bool = False) -> tuple[Samples, int]:
    """Take one period, at most `at_most` samples, out of the front of `samples` (30 ms to be of full use).

    Returns the shorter signal and how many samples went; (samples, 0) if no place resembles another well
    enough, unless `force`.
    """
    room = samples.shape[0] // 2
    if room < MIN_LAG + _DECIMATION:
        return samples, 0
    high = min(MAX_LAG, room, max(at_most, MIN_LAG + _DECIMATION))
    size = min(480, samples.shape[0] - high)
    lag, alike = _search(samples, samples, MIN_LAG, high, size)
    if alike < _ALIKE and not force and _power(samples[: 2 * lag]) > _QUIET:
        return samples, 0
    up = _fade(lag)
    joined = samples[:lag] * (1.0 - up) + samples[lag : 2 * lag] * up
    return np.concatenate((joined, samples[2 * lag :])), lag


def expand(
    history: Samples, samples: Samples, *, at_most: int = MAX_LAG, force: bool = False
) -> tuple[Samples, int]:
    """Put one period, at most `at_most` samples, in before `samples`.

    It is made of them and of what was played last (`history`, at least 25 ms).

    Returns the longer signal and how many samples came in; (samples, 0) as in `accelerate`.
    """
    size = min(480, samples.shape[0])
    if history.shape[0] < MAX_LAG + size or size < MIN_LAG:
        return samples, 0
    high = min(MAX_LAG, samples.shape[0], max(at_most, MIN_LAG + _DECIMATION))
    # What follows now is compared with what followed `lag` samples ago.
    past = np.concatenate((history, samples[:size]))[::-1]
    lag, alike = _search(past[:size], past, MIN_LAG, high, size)
    if alike < _ALIKE and not force and _power(samples[:lag]) > _QUIET:
        return samples, 0
    up = _fade(lag)
    joined = samples[:lag] * (1.0 - up) + history[-lag:] * up
    return np.concatenate((joined, samples)), lag


def _power(samples: Samples) -> float:
    return float(np.dot(samples, samples)) / float(samples.shape[0])
