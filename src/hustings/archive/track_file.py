"""One speaker's Ogg/Opus file: what its first and last whole pages say, whatever became of its end.

RFC 3533 (pages), RFC 7845 (Opus in Ogg). Only the two ends are read: a track of hours costs no more than one
of a minute, and a torn tail is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from hustings.cmaf.ogg import ogg_crc
from hustings.errors import Corrupt

HEAD_BYTES: Final = 128 * 1024
TAIL_BYTES: Final = 256 * 1024
"""More than four of the longest pages there are (65,307 bytes)."""
_PAGE: Final = struct.Struct("<4sBBqIIIB")
_MAX_COMMENTS: Final = 64


@dataclass(frozen=True, slots=True)
class Page:
    """One page whose checksum is right. `payload`: its packets, one after another; `table`: their lengths in
    pieces of up to 255 (RFC 3533 section 6); `end`: where it ends in what was read."""

    granule: int
    serial: int
    payload: bytes
    table: bytes = b""
    end: int = 0

    def packets(self) -> Iterator[bytes]:
        """Those that end on this page; ours never go on over pages."""
        at = size = 0
        for piece in self.table:
            size += piece
            if piece < 255:
                yield self.payload[at : at + size]
                at, size = at + size, 0


@dataclass(frozen=True, slots=True)
class TrackFile:
    """`begins`: media_time of the first page (HUSTINGS_BEGINS); `granule`: of the last whole page, -1 when
    there is none with sound."""

    pre_skip: int
    begins: int
    granule: int
    comments: dict[str, str]

    @property
    def samples(self) -> int:
        """How many play (RFC 7845 section 4)."""
        return max(0, self.granule - self.pre_skip)


def pages(data: bytes) -> Iterator[Page]:
    """The whole pages in `data`, wherever they begin; what lies between them is passed over."""
    at = data.find(b"OggS")
    while at >= 0:
        end = _page_end(data, at)
        if end is None:
            at = data.find(b"OggS", at + 1)
            continue
        _, _, _, granule, serial, _, _, count = _PAGE.unpack_from(data, at)
        table = at + _PAGE.size
        yield Page(granule, serial, data[table + count : end], data[table : table + count], end)
        at = end if data[end : end + 4] == b"OggS" else data.find(b"OggS", end)


def _page_end(data: bytes, at: int) -> int | None:
    """Where the page that begins at `at` ends; None when it is none, or cut short, or damaged."""
    if len(data) - at < _PAGE.size:
        return None
    header = _PAGE.unpack_from(data, at)
    table = at + _PAGE.size
    end = table + header[7] + sum(data[table : table + header[7]])
    if header[1] != 0 or end > len(data) or len(data) < table + header[7]:
        return None
    page = bytearray(data[at:end])
    page[22:26] = bytes(4)
    return end if ogg_crc(bytes(page)) == header[6] else None


def read_track(path: Path) -> TrackFile:
    """What the track holds. Raises Corrupt when it has no whole Opus headers, OSError from the disk."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        found = pages(head)
        first, second = next(found, None), next(found, None)
        if first is None or second is None or first.payload[:8] != b"OpusHead" or len(first.payload) < 19:
            raise Corrupt("no Ogg/Opus track")
        (pre_skip,) = struct.unpack_from("<H", first.payload, 10)
        comments = _comments(second.payload)
        begins = comments.get("HUSTINGS_BEGINS", "0")
        return TrackFile(
            pre_skip,
            int(begins) if begins.isdecimal() and len(begins) < 19 else 0,
            _last_granule(file, first.serial),
            comments,
        )


def _last_granule(file: BinaryIO, serial: int) -> int:
    """Granule position of the last whole page with the end of a packet in it, -1 when there is none."""
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL_BYTES))
    last = -1
    for page in pages(file.read(TAIL_BYTES)):
        if page.serial == serial and page.granule > 0 and page.payload[:8] != b"OpusTags":
            last = page.granule
    return last


def _comments(data: bytes) -> dict[str, str]:
    """Fields of an OpusTags packet (RFC 7845 section 5.2), names in capitals; as far as they can be read."""
    found: dict[str, str] = {}
    if data[:8] != b"OpusTags" or len(data) < 16:
        return found
    at = 12 + int.from_bytes(data[8:12], "little")
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    for _ in range(min(count, _MAX_COMMENTS)):
        size = int.from_bytes(data[at : at + 4], "little")
        field = data[at + 4 : at + 4 + size]
        if len(field) < size or at + 4 > len(data):
            break
        name, sign, value = field.decode("utf-8", "replace").partition("=")
        if sign:
            found.setdefault(name.upper(), value)
        at += 4 + size
    return found
