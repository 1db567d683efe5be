"""Disks that fail for real: an ext4 file system on a loop device, and one of our own that fails when told
(fault_fs.py). Both need root; what a machine cannot do is said in one word when a test is skipped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN (linux/ext4.h): as if the device were pulled out."""
_NO_FLUSH = 2
_AT_ONCE = struct.pack("I", _NO_FLUSH)


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 127, "", "not installed")


def _must(*words: str) -> str:
    done = _command(*words)
    if done.returncode != 0:
        pytest.skip(f"{words[0]} does not work here: {done.stderr.strip()[:100]}")
    return done.stdout.strip()


class LoopDisk:
    """ext4 on a loop device, mounted at `folder`."""

    def __init__(self, image: Path, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._image = image
        _must("truncate", "-s", f"{megabytes}M", str(image))
        _must("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        self._device = ""

    def attach(self) -> None:
        """Mounts it; what the journal holds is brought in order by the kernel."""
        self._device = _must("losetup", "--show", "-f", str(self._image))
        _must("mount", "-o", "errors=remount-ro", self._device, str(self.folder))

    def detach(self) -> None:
        _command("umount", "-l", str(self.folder))
        if self._device:
            _command("losetup", "-d", self._device)

    def repair(self) -> None:
        """What an operator does: unmounts it, has it checked, mounts it again."""
        self.detach()
        assert _command("e2fsck", "-p", str(self._image)).returncode in (0, 1), "whole, or made whole"
        self.attach()

    def pull_out(self) -> None:
        """EIO from now on for everything; what no fsync has covered is gone."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _AT_ONCE)
        finally:
            os.close(handle)

    def read_only(self) -> None:
        """The kernel finds the file system damaged, and allows nobody to write: EROFS."""
        place = Path("/sys/fs/ext4") / Path(self._device).name / "trigger_fs_error"
        if not place.exists():
            pytest.skip("this kernel has no trigger_fs_error")
        place.write_text("1")

    def fill(self) -> Path:
        """ENOSPC; removing the file gives the room back."""
        filler = self.folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        return filler

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Whoever writes or syncs waits."""
        _must("fsfreeze", "-f", str(self.folder))
        try:
            yield
        finally:
            _command("fsfreeze", "-u", str(self.folder))


@contextlib.contextmanager
def loop_disk(place: Path, folder: Path, megabytes: int = 64) -> Iterator[LoopDisk]:
    """A disk of its own at `folder`; its image is a file in memory, else in `place`: that it is slow should
    be its own doing, not that of whatever else writes to this machine's disk."""
    if os.geteuid() != 0:
        pytest.skip("root only")
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else place) as images:
        disk = LoopDisk(Path(images) / "disk.img", folder, megabytes)
        try:
            disk.attach()
            yield disk
        finally:
            disk.detach()


class FaultyDisk:
    """A file system at `folder` whose calls fail or wait when told."""

    def __init__(self, backing: Path, folder: Path, log: Path | None = None) -> None:
        self.backing = backing
        command = [sys.executable, str(Path(__file__).with_name("fault_fs.py")), str(backing), str(folder)]
        command += [str(log)] if log is not None else []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._folder = folder
        if not self._answered():
            self.detach()
            pytest.skip("FUSE cannot be mounted here")

    def _answered(self) -> bool:
        assert self._process.stdout is not None
        return self._process.stdout.readline() == "ok\n"

    def fault(self, **calls: tuple[str, float]) -> None:
        """`write=("EIO", 0)`: the error's name, or "", and seconds to wait first. Replaces what was."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(calls) + "\n")
        self._process.stdin.flush()
        assert self._answered()

    def detach(self) -> None:
        _command("umount", "-l", str(self._folder))
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def faulty_disk(place: Path, folder: Path, log: Path | None = None) -> Iterator[FaultyDisk]:
    """A disk of its own at `folder`; its files are in `place`. `log`: where its writes are noted."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("root and /dev/fuse only")
    backing = place / "backing"
    backing.mkdir()
    folder.mkdir(parents=True)
    disk = FaultyDisk(backing, folder, log)
    try:
        yield disk
    finally:
        disk.detach()
