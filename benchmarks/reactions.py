"""What an applauding audience costs the studio: `python benchmarks/reactions.py [--rate N] [--seconds N]`.

A real bus, studio and edge. Listeners at many loopback addresses send reactions, then votes, through the
audience door; a host watches through the studio's socket. Reported: what was taken and what the host saw (the
two must be equal), how late the studio's event loop got in its worst second and in most, for how long it had
to wait for a core that others used (on a busy machine that is what makes it late), and what it used itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import websockets
from edge_common import RunningEdge, cpu_seconds, edge_process
from edge_fakes import free_port, nats_server

from hustings.bench.results import Results
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import REACTIONS, RoleMetrics
from hustings.store.tokens import operator_token

STUDIO = """
import asyncio
import hustings.role
hustings.role.METRICS_INTERVAL = 0.5  # so that no second of the loop's lateness is missed
from hustings.config import Settings
from hustings.studio.lateness import watched_loop
from hustings.studio.main import run_studio
asyncio.run(run_studio(Settings()), loop_factory=watched_loop)
"""
ADDRESSES = 400
SLUG = "hall"
LATE = "hustings_studio_loop_late_seconds "
SETTLE = 3.0
"""Seconds after the last request in which what was sent arrives everywhere."""


def request(door: str, content: dict[str, str]) -> bytes:
    """One POST as bytes."""
    body = json.dumps(content).encode()
    head = f"POST /r/{SLUG}/{door} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _status(sock: socket.socket) -> int:
    """Of the reply, which is read whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(4096)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))[15:])
    while len(body) < length:
        body += sock.recv(4096)
    return int(head[9:12])


def crowd(
    port: int, rate: float, seconds: float, question_id: str
) -> tuple[Counter[str], Counter[int], float]:
    """Sends evenly, each next request from another address; (taken by kind, replies by status, seconds)."""
    socks = []
    for number in range(ADDRESSES):
        sock = socket.socket()
        sock.settimeout(10)
        sock.bind((f"127.{1 + number // 250}.{number % 250}.7", 0))
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks.append(sock)
    asked: list[str] = [""] * ADDRESSES
    taken: Counter[str] = Counter()
    statuses: Counter[int] = Counter()

    def read(place: int) -> None:
        if asked[place]:
            status = _status(socks[place])
            statuses[status] += 1
            taken[asked[place]] += status == 202

    began = time.perf_counter()
    for number in range(round(rate * seconds)):
        place = number % ADDRESSES
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        read(place)
        if question_id:
            kind = "vote"
            socks[place].sendall(request("vote", {"question_id": question_id, "device": f"{number:022}"}))
        else:
            kind = REACTIONS[number % len(REACTIONS)]
            socks[place].sendall(request("reaction", {"kind": kind}))
        asked[place] = kind
    took = time.perf_counter() - began
    for place, sock in enumerate(socks):
        read(place)
        sock.close()
    return taken, statuses, took


def waited_for_cpu(pid: int) -> float:
    """Seconds a process has been ready to run and did not, so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _in_child(pipe: multiprocessing.connection.Connection, *args: object) -> None:
    pipe.send(crowd(*args))  # type: ignore[arg-type]
    pipe.close()


async def run_crowd(
    port: int, rate: float, seconds: float, question_id: str = ""
) -> tuple[Counter[str], Counter[int], float]:
    """`crowd` in a process of its own: it must not be the one that is late."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.Process(target=_in_child, args=(theirs, port, rate, seconds, question_id))
    child.start()
    theirs.close()
    try:
        found: tuple[Counter[str], Counter[int], float] = await asyncio.to_thread(ours.recv)
        return found
    finally:
        await asyncio.to_thread(child.join)


@dataclass(slots=True)
class Stand:
    """A bus, a studio with an open room, an edge."""

    edge: RunningEdge
    studio_pid: int
    studio: str
    token: str
    late: list[float] = field(default_factory=list)
    """Of each half second, the studio's worst second, in seconds."""

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.studio, headers={"Authorization": f"Bearer {self.token}"})


@contextlib.contextmanager
def studio_process(bus_url: str, folder: Path, port: int) -> Iterator[int]:
    """A studio on a folder of its own, ready; its pid."""
    environment = {
        **os.environ,
        "HUSTINGS_BUS": bus_url,
        "HUSTINGS_DATA": str(folder),
        "HUSTINGS_STUDIO_DOOR": f"127.0.0.1:{port}",
    }
    process = subprocess.Popen([sys.executable, "-c", STUDIO], env=environment, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 40
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).raise_for_status()
                break
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit("the studio did not become ready")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    """An open room "hall" at an edge of its own."""
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        nats = stack.enter_context(nats_server())
        port = free_port()
        pid = await asyncio.to_thread(stack.enter_context, studio_process(nats.url, Path(name), port))
        edge = await asyncio.to_thread(stack.enter_context, edge_process(nats.url))
        made = Stand(edge, pid, f"http://127.0.0.1:{port}", operator_token(Path(name)))

        def measured(message: RoleMetrics) -> None:
            if message.role == "studio" and message.pid == pid:
                values = [line for line in message.text.splitlines() if line.startswith(LATE)]
                made.late += [float(line.removeprefix(LATE)) for line in values]

        bus = await Bus.connect(nats.url, "bench")
        try:
            await bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, measured)
            async with made.client() as client:
                answer = await client.post("/api/rooms", json={"title": "Hall", "slug": SLUG})
                answer.raise_for_status()
                (await client.post(f"/api/rooms/{SLUG}/open", timeout=20)).raise_for_status()
            await _until_open(made)
            yield made
        finally:
            await bus.close()


