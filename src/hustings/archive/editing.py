"""What can be asked of an edited version of a recording, and what that does to its timeline. Pure.

Seconds and samples count from when the broadcast went live (media_time). Everything is cut between frames of
20 ms, of which program and tracks are made.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from hustings.archive.model import Index
from hustings.cmaf.timeline import OPUS_FRAME_SAMPLES, SAMPLE_RATE

MOST_CUTS: Final = 200
MOST_PEOPLE: Final = 100
LONGEST: Final = 172_800.0
"""Seconds: no broadcast is longer (segment_file.LONGEST_BROADCAST)."""
LOWEST_GAIN, HIGHEST_GAIN = -30.0, 12.0
SHORTEST: Final = SAMPLE_RATE
"""Samples that must be left: a second."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename={"begins": "from", "ends": "to"}):
    """An edit, as a host asks for it. `begins`, `ends`, `cuts`: seconds; None: where the recording begins and
    ends. `gains`: dB by participant_id. `without`: whose voice is left out."""

    begins: float | None = None
    ends: float | None = None
    cuts: list[tuple[float, float]] = []
    gains: dict[str, float] = {}
    without: list[str] = []
    take_down: bool = False

    @property
    def mixes(self) -> bool:
        """Whether the program has to be mixed anew, out of the speakers' tracks."""
        return bool(self.without) or any(self.gains.values())


class BadEdit(ValueError):
    """That cannot be asked of this recording. `where`: which member of it."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(detail)
        self.where = where
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Kept:
    """The stretches of the original that stay: (from, to), in order, none touching the next, all of them
    whole frames. Played one after another from 0 on they are the edition."""

    stretches: tuple[tuple[int, int], ...]

    @property
    def samples(self) -> int:
        """How long the edition is."""
        return sum(end - begins for begins, end in self.stretches)

    def offsets(self) -> list[int]:
        """Where each stretch begins in the edition."""
        found, at = [], 0
        for begins, end in self.stretches:
            found.append(at)
            at += end - begins
        return found

    def place(self, at: int) -> int:
        """Where the edition has the original's sample `at`; where the cut is, if it was cut out."""
        number = bisect_right(self.stretches, at, key=lambda each: each[0]) - 1
        if number < 0:
            return 0
        begins, end = self.stretches[number]
        return self.offsets()[number] + min(at, end) - begins

    def holds(self, at: int) -> bool:
        """Whether the original's sample `at` is in the edition."""
        number = bisect_right(self.stretches, at, key=lambda each: each[0]) - 1
        return number >= 0 and at < self.stretches[number][1]

    def pieces(self, begins: int, end: int) -> list[tuple[int, int]]:
        """What is left of the original's stretch, as stretches of the edition; those that touch are one."""
        found: list[tuple[int, int]] = []
        for (first, last), offset in zip(self.stretches, self.offsets(), strict=True):
            start, stop = max(begins, first), min(end, last)
            if start >= stop:
                continue
            start, stop = start - first + offset, stop - first + offset
            if found and found[-1][1] == start:
                start = found.pop()[0]
            found.append((start, stop))
        return found


def frame_at(seconds: float) -> int:
    """The sample at which the nearest frame begins."""
    return round(seconds * SAMPLE_RATE / OPUS_FRAME_SAMPLES) * OPUS_FRAME_SAMPLES


def begins_of(index: Index) -> int:
    """media_time of the first frame that is recorded."""
    starts = [codec.segments[0].media_time for codec in index.codecs.values() if codec.segments]
    return min(starts, default=0) // OPUS_FRAME_SAMPLES * OPUS_FRAME_SAMPLES


def kept_of(asked: Asked, index: Index) -> Kept:
    """What stays of the recording. Raises BadEdit."""
    first = begins_of(index)
    last = index.duration // OPUS_FRAME_SAMPLES * OPUS_FRAME_SAMPLES
    begins = first if asked.begins is None else max(first, frame_at(_sane(asked.begins, "from")))
    end = last if asked.ends is None else min(last, frame_at(_sane(asked.ends, "to")))
    if begins >= last:
        raise BadEdit("from", f"The recording ends after {last / SAMPLE_RATE:.2f} s.")
    if end <= begins:
        where = "to" if asked.ends is not None else "from"
        raise BadEdit(where, "`to` must come after `from`, and after the recording has begun.")
    stretches: list[tuple[int, int]] = []
    for cut, resume in _cuts(asked.cuts):
        if begins < min(cut, end):
            stretches.append((begins, min(cut, end)))
        begins = max(begins, resume)
    if begins < end:
        stretches.append((begins, end))
    kept = Kept(tuple(stretches))
    if kept.samples < SHORTEST:
        raise BadEdit("cuts" if asked.cuts else "to", "Nothing would be left: at least a second must stay.")
    return kept


def _sane(seconds: float, where: str) -> float:
    if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST:
        raise BadEdit(where, "Seconds since the broadcast went live, from 0 on.")
    return seconds


def _cuts(cuts: Iterable[tuple[float, float]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    before = 0.0
    for number, (begins, end) in enumerate(cuts):
        where = f"cuts: {number}"
        if number >= MOST_CUTS:
            raise BadEdit(where, f"At most {MOST_CUTS} cuts.")
        if _sane(end, where) <= _sane(begins, where):
            raise BadEdit(where, "A cut must end after it begins.")
        if begins < before:
            raise BadEdit(where, "Cuts must be in order and must not overlap.")
        before = end
        if frame_at(begins) < frame_at(end):
            found.append((frame_at(begins), frame_at(end)))
    return found


def check(asked: Asked, index: Index) -> Kept:
    """What stays, if the edit can be made. Raises BadEdit."""
    tracks = {track.participant_id for track in index.tracks if track.samples}
    known = tracks | index.names.keys()
    if len(asked.gains) > MOST_PEOPLE or len(asked.without) > MOST_PEOPLE:
        raise BadEdit("gains" if len(asked.gains) > MOST_PEOPLE else "without", f"At most {MOST_PEOPLE}.")
    for who, gain in asked.gains.items():
        where = f"gains: {who}"
        if who not in tracks:
            raise BadEdit(where, "There is no track of this participant.")
        if who in asked.without:
            raise BadEdit(where, "This participant is left out.")
        if not LOWEST_GAIN <= gain <= HIGHEST_GAIN:
            raise BadEdit(where, f"Gains reach from {LOWEST_GAIN:g} to {HIGHEST_GAIN:g} dB.")
    for who in asked.without:
        if who not in known:
            raise BadEdit("without", f"{who[:64]!r} is no participant of this recording.")
    if len(set(asked.without)) < len(asked.without):
        raise BadEdit("without", "The same participant stands there twice.")
    if asked.take_down and not asked.without:
        raise BadEdit("without", "Say whose part is to be taken down.")
    if asked.mixes and not tracks - set(asked.without):
        raise BadEdit(
            "without", "Nothing would be left: nobody else has a track. Delete the recording instead."
        )
    kept = kept_of(asked, index)
    whole = (begins_of(index), index.duration // OPUS_FRAME_SAMPLES * OPUS_FRAME_SAMPLES)
    if not asked.mixes and kept.stretches == (whole,):
        raise BadEdit("body", "This would change nothing.")
    return kept
