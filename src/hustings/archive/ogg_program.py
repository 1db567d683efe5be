"""program.opus: the program as one Ogg/Opus file (RFC 7845), made of the segments while it is read.

Each 200 ms slot of the timeline is one page, so where a page lies is arithmetic on the sizes the index has;
what is missing is filled with packets of digital silence. The file's time 0 is the first sample recorded.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from hustings.archive.segment_file import StoredChunk, StoredSegment
from hustings.archive.silence import SILENT_PACKET
from hustings.cmaf.ogg import OggOpusWriter
from hustings.cmaf.timeline import CHUNK_SAMPLES, OPUS_FRAME_SAMPLES

UNITS_IN_SLOT: Final = CHUNK_SAMPLES // OPUS_FRAME_SAMPLES
_PAGE_HEADER: Final = 27
SILENT_PAGE_BYTES: Final = _PAGE_HEADER + UNITS_IN_SLOT * (1 + len(SILENT_PACKET))


def _page_bytes(sizes: Sequence[int]) -> int:
    """Bytes of the page holding packets of these sizes (RFC 3533 section 6)."""
    return _PAGE_HEADER + sum(size + size // 255 + 1 for size in sizes)


def _slot(chunk: StoredChunk) -> int:
    return chunk.media_time // CHUNK_SAMPLES


def _filled(count: int) -> int:
    """Silent packets after `count` packets until the slot is full."""
    return max(0, UNITS_IN_SLOT - count)


def segment_pages_bytes(segment: StoredSegment, *, last: bool = False) -> int:
    """Bytes of the pages of one segment: of all slots from its first chunk to its last, what is missing
    between filled. `last`: nothing comes after, so its last slot is not filled up."""
    chunks = segment.chunks
    total = sum(_page_bytes(chunk.unit_sizes()) for chunk in chunks)
    short = sum(_filled(chunk.units) for chunk in (chunks[:-1] if last else chunks))
    missing = _slot(chunks[-1]) - _slot(chunks[0]) + 1 - len(chunks)
    return total + short * (1 + len(SILENT_PACKET)) + missing * SILENT_PAGE_BYTES


class OggProgram:
    """Renders pieces of the file. `begins`: media_time of the first sample, a slot's beginning."""

    def __init__(self, broadcast_id: str, *, begins: int, pre_skip: int, title: str = "") -> None:
        self._first_slot = begins // CHUNK_SAMPLES
        self._writer = OggOpusWriter(zlib.crc32(broadcast_id.encode()), pre_skip=pre_skip, title=title)

    def headers(self) -> bytes:
        """What the file begins with."""
        return self._writer.headers()

    def silence(self, slot: int, count: int) -> bytes:
        """The pages of `count` slots from `slot` on of which there is nothing."""
        packets = [SILENT_PACKET] * UNITS_IN_SLOT
        return b"".join(self._page(slot + index, packets, last=False) for index in range(count))

    def segment(self, segment: StoredSegment, data: bytes, *, last: bool) -> bytes:
        """The pages of one segment, whose file's bytes are `data`; as many bytes as
        `segment_pages_bytes` says."""
        result: list[bytes] = []
        chunks = segment.chunks
        expected = _slot(chunks[0])
        for chunk in chunks:
            slot = _slot(chunk)
            if slot > expected:
                result.append(self.silence(expected, slot - expected))
            final = last and chunk is chunks[-1]
            packets: list[bytes] = []
            at = chunk.offset
            for size in chunk.unit_sizes():
                packets.append(data[at : at + size])
                at += size
            packets += [SILENT_PACKET] * (0 if final else _filled(chunk.units))
            result.append(self._page(slot, packets, last=final))
            expected = slot + 1
        return b"".join(result)

    def _page(self, slot: int, packets: list[bytes], *, last: bool) -> bytes:
        number = slot - self._first_slot
        return self._writer.page(
            packets,
            media_time=number * CHUNK_SAMPLES,
            samples=len(packets) * OPUS_FRAME_SAMPLES,
            number=number + 2,
            last=last,
        )
