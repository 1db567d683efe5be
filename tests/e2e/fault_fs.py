"""A file system that fails when told: `python fault_fs.py BACKING TARGET [LOG]`, as root, until unmounted.

The kernel's FUSE protocol (7.31, linux/fuse.h), spoken without a library: what is below TARGET is what is
below BACKING, but each call first asks the faults. They come as lines of JSON on stdin, and "ok" answers:
`{"write": ["EIO", 0], "fsync": ["", 0.5]}` lets writes fail and makes each fsync wait half a second. The
calls: write, fsync, create (also of folders), remove. Eight threads serve, so that what waits holds up
nothing else. LOG gets every write, truncation and sync, before it is answered (write_log.py reads it).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import write_log

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<6Q10I")
_BUFFER = 1 << 19
_MAX_WRITE = 1 << 17
_ROOT = 1
_SIZE, _MODE = 1 << 3, 1


class FaultFs:
    """Answers the kernel's requests from the files below `backing`."""

    def __init__(self, backing: Path, device: int, log: int | None = None) -> None:
        self.faults: dict[str, tuple[str, float]] = {}
        self._device = device
        self._log = log
        self._paths = {_ROOT: str(backing)}
        self._nodes = {str(backing): _ROOT}
        self._lock = threading.Lock()
        self._listings: dict[int, list[bytes]] = {}
        self._answers: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup,
            3: self._getattr,
            4: self._setattr,
            9: self._mkdir,
            10: self._unlink,
            11: self._rmdir,
            12: lambda node, data: self._rename(node, data, 8),
            14: self._open,
            15: self._read,
            16: self._write,
            17: self._statfs,
            18: self._release,
            20: self._fsync,
            26: self._init,
            27: self._opendir,
            28: self._readdir,
            29: self._releasedir,
            30: self._fsyncdir,
            35: self._create,
            45: lambda node, data: self._rename(node, data, 16),
        }

    def serve(self) -> None:
        """Until the file system is unmounted."""
        while True:
            try:
                request = os.read(self._device, _BUFFER)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    continue
                return  # ENODEV: unmounted
            _, opcode, unique, node, *_ = _IN.unpack_from(request)
            if opcode in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET have no answer
                continue
            answer, failed = b"", 0
            try:
                if opcode not in self._answers:
                    raise OSError(errno.ENOSYS, "not here")
                answer = self._answers[opcode](node, request[_IN.size :])
            except OSError as error:
                failed = error.errno or errno.EIO
            with contextlib.suppress(OSError):  # ENOENT: whoever asked is gone
                os.write(self._device, _OUT.pack(_OUT.size + len(answer), -failed, unique) + answer)

    def _may(self, call: str) -> None:
        name, seconds = self.faults.get(call, ("", 0.0))
        if seconds:
            time.sleep(seconds)
        if name:
            raise OSError(getattr(errno, name), "injected")

    def _note(self, kind: str, path: str, offset: int = 0, data: bytes = b"") -> None:
        if self._log is not None:
            os.write(self._log, write_log.entry(kind, Path(path).name, offset, data))

    # --- names -------------------------------------------------------------------------------------------

    def _child(self, node: int, data: bytes) -> str:
        return f"{self._paths[node]}/{data.split(b'\0')[0].decode()}"

    def _entry(self, path: str) -> bytes:
        status = os.lstat(path)
        with self._lock:
            node = self._nodes.setdefault(path, len(self._paths) + 1)
            self._paths[node] = path
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + _attributes(status)

    def _lookup(self, node: int, data: bytes) -> bytes:
        return self._entry(self._child(node, data))

    def _rename(self, node: int, data: bytes, head: int) -> bytes:
        self._may("create")
        (target,) = struct.unpack_from("<Q", data)
        old, new, *_ = data[head:].split(b"\0")
        source, there = self._child(node, old), self._child(target, new)
        Path(source).rename(there)
        with self._lock:
            for path in [p for p in self._nodes if p == source or p.startswith(f"{source}/")]:
                moved = there + path.removeprefix(source)
                self._nodes[moved] = number = self._nodes.pop(path)
                self._paths[number] = moved
        return b""

    def _mkdir(self, node: int, data: bytes) -> bytes:
        self._may("create")
        (mode,) = struct.unpack_from("<I", data)
        path = self._child(node, data[8:])
        Path(path).mkdir(mode & 0o7777)
        return self._entry(path)

    def _unlink(self, node: int, data: bytes) -> bytes:
        self._may("remove")
        Path(self._child(node, data)).unlink()
        self._note("remove", self._child(node, data))
        self._forget(self._child(node, data))
        return b""

    def _rmdir(self, node: int, data: bytes) -> bytes:
        self._may("remove")
        Path(self._child(node, data)).rmdir()
        self._forget(self._child(node, data))
        return b""

    def _forget(self, path: str) -> None:
        # The number stays taken: the kernel may still ask about a file that is open.
        with self._lock:
            self._nodes.pop(path, None)

    # --- attributes --------------------------------------------------------------------------------------

    def _getattr(self, node: int, data: bytes) -> bytes:
        return struct.pack("<Q2I", 0, 0, 0) + _attributes(os.lstat(self._paths[node]))

    def _setattr(self, node: int, data: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<2I2Q", data)
        (mode,) = struct.unpack_from("<I", data, 68)
        if valid & _SIZE:
            self._may("write")
            os.truncate(self._paths[node], size)
            self._note("truncate", self._paths[node], size)
        if valid & _MODE:
            Path(self._paths[node]).chmod(mode & 0o7777)
        return self._getattr(node, b"")

    def _statfs(self, node: int, data: bytes) -> bytes:
        found = os.statvfs(self._paths[node])
        sizes = (found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree)
        return struct.pack("<5Q4I24x", *sizes, found.f_bsize, 255, found.f_frsize, 0)

    def _init(self, node: int, data: bytes) -> bytes:
        _, _, ahead, _ = struct.unpack_from("<4I", data)
        return struct.pack("<4I2H2I2H8I", 7, 31, ahead, 0, 16, 12, _MAX_WRITE, 1, 0, 0, *(0,) * 8)

    # --- files -------------------------------------------------------------------------------------------

    def _open(self, node: int, data: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", data)
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._may("create")
        return struct.pack("<Q2I", os.open(self._paths[node], flags & ~os.O_APPEND), 0, 0)

    def _create(self, node: int, data: bytes) -> bytes:
        self._may("create")
        flags, mode = struct.unpack_from("<2I", data)
        path = self._child(node, data[16:])
        handle = os.open(path, (flags & ~os.O_APPEND) | os.O_CREAT, mode & 0o7777)
        return self._entry(path) + struct.pack("<Q2I", handle, 0, 0)

    def _read(self, node: int, data: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<2QI", data)
        return os.pread(handle, size, offset)

    def _write(self, node: int, data: bytes) -> bytes:
        self._may("write")
        handle, offset, size = struct.unpack_from("<2QI", data)
        written = os.pwrite(handle, data[40 : 40 + size], offset)
        self._note("write", self._paths[node], offset, data[40 : 40 + written])
        return struct.pack("<2I", written, 0)

    def _release(self, node: int, data: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", data)[0])
        return b""

    def _fsync(self, node: int, data: bytes) -> bytes:
        self._may("fsync")
        os.fsync(struct.unpack_from("<Q", data)[0])
        self._note("sync", self._paths[node])
        return b""

    # --- folders -----------------------------------------------------------------------------------------

    def _opendir(self, node: int, data: bytes) -> bytes:
        return struct.pack("<Q2I", node, 0, 0)

    def _readdir(self, node: int, data: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", data)
        with self._lock:
            if offset == 0 or node not in self._listings:
                found = sorted(path.name for path in Path(self._paths[node]).iterdir())
                self._listings[node] = [name.encode() for name in found]
            names = list(self._listings[node])
        answer = b""
        for number, name in enumerate(names[offset:], offset + 1):
            line = struct.pack("<2Q2I", 1, number, len(name), 0) + name
            line += bytes(-len(line) % 8)
            if len(answer) + len(line) > size:
                break
            answer += line
        return answer

    def _releasedir(self, node: int, data: bytes) -> bytes:
        with self._lock:
            self._listings.pop(node, None)
        return b""

    def _fsyncdir(self, node: int, data: bytes) -> bytes:
        self._may("fsync")
        handle = os.open(self._paths[node], os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return b""


def _attributes(status: os.stat_result) -> bytes:
    seconds = (int(status.st_atime), int(status.st_mtime), int(status.st_ctime))
    parts = tuple(
        int(each % 1_000_000_000) for each in (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    )
    who = (status.st_mode, status.st_nlink, status.st_uid, status.st_gid, 0, status.st_blksize, 0)
    return _ATTR.pack(status.st_ino, status.st_size, status.st_blocks, *seconds, *parts, *who)


def main() -> None:
    backing, target = Path(sys.argv[1]), sys.argv[2]
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"faults", target.encode(), b"fuse.faults", 0, options.encode()) != 0:
        sys.exit(f"not mounted: {os.strerror(ctypes.get_errno())}")
    log = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if len(sys.argv) > 3 else None
    system = FaultFs(backing, device, log)
    threads = [threading.Thread(target=system.serve, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    print("ok", flush=True)
    for line in sys.stdin:
        system.faults = {call: (name, seconds) for call, (name, seconds) in json.loads(line).items()}
        print("ok", flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
