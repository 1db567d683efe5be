"""The doors of one node: which ports, whether they are free, how they are shown."""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass, replace

from hustings.config import Settings, host_port
from hustings.errors import HustingsError


@dataclass(frozen=True, slots=True)
class Door:
    """One door as asked for. `kind` is SOCK_STREAM or SOCK_DGRAM; `option` names it in messages."""

    name: str
    option: str
    host: str
    port: int
    kind: socket.SocketKind = socket.SOCK_STREAM
    secure: bool = False
    """Whether it speaks TLS."""

    @property
    def address(self) -> str:
        """HOST:PORT, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local_url(self) -> str:
        """How this machine reaches it: a door on all addresses is also on loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host)  # noqa: S104
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{host or (f'[{self.host}]' if ':' in self.host else self.host)}:{self.port}"


def doors(settings: Settings) -> dict[str, Door]:
    """The doors of `settings` (four, and port 80 beside a domain), each on a port that was free just now
    (0 becomes a number).

    Raises HustingsError naming door and option when a port is taken or the host is not here,
    UsageError when one is no HOST:PORT.
    """
    asked = [
        ("audience", "--audience", settings.audience_door, socket.SOCK_STREAM),
        ("studio", "--studio", settings.studio_door, socket.SOCK_STREAM),
        ("media", "--media", settings.media_door, socket.SOCK_DGRAM),
        ("metrics", "--metrics", settings.metrics_door, socket.SOCK_STREAM),
    ]
    if settings.domain:
        asked.append(("http", "HUSTINGS_HTTP_DOOR", settings.http_door, socket.SOCK_STREAM))
    found: dict[str, Door] = {}
    # All sockets stay open until the last is bound, so that no two doors get one port.
    with contextlib.ExitStack() as held:
        for name, option, text, kind in asked:
            host, port = host_port(text)
            secure = settings.certificate_files is not None and name in ("audience", "studio")
            door = Door(name, option, host, port, kind, secure)
            bound = held.enter_context(_bound(door))
            found[name] = replace(door, port=bound.getsockname()[1])
    return found


def hold(door: Door) -> socket.socket:
    """A socket on the audience door that accepts nothing and keeps others off between restarts.

    SO_REUSEPORT shares a port with processes of the same user only; the kernel hands connections
    to those that listen.
    """
    return _bound(door, reuse_port=True)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` that was free just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _bound(door: Door, *, reuse_port: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    bound = socket.socket(family, door.kind)
    try:
        if door.kind == socket.SOCK_STREAM:
            # Connections of an earlier run in TIME_WAIT do not count as "in use"; listeners do.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((door.host, door.port))
    except OSError as error:
        bound.close()
        raise HustingsError(_why(door, error)) from error
    return bound


def _why(door: Door, error: OSError) -> str:
    where = f"the {door.name} door {door.address}"
    if error.errno == errno.EADDRINUSE:
        return f"Cannot open {where}: the port is in use. Choose another with {door.option} HOST:PORT."
    if error.errno == errno.EACCES:
        return f"Cannot open {where}: ports below 1024 need root. Choose another with {door.option}."
    reason = error.strerror or "no such address on this machine"
    return f"Cannot open {where}: {reason}. Choose another with {door.option} HOST:PORT."
