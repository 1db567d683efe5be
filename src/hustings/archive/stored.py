"""A recording's files and the store: which ones it has (`stored.json`), putting them there, freeing the local
ones, fetching them back (docs/recording.md, Storage). Reads the disk and asks the store: for threads only.

What a page or an index needs stays local for ever. Only what is large (`is_large`) may be nowhere but in the
store, and only after all of it was read back from there and was what had been sent.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.model import INDEX_NAME, read_index
from hustings.archive.objects import Objects, StoreFailed
from hustings.archive.small import put
from hustings.archive.tombstone import TOMBSTONE_NAME, is_deleted
from hustings.errors import Corrupt

STORED_NAME: Final = "stored.json"
_MAX_BYTES: Final = 64 << 20
_LARGE: Final = re.compile(
    r"program/(?:opus|aac)/[0-9]{1,9}\.m4s|tracks/[^/]+\.opus|made/program\.[a-z0-9]{1,8}"
)
_PASSING: Final = re.compile(r"(?:.*/)?(?:\.[^/]*|[^/]+\.state\.json)|stored\.json|deleted\.json")
"""What is on its way to be something else, or says how that gets on."""
_BLOCK: Final = 1 << 20
_SAVED_AFTER: Final = 32 << 20
_SAVED_FILES: Final = 100
"""Bytes and files sent, after which stored.json is written: what came since is sent again after a kill."""
_SPARED: Final = 64 << 20
"""Bytes that fetching back leaves free on the disk: others write there."""
DAY: Final = 86_400.0
SETTLED: Final = 3600.0
"""Seconds after its end before which nothing of a recording is freed."""


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the store has of one file. `verified_at`: Unix seconds when it was read back; `modified`: the
    local file's mtime in ns, by which a changed one is known."""

    bytes: int
    sha256: str
    verified_at: float
    modified: int


class Stored(msgspec.Struct, kw_only=True):
    """stored.json. `files`: by their path below the recording's folder."""

    version: int = 1
    files: dict[str, StoredFile] = {}


class Stopped(Exception):
    """Somebody wanted this to end."""


class Changed(Exception):
    """A file became another while it was sent."""


def go_on() -> bool:
    """A `stop` that never does."""
    return False


def is_large(name: str) -> bool:
    """Whether a file (by its path below the recording's folder) may be in the store only."""
    return _LARGE.fullmatch(name) is not None


def key_of(folder: Path, name: str = "") -> str:
    """The key of a file of the recording in `folder`; without `name`, what all of its keys begin with."""
    top = f"rooms/{folder.parent.name}/{folder.name}"
    return f"{top}/{name}" if name else top


def read_stored(folder: Path) -> Stored:
    """What the store is known to have; nothing, if that cannot be read. Raises OSError."""
    try:
        with (folder / STORED_NAME).open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=Stored)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError, UnicodeDecodeError):
        return Stored()


def local_files(folder: Path) -> dict[str, os.stat_result]:
    """What there is to store. Raises OSError."""
    found: dict[str, os.stat_result] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _PASSING.fullmatch(name):
            continue
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                found[name] = path.stat()
    return found


def unstored(folder: Path) -> list[str]:
    """The local files that the store does not have as they are. Raises OSError."""
    known = read_stored(folder).files
    return [name for name, stat in local_files(folder).items() if not _same(known.get(name), stat)]


def _same(known: StoredFile | None, stat: os.stat_result) -> bool:
    return known is not None and (known.bytes, known.modified) == (stat.st_size, stat.st_mtime_ns)


def store_recording(
    folder: Path,
    objects: Objects,
    clock: Callable[[], float],
    *,
    stop: Callable[[], bool] = go_on,
    sent: Callable[[int], None] = lambda _bytes: None,
) -> int:
    """Puts everything of the recording in `folder` there that the store has not; returns how many files. May
    be stopped or killed anywhere: what was read back whole is not sent again. `clock`: Unix seconds.

    Raises Stopped, Changed, StoreFailed, OSError.
    """
    objects.abort_unfinished(key_of(folder))
    stored, files = read_stored(folder), local_files(folder)
    gone = [name for name in stored.files if name not in files and not is_large(name)]
    if gone:
        objects.remove([key_of(folder, name) for name in gone])
        for name in gone:
            del stored.files[name]
    count = unsaved_bytes = unsaved = 0
    try:
        for name, stat in files.items():
            if _same(stored.files.get(name), stat):
                continue
            if stop():
                raise Stopped
            stored.files[name] = _send(folder, name, objects, clock, stop)
            count += 1
            unsaved += 1
            unsaved_bytes += stat.st_size
            sent(stat.st_size)
            if unsaved >= _SAVED_FILES or unsaved_bytes >= _SAVED_AFTER:
                _save(folder, stored)
                unsaved = unsaved_bytes = 0
    finally:
        if unsaved or gone:
            _save(folder, stored)
    if count or gone or objects.size(key_of(folder, STORED_NAME)) is None:
        data = msgspec.json.encode(stored)
        objects.put(key_of(folder, STORED_NAME), iter((data,)), len(data))
    return count


def _save(folder: Path, stored: Stored) -> None:
    # Not beside a tombstone: the recording may have been deleted meanwhile.
    if folder.is_dir() and not is_deleted(folder):
        put(folder / STORED_NAME, msgspec.json.encode(stored))


