"""ISO base media file format boxes (ISO/IEC 14496-12 section 4.2): writing and bounded reading."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hustings.errors import Corrupt

_HEADER = struct.Struct(">I4s")


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box: 32-bit size, four-character type, payload."""
    size = 8 + sum(map(len, payload))
    return b"".join((_HEADER.pack(size, kind), *payload))


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A full box: a box whose payload starts with version (8 bit) and flags (24 bit)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in data[start:end] one after another, as (type, payload start, payload end).

    Raises Corrupt when a size does not fit in. Sizes of 0 (to the end of the file) and 64-bit sizes
    are refused: neither stands in anything Hustings reads.
    """
    stop = len(data) if end is None else end
    at = start
    while at < stop:
        if stop - at < 8:
            raise Corrupt(f"box header cut short at byte {at}")
        size, kind = _HEADER.unpack_from(data, at)
        if size < 8 or size > stop - at:
            raise Corrupt(f"box at byte {at} has the impossible size {size}")
        yield kind, at + 8, at + size
        at += size


def find(data: bytes, kind: bytes, start: int = 0, end: int | None = None) -> tuple[int, int]:
    """Payload range of the first box of `kind` in data[start:end]; raises Corrupt when there is none."""
    for found, payload, stop in boxes(data, start, end):
        if found == kind:
            return payload, stop
    raise Corrupt(f"no {kind.decode('latin-1')} box")


def find_path(data: bytes, *path: bytes) -> tuple[int, int]:
    """Payload range of a box inside boxes, e.g. find_path(data, b"moov", b"trak")."""
    start, end = 0, len(data)
    for kind in path:
        start, end = find(data, kind, start, end)
    return start, end


def unpack(layout: struct.Struct, data: bytes, start: int, end: int) -> tuple[int, ...]:
    """`layout` read at `start`; raises Corrupt when it would reach past `end`."""
    if start < 0 or end > len(data) or layout.size > end - start:
        raise Corrupt(f"box cut short at byte {start}")
    return layout.unpack_from(data, start)
