"""How many push listeners one core can serve: `python benchmarks/edge_push.py [--listeners 4000]`.

Opens that many listeners of one room (64 kbit/s Opus, 200 ms batches), lets them listen, and reads the
edge process's CPU time: listeners a core = listeners / share of a core.
The listeners live in a process of their own that takes what has come once a second.

`--tls`: the same once more with TLS 1.3 (a P-256 certificate, the suite Chromium asks for first), and what
it costs a listener in comparison. The listeners shake hands and then leave the records as they come.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.connection
import os
import re
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tls"))

from authority import Authority, Pair
from edge_common import Results, cpu_seconds, raise_descriptor_limit, resident_bytes, stand

from hustings.bus import subjects
from hustings.bus.messages import RoleMetrics

REQUEST = b"GET /r/hall/live HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


def listen(port: int, count: int, tls: bool, pipe: multiprocessing.connection.Connection) -> None:
    """The listeners' process. Says "up"; after each "read" the bytes each has had since the last."""
    raise_descriptor_limit()
    context = ssl._create_unverified_context() if tls else None
    secured = []
    sockets = []
    for index in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
        # Some thousand to an address, or its ports run out.
        sock.bind((f"127.0.1.{1 + index // 4000}", 0))
        sock.connect(("127.0.0.1", port))
        if context is not None:
            whole = context.wrap_socket(sock, do_handshake_on_connect=True)
            whole.sendall(REQUEST)
            whole.recv(1)
            secured.append(whole)
            # The records below, undeciphered: who listens should cost this machine as little as before.
            sock = socket.socket(fileno=os.dup(whole.fileno()))
        else:
            sock.sendall(REQUEST)
        sock.setblocking(False)
        sockets.append(sock)
    pipe.send("up")
    taken = [0] * count
    closed = 0
    while True:
        for index, sock in enumerate(sockets):
            try:
                data = sock.recv(262_144)
                taken[index] += len(data)
                closed += not data
            except BlockingIOError:
                pass
            except OSError:
                closed += 1
        if pipe.poll(0.5):
            if pipe.recv() == "end":
                return
            pipe.send((min(taken), max(taken), sum(taken), closed))
            taken = [0] * count


async def measure(listeners: int, seconds: float, runs: int, tls: Pair | None, results: Results) -> float:
    """Returns the median share of a core."""
    subject = "hustings+tls" if tls else "hustings"
    settings: dict[str, Any] = {"tls_cert": str(tls.cert), "tls_key": str(tls.key)} if tls else {}
    async with stand(per_address=100_000, **settings) as place:
        pid = place.edge.pid
        await asyncio.sleep(1)
        before, at = cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(5)
        idle = (cpu_seconds(pid) - before) / (time.monotonic() - at)
        empty = resident_bytes(pid)
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(
            target=listen, args=(place.edge.port, listeners, tls is not None, theirs)
        )
        before = cpu_seconds(pid)
        process.start()
        await asyncio.to_thread(ours.recv)
        joining = (cpu_seconds(pid) - before) / listeners
        await asyncio.sleep(3)
        shares, rates, least = [], [], []
        batches: list[float] = []

        def note(metrics: RoleMetrics) -> None:
            found = re.search(r"^hustings_edge_batch_chunks (\S+)", metrics.text, re.MULTILINE)
            if metrics.pid == pid and found:
                batches.append(float(found[1]))

        await place.house.bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, note)
        for _ in range(runs):
            ours.send("read")
            await asyncio.to_thread(ours.recv)
            before, at = cpu_seconds(pid), time.monotonic()
            await asyncio.sleep(seconds)
            share = (cpu_seconds(pid) - before) / (time.monotonic() - at)
            ours.send("read")
            smallest, _, total, closed = await asyncio.to_thread(ours.recv)
            if closed:
                raise SystemExit(f"{closed} listeners lost their connection")
            shares.append(share)
            rates.append(total * 8 / listeners / (time.monotonic() - at) / 1000)
            least.append(smallest * 8 / (time.monotonic() - at) / 1000)
        full = resident_bytes(pid)
        ours.send("end")
        process.join()
    rows: tuple[tuple[str, list[float], str], ...] = (
        ("listeners", [listeners], "listeners"),
        ("cpu_share", [share * 100 for share in shares], "% of a core"),
        ("cpu_share_idle", [idle * 100], "% of a core"),
        ("join_cost", [joining * 1000], "ms of CPU, connection to first sound"),
        ("listeners_per_core", [listeners / share for share in shares], "listeners"),
        ("received", rates, "kbit/s each"),
        ("received_least", least, "kbit/s"),
        ("batch", [max(batches) * 200], "ms at most"),
        ("memory_per_listener", [(full - empty) / listeners / 1024], "kB"),
    )
    for metric, values, unit in rows:
        results.add(metric, values, unit, subject)
    if max(batches) > 1 or min(least) < 0.85 * max(rates):
        print("This machine was too busy: some heard less, or batches grew. The figures do not count.")
    return sorted(shares)[len(shares) // 2]


async def compare(options: argparse.Namespace, results: Results) -> None:
    given = (options.listeners, options.seconds, options.runs)
    plain = await measure(*given, None, results)
    if options.tls:
        with tempfile.TemporaryDirectory() as folder:
            secure = await measure(*given, Authority(Path(folder)).issue(), results)
        results.add("tls_cost_ratio", [secure / plain], "x a listener's CPU", "hustings+tls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tls", action="store_true", help="once more with TLS, and the ratio")
    options = parser.parse_args()
    raise_descriptor_limit()
    results = Results("push")
    asyncio.run(compare(options, results))
    results.finish()


if __name__ == "__main__":
    main()
