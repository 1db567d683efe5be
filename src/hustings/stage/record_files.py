"""Files that a recording grows: appended to, made safe by an fsync, given up when the disk fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """What the recording needs of an operating system; all of it may raise OSError."""

    def create(self, path: Path) -> int:
        """A new file to append to; FileExistsError when there is one."""
        ...

    def resume(self, path: Path) -> int:
        """The file to append to, new or not."""
        ...

    def write(self, handle: int, data: bytes) -> int: ...

    def sync(self, handle: int) -> None: ...

    def close(self, handle: int) -> None: ...

    def make_folder(self, path: Path) -> None:
        """The folder and those above it, if they are not there."""
        ...

    def sync_folder(self, path: Path) -> None: ...

    def tail(self, path: Path, size: int) -> bytes:
        """The last bytes of a file; b"" when it is not there."""
        ...

    def remove(self, path: Path) -> None: ...


class LocalDisk:
    """The operating system's."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def resume(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, handle: int, data: bytes) -> int:
        return os.write(handle, data)

    def sync(self, handle: int) -> None:
        os.fsync(handle)

    def close(self, handle: int) -> None:
        os.close(handle)

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o750)

    def sync_folder(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def tail(self, path: Path, size: int) -> bytes:
        try:
            with path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - size))
                return file.read(size)
        except FileNotFoundError:
            return b""

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)


class RecordFile:
    """One file. Written to in the recorder's thread, synced and closed in another, never both at once."""

    def __init__(self, disk: Disk, path: Path, *, resume: bool = False) -> None:
        """Raises OSError."""
        self.path = path
        self._disk = disk
        self._handle = disk.resume(path) if resume else disk.create(path)
        self.bytes = 0
        self.dirty = True
        """Something was written that no sync has covered; a new file is dirty by its name."""
        self.over = False
        """Nothing more will be written."""
        if resume and path.suffix == ".jsonl" and disk.tail(path, 1) not in (b"", b"\n"):
            self.write(b"\n")  # torn by a crash: what follows begins on its own line

    def write(self, data: bytes) -> None:
        """All of `data`, handed to the kernel. Raises OSError; part of it may be there then."""
        self.dirty = True
        view = data
        while view:
            size = self._disk.write(self._handle, view)
            if size <= 0:
                raise OSError(errno.EIO, "nothing was written")
            self.bytes += size
            view = view[size:]

    def sync(self) -> None:
        """Raises OSError, after which the file must be given up: what was not safe may be gone."""
        self._disk.sync(self._handle)

    def close(self) -> None:
        """Never raises."""
        try:
            self._disk.close(self._handle)
        except OSError:
            pass


def words(error: OSError) -> str:
    """What has happened, for the host."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full."
    if error.errno == errno.EROFS:
        return "The disk can only be read."
    if error.errno in (errno.EACCES, errno.EPERM):
        return "The folder may not be written to."
    if error.errno == errno.EMFILE:
        return "Too many files are open."
    return "The disk fails."
