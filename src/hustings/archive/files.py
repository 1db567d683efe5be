"""A recording's files for whoever reads them: from its folder, and from the store what was freed there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from hustings.archive.blocks import Blocks
from hustings.archive.objects import StoreFailed
from hustings.archive.stored import STORED_NAME, StoredFile, is_large, key_of, read_stored

_STILL_UNKNOWN: Final = (0, 0)


class Files:
    """`blocks`: None where there is no store. Names are paths below the recording's folder. Every method
    reads the disk or asks the store; usable from several threads."""

    def __init__(self, folder: Path, blocks: Blocks | None = None) -> None:
        self.folder = folder
        self._blocks = blocks
        self._known: dict[str, StoredFile] = {}
        self._stamp = _STILL_UNKNOWN
        self._lock = threading.Lock()

    def read(self, name: str, first: int, end: int) -> bytes:
        """The bytes [first, end) of a file, fewer where it ends before. Raises FileNotFoundError,
        StoreFailed, other OSError."""
        try:
            with (self.folder / name).open("rb") as file:
                file.seek(first)
                return file.read(end - first)
        except FileNotFoundError:
            known = self._stored(name)
        if self._blocks is None:
            raise StoreFailed("The recording is in a store, and HUSTINGS_OBJECTS names none.")
        return self._blocks.read(key_of(self.folder, name), known.sha256, known.bytes, first, end)

    def size(self, name: str) -> int:
        """Bytes of a file, wherever it is. Raises FileNotFoundError, other OSError."""
        try:
            return (self.folder / name).stat().st_size
        except FileNotFoundError:
            return self._stored(name).bytes

    def _stored(self, name: str) -> StoredFile:
        """What the store has of a file that is not here. Raises FileNotFoundError."""
        if not is_large(name):
            raise FileNotFoundError(name)
        with self._lock:
            try:
                stat = (self.folder / STORED_NAME).stat()
            except FileNotFoundError:
                raise FileNotFoundError(name) from None
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp != self._stamp:
                self._known, self._stamp = read_stored(self.folder).files, stamp
            found = self._known.get(name)
        if found is None:
            raise FileNotFoundError(name)
        return found


type Place = Path | Files
"""Where a recording is: its folder, or its files wherever they are."""


def files_of(place: Place) -> Files:
    """The files in `place`; of a folder those that are there."""
    return place if isinstance(place, Files) else Files(place)
