"""Clips: a stretch of a recording's program as a file of its own, cut at 20 ms, nothing encoded again.

A clip is an address and no stored state: the Opus packets and AAC units themselves, laid out as a file while
it is read. What a decoder has to hear before the cut is in the file, and said to be skipped:

- Ogg/Opus: pre-skip (RFC 7845 section 4.2). 80 ms are enough to converge by ear (section 4.6); CELT predicts
  each frame's energy from the one before, so that only after some 30 frames every sample is surely the one
  of the whole file. 40 it is, where there are as many. (FFmpeg counts them in a file's length only.)
- MP4/AAC: an edit list (ISO/IEC 14496-12 section 8.6.6). A unit overlaps with the one before it; two come
  before the cut.

What is missing in the recording is silence of its length here, too. Reads the disk.
"""

from __future__ import annotations

import re
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hustings.archive.files import Files, Place, files_of
from hustings.archive.m4a import M4aHead
from hustings.archive.model import CodecIndex, Index, Segment
from hustings.archive.segment_file import StoredChunk, StoredSegment, read_segment
from hustings.archive.silence import SILENT_PACKET
from hustings.archive.virtual import MAX_INIT_BYTES, Source, VirtualFile, segment_name
from hustings.cmaf.init_segment import read_init
from hustings.cmaf.ogg import OggOpusWriter
from hustings.cmaf.timeline import AAC_UNIT_SAMPLES, OPUS_FRAME_SAMPLES, SAMPLE_RATE, UNIT_SAMPLES, Codec
from hustings.errors import Corrupt

GRID_MS: Final = 20
"""Clips begin and end where an Opus frame of the program does."""
LONGEST_MS: Final = 90_000
OPUS_PREROLL: Final = 40
"""Frames before the cut: 800 ms; a pre-skip (16 bit) could say 1.36 s."""
AAC_PREROLL: Final = 2
_PER_MS: Final = SAMPLE_RATE // 1000
_PAGE_PACKETS: Final = 10
_PAGE_HEADER: Final = 27
_NAME: Final = re.compile(r"(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})")


class BadCut(ValueError):
    """No clip can be cut so; the text says why, in a sentence for who asked."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The stretch [first, last): milliseconds of media time, on the grid."""

    first: int
    last: int

    @property
    def begins(self) -> int:
        """media_time of the first sample, 48 kHz."""
        return self.first * _PER_MS

    @property
    def end(self) -> int:
        """media_time after the last sample."""
        return self.last * _PER_MS

    @property
    def name(self) -> str:
        """As it stands in addresses."""
        return f"{self.first}-{self.last}"


def read_cut(name: str) -> Cut | None:
    """The stretch that `name` ("12000-34500") says; None when it is no canonical name of any stretch. Raises
    BadCut when it is one, but too long or backwards."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    cut = Cut(int(match[1]), int(match[2]))
    if cut.first % GRID_MS or cut.last % GRID_MS:
        return None
    if cut.last <= cut.first:
        raise BadCut("A clip ends after its beginning.")
    if cut.last - cut.first > LONGEST_MS:
        raise BadCut(f"A clip lasts {LONGEST_MS // 1000} seconds at most.")
    return cut


def is_inside(index: Index, cut: Cut) -> bool:
    """Whether all of it has been recorded (or declared missing): nothing is cut out of the future."""
    starts = [codec.segments[0].media_time for codec in index.codecs.values() if codec.segments]
    return bool(starts) and min(starts) <= cut.begins and cut.end <= index.duration


def cut_from(index: Index, codec: Codec, cut: Cut) -> list[Segment]:
    """The segments whose units a clip's file holds, what comes before the cut included."""
    found = index.codecs.get(codec)
    if found is None or not found.segments:
        return []
    unit = UNIT_SAMPLES[codec]
    first, end = _opus_frames(found, cut) if codec == "opus" else _aac_units(cut)
    return _overlapping(found.segments, first * unit, end * unit)


