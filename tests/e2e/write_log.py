"""Power cuts, out of a log of writes: what of them a disk had when the power went is up to chance.

What was synced is there. Of what was not, each sector of 512 bytes of each write may be there or not, and a
truncation may have happened or not. Names of files are taken to be there.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("<B H Q I")
_KINDS = ("write", "truncate", "sync", "remove")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was asked of the disk. `end`: where it ends in the log."""

    kind: str
    name: str
    offset: int
    data: bytes
    end: int


def entry(kind: str, name: str, offset: int, data: bytes) -> bytes:
    """As it stands in the log."""
    label = name.encode()
    return _HEAD.pack(_KINDS.index(kind), len(label), offset, len(data)) + label + data


def entries(log: bytes) -> Iterator[Entry]:
    """What a log holds, in its order."""
    at = 0
    while at + _HEAD.size <= len(log):
        kind, name, offset, size = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        label, data = log[at : at + name].decode(), log[at + name : at + name + size]
        at += name + size
        yield Entry(_KINDS[kind], label, offset, data, at)


@dataclass(slots=True)
class _File:
    safe: bytearray = field(default_factory=bytearray)
    waiting: list[Entry] = field(default_factory=list)


class Disk:
    """What is safe, and what is on its way, after some entries."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def take(self, happened: Entry) -> None:
        """The next entry."""
        file = self._files.setdefault(happened.name, _File())
        if happened.kind == "remove":
            del self._files[happened.name]
        elif happened.kind == "sync":
            for each in file.waiting:
                _apply(file.safe, each, None)
            file.waiting.clear()
        else:
            file.waiting.append(happened)

    def cut(self, folder: Path, chance: random.Random) -> None:
        """Leaves in `folder` what is there when the power is back."""
        for name, file in self._files.items():
            left = bytearray(file.safe)
            for each in file.waiting:
                _apply(left, each, chance)
            (folder / name).write_bytes(left)


def _apply(content: bytearray, happened: Entry, chance: random.Random | None) -> None:
    """All of it; with `chance` some of it."""
    if happened.kind == "truncate":
        if chance is None or chance.random() < 0.5:
            content[happened.offset :] = bytes(max(0, happened.offset - len(content)))
        return
    fate = 1.0 if chance is None else chance.choice((0.0, 0.5, 0.9, 1.0))
    for at in range(0, len(happened.data), SECTOR):
        if chance is not None and chance.random() >= fate:
            continue
        piece = happened.data[at : at + SECTOR]
        start = happened.offset + at
        if len(content) < start:
            content.extend(bytes(start - len(content)))
        content[start : start + len(piece)] = piece
