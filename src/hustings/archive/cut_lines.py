"""Gaps, levels and events of a recording as an edition has them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from hustings.archive.editing import Kept
from hustings.archive.model import Gap
from hustings.cmaf.timeline import CHUNK_SAMPLES

SILENT_LEVEL: Final = 127
_LASTING: Final = ("joined", "left", "muted", "speaking", "topic")
"""Kinds of events that say how it is from then on: those of a stretch that was cut out hold after it, too.
What else happened there is gone with it."""


def cut_gaps(gaps: Iterable[Gap], kept: Kept) -> list[Gap]:
    """What of the gaps is left. `packets` stay where all of the gap does; nobody knows of which part of it
    they were."""
    found: list[Gap] = []
    for gap in gaps:
        if gap.samples == 0:
            if kept.holds(gap.begins):
                found.append(
                    Gap(begins=kept.place(gap.begins), samples=0, packets=gap.packets, cause=gap.cause)
                )
            continue
        pieces = kept.pieces(gap.begins, gap.begins + gap.samples)
        for begins, end in pieces:
            packets = gap.packets if end - begins == gap.samples else 0
            found.append(Gap(begins=begins, samples=end - begins, packets=packets, cause=gap.cause))
    return found


def cut_levels(levels: bytes, first: int, kept: Kept, *, gain: float = 0.0) -> bytes:
    """A waveform of the edition, from its slot 0 on (-dBov, one byte each 200 ms), out of the original's,
    whose first byte is of slot `first`: the loudest of what each slot is made of, `gain` dB louder."""
    slots = bytearray([SILENT_LEVEL]) * -(-kept.samples // CHUNK_SAMPLES)
    for (begins, end), offset in zip(kept.stretches, kept.offsets(), strict=True):
        for slot in range(begins // CHUNK_SAMPLES, -(-end // CHUNK_SAMPLES)):
            if not 0 <= slot - first < len(levels) or levels[slot - first] >= SILENT_LEVEL:
                continue
            level = min(SILENT_LEVEL - 1, max(0, round(levels[slot - first] - gain)))
            # One slot of the original lies in two of the edition, if the cut was not between slots.
            start = max(begins, slot * CHUNK_SAMPLES) - begins + offset
            stop = min(end, (slot + 1) * CHUNK_SAMPLES) - begins + offset
            for place in range(start // CHUNK_SAMPLES, -(-stop // CHUNK_SAMPLES)):
                slots[place] = min(slots[place], level)
    return bytes(slots)


def cut_events(
    events: Iterable[dict[str, Any]],
    kept: Kept,
    without: Collection[str],
    names: Collection[str],
    *,
    each_word: bool = False,
) -> Iterator[dict[str, Any]]:
    """Events (as in events.jsonl) of the edition. `without`: participants of whom nothing is to be said;
    `names`: theirs: a chapter that has one of them in its title is left out, with `each_word` also one that
    has a first or a last name alone. Of chapters that would begin at the same moment, for all between was cut
    out, the last is left."""
    end = kept.stretches[-1][1]
    held: dict[str, Any] | None = None
    for event in events:
        at, kind, data = event.get("media_time"), event.get("kind"), event.get("data")
        if not isinstance(at, int) or not isinstance(data, dict) or not 0 <= at < end:
            continue
        if not kept.holds(at) and kind not in _LASTING:
            continue
        if data.get("participant_id") in without or (
            kind == "topic" and _names(data.get("title"), names, each_word=each_word)
        ):
            continue
        moved = {**event, "media_time": kept.place(at)}
        if held is not None and held["media_time"] != moved["media_time"]:
            yield held
            held = None
        if kind == "topic":
            held = moved
        else:
            yield moved
    if held is not None:
        yield held


def _names(title: object, names: Collection[str], *, each_word: bool) -> bool:
    """Whether the title holds one of the names, or (`each_word`) a word of one that is no initial."""
    if not isinstance(title, str):
        return False
    if any(name and name.casefold() in title.casefold() for name in names):
        return True
    words = {word.casefold() for name in names for word in name.split() if len(word) > 2}
    said = "".join(char if char.isalnum() else " " for char in title.casefold())
    return each_word and not words.isdisjoint(said.split())
