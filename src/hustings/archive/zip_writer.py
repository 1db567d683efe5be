"""A ZIP archive of files as they lie there, laid out before a byte of them is read.

Stored, not compressed (sound does not get smaller), so every offset and the whole length follow from names
and sizes: a download has its Content-Length, can be resumed, and needs no temporary file. What cannot be
known before, each member's CRC, stands behind its data (APPNOTE.TXT 6.3.10 section 4.3.9, general purpose
bit 3) and in the central directory. ZIP64 where a size, an offset or the number of members does not fit
(section 4.3.14). Pure: reads through the sources it is given.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hustings.errors import Corrupt

type Source = Callable[[int, int], bytes]
"""Gives the bytes [first, end) of its piece."""

_BLOCK: Final = 1 << 20
_MAX_32: Final = 0xFFFF_FFFF
_MAX_16: Final = 0xFFFF
_FLAGS: Final = 0x0808  # bit 3: CRC behind the data; bit 11: names in UTF-8
_VERSION, _VERSION_64 = 20, 45
_MADE_BY: Final = 3 << 8  # Unix: the upper half of the external attributes is a mode
_MODE: Final = 0o100644 << 16
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_TIME: Final = struct.Struct("<HHBi")
"""Extended timestamp: Info-ZIP's extra field 0x5455, Unix seconds, since DOS times have no zone."""
_END: Final = struct.Struct("<4sHHHHIIH")
_END_64: Final = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<4sIQI")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive. `name`: with "/" between folders; `modified`: Unix seconds."""

    name: str
    size: int
    modified: float
    read: Source


class _Placed:
    """A member with its place. The CRC grows with what is read in order, by whoever is furthest; what is
    missing of it when the end is asked for (a download that is resumed) is read for it. For any threads.
    """

    def __init__(self, member: Member, offset: int) -> None:
        self.member = member
        self.offset = offset
        self.name = member.name.encode()
        self.large = member.size >= _MAX_32
        self._lock = threading.Lock()
        self._crc = 0
        self._known = 0
        """Bytes the CRC is of."""

    def read(self, first: int, end: int) -> bytes:
        """The member's bytes [first, end)."""
        data = self.member.read(first, end)
        with self._lock:
            if first <= self._known < first + len(data):
                self._crc = zlib.crc32(memoryview(data)[self._known - first :], self._crc)
                self._known = first + len(data)
        return data

    @property
    def crc(self) -> int:
        while (known := self._known) < self.member.size:
            if not self.read(known, min(known + _BLOCK, self.member.size)):
                raise Corrupt("a file of the recording is not what its index says")
        return self._crc

    def local(self) -> bytes:
        """Local file header, section 4.3.7: CRC and sizes are zero here, they come behind the data."""
        extra = self._time()
        if self.large:
            # Says that the descriptor's sizes have 8 bytes (section 4.3.9.2).
            extra += struct.pack("<HHQQ", 1, 16, 0, 0)
        version = _VERSION_64 if self.large else _VERSION
        sizes = (_MAX_32, _MAX_32) if self.large else (0, 0)
        fixed = (b"PK\x03\x04", version, _FLAGS, 0, *_dos(self.member.modified), 0, *sizes)
        return _LOCAL.pack(*fixed, len(self.name), len(extra)) + self.name + extra

    def descriptor(self) -> bytes:
        size = self.member.size
        return struct.pack("<4sIQQ" if self.large else "<4sIII", b"PK\x07\x08", self.crc, size, size)

    @property
    def descriptor_size(self) -> int:
        return 24 if self.large else 16

    def central(self) -> bytes:
        """Central directory header, section 4.3.12."""
        far = self.offset >= _MAX_32
        long = struct.pack("<QQ", self.member.size, self.member.size) if self.large else b""
        long += struct.pack("<Q", self.offset) if far else b""
        extra = self._time() + (struct.pack("<HH", 1, len(long)) + long if long else b"")
        version = _VERSION_64 if long else _VERSION
        size = _MAX_32 if self.large else self.member.size
        return (
            _CENTRAL.pack(
                *(b"PK\x01\x02", _MADE_BY | version, version, _FLAGS, 0, *_dos(self.member.modified)),
                *(self.crc, size, size, len(self.name), len(extra), 0, 0, 0, _MODE),
                _MAX_32 if far else self.offset,
            )
            + self.name
            + extra
        )

    @property
    def central_size(self) -> int:
        far = self.offset >= _MAX_32
        long = (4 + 16 * self.large + 8 * far) if self.large or far else 0
        return _CENTRAL.size + len(self.name) + _TIME.size + long

    def _time(self) -> bytes:
        seconds = max(-(1 << 31), min(int(self.member.modified), (1 << 31) - 1))
        return _TIME.pack(0x5455, 5, 1, seconds)


def zip_pieces(members: Sequence[Member]) -> list[tuple[int, Source]]:
    """The archive as (size, source) of its pieces in order. Sources read their members only when asked.

    Raises ValueError for a name that is empty, too long, absolute, twice there or leads out of the archive.
    """
    _check(members)
    pieces: list[tuple[int, Source]] = []
    placed: list[_Placed] = []
    offset = 0
    for member in members:
        one = _Placed(member, offset)
        head = one.local()
        pieces.append((len(head), _cut(head)))
        pieces.append((member.size, one.read))
        pieces.append((one.descriptor_size, _late(one.descriptor)))
        offset += len(head) + member.size + one.descriptor_size
        placed.append(one)
    directory = sum(one.central_size for one in placed)
    pieces.append((directory, _late(lambda: b"".join(one.central() for one in placed))))
    end = _end(len(placed), directory, offset)
    pieces.append((len(end), _cut(end)))
    return pieces


def _end(count: int, directory: int, offset: int) -> bytes:
    """Sections 4.3.14 to 4.3.16."""
    end = b""
    if count >= _MAX_16 or directory >= _MAX_32 or offset >= _MAX_32:
        end = _END_64.pack(
            *(b"PK\x06\x06", _END_64.size - 12, _MADE_BY | _VERSION_64, _VERSION_64, 0, 0),
            *(count, count, directory, offset),
        )
        end += _LOCATOR.pack(b"PK\x06\x07", 0, offset + directory, 1)
    number = min(count, _MAX_16)
    return end + _END.pack(
        b"PK\x05\x06", 0, 0, number, number, min(directory, _MAX_32), min(offset, _MAX_32), 0
    )


def _check(members: Sequence[Member]) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.name
        parts = name.split("/")
        bad = not name or len(name.encode()) > 1000 or "\\" in name or "\0" in name or ":" in parts[0]
        if bad or any(part in ("", ".", "..") for part in parts) or name in seen or member.size < 0:
            raise ValueError(f"no name for a member of an archive: {name!r}")
        seen.add(name)


def _cut(data: bytes) -> Source:
    return lambda first, end: data[first:end]


def _late(make: Callable[[], bytes]) -> Source:
    return lambda first, end: make()[first:end]


def _dos(seconds: float) -> tuple[int, int]:
    """MS-DOS time and date (section 4.4.6), in UTC, from 1980 to 2107."""
    at = datetime.fromtimestamp(max(315_532_800, min(int(seconds), 4_354_819_198)), UTC)
    return (
        at.hour << 11 | at.minute << 5 | at.second // 2,
        (at.year - 1980) << 9 | at.month << 5 | at.day,
    )
