"""Load generator: players that wait for the next part of a playlist (RFC 8216bis 6.2.5.2), all for one.

Order "wait TARGET": everybody asks for it; answers when all have been answered: the monotonic times of the
first and the last whole answer, and the number of the part now listed last.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from typing import Any

from hustings.bench.generator import order, say, settings

PATIENCE = 10.0
ROOM = 16 * 1024
"""More than a playlist. With 256 kB each answer cost this process a new mapping of memory, and it was this
process that the last answer waited for."""


class Reloaders:
    """All of this generator's."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._selector = selectors.EpollSelector()
        self._sockets: list[socket.socket] = []
        for index in range(int(given["count"])):
            sock = socket.socket()
            sock.bind((f"127.0.3.{1 + index // 4000}", 0))
            sock.connect(("127.0.0.1", int(given["port"])))
            sock.setblocking(False)
            self._sockets.append(sock)
            self._selector.register(sock, selectors.EVENT_READ, [b""])

    def wait(self, target: str) -> dict[str, float]:
        """One round."""
        request = f"GET {target} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n".encode()
        for sock in self._sockets:
            sock.send(request)
        asked = time.monotonic()
        missing = len(self._sockets)
        first = last = 0.0
        failed = 0
        while missing and time.monotonic() < asked + PATIENCE:
            for key, _ in self._selector.select(0.5):
                sock = key.fileobj  # type: ignore[assignment]  # only sockets were registered
                held = key.data
                data = held[0] + sock.recv(ROOM)
                if _whole(data):
                    last = time.monotonic()
                    first = first or last
                    missing -= 1
                    failed += not data.startswith(b"HTTP/1.1 200")
                    held[0] = b""
                else:
                    held[0] = data
        return {"asked": asked, "first": first, "last": last, "missing": missing, "failed": failed}


_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


def _whole(data: bytes) -> bool:
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return False
    found = _LENGTH.search(head)
    return found is not None and len(body) >= int(found[1])


def main() -> None:
    """Orders: "wait TARGET"."""
    reloaders = Reloaders(settings())
    while (told := order(60)) is not None:
        if told.startswith("wait "):
            say(reloaders.wait(told[5:]))


if __name__ == "__main__":
    main()
