"""Files that are not there as such: program.m4a, program.opus, read at any byte out of the segments.

A `VirtualFile` knows its size and where each piece of it comes from; a range reads the pieces it touches and
nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hustings.archive.files import Files, Place, files_of
from hustings.archive.m4a import HEAD_NAME, MAX_HEAD_BYTES
from hustings.archive.model import CodecIndex, Index, Segment
from hustings.archive.ogg_program import SILENT_PAGE_BYTES, OggProgram
from hustings.archive.playlist import entries
from hustings.archive.segment_file import read_segment
from hustings.cmaf.init_segment import read_init
from hustings.cmaf.timeline import CHUNK_SAMPLES
from hustings.errors import Corrupt

_SILENT_SLOTS: Final = 30
"""Slots of silence in one piece: 6 s."""

MAX_INIT_BYTES: Final = 64 * 1024

type Source = Callable[[int, int], bytes]
"""Gives the bytes [first, end) of its piece."""


@dataclass(frozen=True, slots=True)
class _Piece:
    size: int
    source: Source


class VirtualFile:
    """`read` gives any range, to any number of threads."""

    def __init__(self, pieces: list[_Piece], *, held: int = 0) -> None:
        self.weight = held + 200 * len(pieces)
        """Bytes of memory it takes, about."""
        self._pieces = pieces
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + piece.size)

    @classmethod
    def of(cls, pieces: list[tuple[int, Source]], *, held: int = 0) -> VirtualFile:
        """Of the pieces (size, source) in their order; `held`: bytes of memory that they keep."""
        return cls([_Piece(size, source) for size, source in pieces], held=held)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._starts[-1]

    def read(self, first: int, end: int) -> bytes:
        """The bytes [first, end). Raises Corrupt when a file is not any more what the index says, OSError
        when it cannot be read."""
        first, end = max(0, first), min(end, self.size)
        result: list[bytes] = []
        number = bisect_right(self._starts, first) - 1
        while first < end:
            start, piece = self._starts[number], self._pieces[number]
            stop = min(end, start + piece.size)
            data = piece.source(first - start, stop - start)
            if len(data) != stop - first:
                raise Corrupt("a file of the recording is not what its index says")
            result.append(data)
            first = stop
            number += 1
        return b"".join(result)


def plain_file(place: Place, name: str) -> VirtualFile:
    """A file of a recording as it is, as long as it is now. Raises OSError."""
    files = files_of(place)
    return VirtualFile([_Piece(files.size(name), _reader(files, name))])


def program_m4a(place: Place, index: Index) -> VirtualFile:
    """The program as MP4 with AAC (see m4a.py). Raises Corrupt when there is none, OSError."""
    codec = _codec(index, "aac")
    files = files_of(place)
    head = files.read(f"program/aac/{HEAD_NAME}", 0, MAX_HEAD_BYTES)
    pieces = [_Piece(len(head), lambda first, end: head[first:end])]
    pieces += [_Piece(each.bytes, _reader(files, segment_name("aac", each))) for each in codec.segments]
    return VirtualFile(pieces, held=len(head))


def program_opus(place: Place, index: Index, *, title: str = "") -> VirtualFile:
    """The program as Ogg/Opus (see ogg_program.py). Raises Corrupt when there is none, OSError."""
    codec = _codec(index, "opus")
    if len(codec.ogg_bytes) != len(codec.segments):
        raise Corrupt("the index does not say how long the pages are")
    files = files_of(place)
    init = read_init(files.read("program/opus/init.mp4", 0, MAX_INIT_BYTES))
    begins = codec.segments[0].media_time
    program = OggProgram(index.broadcast, begins=begins, pre_skip=init.pre_skip, title=title)
    headers = program.headers()
    pieces = [_Piece(len(headers), lambda first, end: headers[first:end])]
    sizes = iter(codec.ogg_bytes)
    slot = begins // CHUNK_SAMPLES
    for entry in entries("opus", codec.segments):
        segment = entry.segment
        if segment is None:
            continue
        following = segment.media_time // CHUNK_SAMPLES
        while slot < following:
            count = min(_SILENT_SLOTS, following - slot)
            pieces.append(_Piece(count * SILENT_PAGE_BYTES, _silence(program, slot, count)))
            slot += count
        last = segment is codec.segments[-1]
        render = _Rendered(program, files, segment, last=last)
        pieces.append(_Piece(next(sizes), render))
        slot = -(-segment.end // CHUNK_SAMPLES)
    return VirtualFile(pieces)


class _Rendered:
    """Pages of one segment. Those of the piece read last are kept: ranges follow one another."""

    _kept: tuple[_Rendered, bytes] | None = None

    def __init__(self, program: OggProgram, files: Files, segment: Segment, *, last: bool) -> None:
        self._program, self._files, self._segment, self._last = program, files, segment, last

    def __call__(self, first: int, end: int) -> bytes:
        kept = _Rendered._kept
        if kept is None or kept[0] is not self:
            data = self._files.read(segment_name("opus", self._segment), 0, self._segment.bytes)
            segment = read_segment("opus", data)
            if not segment.chunks:
                raise Corrupt("a segment of the recording is not what its index says")
            kept = _Rendered._kept = (self, self._program.segment(segment, data, last=self._last))
        return kept[1][first:end]


def _silence(program: OggProgram, slot: int, count: int) -> Source:
    return lambda first, end: program.silence(slot, count)[first:end]


def _codec(index: Index, name: str) -> CodecIndex:
    found = index.codecs.get(name)
    if found is None or not found.segments:
        raise Corrupt(f"no {name} program is recorded")
    return found


def segment_name(codec: str, segment: Segment) -> str:
    """Its file, below the recording's folder."""
    return f"program/{codec}/{segment.number}.m4s"


def _reader(files: Files, name: str) -> Source:
    return lambda first, end: files.read(name, first, end)
