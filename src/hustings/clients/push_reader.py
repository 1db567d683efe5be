"""The push door's records, read without I/O: bytes in, records out (CONTRACT, `GET /r/{slug}/live`).

A record is `type u8, flags u8, reserved u16, length u32 (big endian), payload`. Types nobody knows yet
are passed over, so that an old client survives a newer server.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hustings.errors import Corrupt

MAX_PAYLOAD = 1024 * 1024
"""No honest record comes near this: 200 ms of sound are a few kilobytes."""

_HEADER = struct.Struct(">BBHI")


@dataclass(frozen=True, slots=True)
class Init:
    """The CMAF init segment; comes first and once per connection."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Media:
    """One CMAF chunk (moof and mdat)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a media_time; `data` holds all members."""

    media_time: int
    wall_clock: float
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerClock:
    """`media_time` (48 kHz samples) left the mixer at `wall_clock` (Unix seconds)."""

    media_time: int
    wall_clock: float


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """The next chunk does not follow the one before. `reason`: slow, gap, restart."""

    media_time: int
    reason: str


@dataclass(frozen=True, slots=True)
class Bye:
    """The server ends the stream. `reason`: ended, draining, overload."""

    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """Another process has this door: connect again within so many seconds, and leave this connection when
    the other one has brought sound."""

    within: float


type Record = Init | Media | Event | ServerClock | Discontinuity | Bye | Move


class PushReader:
    """Feed it bytes in any cut; it gives whole records back. Raises Corrupt, and stays broken then."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._broken: Corrupt | None = None

    @property
    def pending(self) -> int:
        """Bytes of a record that is not whole yet; 0 when the stream may end here."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Record]:
        """All records that `data` completes, in order."""
        if self._broken is not None:
            raise self._broken
        self._buffer += data
        records: list[Record] = []
        try:
            while (record := self._next()) is not None:
                if not isinstance(record, _Unknown):
                    records.append(record)
        except Corrupt as error:
            self._broken = error
            raise
        return records

    def _next(self) -> Record | _Unknown | None:
        if len(self._buffer) < _HEADER.size:
            return None
        kind, _flags, _reserved, length = _HEADER.unpack_from(self._buffer)
        if length > MAX_PAYLOAD:
            raise Corrupt(f"A push record of {length} bytes is larger than {MAX_PAYLOAD}.")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(memoryview(self._buffer)[_HEADER.size : end])
        del self._buffer[:end]
        read = _READERS.get(kind)
        return read(payload) if read else _Unknown()


class _Unknown:
    """A record of a later version."""


def _init(payload: bytes) -> Record:
    return Init(payload)


def _media(payload: bytes) -> Record:
    return Media(payload)


def _event(payload: bytes) -> Record:
    data = _object(payload)
    return Event(_integer(data, "media_time"), _number(data, "wall_clock"), _text(data, "kind"), data)


def _clock(payload: bytes) -> Record:
    data = _object(payload)
    return ServerClock(_integer(data, "media_time"), _number(data, "wall_clock"))


def _discontinuity(payload: bytes) -> Record:
    data = _object(payload)
    return Discontinuity(_integer(data, "media_time"), _text(data, "reason"))


def _bye(payload: bytes) -> Record:
    return Bye(_text(_object(payload), "reason"))


def _move(payload: bytes) -> Record:
    return Move(min(60.0, max(0.0, _number(_object(payload), "within"))))


_READERS: dict[int, Callable[[bytes], Record]] = {
    1: _init,
    2: _media,
    3: _event,
    4: _clock,
    5: _discontinuity,
    6: _bye,
    7: _move,
}


def _object(payload: bytes) -> dict[str, Any]:
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"A push record is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Corrupt("A push record's JSON is not an object.")
    return data


def _integer(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Corrupt(f"A push record has no whole number '{name}'.")
    return value


def _number(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Corrupt(f"A push record has no number '{name}'.")
    try:
        number = float(value)
    except OverflowError as error:
        raise Corrupt(f"A push record's '{name}' is out of range.") from error
    if not math.isfinite(number):
        raise Corrupt(f"A push record's '{name}' is not finite.")
    return number


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise Corrupt(f"A push record has no text '{name}'.")
    return value
