"""JSON lines of a recording: gaps, events, a track's beginning and totals. A torn or damaged line is passed
over: everybody before and after it still counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from hustings.archive.model import Gap

MAX_LINE: Final = 64 * 1024
MAX_LINES: Final = 1_000_000
"""More lines of one file are not read."""


class TrackBegins(msgspec.Struct, frozen=True):
    """The first line beside a track."""

    participant_id: str
    begins: int = 0
    name: str = ""
    wall_clock: float | None = None


class Totals(msgspec.Struct, frozen=True):
    """The last line beside a whole track, in packets."""

    received: int
    written: int
    declared: int


class EventLine(msgspec.Struct, frozen=True):
    """A TimedEvent as far as it is needed here."""

    media_time: int
    kind: str
    data: dict[str, Any] = {}
    wall_clock: float | None = None


def lines[T](path: Path, kind: type[T]) -> Iterator[T]:
    """The lines of the file at `path` that hold a `kind`; none when there is no such file.

    Raises OSError when the disk fails.
    """
    decoder = msgspec.json.Decoder(kind)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        cut = False
        for _ in range(MAX_LINES):
            line = file.readline(MAX_LINE)
            if not line:
                return
            was_cut, cut = cut, not line.endswith(b"\n") and len(line) == MAX_LINE
            if was_cut or cut:
                continue
            try:
                yield decoder.decode(line)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                continue


def read_gaps(path: Path, most: int = 100_000) -> list[Gap]:
    """The gaps declared in one file, as they stand there; impossible ones are left out."""
    found: list[Gap] = []
    for gap in lines(path, Gap):
        if gap.begins >= 0 and gap.samples >= 0 and gap.packets >= 0 and len(found) < most:
            found.append(gap)
    return found
