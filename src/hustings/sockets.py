"""Listening sockets of the two doors, and how a role gets one from its supervisor.

The supervisor keeps each door's socket open while a role is dead or gives way to another: whoever connects
meanwhile waits in the kernel's queue instead of being refused.
"""

from __future__ import annotations

import contextlib
import os
import socket

from hustings.config import host_port
from hustings.errors import UsageError

DOOR_FD = "HUSTINGS_DOOR_FD"
"""In the environment: number of the listening socket that the supervisor left open for this role."""
AUDIENCE_BACKLOG = 8192
STUDIO_BACKLOG = 512
"""Connections the kernel may hold until a role takes them (as far as net.core.somaxconn allows)."""
UNSENT = 32 * 1024
"""Bytes the kernel holds unsent per listener; more waits in the edge, where it is counted."""
DEAD_AFTER_MS = 30_000
"""Milliseconds without an acknowledgement after which the kernel drops a listener's connection."""


def audience_socket(host: str, port: int) -> socket.socket:
    """Listens at the audience's door, beside others (SO_REUSEPORT). What is set here, accepted ones inherit.

    Raises UsageError when the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_NODELAY", 1),
            ("TCP_NOTSENT_LOWAT", UNSENT),
            ("TCP_USER_TIMEOUT", DEAD_AFTER_MS),
            ("TCP_KEEPIDLE", 60),
            ("TCP_KEEPINTVL", 15),
        ):
            # Linux knows all of these; elsewhere the edge works without.
            if hasattr(socket, name):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        sock.bind((host, port))
        sock.listen(AUDIENCE_BACKLOG)
    except OSError as error:
        sock.close()
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise UsageError(f"The audience door {where} cannot be opened: {error.strerror}.") from error
    sock.setblocking(False)
    return sock


def studio_socket(host: str, port: int) -> socket.socket:
    """Listens at the studio's door. Raises UsageError when the address cannot be used."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # "::" means all addresses, IPv4's too, as at the audience's door.
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=STUDIO_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise UsageError(f"The studio door {where} cannot be opened: {error.strerror}.") from error


def audience_door(door: str) -> socket.socket:
    """The socket left open for this role, else a new one at HOST:PORT `door`. Raises UsageError."""
    return left_open() or audience_socket(*host_port(door))


def studio_door(door: str) -> socket.socket:
    """The same for the studio."""
    return left_open() or studio_socket(*host_port(door))


def left_open() -> socket.socket | None:
    """The supervisor's listening socket; None when this role is not a supervisor's child."""
    number = os.environ.pop(DOOR_FD, "")
    if not number:
        return None
    sock = socket.socket(fileno=int(number))
    os.set_inheritable(sock.fileno(), False)
    sock.setblocking(False)
    return sock
