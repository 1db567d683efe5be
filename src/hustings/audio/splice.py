"""Cutting between frames without a click. Pure.

At a cut the sound fades out over the last 10 ms that stay, and in over the first 10 ms after it. An
overlapping cross-fade would be a little smoother, but it would take its other half out of what was cut out,
and of that nobody is to hear anything; and the length stays what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, Frame, silence

FADE_SAMPLES: Final = FRAME_SAMPLES // 2
_IN: Final = np.ones(FRAME_SAMPLES, dtype=np.float32)
_IN[:FADE_SAMPLES] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES)
_OUT: Final = np.ascontiguousarray(_IN[::-1])


class _Stretches:
    """Looks forward only. Frame by frame: whether one lies in a stretch, is its first, its last."""

    def __init__(self, stretches: Sequence[tuple[int, int]]) -> None:
        self._stretches = stretches
        self._at = 0

    def of(self, at: int) -> tuple[int, int] | None:
        """The stretch that has something of the frame at `at`."""
        while self._at < len(self._stretches) and self._stretches[self._at][1] <= at:
            self._at += 1
        if self._at == len(self._stretches) or self._stretches[self._at][0] >= at + FRAME_SAMPLES:
            return None
        return self._stretches[self._at]


def spliced(frames: Iterable[tuple[int, Frame]], stretches: Sequence[tuple[int, int]]) -> Iterator[Frame]:
    """Of `frames` (media_time, (960,)), in order, those in `stretches` (from, to; whole frames; in order)."""
    kept = _Stretches(stretches)
    for at, frame in frames:
        stretch = kept.of(at)
        if stretch is not None:
            yield _faded(frame, begins=at == stretch[0], ends=at + FRAME_SAMPLES == stretch[1])


def silenced(
    frames: Iterable[tuple[int, Frame]], stretches: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, Frame]]:
    """`frames`, silent where anything of one lies in `stretches` (from, to; in order, none in another)."""
    now, after = _Stretches(stretches), _Stretches(stretches)
    was = False
    for at, frame in frames:
        silent = now.of(at) is not None
        coming = after.of(at + FRAME_SAMPLES) is not None
        yield at, silence() if silent else _faded(frame, begins=was, ends=coming)
        was = silent


def _faded(frame: Frame, *, begins: bool, ends: bool) -> Frame:
    if begins:
        frame = frame * _IN
    if ends:
        frame = frame * _OUT
    return frame
