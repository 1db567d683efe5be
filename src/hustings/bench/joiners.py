"""Load generator: listeners who join, each up to the first sound in hand.

"rush N S": N on their way at any time for S seconds, each leaving as soon as it hears something and another
taking its place: as many as the server can take. "pace R S": R a second for S seconds whatever the server
does (so a slow server makes no fewer of them), and they stay until all are there.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from hustings.bench.generator import order, say, settings

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: leave by reset, so that the generator's ports do not rest in TIME_WAIT."""
PAUSE = 0.05
"""Seconds a joiner that was refused waits; players are asked to wait for some seconds."""
PATIENCE = 10.0
"""Seconds after which one who was to stay and heard nothing counts as failed."""
ADDRESSES = 16


def push_sound(data: bytes) -> bool:
    """Whether a whole media record (type 2, docs/push-protocol.md) is in the response so far."""
    mark = data.find(b"\x02\0\0\0", data.find(b"\r\n\r\n") + 4)
    while mark >= 0:
        if data[mark + 12 : mark + 16] in (b"moof", b"styp", b"prft"):
            return len(data) >= mark + 8 + int.from_bytes(data[mark + 4 : mark + 8])
        mark = data.find(b"\x02\0\0\0", mark + 1)
    return False


def ogg_sound(data: bytes) -> bool:
    """Whether a whole page with sound (RFC 3533: a granule position above 0) is in the response so far."""
    mark = data.find(b"OggS")
    while mark >= 0 and len(data) >= mark + 27:
        granule = int.from_bytes(data[mark + 6 : mark + 14], "little", signed=True)
        table = data[mark + 27 : mark + 27 + data[mark + 26]]
        if granule > 0 and len(data) >= mark + 27 + len(table) + sum(table):
            return True
        mark = data.find(b"OggS", mark + 4)
    return False


SOUND: dict[str, Callable[[bytes], bool]] = {"push": push_sound, "ogg": ogg_sound}


class Joiner:
    """One socket on its way."""

    __slots__ = ("began", "data", "sock")

    def __init__(self, port: int, number: int) -> None:
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.bind((f"127.0.2.{1 + number % ADDRESSES}", 0))
        self.data = b""
        self.began = time.perf_counter()
        try:
            self.sock.connect(("127.0.0.1", port))
        except BlockingIOError:
            pass


class Joiners:
    """All of one order's."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._port = int(given["port"])
        self._request = str(given["request"]).encode()
        self._has_sound = SOUND[given["sound"]]
        self._selector = selectors.EpollSelector()
        self._number = 0
        self.waits: list[float] = []
        self.refused = 0
        self.failed = 0
        self.on_their_way = 0
        self._staying: list[socket.socket] = []

    def begin(self) -> None:
        """One more sets out."""
        joiner = Joiner(self._port, self._number)
        self._number += 1
        self.on_their_way += 1
        self._selector.register(joiner.sock, selectors.EVENT_WRITE, joiner)

    def step(self, wait: float, done: Callable[[Joiner], None], lost: Callable[[], None]) -> None:
        """Looks after whoever has something to do, for at most `wait` seconds."""
        for key, events in self._selector.select(wait):
            joiner: Joiner = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    joiner.sock.send(self._request)
                    self._selector.modify(joiner.sock, selectors.EVENT_READ, joiner)
                    continue
                data = joiner.sock.recv(65536)
                joiner.data += data
                heard = self._has_sound(joiner.data)
                if not data and not heard:
                    raise ConnectionResetError
            except OSError:
                turned_away = joiner.data.startswith(b"HTTP/1.1 503 ")
                self.refused += turned_away
                self.failed += not turned_away
                self._leave(joiner)
                joiner.sock.close()
                lost()
                continue
            if heard:
                self.waits.append(time.perf_counter() - joiner.began)
                self._leave(joiner)
                done(joiner)

    def _leave(self, joiner: Joiner) -> None:
        self._selector.unregister(joiner.sock)
        self.on_their_way -= 1

    def rush(self, at_once: int, seconds: float) -> float:
        """See above; the seconds it took."""
        pausing: deque[float] = deque()

        def done(joiner: Joiner) -> None:
            joiner.sock.close()
            self.begin()

        for _ in range(at_once):
            self.begin()
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            while pausing and pausing[0] <= now:
                pausing.popleft()
                self.begin()
            self.step(0.01 if pausing else 0.1, done, lambda: pausing.append(time.perf_counter() + PAUSE))
        elapsed = time.perf_counter() - start
        for key in list(self._selector.get_map().values()):
            key.data.sock.close()
        self._selector.close()
        return elapsed

    def pace(self, rate: float, seconds: float) -> float:
        """See above; the seconds it took until the last set out."""
        start = time.perf_counter()
        count = round(rate * seconds)
        elapsed = seconds
        end = start + seconds + PATIENCE
        while (now := time.perf_counter()) < end and (self._number < count or self.on_their_way):
            due = min(count, int((now - start) * rate) + 1)
            while self._number < due:
                self.begin()
                elapsed = time.perf_counter() - start
            self.step(1 / rate, lambda joiner: self._staying.append(joiner.sock), lambda: None)
        self.failed += self.on_their_way
        for key in list(self._selector.get_map().values()):
            key.data.sock.close()
        for sock in self._staying:
            sock.close()
        self._selector.close()
        return elapsed


def main() -> None:
    """Orders: "rush N S", "pace R S"."""
    given = settings()
    while (told := order(60)) is not None:
        if not told:
            continue
        kind, first, second = told.split()
        joiners = Joiners(given)
        if kind == "rush":
            elapsed = joiners.rush(int(first), float(second))
        else:
            elapsed = joiners.pace(float(first), float(second))
        waits = sorted(joiners.waits)
        found = {
            name: 1000 * waits[min(len(waits) - 1, int(len(waits) * share))] if waits else 0.0
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        }
        say(
            {
                "joined": len(waits),
                "refused": joiners.refused,
                "failed": joiners.failed,
                "seconds": elapsed,
                **found,
            }
        )


if __name__ == "__main__":
    main()
