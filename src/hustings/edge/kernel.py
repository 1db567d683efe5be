"""What the kernel says: what it holds of a connection behind asyncio's back, and how much memory there is."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
from pathlib import Path
from typing import Final

_NO_LINGER: Final = struct.pack("ii", 1, 0)


def unsent(transport: asyncio.Transport) -> int:
    """Bytes written that the other side has not acknowledged: in the transport's buffer and the kernel's."""
    waiting = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError, ValueError):
            waiting += struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return waiting


def end_by_reset(transport: asyncio.Transport) -> None:
    """Whenever it is closed from now on, what was not acknowledged is thrown away (SO_LINGER, no time)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(sock.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def resident_bytes() -> int:
    """Memory this process has now; 0 where /proc does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def memory_allowance(edges: int) -> int:
    """Bytes this process may use when nobody says: what it has and its share of half of what is free, in the
    machine and in its cgroup. 0 when neither says."""
    free = [each for each in (_free_in_machine(), _free_in_cgroup()) if each is not None]
    return resident_bytes() + min(free) // 2 // max(1, edges) if free else 0


def _free_in_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _free_in_cgroup() -> int | None:
    """Of cgroup v2; None where there is no limit."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        folder = Path("/sys/fs/cgroup") / own.lstrip("/")
        limit = (folder / "memory.max").read_text().strip()
        return max(0, int(limit) - int((folder / "memory.current").read_text()))
    return None
