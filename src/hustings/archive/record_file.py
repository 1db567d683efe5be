"""The copy of a room's public record in the data folder, as edges serve it: its entries, then the head."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.virtual import VirtualFile

NAME: Final = "record.jsonl"
"""The record as it is published: entries and head. In a recording's folder as it was when that was over."""


def entries_path(data: Path, slug: str) -> Path:
    """Where in the data folder the entries of a room's record lie, alone: the file only grows."""
    return data / "records" / f"{slug}.entries"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """`size`: bytes of the `entries` lines that are published; `head`: the line that closes them."""

    entries: int
    size: int
    head: str


def published_file(path: Path, published: Published) -> VirtualFile:
    """The record as it is published. Raises OSError; FileNotFoundError also when the file is too short."""
    if path.stat().st_size < published.size:
        raise FileNotFoundError(path)
    head = published.head.encode() + b"\n"

    def entries(first: int, end: int) -> bytes:
        with path.open("rb") as file:
            file.seek(first)
            return file.read(end - first)

    return VirtualFile.of(
        [(published.size, entries), (len(head), lambda first, end: head[first:end])], held=len(head)
    )
