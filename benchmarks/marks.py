"""Marks for measuring delay: 16 chirps that can be told apart, two a second. Pure.

A mark is found again by its matched filter; because a kind comes back only every eight seconds, there
is no doubt which mark was heard even three seconds late.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from alignment import RATE, Signal

KINDS = 16
SPACING = 0.5
LENGTH = round(0.04 * RATE)
THRESHOLD = 0.6
"""Normalised correlation with the chirp; neighbouring kinds stay below 0.4."""

type Piece = tuple[float, Signal]
"""Sound that was heard: the time its first sample sounded, and its samples."""


def chirp(kind: int) -> Signal:
    """40 ms; kinds differ in pitch and in direction, all within what a voice codec keeps."""
    time = np.arange(LENGTH) / RATE
    low = 500 + 170 * kind
    high = low + 700
    start, end = (low, high) if kind % 2 else (high, low)
    phase = 2 * np.pi * (start * time + (end - start) * time**2 / (2 * LENGTH / RATE))
    return np.asarray(0.4 * np.sin(phase) * np.hanning(LENGTH), np.float32)


def track(count: int, lead: float) -> Signal:
    """`count` marks, the first after `lead` seconds, and two seconds of silence."""
    signal = np.zeros(round((lead + count * SPACING + 2) * RATE), np.float32)
    for number in range(count):
        start = round((lead + number * SPACING) * RATE)
        signal[start : start + LENGTH] = chirp(number % KINDS)
    return signal


@dataclass(slots=True)
class Found:
    """Delays in seconds of the marks that were heard, by number, and how many should have been."""

    delays: dict[int, float]
    expected: int


def find(heard: Sequence[Piece], spoken_at: Sequence[float], longest: float) -> Found:
    """Delay of each mark: `spoken_at[n]` and the pieces' times are on one clock, in seconds.

    Marks that would have sounded before the first piece or after the last one are not expected.
    """
    found = Found({}, 0)
    if not heard:
        return found
    starts = np.cumsum([0, *(len(samples) for _, samples in heard)])
    times = [when for when, _ in heard]
    signal = np.concatenate([samples for _, samples in heard])
    templates = [chirp(kind) for kind in range(KINDS)]
    for number, spoken in enumerate(spoken_at):
        if spoken < times[0] or spoken + longest > times[-1]:
            continue
        found.expected += 1
        first = int(starts[max(0, bisect_left(times, spoken) - 1)])
        last = int(starts[bisect_left(times, spoken + longest)])
        at = _peak(signal[first:last], templates[number % KINDS])
        if at is None:
            continue
        piece = int(np.searchsorted(starts, first + at, "right")) - 1
        when = times[piece] + (first + at - int(starts[piece])) / RATE
        found.delays[number] = when - spoken
    return found


def _peak(signal: Signal, template: Signal) -> int | None:
    """Where `template` begins in `signal`, or None when nothing is like it."""
    if len(signal) < len(template):
        return None
    size = 1 << int(np.ceil(np.log2(len(signal) + len(template))))
    strength = np.fft.irfft(np.fft.rfft(signal, size) * np.conj(np.fft.rfft(template, size)), size)
    strength = strength[: len(signal) - len(template) + 1]
    energy = np.concatenate(([0.0], np.cumsum(np.square(signal, dtype=np.float64))))
    window = np.sqrt(energy[len(template) :] - energy[: -len(template)])
    # Where next to nothing sounds, nothing is found.
    norm = np.maximum(window, 0.02) * float(np.sqrt(np.dot(template, template)))
    normalised = strength / norm
    best = int(np.argmax(normalised))
    return best if normalised[best] > THRESHOLD else None
