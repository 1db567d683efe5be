"""Load generator: many listeners to one endless stream, each a socket that is emptied now and then.

Data is thrown away within the kernel (MSG_TRUNC, tcp(7)), so a listener costs this process one system call
in `EVERY` seconds, and its receive buffer meanwhile holds what a slow player's would.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections import deque
from typing import Any

from hustings.bench.generator import order, say, settings

EVERY = 0.5
"""Seconds between two looks at a socket."""
ROOM = 256 * 1024
PATIENCE = 60.0
AGAIN = 0.2
"""Seconds after which who was told to wait asks again, and for which he goes on doing so."""
PER_ADDRESS = 4000
"""Listeners from one address, or its ports run out."""
AT_ONCE = 200
"""Listeners that have asked and wait for the first byte at a time."""


class Listeners:
    """All of this generator's."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._address = ("127.0.0.1", int(given["port"]))
        self._request = str(given["request"]).encode()
        self._pause = float(given.get("pause", 0))
        """Seconds between two: a server with a short listen queue loses the others, and TCP tries again after
        a second only."""
        self._tls = ssl._create_unverified_context() if given.get("tls") else None
        self.sockets: list[socket.socket] = []
        self._secured: list[ssl.SSLSocket] = []
        self.taken: list[int] = []
        self.closed = 0
        self._buffer = bytearray(ROOM)
        self.due = time.monotonic()
        """When the sockets are to be looked at again."""

    def join(self, count: int) -> None:
        """So many more, each up to the first byte of the answer. Those who are there listen on meanwhile: who
        does not take what comes is no listener for long."""
        coming: deque[socket.socket] = deque()
        for _ in range(count):
            coming.append(self._connect(len(self.sockets) + len(coming)))
            if len(coming) == AT_ONCE:
                self._welcome(coming.popleft())
            if self._pause:
                time.sleep(self._pause)
            self.take_if_due()
        for sock in coming:
            self._welcome(sock)
            self.take_if_due()

    def _connect(self, index: int) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        sock.bind((f"127.0.1.{1 + index // PER_ADDRESS}", 0))
        sock.settimeout(60)
        sock.connect(self._address)
        if self._tls is not None:
            whole = self._tls.wrap_socket(sock, do_handshake_on_connect=True)
            whole.sendall(self._request)
            whole.recv(1)
            self._secured.append(whole)
            # The records below, undeciphered: who listens should cost this machine as little as before.
            return socket.socket(fileno=os.dup(whole.fileno()))
        sock.sendall(self._request)
        return sock

    def _welcome(self, sock: socket.socket) -> None:
        if self._tls is None:
            end = time.monotonic() + PATIENCE
            while not (head := sock.recv(13)).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                # 503: asked to wait its turn. Anything else is a mistake of the bench.
                if b" 503" not in head or time.monotonic() > end:
                    raise SystemExit(f"a listener was refused: {head!r}")
                sock.close()
                self.take_if_due()
                time.sleep(AGAIN)
                sock = self._connect(len(self.sockets))
        sock.setblocking(False)
        self.sockets.append(sock)
        self.taken.append(0)

    def take_if_due(self) -> None:
        """Twice a second."""
        if time.monotonic() >= self.due:
            self.take()
            self.due = time.monotonic() + EVERY

    def take(self) -> None:
        """Empties every socket."""
        buffer, taken, flags = self._buffer, self.taken, socket.MSG_TRUNC
        for index, sock in enumerate(self.sockets):
            try:
                size = sock.recv_into(buffer, ROOM, flags)
            except BlockingIOError:
                continue
            except OSError:
                size = 0
            taken[index] += size
            self.closed += not size

    def counts(self) -> dict[str, int]:
        """Bytes of each since the last time."""
        taken, self.taken = self.taken, [0] * len(self.sockets)
        found = {"least": min(taken, default=0), "most": max(taken, default=0), "sum": sum(taken)}
        return {**found, "closed": self.closed, "listeners": len(self.sockets)}


def main() -> None:
    """Orders: "join N", "read"."""
    listeners = Listeners(settings())
    while (told := order(max(0.0, listeners.due - time.monotonic()))) is not None:
        if told.startswith("join "):
            listeners.join(int(told[5:]))
            say(len(listeners.sockets))
        elif told == "read":
            listeners.take()
            say(listeners.counts())
        listeners.take_if_due()


if __name__ == "__main__":
    main()
