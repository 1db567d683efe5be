"""program.m4a: one plain MP4 file (ISO/IEC 14496-12 and -14) whose media data are the segments' very bytes.

The file is never written. Its head (ftyp, moov, the beginning of mdat) lies beside the segments; the rest is
one segment file after another, so a byte range is a piece of a file. The chunk offsets point into each
segment past its boxes; what is missing between chunks is filled with silent units, which all lie in the head.
The file's time 0 is the first sample recorded.
"""

from __future__ import annotations

import struct
from typing import Final

from hustings.archive.segment_file import StoredSegment
from hustings.archive.silence import SILENT_UNIT
from hustings.cmaf.boxes import box, find_path, full_box
from hustings.cmaf.timeline import AAC_UNIT_SAMPLES, SAMPLE_RATE

HEAD_NAME: Final = "head.m4a"
MAX_HEAD_BYTES: Final = 32 << 20
_SILENT_RUN: Final = 256
"""Silent units in a row; a longer silence uses them again."""
_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class M4aHead:
    """Takes the segments in order, gives the head. 12 bytes of memory and less for each chunk, 4 for each
    access unit. `begins`: media_time from which what is missing before the first chunk is filled."""

    def __init__(self, *, begins: int | None = None) -> None:
        self._sizes: list[bytes] = []
        self._offsets: list[int] = []
        """Of each run of units: counted from the first segment's first byte, or -1: silent."""
        self._counts: list[int] = []
        self._bytes = 0
        self._units = 0
        self._end = begins

    def add(self, segment: StoredSegment) -> None:
        """The next segment; `segment.whole_bytes` of its file belong to program.m4a."""
        for chunk in segment.chunks:
            if self._end is not None and chunk.media_time > self._end:
                self._silence((chunk.media_time - self._end) // AAC_UNIT_SAMPLES)
            self._run(self._bytes + chunk.offset, chunk.units, chunk.sizes)
            self._end = chunk.media_time + chunk.units * AAC_UNIT_SAMPLES
        self._bytes += segment.whole_bytes

    def fill(self, end: int) -> None:
        """Silence up to media_time `end`, a unit's beginning."""
        if self._end is not None and self._end < end:
            self._silence((end - self._end) // AAC_UNIT_SAMPLES)
            self._end = end

    def _silence(self, units: int) -> None:
        size = struct.pack(">I", len(SILENT_UNIT))
        while units > 0:
            count = min(units, _SILENT_RUN)
            self._run(-1, count, size * count)
            units -= count

    def _run(self, offset: int, count: int, sizes: bytes) -> None:
        self._offsets.append(offset)
        self._counts.append(count)
        self._sizes.append(sizes)
        self._units += count

    def render(self, init: bytes, *, skip: int = 0, play: int | None = None) -> bytes:
        """The head; `init`: the init segment, whose sample description is taken over. Players leave out the
        first `skip` samples and end after `play` more (edit list), if that is given. Raises Corrupt."""
        start, end = find_path(init, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
        description = init[start - 8 : end]
        silence = SILENT_UNIT * (_SILENT_RUN if -1 in self._offsets else 0)
        ftyp = box(b"ftyp", b"M4A ", struct.pack(">I", 0), b"M4A ", b"mp42", b"isom")
        body = len(silence) + self._bytes
        mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + body) if body > 1 << 31 else _mdat_header(body)
        edit = (skip, play) if play is not None else None
        # Offsets do not change the size of what holds them, so the size is known before they are.
        size = len(ftyp) + len(self._moov(description, 0, 0, edit, wide=body > 1 << 31)) + len(mdat)
        moov = self._moov(description, size, size + len(silence), edit, wide=body > 1 << 31)
        return ftyp + moov + mdat + silence

    def _moov(
        self, description: bytes, silence: int, segments: int, edit: tuple[int, int] | None, *, wide: bool
    ) -> bytes:
        duration = self._units * AAC_UNIT_SAMPLES
        heard = edit[1] if edit is not None else duration
        offsets = [silence if offset < 0 else segments + offset for offset in self._offsets]
        count = len(offsets)
        kind, letter = (b"co64", "Q") if wide else (b"stco", "I")
        table = box(
            b"stbl",
            description,
            full_box(b"stts", 0, 0, struct.pack(">III", 1, self._units, AAC_UNIT_SAMPLES)),
            full_box(b"stsc", 0, 0, _runs(self._counts)),
            full_box(b"stsz", 0, 0, struct.pack(">II", 0, self._units), *self._sizes),
            full_box(kind, 0, 0, struct.pack(f">I{count}{letter}", count, *offsets)),
        )
        reference = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
        media = box(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, SAMPLE_RATE, duration, 0x55C4, 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"soun"), b"Hustings program\0"),
            box(b"minf", full_box(b"smhd", 0, 0, bytes(4)), box(b"dinf", reference), table),
        )
        movie = struct.pack(">QQIQIH10x", 0, 0, SAMPLE_RATE, heard, 0x10000, 0x100)
        track = struct.pack(">QQIIQ8xhhHH", 0, 0, 1, 0, heard, 0, 0, 0x100, 0)
        return box(
            b"moov",
            full_box(b"mvhd", 1, 0, movie, _MATRIX, bytes(24), struct.pack(">I", 2)),
            box(b"trak", full_box(b"tkhd", 1, 7, track, _MATRIX, bytes(8)), _edits(edit), media),
        )


def _edits(edit: tuple[int, int] | None) -> bytes:
    """Edit list (ISO/IEC 14496-12 section 8.6.6), version 1; movie and track count in samples alike."""
    if edit is None:
        return b""
    skip, play = edit
    return box(b"edts", full_box(b"elst", 1, 0, struct.pack(">IQqhh", 1, play, skip, 1, 0)))


def _mdat_header(body: int) -> bytes:
    return struct.pack(">I4s", 8 + body, b"mdat")


def _runs(counts: list[int]) -> bytes:
    """Sample-to-chunk table (ISO/IEC 14496-12 section 8.7.4): an entry where the number changes."""
    entries: list[bytes] = []
    before = 0
    for number, count in enumerate(counts, start=1):
        if count != before:
            entries.append(struct.pack(">III", number, count, 1))
            before = count
    return struct.pack(">I", len(entries)) + b"".join(entries)
