"""What the kernel holds of a connection, behind asyncio's back."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
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
