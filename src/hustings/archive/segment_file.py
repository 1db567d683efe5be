"""One segment file of the program: its whole chunks, whatever became of its end. Pure.

`cmaf.chunker.read_chunks` reads the same boxes and refuses everything unexpected; here the last chunk may be
torn (a crash, a power cut), and what is of our own making is read at one look, since a recording of two
hours has 72,000 chunks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from hustings.cmaf.chunker import MAX_CHUNK_BYTES, read_chunks
from hustings.cmaf.timeline import (
    CHUNK_SAMPLES,
    SAMPLE_RATE,
    UNIT_SAMPLES,
    Codec,
    chunk_media_time,
    units_in_chunk,
)
from hustings.errors import Corrupt

MAX_SEGMENT_BYTES: Final = MAX_CHUNK_BYTES
"""More of a file is not looked at: 6 s of ours are at most some 200 kB."""
LONGEST_BROADCAST: Final = 48 * 3600 * SAMPLE_RATE
"""Samples. What claims to be later is damaged: one flipped bit must not make us fill years with silence."""
_LONGEST_UNIT: Final[dict[Codec, int]] = {"opus": 1_500, "aac": 8_000}
"""Bytes: one RTP packet, 13 bits of ADTS length; our encoders stay far below."""
_NTP_EPOCH: Final = 2_208_988_800
_HEADER: Final = struct.Struct(">I4s")
# moof, mfhd, traf, tfhd, tfdt, trun as cmaf.chunker.write_chunk lays them out.
_MOOF: Final = struct.Struct(">I4s I4sII I4s I4sIIII I4sIQ I4sIIi")
_PRFT: Final = struct.Struct(">IIQQ")


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One whole chunk. `offset`: of its sound in the file; `sizes`: of its access units, bytes, as the
    big-endian 32-bit numbers of its trun."""

    media_time: int
    offset: int
    sizes: bytes

    @property
    def units(self) -> int:
        """How many access units it has."""
        return len(self.sizes) // 4

    def unit_sizes(self) -> tuple[int, ...]:
        """Bytes of each access unit."""
        return struct.unpack(f">{self.units}I", self.sizes)


@dataclass(slots=True)
class StoredSegment:
    """`whole_bytes`: up to the end of the last whole chunk; `torn`: there was more, which is of no use.
    `live_since`: Unix seconds of media_time 0 as its first producer reference time has it, or None."""

    codec: Codec
    chunks: list[StoredChunk] = field(default_factory=list)
    whole_bytes: int = 0
    torn: bool = False
    live_since: float | None = None

    @property
    def media_time(self) -> int:
        """Of its first sample."""
        return self.chunks[0].media_time

    @property
    def end(self) -> int:
        """media_time after its last sample."""
        last = self.chunks[-1]
        return last.media_time + last.units * UNIT_SAMPLES[self.codec]


def read_segment(codec: Codec, data: bytes) -> StoredSegment:
    """The whole chunks of `data`, in order; never raises. What does not follow is passed over to the end:
    nothing after a tear can be trusted to lie where it seems to."""
    found = StoredSegment(codec)
    limit = min(len(data), MAX_SEGMENT_BYTES)
    at = 0
    moof: tuple[int, int] | None = None
    while limit - at >= 8:
        size, kind = _HEADER.unpack_from(data, at)
        if size < 8 or size > limit - at:
            break
        if kind == b"moof":
            moof = (at, at + size)
        elif kind == b"prft" and found.live_since is None and size >= 8 + _PRFT.size:
            found.live_since = _live_since(data, at + 8)
        elif kind == b"mdat":
            chunk = _read_chunk(codec, data, moof, at + size) if moof is not None else None
            if chunk is None or not _fits(codec, chunk) or (found.chunks and chunk.media_time < found.end):
                break
            found.chunks.append(chunk)
            found.whole_bytes = at + size
            moof = None
        at += size
    found.torn = found.whole_bytes < len(data)
    return found


def _fits(codec: Codec, chunk: StoredChunk) -> bool:
    """Whether it is a chunk of the broadcast's timeline: at its slot's beginning, no longer than the slot."""
    seq = chunk.media_time // CHUNK_SAMPLES
    return (
        chunk.media_time == chunk_media_time(codec, seq)
        and chunk.media_time < LONGEST_BROADCAST
        and chunk.units <= units_in_chunk(codec, seq)
        and max(chunk.unit_sizes()) <= _LONGEST_UNIT[codec]
    )


def _live_since(data: bytes, at: int) -> float:
    """From a version 1 ProducerReferenceTimeBox (ISO/IEC 14496-12 section 8.16.5)."""
    _, _, ntp, media_time = _PRFT.unpack_from(data, at)
    return float((ntp >> 32) - _NTP_EPOCH + (ntp & 0xFFFF_FFFF) / (1 << 32) - media_time / 48_000)


def _read_chunk(codec: Codec, data: bytes, moof: tuple[int, int], end: int) -> StoredChunk | None:
    """The chunk whose moof and mdat lie at data[moof:end]; None when it is damaged."""
    start, stop = moof
    if stop - start >= _MOOF.size:
        fields = _MOOF.unpack_from(data, start)
        kinds = (fields[1], fields[3], fields[7], fields[9], fields[15], fields[19])
        duration, media_time, flags = fields[12], fields[17], fields[20]
        count, offset = fields[21], start + fields[22]
        sizes = data[start + _MOOF.size : stop]
        if (
            kinds == (b"moof", b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun")
            and flags == 0x201
            and count == len(sizes) // 4 > 0
            and duration == UNIT_SAMPLES[codec]
            and offset == stop + 8
            and 0 not in (numbers := struct.unpack(f">{count}I", sizes))
            and offset + sum(numbers) == end
        ):
            return StoredChunk(media_time, offset, sizes)
    return _read_any_chunk(codec, data, start, end)


def _read_any_chunk(codec: Codec, data: bytes, start: int, end: int) -> StoredChunk | None:
    """The same of another writer's layout, as far as its sound lies in one run of units of our length."""
    try:
        (chunk,) = read_chunks(data[start:end])
    except (Corrupt, ValueError):
        return None
    expected = chunk.samples[0][0]
    for offset, size, duration in chunk.samples:
        if offset != expected or duration != UNIT_SAMPLES[codec]:
            return None
        expected = offset + size
    sizes = struct.pack(f">{len(chunk.samples)}I", *(size for _, size, _ in chunk.samples))
    return StoredChunk(chunk.base_decode_time, start + chunk.samples[0][0], sizes)
