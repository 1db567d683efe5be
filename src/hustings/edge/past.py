"""What of a broadcast was recorded before an edge began, as a playlist that goes on lists it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hustings.archive.library import Recorded
from hustings.archive.model import Segment
from hustings.cmaf.listed import Past
from hustings.cmaf.timeline import (
    CHUNK_SAMPLES,
    CHUNKS_PER_SEGMENT,
    CODECS,
    SAMPLE_RATE,
    SEGMENT_SAMPLES,
    UNIT_SAMPLES,
    Codec,
    chunk_media_time,
)


@dataclass(frozen=True, slots=True)
class PastOf:
    """What is recorded of a broadcast, and stretches of it that were not for keeping (Unix seconds)."""

    segments: dict[Codec, list[Past]]
    unkept: list[tuple[float, float]]


def past_of(recorded: Recorded) -> PastOf:
    """What a recording has, and what is missing between two segments of one run of the stage: it may lie in
    the spare folder, else it is answered with silence (going_back.py)."""
    index = recorded.index
    segments: dict[Codec, list[Past]] = {}
    for codec in CODECS:
        found = index.codecs.get(codec)
        segments[codec] = _filled(codec, found.segments if found is not None else (), index.live_since)
    unkept = [
        (
            index.live_since + gap.begins / SAMPLE_RATE,
            index.live_since + (gap.begins + gap.samples) / SAMPLE_RATE,
        )
        for gap in index.gaps
        if gap.cause in ("off_record", "no_consent")
    ]
    return PastOf(segments, unkept)


def _filled(codec: Codec, segments: Sequence[Segment], live_since: float) -> list[Past]:
    listed: list[Past] = []
    for each in segments:
        first = each.media_time // CHUNK_SAMPLES
        past = Past(
            each.number,
            each.number - each.media_time // SEGMENT_SAMPLES,
            first,
            (each.end - UNIT_SAMPLES[codec]) // CHUNK_SAMPLES,
            each.duration,
            live_since + each.media_time / SAMPLE_RATE,
        )
        if listed and listed[-1].epoch == past.epoch:
            last = listed.pop()
            listed.append(_until(codec, last, _slot(last) + CHUNKS_PER_SEGMENT - 1))
            for number in range(last.number + 1, past.number):
                begins = (number - past.epoch) * CHUNKS_PER_SEGMENT
                wall = live_since + chunk_media_time(codec, begins) / SAMPLE_RATE
                hole = Past(number, past.epoch, begins, begins, 0, wall)
                listed.append(_until(codec, hole, begins + CHUNKS_PER_SEGMENT - 1))
            if first > _slot(past):
                begins = _slot(past)
                wall = live_since + chunk_media_time(codec, begins) / SAMPLE_RATE
                past = _until(codec, replace(past, first_seq=begins, wall_clock=wall), past.last_seq)
        listed.append(past)
    return listed


def _slot(past: Past) -> int:
    """The first chunk of the 6 s that the segment stands for."""
    return (past.number - past.epoch) * CHUNKS_PER_SEGMENT


def _until(codec: Codec, past: Past, last: int) -> Past:
    """The same up to chunk `last`."""
    samples = chunk_media_time(codec, last + 1) - chunk_media_time(codec, past.first_seq)
    return replace(past, last_seq=last, duration=samples)
