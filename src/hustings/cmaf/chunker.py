"""CMAF chunks: access units in, moof+mdat out, and back.

ISO/IEC 23000-19 section 7.3.2.3 (CMAF chunk), ISO/IEC 14496-12 sections 8.8.4-8.8.8 and 8.8.12 (moof,
mfhd, traf, tfhd, trun, tfdt) and 8.16.5 (prft).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hustings.cmaf.boxes import box, boxes, find, full_box, unpack
from hustings.cmaf.init_segment import SYNC_SAMPLE_FLAGS, TRACK_ID
from hustings.cmaf.timeline import UNIT_SAMPLES, Codec, chunk_of_unit, first_unit, starts_segment
from hustings.errors import Corrupt

_STYP = box(b"styp", b"msdh", struct.pack(">I", 0), b"msdh", b"msix", b"cmfs", b"cmff", b"cmfl")
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""

_TFHD_DURATION = 0x08
_TFHD_SIZE = 0x10
_TFHD_FLAGS = 0x20
_TFHD_BASE_IS_MOOF = 0x020000
_TRUN_OFFSET = 0x01
_TRUN_FIRST_FLAGS = 0x04
_TRUN_DURATION = 0x100
_TRUN_SIZE = 0x200
_TRUN_FLAGS = 0x400
_TRUN_COMPOSITION = 0x800

MAX_CHUNK_BYTES = 1 << 20
"""What `read_chunk` looks at; 200 ms of ours are at most some 10 kB."""
MAX_SAMPLES = 4096


CHUNK_BOX_BYTES = 104
"""moof and mdat of a chunk without its samples' sizes (4 bytes each) and data."""


