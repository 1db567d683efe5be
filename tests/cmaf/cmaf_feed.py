"""Feeds a MediaTimeline as an edge would, with explicit times."""

from __future__ import annotations

from collections.abc import Iterable

from hustings.cmaf.playlists import MediaTimeline
from hustings.cmaf.timeline import SAMPLE_RATE, Codec, chunk_media_time

LIVE_SINCE = 1_790_000_000.0


def append(timeline: MediaTimeline, seq: int, epoch: int = 0, *, segment_start: bool | None = None) -> bool:
    """Chunk `seq` of 1,700 bytes, at the time it has on the broadcast's timeline."""
    codec: Codec = timeline.codec
    start = chunk_media_time(codec, seq)
    duration = chunk_media_time(codec, seq + 1) - start
    wall_clock = LIVE_SINCE + start / SAMPLE_RATE
    return timeline.append(seq, epoch, start, duration, wall_clock, 1_700, segment_start=segment_start)


def feed(timeline: MediaTimeline, seqs: Iterable[int], epoch: int = 0) -> list[str]:
    """Chunks one after another; returns the full playlist after each change."""
    return [timeline.media_playlist().decode() for seq in seqs if append(timeline, seq, epoch)]
