"""Many sockets at once from many loopback addresses: what attacks are made of. Bounded."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: leave by reset, so that ports do not rest in TIME_WAIT."""

type Address = tuple[str, int]


def raise_descriptor_limit() -> None:
    """Soft limit to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def source(number: int) -> str:
    """A loopback address of a visitor's own: one of 40,000."""
    return f"127.{20 + number // 50_000 % 200}.{number // 200 % 200}.{1 + number % 200}"


@dataclass(slots=True)
class Visitor:
    """One connection. `state` is the attack's own."""

    sock: socket.socket
    began: float
    data: bytes = b""
    received: int = 0
    sent: int = 0
    connected_at: float = 0.0
    state: str = ""
    ended_at: float = 0.0


@dataclass(slots=True)
class Crowd:
    """Visitors of one door. What the callbacks do not keep, the crowd closes at the end."""

    door: Address
    keep: int = 65_536
    """Bytes of an answer that are kept; all are counted."""
    window: int = 0
    """Bytes the kernel may take for each visitor who does not read; 0: as it likes."""
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    visitors: list[Visitor] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str, on_connected: Callable[[Visitor], None]) -> None:
        """One more connection, from `address`."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if self.window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.window)
        visitor = Visitor(sock, time.monotonic())
        try:
            sock.bind((address, 0))
            sock.connect(self.door)
        except BlockingIOError:
            pass
        except OSError as error:
            self.errors[type(error).__name__] += 1
            sock.close()
            return
        self.visitors.append(visitor)
        self.selector.register(sock, selectors.EVENT_WRITE, (visitor, on_connected))

    def turn(self, timeout: float, on_data: Callable[[Visitor], None]) -> None:
        """Handles what has happened; `on_data` after more has come, and (`ended_at`) at the end."""
        for key, _ in self.selector.select(timeout):
            visitor, on_connected = key.data
            try:
                if on_connected is not None:
                    failed = visitor.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if failed:
                        raise OSError(failed, "connect")
                    visitor.connected_at = time.monotonic()
                    self.selector.modify(visitor.sock, selectors.EVENT_READ, (visitor, None))
                    on_connected(visitor)
                    continue
                data = visitor.sock.recv(65_536)
            except BlockingIOError:
                continue
            except OSError as error:
                self.errors[type(error).__name__] += 1
                data = b""
            visitor.received += len(data)
            if len(visitor.data) < self.keep:
                visitor.data += data
            if not data:
                self.leave(visitor)
            on_data(visitor)

    def pause(self, visitor: Visitor) -> None:
        """Nothing is read from this one any more."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(visitor.sock)

    def send(self, visitor: Visitor, data: bytes) -> None:
        """As much as the socket takes; a broken one ends with the next read."""
        with contextlib.suppress(OSError):
            visitor.sent += visitor.sock.send(data)

    def leave(self, visitor: Visitor) -> None:
        """Closes one connection."""
        if not visitor.ended_at:
            visitor.ended_at = time.monotonic()
            self.pause(visitor)
            visitor.sock.close()

    def close(self) -> None:
        """Closes all."""
        for visitor in self.visitors:
            self.leave(visitor)
        self.selector.close()


def paced(count: int, seconds: float) -> Iterator[tuple[int, float]]:
    """Numbers 0 to count - 1 with the monotonic time at which each is due."""
    start = time.monotonic()
    for number in range(count):
        yield number, start + seconds * number / count


def has_sound(data: bytes) -> bool:
    """Whether a whole media record (type 2, docs/push-protocol.md) is in the beginning of a push answer."""
    mark = data.find(b"\x02\0\0\0", data.find(b"\r\n\r\n") + 4)
    while mark >= 0:
        if data[mark + 12 : mark + 16] in (b"moof", b"styp", b"prft"):
            return len(data) >= mark + 8 + int.from_bytes(data[mark + 4 : mark + 8])
        mark = data.find(b"\x02\0\0\0", mark + 1)
    return False


def status(data: bytes) -> int:
    """Of an HTTP answer; 0 while there is none."""
    return int(data[9:12]) if data.startswith(b"HTTP/1.1 ") and data[9:12].isdigit() else 0