def begins_segment(data: bytes) -> bool:
    """Whether a chunk is the first of its segment (or of a restarted stage): it has a styp."""
    return data[4:8] == b"styp"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One finished chunk. `media_time` and `duration`: 48 kHz samples; `data`: [styp] [prft] moof mdat."""

    seq: int
    media_time: int
    duration: int
    data: bytes


class Chunker:
    """Groups the access units of one codec into chunks on the segment timeline.

    The first unit pushed must be number `first_unit(codec, first_seq)`, the next ones follow without
    a gap. Opus: unit = 20 ms frame, ten to a chunk. AAC: unit = 1024 samples, nine or ten to a chunk.
    `epoch` only separates mfhd sequence numbers of one run of the stage from those of the next.
    """

    def __init__(self, codec: Codec, first_seq: int = 0, epoch: int = 0) -> None:
        self.codec: Codec = codec
        self.epoch = epoch
        self._seq = first_seq
        self._unit = first_unit(codec, first_seq)
        self._pending: list[bytes] = []
        self._media_time = self._unit * UNIT_SAMPLES[codec]
        self._wall_clock: float | None = None
        self._first = True

    @property
    def next_media_time(self) -> int:
        """Decode time that the next pushed access unit gets."""
        return self._unit * UNIT_SAMPLES[self.codec]

    def push(self, access_unit: bytes, duration: int = 0, *, wall_clock: float | None = None) -> list[Chunk]:
        """Takes one access unit; returns the chunk it completes, if any (a list of at most one).

        `duration` in samples must be the codec's (960 or 1024; 0 means that). `wall_clock`, Unix time
        at which the unit's first sample left the mixer, adds a producer reference time (prft) to the
        chunk that begins with this unit.
        """
        size = UNIT_SAMPLES[self.codec]
        if duration not in (0, size):
            raise ValueError(f"{self.codec} access units have {size} samples, not {duration}")
        if not self._pending:
            self._wall_clock = wall_clock
        self._pending.append(access_unit)
        self._unit += 1
        if chunk_of_unit(self.codec, self._unit) == self._seq:
            return []
        return [self._finish()]

    def flush(self) -> list[Chunk]:
        """The chunk begun and not completed, at the end of a broadcast (a list of at most one)."""
        return [self._finish()] if self._pending else []

    def _finish(self) -> Chunk:
        size = UNIT_SAMPLES[self.codec]
        data = write_chunk(
            self._pending,
            # Unique within the presentation and growing, also over restarts (14496-12 8.8.5).
            sequence_number=(self._seq + self.epoch + 1) & 0xFFFF_FFFF,
            base_decode_time=self._media_time,
            sample_duration=size,
            segment_start=self._first or starts_segment(self._seq),
            wall_clock=self._wall_clock,
        )
        chunk = Chunk(self._seq, self._media_time, len(self._pending) * size, data)
        self._pending = []
        self._first = False
        self._seq = chunk_of_unit(self.codec, self._unit)
        self._media_time = self._unit * size
        return chunk


def write_chunk(
    access_units: list[bytes],
    *,
    sequence_number: int,
    base_decode_time: int,
    sample_duration: int,
    segment_start: bool = False,
    wall_clock: float | None = None,
) -> bytes:
    """[styp] [prft] moof mdat holding `access_units`, each `sample_duration` samples long."""
    payload = b"".join(access_units)
    head = _STYP if segment_start else b""
    if wall_clock is not None:
        head += _prft(wall_clock, base_decode_time)
    tfhd = full_box(
        b"tfhd",
        0,
        _TFHD_BASE_IS_MOOF | _TFHD_DURATION | _TFHD_FLAGS,
        struct.pack(">III", TRACK_ID, sample_duration, SYNC_SAMPLE_FLAGS),
    )
    tfdt = full_box(b"tfdt", 1, 0, struct.pack(">Q", base_decode_time))
    mfhd = full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number))
    count = len(access_units)
    # All sizes are known before the offset is: trun is 20 bytes and 4 for each sample.
    moof_size = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + 20 + 4 * count
    trun = full_box(
        b"trun",
        0,
        _TRUN_OFFSET | _TRUN_SIZE,
        struct.pack(f">Ii{count}I", count, moof_size + 8, *map(len, access_units)),
    )
    moof = box(b"moof", mfhd, box(b"traf", tfhd, tfdt, trun))
    return b"".join((head, moof, box(b"mdat", payload)))


def _prft(wall_clock: float, media_time: int) -> bytes:
    """ProducerReferenceTimeBox; flags 24: the time at which the sample was captured... by the mixer."""
    seconds, fraction = divmod(wall_clock, 1)
    ntp = (int(seconds) + _NTP_EPOCH & 0xFFFF_FFFF) << 32 | int(fraction * (1 << 32))
    return full_box(b"prft", 1, 24, struct.pack(">IQQ", TRACK_ID, ntp, media_time))


@dataclass(frozen=True, slots=True)
class ChunkInfo:
    """Where the access units of a chunk lie: (byte offset into the data, bytes, duration in samples)."""

    base_decode_time: int
    samples: list[tuple[int, int, int]]

    @property
    def duration(self) -> int:
        """Samples at 48 kHz in all."""
        return sum(duration for _, _, duration in self.samples)


_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_I32 = struct.Struct(">i")


def read_chunk(data: bytes) -> ChunkInfo:
    """Reads one chunk as `write_chunk` (or another CMAF packager with one track) makes it.

    Raises Corrupt, and nothing else, for every other sequence of bytes. Work and memory are bounded
    by len(data), which may be at most MAX_CHUNK_BYTES.
    """
    chunks = read_chunks(data)
    if len(chunks) != 1:
        raise Corrupt(f"{len(chunks)} moof boxes where one chunk was expected")
    return chunks[0]


def read_chunks(data: bytes) -> list[ChunkInfo]:
    """The chunks of a part or a segment, one after another; offsets count from the start of `data`."""
    if len(data) > MAX_CHUNK_BYTES:
        raise Corrupt(f"chunk of {len(data)} bytes is too long")
    result: list[ChunkInfo] = []
    pending: tuple[int, int, int] | None = None
    for kind, start, end in boxes(data):
        if kind == b"moof":
            if pending is not None:
                raise Corrupt("moof without mdat")
            pending = (start - 8, start, end)
        elif kind == b"mdat":
            if pending is None:
                raise Corrupt("mdat without moof")
            result.append(_read_moof(data, *pending, start, end))
            pending = None
    if pending is not None:
        raise Corrupt("moof without mdat")
    return result


def _read_moof(data: bytes, base: int, moof: int, moof_end: int, mdat: int, mdat_end: int) -> ChunkInfo:
    traf, traf_end = find(data, b"traf", moof, moof_end)
    duration, size = _read_tfhd(data, *find(data, b"tfhd", traf, traf_end))
    samples: list[tuple[int, int, int]] = []
    for kind, start, end in boxes(data, traf, traf_end):
        if kind == b"trun":
            samples += _read_trun(data, start, end, base, (duration, size), (mdat, mdat_end))
            if len(samples) > MAX_SAMPLES:
                raise Corrupt("too many samples")
    if not samples:
        raise Corrupt("chunk without samples")
    return ChunkInfo(_read_tfdt(data, *find(data, b"tfdt", traf, traf_end)), samples)


def _read_tfhd(data: bytes, start: int, end: int) -> tuple[int, int]:
    """(default duration, default size); 0 where the box states none."""
    (flags,) = unpack(_U32, data, start, end)
    if not flags & _TFHD_BASE_IS_MOOF or flags & 0x01:
        raise Corrupt("offsets do not count from the moof")
    at = start + 8
    # Optional fields stand in this order: sample description index, duration, size, flags.
    at += 4 if flags & 0x02 else 0
    duration = size = 0
    if flags & _TFHD_DURATION:
        (duration,) = unpack(_U32, data, at, end)
        at += 4
    if flags & _TFHD_SIZE:
        (size,) = unpack(_U32, data, at, end)
    return duration, size


def _read_tfdt(data: bytes, start: int, end: int) -> int:
    (version_flags,) = unpack(_U32, data, start, end)
    (time,) = unpack(_U64 if version_flags >> 24 == 1 else _U32, data, start + 4, end)
    return time


def _read_trun(
    data: bytes, start: int, end: int, base: int, defaults: tuple[int, int], mdat: tuple[int, int]
) -> list[tuple[int, int, int]]:
    (flags,) = unpack(_U32, data, start, end)
    (count,) = unpack(_U32, data, start + 4, end)
    if not flags & _TRUN_OFFSET:
        raise Corrupt("trun without data offset")
    (relative,) = unpack(_I32, data, start + 8, end)
    flags &= 0xFFFFFF
    at = start + 12 + (4 if flags & _TRUN_FIRST_FLAGS else 0)
    optional = (_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION)
    row = 4 * sum(bool(flags & field) for field in optional)
    if not 0 < count <= MAX_SAMPLES or at + row * count > end:
        raise Corrupt(f"trun cannot hold {count} samples")
    samples: list[tuple[int, int, int]] = []
    duration, size = defaults
    offset = base + relative
    for _ in range(count):
        field = at
        if flags & _TRUN_DURATION:
            (duration,) = _U32.unpack_from(data, field)
            field += 4
        if flags & _TRUN_SIZE:
            (size,) = _U32.unpack_from(data, field)
        at += row
        if not size or not duration or offset < mdat[0] or offset + size > mdat[1]:
            raise Corrupt("sample outside its mdat, or without size or duration")
        samples.append((offset, size, duration))
        offset += size
    return samples
