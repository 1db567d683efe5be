"""What systemd is told, where it asks (sd_notify(3), Type=notify): one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
from typing import Final

NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
MAX_STATUS = 200


def notify(*lines: str, address: str | None = None) -> bool:
    """Sends `lines`, such as "READY=1" or "STATUS=...". Never waits and never raises; False when nobody asked
    or nobody took it."""
    address = os.environ.get(NOTIFY_SOCKET, "") if address is None else address
    if not address or address[0] not in "@/":
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.connect("\0" + address[1:] if address[0] == "@" else address)
            sock.send("\n".join(lines).encode())
    except OSError:
        return False
    return True


def status(text: str) -> str:
    """A STATUS= line; what follows a line break would be another variable."""
    return f"STATUS={' '.join(text.split())[:MAX_STATUS]}"
