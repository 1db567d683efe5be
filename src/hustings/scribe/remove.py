"""Deletes a recording: everything of it but a tombstone, in the data folder, in the spare one, in the store.

First the folder is renamed, to a name nobody looks for: from then on nothing of it is served, wherever this
ends. What is done again finds either the folder, or the renamed one, or the tombstone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hustings.archive.model import INDEX_NAME, MAX_INDEX_BYTES, decode_index
from hustings.archive.objects import Objects
from hustings.archive.orders import Deletion
from hustings.archive.signatures import signed
from hustings.archive.small import put
from hustings.archive.stored import forget, key_of
from hustings.archive.tombstone import TOMBSTONE_NAME, Tombstone, encode_tombstone, is_deleted, read_tombstone
from hustings.errors import Corrupt
from hustings.ids import is_broadcast_id, is_slug

_WATCHED: Final = 7 * 86_400.0


class Remover:
    """`key`: the server's; `spare`: the folder recordings go on in when the disk fails, if there is one;
    `objects`: the store, if there is one. All methods wait for the disk and the store and raise OSError
    (StoreFailed); each may be repeated."""

    def __init__(
        self, data: Path, spare: Path | None, key: Ed25519PrivateKey, objects: Objects | None = None
    ) -> None:
        self._data = data
        self._spare = spare
        self._key = key
        self._objects = objects

    def delete(self, order: Deletion, at: float) -> Tombstone | None:
        """What is left of it; None when there was nothing. `at`: Unix seconds."""
        if not (is_slug(order.slug) and is_broadcast_id(order.broadcast)):
            return None
        folder = self._data / "rooms" / order.slug / order.broadcast
        aside = _aside(folder)
        if folder.is_dir() and not is_deleted(folder) and not aside.exists():
            folder.rename(aside)
            _sync(folder.parent)
        if not is_deleted(folder) and aside.is_dir():
            self._bury(folder, aside, order, at)
        self._clear(folder)
        if self._objects is not None:
            forget(folder, self._objects)
        return read_tombstone(folder)

    def sweep(self) -> int:
        """Clears what came to lie beside a tombstone: a file that was being made, a segment a stage brought
        over while it was deleted; in the store what another machine put there. Returns in how many folders
        there was something."""
        found = 0
        for stone in sorted((self._data / "rooms").glob(f"*/*/{TOMBSTONE_NAME}")):
            cleared = self._clear(stone.parent)
            found += self._clear_store(stone) or cleared
        return found

    def _clear_store(self, stone: Path) -> bool:
        """For a week: afterwards nobody can be in the middle of sending any more."""
        if self._objects is None or stone.stat().st_mtime + _WATCHED < time.time():
            return False
        there = {each.key for each in self._objects.found(key_of(stone.parent))}
        if there == {key_of(stone.parent, TOMBSTONE_NAME)}:
            return False
        forget(stone.parent, self._objects)
        return bool(there)

    def _bury(self, folder: Path, aside: Path, order: Deletion, at: float) -> None:
        stone = encode_tombstone(signed(_tombstone(aside, order, at), self._key))

        def place() -> None:
            folder.mkdir(exist_ok=True)
            put(folder / TOMBSTONE_NAME, stone)

        try:
            place()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # A full disk has no room for a tombstone before there is less in the grave.
            for path in aside.iterdir():
                if path.name != INDEX_NAME:
                    _remove(path)
            place()
        _sync(folder.parent)

    def _clear(self, folder: Path) -> bool:
        """Removes everything of the recording but its tombstone. Whether there was anything."""
        if not (is_slug(folder.parent.name) and is_broadcast_id(folder.name)):
            return False
        grave = _aside(folder)
        found = grave.exists()
        _remove(grave)
        for path in folder.parent.glob(f".{folder.name}.*.editing"):  # an edition that was being made of it
            found = True
            _remove(path)
        for path in list(folder.iterdir()) if folder.is_dir() and is_deleted(folder) else []:
            if path.name != TOMBSTONE_NAME:
                found = True
                _remove(path)
        if self._spare is not None:
            spare = self._spare / "rooms" / folder.parent.name / folder.name
            grave = _aside(spare)
            if spare.is_dir():
                _remove(grave)
                spare.rename(grave)
            found = found or grave.exists()
            _remove(grave)
        return found


def _tombstone(aside: Path, order: Deletion, at: float) -> Tombstone:
    live_since = duration = None
    digest = ""
    with contextlib.suppress(FileNotFoundError), (aside / INDEX_NAME).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        with contextlib.suppress(Corrupt):
            index = decode_index(file.read(MAX_INDEX_BYTES))
            live_since, duration = _iso(index.live_since), index.duration
    return Tombstone(
        slug=order.slug,
        broadcast=order.broadcast,
        live_since=live_since,
        duration=duration,
        sha256=digest,
        deleted_at=_iso(at),
        why=order.why,
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.deleted")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onexc=_unless_gone)
    else:
        path.unlink(missing_ok=True)


def _unless_gone(_what: object, _path: str, error: BaseException) -> None:
    """Somebody else at the same work was quicker."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