def _send(
    folder: Path, name: str, objects: Objects, clock: Callable[[], float], stop: Callable[[], bool]
) -> StoredFile:
    """One file, sent and read back."""
    key, digest = key_of(folder, name), hashlib.sha256()
    with (folder / name).open("rb") as file:
        before = os.fstat(file.fileno())

        def blocks() -> Iterator[bytes]:
            left = before.st_size
            while left > 0:
                if stop():
                    raise Stopped
                data = file.read(min(_BLOCK, left))
                if not data:
                    raise Changed(name)
                left -= len(data)
                digest.update(data)
                yield data

        objects.put(key, blocks(), before.st_size)
        after = (folder / name).stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Changed(name)
    sha256 = digest.hexdigest()
    if objects.size(key) != before.st_size or _hash(objects, key, before.st_size, stop) != sha256:
        raise StoreFailed("The store gives back something else than it was given.")
    return StoredFile(
        bytes=before.st_size, sha256=sha256, verified_at=round(clock(), 3), modified=before.st_mtime_ns
    )


def _hash(objects: Objects, key: str, size: int, stop: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    for data in objects.blocks(key, size):
        if stop():
            raise Stopped
        digest.update(data)
    return digest.hexdigest()


def free(folder: Path, objects: Objects, days: float, now: float) -> int:
    """Removes the large local files that the store has, if the recording ended `days` ago (below 0: never;
    an hour at least) and all of it is stored; returns how many bytes. The store is asked for their sizes
    once more.

    `now`: Unix seconds. Raises StoreFailed, OSError.
    """
    if days < 0 or is_deleted(folder) or not (folder / INDEX_NAME).is_file():
        return 0
    try:
        # A broadcast whose stage has died goes on within the hour, or not at all; its index is of all files.
        if read_index(folder).ended_at + max(days * DAY, SETTLED) > now:
            return 0
    except Corrupt:
        return 0
    files, known = local_files(folder), read_stored(folder).files
    large = {name: stat for name, stat in files.items() if is_large(name)}
    if not large or not all(_same(known.get(name), stat) for name, stat in files.items()):
        return 0
    there = {each.key: each.size for each in objects.found(key_of(folder))}
    if any(there.get(key_of(folder, name)) != stat.st_size for name, stat in large.items()):
        raise StoreFailed("The store does not have a file any more that it had.")
    for name in large:
        (folder / name).unlink(missing_ok=True)
    return sum(stat.st_size for stat in large.values())


def freed(folder: Path) -> dict[str, StoredFile]:
    """What of the recording in `folder` is in the store only. Raises OSError."""
    return {
        name: known
        for name, known in read_stored(folder).files.items()
        if is_large(name) and not (folder / name).exists()
    }


def ensure_local(folder: Path, objects: Objects | None, *, stop: Callable[[], bool] = go_on) -> int:
    """Fetches back what was freed of the recording in `folder`; returns how many bytes. What is there is not
    fetched again, so it may be stopped and repeated; each file is there whole or not at all, and is what
    was stored. Memory: one part (objects.PART). It leaves 64 MB free on the disk.

    Raises Stopped, StoreFailed (also when there is no store any more), OSError (ENOSPC before anything is
    fetched that does not fit).
    """
    missing = freed(folder)
    if not missing:
        return 0
    if objects is None:
        raise StoreFailed("The recording is in a store, and HUSTINGS_OBJECTS names none.")
    total = sum(each.bytes for each in missing.values())
    if shutil.disk_usage(folder).free < total + _SPARED:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for name, known in missing.items():
        if stop():
            raise Stopped
        _fetch(folder, name, known, objects, stop)
    return total


def _fetch(folder: Path, name: str, known: StoredFile, objects: Objects, stop: Callable[[], bool]) -> None:
    path = folder / name
    aside = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256()
    try:
        with aside.open("wb") as file:
            for data in objects.blocks(key_of(folder, name), known.bytes):
                if stop():
                    raise Stopped
                digest.update(data)
                file.write(data)
            if digest.hexdigest() != known.sha256:
                raise StoreFailed("The store gives back something else than it was given.")
            file.flush()
            os.fsync(file.fileno())
        # As it was: so it is known as stored, and can be freed again.
        os.utime(aside, ns=(known.modified, known.modified))
        aside.replace(path)  # a power cut may undo that: then it is in the store only, as before
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def forget(folder: Path, objects: Objects) -> None:
    """Removes everything of the recording from the store, unfinished uploads too, and leaves the tombstone
    lying in `folder` there. Repeatable. Raises StoreFailed, OSError."""
    stone = b""
    with contextlib.suppress(FileNotFoundError):
        stone = (folder / TOMBSTONE_NAME).read_bytes()
    kept = key_of(folder, TOMBSTONE_NAME)
    if stone:
        # First: a second machine sees that it is deleted before it misses a file.
        objects.put(kept, iter((stone,)), len(stone))
    objects.abort_unfinished(key_of(folder))
    for _ in range(3):
        there = [each.key for each in objects.found(key_of(folder)) if each.key != kept]
        if not there:
            return
        objects.remove(there)
    raise StoreFailed("The store keeps what it was told to remove.")
