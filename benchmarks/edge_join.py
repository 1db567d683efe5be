"""How many listeners a second can join, each up to its first sound: `python benchmarks/edge_join.py`.

A joiner connects, asks for /live, and has joined when the first media record has come whole; then it
leaves. `--at-once` of them are on their way at any time: as many as the edge can take. What its gate then
refuses (503: more than 92 % of a core for some seconds, edge/load.py) is counted apart, and whoever was
refused waits 50 ms. Also how long joining takes one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import selectors
import socket
import struct
import time
from collections import deque

from edge_common import Results, cpu_seconds, raise_descriptor_limit, stand

REQUEST = b"GET /r/hall/live HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: leave by reset, so that the generator's ports do not rest in TIME_WAIT."""


def has_sound(data: bytes) -> bool:
    """Whether a whole media record (type 2) is in the response so far."""
    mark = data.find(b"\x02\0\0\0", data.find(b"\r\n\r\n") + 4)
    while mark >= 0:
        if data[mark + 8 + 4 : mark + 8 + 8] in (b"moof", b"styp", b"prft"):
            return len(data) >= mark + 8 + int.from_bytes(data[mark + 4 : mark + 8])
        mark = data.find(b"\x02\0\0\0", mark + 1)
    return False


PAUSE = 0.05
"""Seconds a joiner that was refused waits; players are asked to wait for some seconds."""

type Joined = tuple[int, int, int, float, list[float]]
"""How many joined, were refused, failed; seconds; sorted waits."""


class Joiner:
    """One socket on its way."""

    __slots__ = ("began", "data", "sock")

    def __init__(self, port: int, number: int) -> None:
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.bind((f"127.0.2.{1 + number % 8}", 0))
        self.data = b""
        self.began = time.perf_counter()
        try:
            self.sock.connect(("127.0.0.1", port))
        except BlockingIOError:
            pass


def join(port: int, at_once: int, seconds: float, pipe: multiprocessing.connection.Connection) -> None:
    """The joiners' process; sends (joined, refused, failed, seconds, sorted waits)."""
    raise_descriptor_limit()
    selector = selectors.EpollSelector()
    waits: list[float] = []
    failed = refused = number = 0
    pausing: deque[float] = deque()

    def begin() -> None:
        nonlocal number
        joiner = Joiner(port, number)
        number += 1
        selector.register(joiner.sock, selectors.EVENT_WRITE, joiner)

    for _ in range(at_once):
        begin()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        while pausing and pausing[0] <= time.perf_counter():
            pausing.popleft()
            begin()
        for key, events in selector.select(0.01 if pausing else 0.1):
            joiner: Joiner = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    joiner.sock.send(REQUEST)
                    selector.modify(joiner.sock, selectors.EVENT_READ, joiner)
                    continue
                data = joiner.sock.recv(65536)
                joiner.data += data
                done = has_sound(joiner.data)
                if not data and not done:
                    raise ConnectionResetError
            except OSError:
                turned_away = joiner.data.startswith(b"HTTP/1.1 503 ")
                refused += turned_away
                failed += not turned_away
                selector.unregister(joiner.sock)
                joiner.sock.close()
                pausing.append(time.perf_counter() + PAUSE)
                continue
            if done:
                waits.append(time.perf_counter() - joiner.began)
                selector.unregister(joiner.sock)
                joiner.sock.close()
                begin()
    elapsed = time.perf_counter() - start
    for key in list(selector.get_map().values()):
        key.data.sock.close()
    pipe.send((len(waits), refused, failed, elapsed, sorted(waits)))


async def run_joiners(port: int, at_once: int, seconds: float) -> Joined:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=join, args=(port, at_once, seconds, theirs))
    process.start()
    found: Joined = await asyncio.to_thread(ours.recv)
    process.join()
    return found


async def measure(at_once: int, seconds: float, runs: int, results: Results) -> None:
    async with stand(per_address=100_000) as place:
        await run_joiners(place.edge.port, 10, 1.0)
        rates, per_core, slow, turned_away = [], [], [], []
        for _ in range(runs):
            before = cpu_seconds(place.edge.pid)
            joined, refused, failed, elapsed, waits = await run_joiners(place.edge.port, at_once, seconds)
            if failed:
                raise SystemExit(f"{failed} joiners failed")
            rates.append(joined / elapsed)
            per_core.append(joined / (cpu_seconds(place.edge.pid) - before))
            turned_away.append(100 * refused / (joined + refused))
            slow.append(waits[int(len(waits) * 0.95)] * 1000)
        *_, alone = await run_joiners(place.edge.port, 1, 3.0)
    results.add("joins_per_second", rates, "joins/s")
    results.add("joins_per_core_second", per_core, "joins/s")
    results.add("refused_by_the_gate", turned_away, "%")
    results.add("first_sound_p95_in_crowd", slow, "ms")
    results.add("first_sound_p50_alone", [alone[len(alone) // 2] * 1000], "ms")
    results.add("first_sound_p95_alone", [alone[int(len(alone) * 0.95)] * 1000], "ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    raise_descriptor_limit()
    results = Results("join")
    asyncio.run(measure(options.at_once, options.seconds, options.runs, results))
    results.finish()


if __name__ == "__main__":
    main()
