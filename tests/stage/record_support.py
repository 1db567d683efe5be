"""A disk in memory that can fail, be slow and lose power, and a recorder without threads on a fake clock."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stage_engine_support import Hall

from hustings.bus.messages import MediaChunk
from hustings.stage.packager import Packager, init_segments
from hustings.stage.record_broadcast import BroadcastRecorder, SyncJob
from hustings.stage.record_program import silent_units
from hustings.stage.recorder import carry_out
from hustings.stage.tap import Policy

INIT = init_segments(312, 96_000)
SILENT = silent_units(96_000)
EVERYBODY = frozenset({"ada", "bob", "cyd"})


@dataclass
class MemoryFile:
    data: bytearray = field(default_factory=bytearray)
    safe: int = 0
    """Bytes that a sync has covered."""
    named: bool = False
    """A sync of the folder has covered the name."""


class MemoryDisk:
    """Files in memory. `fault` is asked before each call and may raise OSError; `room` is what still fits."""

    def __init__(self) -> None:
        self.files: dict[Path, MemoryFile] = {}
        self.fault: Callable[[str, Path], None] = lambda _call, _path: None
        self.room: int | None = None
        self._handles: dict[int, Path] = {}
        self._next = 3

    def create(self, path: Path) -> int:
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        return self.resume(path)

    def resume(self, path: Path) -> int:
        self.fault("open", path)
        self.files.setdefault(path, MemoryFile())
        self._next += 1
        self._handles[self._next] = path
        return self._next

    def write(self, handle: int, data: bytes) -> int:
        path = self._handles[handle]
        self.fault("write", path)
        if self.room is not None:
            data = data[: self.room]
            self.room -= len(data)
            if not data:
                raise OSError(errno.ENOSPC, "No space left on device")
        self.files[path].data += data
        return len(data)

    def sync(self, handle: int) -> None:
        path = self._handles[handle]
        self.fault("sync", path)
        self.files[path].safe = len(self.files[path].data)

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def make_folder(self, path: Path) -> None:
        self.fault("folder", path)

    def sync_folder(self, path: Path) -> None:
        self.fault("sync", path)
        for there, file in self.files.items():
            if there.parent == path:
                file.named = True

    def tail(self, path: Path, size: int) -> bytes:
        return bytes(self.files[path].data[-size:]) if path in self.files else b""

    def remove(self, path: Path) -> None:
        self.files.pop(path, None)

    @property
    def open_files(self) -> int:
        return len(self._handles)

    def lay_out(self, folder: Path, here: Path = Path("/data")) -> None:
        """Writes what is below `here` into a real folder, as it is."""
        self._write(folder, here, lambda file: bytes(file.data))

    def after_power_cut(self, folder: Path, seed: int, here: Path = Path("/data")) -> None:
        """... as a power cut may leave it: of what no sync has covered any part, blocks of it lost (zeros)
        or damaged, names never synced there or not."""
        chance = random.Random(seed)

        def left(file: MemoryFile) -> bytes | None:
            if not file.named and chance.random() < 0.5:
                return None
            data = bytearray(file.data[: chance.randint(file.safe, len(file.data))])
            for start in range(file.safe, len(data), 512):
                fate = chance.random()
                end = min(start + 512, len(data))
                if fate < 0.2:
                    data[start:end] = bytes(end - start)
                elif fate < 0.3:
                    data[start:end] = chance.randbytes(end - start)
            return bytes(data)

        self._write(folder, here, left)

    def _write(self, folder: Path, here: Path, content: Callable[[MemoryFile], bytes | None]) -> None:
        for path, file in self.files.items():
            if path.is_relative_to(here) and (data := content(file)) is not None:
                target = folder / path.relative_to(here)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


class Studio(Hall):
    """A hall that is recorded: every round of 60 ms written, synced every 1.26 s, by hand or at once."""

    def __init__(self, disk: MemoryDisk, *, spare: bool = False, epoch: int = 0, **options: object) -> None:
        super().__init__(epoch=epoch, **options)
        self.disk = disk
        folders = [Path("/data"), Path("/spare")] if spare else [Path("/data")]
        self.recorder = BroadcastRecorder(
            "b", "room", epoch, folders=folders, disk=disk, init=INIT, silent=SILENT
        )
        self.packager = Packager("b", epoch, 96_000)
        self.chunks: list[MediaChunk] = []
        self.jobs: list[SyncJob] = []
        self.slow = False
        """Syncs are not carried out."""
        self.ticks = 0

    def policy(self, on: bool = True, off_record: bool = False, consents: frozenset[str] = EVERYBODY) -> None:
        self.engine.tap.policy = Policy(on, off_record, consents)

    def live(self) -> None:
        self.policy()
        self.engine.go_live(self.wall, self.wall)

    def tick(self, skipped: int = 0):  # type: ignore[no-untyped-def]  # as the hall's
        output = super().tick(skipped)
        self.ticks += 1
        self.recorder.now = self.now
        if output.record is not None:
            self.recorder.tick(output.record, None, None)
        for event in self.engine.drain_events():
            self.recorder.event(event)
        if output.program is not None:
            for chunk in self.packager.push(output.program):
                self.chunks.append(chunk)
                self.recorder.chunk(chunk)
        if self.ticks % 3 == 0:
            self.recorder.write()
        if self.ticks % 63 == 0 and not self.slow:
            self.sync()
        self.recorder.round()
        return output

    def sync(self) -> None:
        job = self.recorder.sync()
        if job is not None:
            carry_out(self.disk, job)
            self.recorder.synced(job)
        self.recorder.round()

    def end(self) -> None:
        for chunk in self.packager.finish():
            self.chunks.append(chunk)
            self.recorder.chunk(chunk)
        self.recorder.finish()
        self.sync()
        self.sync()
