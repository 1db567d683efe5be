"""Where a recording is being written: one folder, one run of the stage, one part.

A part begins when the disk has failed: nothing is written any more to a file that was given up. Part 0 has
the plain names of docs/recording.md, the others carry their number.
"""

from __future__ import annotations

from pathlib import Path

from hustings.stage.record_files import Disk, RecordFile


class Place:
    """Makes files and remembers what an fsync has to cover. Methods raise OSError."""

    def __init__(self, disk: Disk, folder: Path, epoch: int, part: int) -> None:
        self.disk = disk
        self.folder = folder
        self.epoch = epoch
        self.part = part
        self._bytes_closed = 0
        self._files: list[RecordFile] = []
        self._made: set[Path] = set()
        self._unsynced_folders: set[Path] = set()

    @property
    def mark(self) -> str:
        """What stands in a name before its ending: "" or ".1"."""
        return f".{self.part}" if self.part else ""

    @property
    def bytes(self) -> int:
        """Handed to the kernel here."""
        return self._bytes_closed + sum(file.bytes for file in self._files)

    def file(self, relative: str, *, resume: bool = False) -> RecordFile:
        """A file to append to; FileExistsError when it is there and not to be resumed."""
        path = self.folder / relative
        if path.parent not in self._made:
            self.disk.make_folder(path.parent)
            self._made.add(path.parent)
            # A new folder's name is in the one above it, up to the rooms' folder.
            above = path.parent
            for _ in range(4):
                above = above.parent
                self._unsynced_folders.add(above)
        file = RecordFile(self.disk, path, resume=resume)
        self._files.append(file)
        self._unsynced_folders.add(path.parent)
        return file

    @property
    def unsynced(self) -> bool:
        """Something is here that no sync has covered, or that is to be closed."""
        return bool(self._unsynced_folders) or any(file.dirty or file.over for file in self._files)

    def to_sync(self) -> tuple[list[RecordFile], list[RecordFile], list[Path]]:
        """(files, folders) with something that no sync has covered, which count as covered from now on, and
        between them those of the files that are to be closed then."""
        files = [file for file in self._files if file.dirty or file.over]
        closing = [file for file in files if file.over]
        for file in files:
            file.dirty = False
        self._bytes_closed += sum(file.bytes for file in closing)
        self._files = [file for file in self._files if not file.over]
        folders, self._unsynced_folders = sorted(self._unsynced_folders), set()
        return files, closing, folders

    def leave(self) -> list[RecordFile]:
        """Nothing more is written here; the files that are still to be closed."""
        for file in self._files:
            file.over = True
        return self.to_sync()[0]
