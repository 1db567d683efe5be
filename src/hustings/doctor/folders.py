"""The data folder and its disk: room, speed, who may read it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hustings.doctor.findings import Finding, ok, warning, wrong

GB = 1024**3
HOUR = 0.105
"""GB that an hour of a recording with four voices takes."""
SLOW, TOO_SLOW = 0.2, 1.0
"""Seconds for one fsync; the stage asks for one each second."""
BLOCK = 64 * 1024
WRITES = 12

type Writer = Callable[[Path], float]
"""Writes a little in a folder and makes it safe; seconds that one fsync took (median). Raises OSError."""


def write_and_sync(folder: Path) -> float:
    """The median of WRITES writes of BLOCK bytes, each made safe. Leaves nothing behind."""
    path = folder / f".doctor-{os.getpid()}"
    taken: list[float] = []
    try:
        with path.open("wb") as file:
            for _ in range(WRITES):
                file.write(os.urandom(BLOCK))
                file.flush()
                before = time.perf_counter()
                os.fsync(file.fileno())
                taken.append(time.perf_counter() - before)
    finally:
        path.unlink(missing_ok=True)
    return sorted(taken)[len(taken) // 2]


def folder(
    subject: str,
    path: Path,
    *,
    private: bool = False,
    writer: Writer = write_and_sync,
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
) -> Iterator[Finding]:
    """Writable, quick, with room; `private`: readable by its owner only."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        yield wrong(subject, f"{there} is no folder", "Name another with --data, or move the file away.")
        return
    if there != path:
        yield ok(subject, f"{path} is not there yet; it will be made in {there}")
    try:
        seconds = writer(there)
    except OSError as error:
        todo = f"Let the user who runs Hustings write there, or name another folder ({path})."
        yield wrong(subject, f"cannot write to {there}: {error.strerror}", todo)
        return
    yield _speed(subject, there, seconds)
    yield _room(subject, there, free(there))
    if private and there == path and path.stat().st_mode & 0o077:
        yield warning(subject, f"others on this machine may look into {path}", f"chmod 700 {path}")


def _speed(subject: str, path: Path, seconds: float) -> Finding:
    said = f"{path}: writing safely takes {seconds * 1000:.1f} ms"
    if seconds > TOO_SLOW:
        return wrong(subject, said, "Record on a local disk: the spare folder, or another --data.")
    if seconds > SLOW:
        return warning(subject, said, "A power cut costs more sound than 2 s; a local disk is better.")
    return ok(subject, said)


def _room(subject: str, path: Path, free: int) -> Finding:
    hours = free / GB / HOUR
    said = f"{free / GB:.1f} GB free: some {hours:.0f} hours of recordings with four voices"
    if free < 0.5 * GB:
        return wrong(subject, said, f"Make room on the disk of {path}: recordings will stop.")
    if free < 5 * GB:
        return warning(subject, said, "Make room, or delete old recordings (HUSTINGS_KEEP_DAYS).")
    return ok(subject, said)


def spare(data: Path, name: str) -> Iterator[Finding]:
    """The folder in which recordings go on when the data folder fails."""
    if not name:
        todo = "HUSTINGS_RECORD_SPARE names a folder on another disk, in which recordings go on."
        yield warning("spare folder", "none: a failing disk ends the recording", todo)
        return
    path = Path(name)
    yield from folder("spare folder", path)
    if path.exists() and data.exists() and path.stat().st_dev == data.stat().st_dev:
        yield warning("spare folder", "is on the same disk as the data folder", "Name one on another disk.")


def recordings(data: Path) -> Iterator[Finding]:
    """Where recordings go, when there were any."""
    rooms = data / "rooms"
    if not rooms.exists():
        yield ok("recordings", "none yet")
    elif not os.access(rooms, os.W_OK | os.X_OK):
        yield wrong("recordings", f"cannot write to {rooms}", f"chown it to who runs Hustings: {rooms}")
    else:
        yield ok("recordings", f"{rooms} can be written")
