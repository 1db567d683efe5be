"""The last chunks of one broadcast in one codec, for edges that come late or missed some."""

from __future__ import annotations

import bisect

from hustings.bus.messages import MediaChunk, Window

OVERHEAD = 128
"""Bytes allowed for what surrounds a chunk's data in the answer."""
LARGEST_ANSWER = 900 * 1024
"""Whatever is asked for: the bus carries 1 MiB."""


class MediaWindow:
    """At most `seconds` of chunks, oldest dropped first. `init` is the codec's init segment."""

    def __init__(self, init: bytes, seconds: float) -> None:
        self.init = init
        self._most = max(1, round(seconds / 0.2))
        self._chunks: list[MediaChunk] = []
        self._seqs: list[int] = []

    @property
    def last_seq(self) -> int:
        """The newest chunk's number, -1 when there is none."""
        return self._seqs[-1] if self._seqs else -1

    def append(self, chunk: MediaChunk) -> None:
        """Takes the next chunk. Raises ValueError when its seq is not above the last."""
        if chunk.seq <= self.last_seq:
            raise ValueError(f"chunk {chunk.seq} after {self.last_seq}")
        self._chunks.append(chunk)
        self._seqs.append(chunk.seq)
        # Dropped a minute's worth at a time: deleting from the front of a list moves all of it.
        surplus = len(self._seqs) - self._most
        if surplus >= 300 or (surplus > 0 and self._most < 300):
            del self._chunks[:surplus]
            del self._seqs[:surplus]

    def after(self, seq: int, max_bytes: int) -> Window:
        """The chunks after `seq`, oldest first, as many as fit into `max_bytes` (always at least one)."""
        room = min(max_bytes, LARGEST_ANSWER)
        start = max(bisect.bisect_right(self._seqs, seq), len(self._seqs) - self._most, 0)
        chunks: list[MediaChunk] = []
        for index in range(start, len(self._chunks)):
            chunk = self._chunks[index]
            room -= len(chunk.data) + OVERHEAD
            if room < 0 and chunks:
                break
            chunks.append(chunk)
        return Window(init=self.init, chunks=chunks, last_seq=self.last_seq)
