"""A recording's log of writes and syncs, and what a crash or a power cut at any moment of it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from record_support import MemoryDisk, MemoryFile, Studio


class Call(NamedTuple):
    """One call to the disk at `at` seconds of being live. `data`: what was written."""

    at: float
    name: str
    path: Path
    data: bytes


class LoggingDisk(MemoryDisk):
    """Keeps a log of what changes something."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log: list[Call] = []

    def resume(self, path: Path) -> int:
        if path not in self.files:
            self.log.append(Call(self.now, "create", path, b""))
        return super().resume(path)

    def write(self, handle: int, data: bytes) -> int:
        size = super().write(handle, data)
        self.log.append(Call(self.now, "write", self._handles[handle], bytes(data[:size])))
        return size

    def sync(self, handle: int) -> None:
        super().sync(handle)
        self.log.append(Call(self.now, "sync", self._handles[handle], b""))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.log.append(Call(self.now, "folder", path, b""))


@dataclass
class Logged:
    """A whole recording; `files` are as they were in the end."""

    log: list[Call]
    files: dict[Path, bytes] = field(default_factory=dict)

    def lay_out(self, folder: Path, at: float, share: float, *, power: bool, seed: int) -> int:
        """The files as they were at `at` seconds, into `folder`: `share` of the bytes of the next write is
        there too. `power`: the machine went off, not only the process. Returns the media time."""
        disk = MemoryDisk()
        for call in self.log:
            data = call.data
            if call.at > at:
                if call.name == "write" and call.path in disk.files:
                    disk.files[call.path].data += data[: int(len(data) * share)]
                break
            if call.name == "create":
                disk.files[call.path] = MemoryFile()
            elif call.name == "write":
                disk.files[call.path].data += data
            elif call.name == "sync":
                disk.files[call.path].safe = len(disk.files[call.path].data)
            else:
                for path, file in disk.files.items():
                    file.named = file.named or path.parent == call.path
        if power:
            disk.after_power_cut(folder, seed)
        else:
            disk.lay_out(folder)
        return round(at * 48_000)

    def damaged(self, folder: Path) -> list[str]:
        """Segments of which more is taken for whole than was written."""
        found = []
        for path in folder.glob("program/*/*.m4s"):
            data = path.read_bytes()
            if not self.files[Path("/data") / path.relative_to(folder)].startswith(data):
                found.append(f"{path.parent.name}/{path.name} holds what was never written")
        return found


def record(seconds: float, seed: int = 1) -> Logged:
    """Three speakers, one of whom is muted now and then, one of whom leaves and comes back."""
    disk = LoggingDisk()
    room = Studio(disk)
    for name, hertz in (("ada", 500.0), ("bob", 900.0), ("cyd", 1_400.0)):
        room.person(name, hertz).gain = 0.2
    room.run(1.0)
    room.live()
    begun = room.now
    steps = round(seconds)
    for step in range(steps):
        room.engine.mute("bob", (step + seed) % 5 == 3)
        room.people[2].sending = not 8 <= step % 20 < 14
        for _ in range(50):
            disk.now = room.now - begun
            room.run(0.02)
    room.end()
    return Logged(disk.log, {path: bytes(file.data) for path, file in disk.files.items()})


def record_a_minute(seed: int) -> Logged:
    """For the benchmark."""
    return record(61, seed)