def _overlapping(segments: list[Segment], begins: int, end: int) -> list[Segment]:
    at = max(0, bisect_right(segments, begins, key=lambda each: each.media_time) - 1)
    result: list[Segment] = []
    while at < len(segments) and segments[at].media_time < end:
        if segments[at].end > begins:
            result.append(segments[at])
        at += 1
    return result


def _stored(files: Files, codec: Codec, segment: Segment) -> tuple[str, StoredSegment]:
    name = segment_name(codec, segment)
    stored = read_segment(codec, files.read(name, 0, segment.bytes))
    if not stored.chunks:
        raise Corrupt("a segment of the recording is not what its index says")
    return name, stored


def _codec(index: Index, codec: Codec) -> CodecIndex:
    found = index.codecs.get(codec)
    if found is None or not found.segments:
        raise Corrupt(f"no {codec} program is recorded")
    return found


# --- Ogg/Opus ------------------------------------------------------------------------------------


def _pre_skip(files: Files) -> int:
    return read_init(files.read("program/opus/init.mp4", 0, MAX_INIT_BYTES)).pre_skip


def _opus_frames(codec: CodecIndex, cut: Cut) -> tuple[int, int]:
    """The frames [first, end) that are decoded: what comes before the cut, and one after it, since what is
    heard lags behind by the encoder's delay."""
    first = max(codec.segments[0].media_time // OPUS_FRAME_SAMPLES, cut.begins // OPUS_FRAME_SAMPLES)
    first = max(codec.segments[0].media_time // OPUS_FRAME_SAMPLES, first - OPUS_PREROLL)
    end = min(codec.segments[-1].end // OPUS_FRAME_SAMPLES, cut.end // OPUS_FRAME_SAMPLES + 1)
    return first, max(end, first + 1)


def clip_opus(place: Place, index: Index, cut: Cut, *, title: str = "") -> VirtualFile:
    """The clip as Ogg/Opus. Raises Corrupt when there is none, OSError."""
    codec = _codec(index, "opus")
    files = files_of(place)
    delay = _pre_skip(files)
    first, end = _opus_frames(codec, cut)
    begins = first * OPUS_FRAME_SAMPLES
    serial = zlib.crc32(f"{index.broadcast} {cut.name}".encode())
    writer = OggOpusWriter(serial, pre_skip=cut.begins - begins + delay, title=title)
    headers = writer.headers()
    pieces: list[tuple[int, Source]] = [(len(headers), lambda a, b: headers[a:b])]
    # Where the last page says that it is over (RFC 7845 section 4.4).
    stop = min(cut.end + delay, end * OPUS_FRAME_SAMPLES) - begins
    number, at = 2, first
    held = 0
    parts = list(_opus_parts(files, codec, first, end))
    for part_number, (name, following, places) in enumerate(parts):
        last = part_number == len(parts) - 1
        source = (files, name) if name else None
        start = (at - first) * OPUS_FRAME_SAMPLES
        pages = _Pages(writer, source, places, start, number, stop if last else -1)
        pieces.append((pages.size, pages))
        number += pages.count
        held += 8 * len(places)
        at = following
    return VirtualFile.of(pieces, held=held)


def _opus_parts(
    files: Files, codec: CodecIndex, first: int, end: int
) -> Iterator[tuple[str, int, array[int]]]:
    """(file or "", frame after the part, offset and bytes of each frame; 0, 0: silence) over [first, end)."""
    at = first
    for segment in _overlapping(codec.segments, first * OPUS_FRAME_SAMPLES, end * OPUS_FRAME_SAMPLES):
        name, stored = _stored(files, "opus", segment)
        places = array("I")
        for chunk in stored.chunks:
            frame, offset = chunk.media_time // OPUS_FRAME_SAMPLES, chunk.offset
            for size in chunk.unit_sizes():
                if at <= frame < end:
                    places.extend((0, 0) * (frame - at))
                    places.extend((offset, size))
                    at = frame + 1
                offset += size
                frame += 1
        if places:
            yield name, at, places
    if at < end:
        yield "", end, array("I", (0, 0) * (end - at))


class _Pages:
    """The pages of the frames out of one segment file, ten frames a page."""

    def __init__(
        self,
        writer: OggOpusWriter,
        source: tuple[Files, str] | None,
        places: array[int],
        start: int,
        number: int,
        stop: int,
    ) -> None:
        self._writer, self._source, self._places = writer, source, places
        self._start, self._number, self._stop = start, number, stop
        sizes = [size or len(SILENT_PACKET) for size in places[1::2]]
        self.count = -(-len(sizes) // _PAGE_PACKETS)
        self.size = self.count * _PAGE_HEADER + sum(size + size // 255 + 1 for size in sizes)

    def __call__(self, first: int, end: int) -> bytes:
        spots = list(zip(self._places[::2], self._places[1::2], strict=True))
        data = b""
        if self._source is not None:
            files, name = self._source
            data = files.read(name, 0, max(offset + size for offset, size in spots))
        result: list[bytes] = []
        start, number = self._start, self._number
        for at in range(0, len(spots), _PAGE_PACKETS):
            some = spots[at : at + _PAGE_PACKETS]
            packets = [data[offset : offset + size] if size else SILENT_PACKET for offset, size in some]
            last = self._stop >= 0 and at + _PAGE_PACKETS >= len(spots)
            samples = self._stop - start if last else len(some) * OPUS_FRAME_SAMPLES
            result.append(
                self._writer.page(packets, media_time=start, samples=samples, number=number, last=last)
            )
            start += len(some) * OPUS_FRAME_SAMPLES
            number += 1
        return b"".join(result)[first:end]


# --- MP4/AAC -------------------------------------------------------------------------------------


def _aac_units(cut: Cut) -> tuple[int, int]:
    first = max(0, cut.begins // AAC_UNIT_SAMPLES - AAC_PREROLL)
    return first, -(-cut.end // AAC_UNIT_SAMPLES)


def clip_m4a(place: Place, index: Index, cut: Cut) -> VirtualFile:
    """The clip as MP4 with AAC: a head, then stretches of the segments' files as they are. Raises Corrupt
    when there is none, OSError."""
    codec = _codec(index, "aac")
    files = files_of(place)
    first, end = _aac_units(cut)
    begins, stop = first * AAC_UNIT_SAMPLES, end * AAC_UNIT_SAMPLES
    head = M4aHead(begins=begins)
    pieces: list[tuple[int, Source]] = []
    for segment in _overlapping(codec.segments, begins, stop):
        name, stored = _stored(files, "aac", segment)
        chunks = [cut_chunk for chunk in stored.chunks if (cut_chunk := _cut_chunk(chunk, first, end))]
        if not chunks:
            continue
        start = chunks[0].offset
        size = chunks[-1].offset + sum(chunks[-1].unit_sizes()) - start
        moved = [StoredChunk(chunk.media_time, chunk.offset - start, chunk.sizes) for chunk in chunks]
        head.add(StoredSegment("aac", moved, size))
        pieces.append((size, _stretch(files, name, start)))
    head.fill(stop)
    init = files.read("program/aac/init.mp4", 0, MAX_INIT_BYTES)
    rendered = head.render(init, skip=cut.begins - begins, play=cut.end - cut.begins)
    return VirtualFile.of([(len(rendered), lambda a, b: rendered[a:b]), *pieces], held=len(rendered))


def _cut_chunk(chunk: StoredChunk, first: int, end: int) -> StoredChunk | None:
    """What of a chunk's units lies in [first, end); None: nothing."""
    unit = chunk.media_time // AAC_UNIT_SAMPLES
    before = max(0, first - unit)
    sizes = chunk.sizes[4 * before : 4 * max(0, end - unit)]
    if not sizes:
        return None
    offset = chunk.offset + sum(chunk.unit_sizes()[:before])
    return StoredChunk(chunk.media_time + before * AAC_UNIT_SAMPLES, offset, sizes)


def _stretch(files: Files, name: str, start: int) -> Source:
    return lambda first, end: files.read(name, start + first, start + end)