async def _until_open(made: Stand) -> None:
    """The edge knows that the room takes something now."""
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            answer = await client.get(made.edge.url(f"/r/{SLUG}/state.json"))
            if answer.status_code == 200 and answer.json()["status"] == "open":
                return
            await asyncio.sleep(0.1)
    raise SystemExit("the room did not open")


@contextlib.asynccontextmanager
async def host(made: Stand) -> AsyncIterator[Counter[str]]:
    """A host at the studio's socket: the reactions told so far."""
    seen: Counter[str] = Counter()
    address = f"{made.studio.replace('http', 'ws')}/api/rooms/{SLUG}/events"
    async with websockets.connect(address) as sock:
        await sock.send(json.dumps({"ticket": made.token}))
        json.loads(await sock.recv())

        async def listen() -> None:
            async for text in sock:
                message = json.loads(text)
                if message["type"] == "reactions":
                    seen.update(message["counts"])

        task = asyncio.create_task(listen())
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def ask(made: Stand) -> str:
    """A question through the audience door; its id, once everybody may read it."""
    async with httpx.AsyncClient() as client:
        body = {"text": "Why?", "device": "bench" * 5}
        answer = await client.post(made.edge.url(f"/r/{SLUG}/question"), json=body)
        assert answer.status_code == 202, answer.text
        for _ in range(100):
            state = (await client.get(made.edge.url(f"/r/{SLUG}/state.json"))).json()
            if state["questions"]["list"]:
                return str(state["questions"]["list"][0]["id"])
            await asyncio.sleep(0.1)
    raise SystemExit("the question did not appear")


async def votes_shown(made: Stand, wanted: int) -> int:
    """What state.json counts, once it is `wanted` or does not grow any more."""
    async with httpx.AsyncClient() as client:
        count = 0
        for _ in range(60):
            state = (await client.get(made.edge.url(f"/r/{SLUG}/state.json"))).json()
            count = int(state["questions"]["list"][0]["votes"])
            if count >= wanted:
                break
            await asyncio.sleep(0.25)
    return count


async def measure(options: argparse.Namespace, results: Results) -> None:
    async with stand() as made, host(made) as seen:
        await asyncio.sleep(2)
        made.late.clear()
        await asyncio.sleep(options.seconds / 2)
        results.add("reactions", "studio_late_idle", [max(made.late) * 1000], "ms")
        for name, rate in (("reactions", options.rate), ("votes", options.votes)):
            question_id = await ask(made) if name == "votes" else ""
            made.late.clear()
            edge_before, studio_before = cpu_seconds(made.edge.pid), cpu_seconds(made.studio_pid)
            waited = waited_for_cpu(made.studio_pid)
            taken, statuses, took = await run_crowd(made.edge.port, rate, options.seconds, question_id)
            waited = waited_for_cpu(made.studio_pid) - waited
            late = sorted(each * 1000 for each in made.late)
            edge_used = cpu_seconds(made.edge.pid) - edge_before
            studio_used = cpu_seconds(made.studio_pid) - studio_before
            if question_id:
                arrived = await votes_shown(made, taken["vote"])
            else:
                await asyncio.sleep(SETTLE)
                arrived = seen.total()
                if seen != taken:
                    print("the host saw", dict(seen), "but taken were", dict(taken), file=sys.stderr)
            results.add("reactions", f"{name}_a_second", [statuses.total() / took], "/s")
            results.add("reactions", f"{name}_taken", [float(taken.total())], "")
            results.add("reactions", f"{name}_arrived", [float(arrived)], "")
            results.add("reactions", f"{name}_studio_late_worst", late[-1:], "ms")
            results.add("reactions", f"{name}_studio_late_median", late, "ms")
            results.add("reactions", f"{name}_studio_waited", [waited / took * 1000], "ms/s")
            results.add("reactions", f"{name}_studio_cpu", [studio_used / took * 100], "%")
            results.add("reactions", f"{name}_edge_cpu", [edge_used / took * 100], "%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000.0, help="reactions a second")
    parser.add_argument("--votes", type=float, default=500.0, help="votes a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    results = Results()
    asyncio.run(measure(options, results))
    print(results.text())


if __name__ == "__main__":
    main()
