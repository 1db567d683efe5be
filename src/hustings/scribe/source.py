"""A recording's program as sound, from its Opus segments: a block for each, silence where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from hustings.archive.model import Index, Segment
from hustings.archive.segment_file import read_segment
from hustings.audio.frame import SAMPLE_RATE, Samples
from hustings.audio.opus import OpusDecoder
from hustings.cmaf.init_segment import read_init
from hustings.errors import Corrupt

_BLOCK: Final = 6 * SAMPLE_RATE


class NothingRecorded(Exception):
    """There is no sound in the recording."""


class Program:
    """`begins` and `ends`: media_time of the first sample and after the last. What comes before the first
    segment (the recording was switched on late) is left out; holes later are filled with silence, so that
    chapters stay where they are."""

    def __init__(self, folder: Path, index: Index) -> None:
        codec = index.codecs.get("opus")
        if codec is None or not codec.segments:
            raise NothingRecorded
        self._folder = folder / "program" / "opus"
        self._segments: list[Segment] = sorted(codec.segments, key=lambda segment: segment.media_time)
        self.begins = self._segments[0].media_time
        self.ends = max(segment.end for segment in self._segments)

    @property
    def samples(self) -> int:
        return self.ends - self.begins

    def blocks(self) -> Iterator[Samples]:
        """All of it, float32, shape (n,) with n at most six seconds. A segment that is gone or damaged is
        silence. Raises OSError when the disk fails."""
        unwanted = self._pre_skip()
        position = self.begins
        decoder = OpusDecoder()
        try:
            for segment in self._segments:
                yield from _silence(segment.media_time - position)
                position = max(position, segment.media_time)
                decoded = self._decoded(decoder, segment, position)
                position += decoded.shape[0]
                # The encoder's delay (RFC 7845 section 4.2): without it sound and timeline agree.
                skipped = min(unwanted, decoded.shape[0])
                unwanted -= skipped
                yield decoded[skipped:]
            yield from _silence(self.ends - position + self._pre_skip() - unwanted)
        finally:
            decoder.close()

    def _pre_skip(self) -> int:
        try:
            return read_init((self._folder / "init.mp4").read_bytes()).pre_skip
        except (FileNotFoundError, Corrupt):
            return 0

    def _decoded(self, decoder: OpusDecoder, segment: Segment, position: int) -> Samples:
        """From `position` on, to the end of the segment's last whole chunk."""
        try:
            with (self._folder / f"{segment.number}.m4s").open("rb") as file:
                data = file.read(segment.bytes)
        except FileNotFoundError:
            return np.zeros(0, dtype=np.float32)
        parts: list[Samples] = []
        for chunk in read_segment("opus", data).chunks:
            if chunk.media_time < position:
                continue
            hole = chunk.media_time - position
            if hole:
                parts.append(np.zeros(min(hole, _BLOCK), dtype=np.float32))
                position += min(hole, _BLOCK)
            at = chunk.offset
            for size in chunk.unit_sizes():
                parts.append(_frame(decoder, data[at : at + size]))
                position += parts[-1].shape[0]
                at += size
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _frame(decoder: OpusDecoder, packet: bytes) -> Samples:
    try:
        return decoder.decode(packet)
    except Corrupt:
        return decoder.conceal()


def _silence(samples: int) -> Iterator[Samples]:
    while samples > 0:
        yield np.zeros(min(samples, _BLOCK), dtype=np.float32)
        samples -= _BLOCK
