"""Small files: written whole or not at all, read as what they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from hustings.errors import Corrupt

_MAX_BYTES: Final = 256 * 1024


def read_struct[T](path: Path, kind: type[T]) -> T:
    """A small JSON file as a struct. Raises Corrupt, OSError."""
    with path.open("rb") as file:
        try:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Corrupt(f"{path.name}: {error}") from None


def put(path: Path, data: bytes) -> None:
    """Writes a small file aside and renames it: whole or not at all, also after a power cut."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    settle(aside, path)


def settle(aside: Path, path: Path) -> None:
    """Renames a file that is synced already, and syncs its folder."""
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
