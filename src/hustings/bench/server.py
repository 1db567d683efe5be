"""What is measured: an edge process of our own on a bus with a fake stage and studio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from hustings.bench import machine
from hustings.bench.house import FakeHouse, NatsServer, fake_house, free_port, nats_server
from hustings.errors import Unavailable

WIDE = "import hustings.edge.load as load; load.WIDEN_ABOVE = load.NARROW_BELOW = 0.0"
"""Has an edge widen its batches at once and keep them so, as it does of itself at three quarters of a core:
a crowd for that needs more descriptors than most systems give one process."""
EDGE = """
import uvloop
from hustings.config import Settings
from hustings.edge.main import run_edge
uvloop.run(run_edge(Settings(), 0))
"""


@dataclass(slots=True)
class RunningEdge:
    """One edge process."""

    pid: int
    port: int
    scheme: str = "http"

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


def ended(process: subprocess.Popen[bytes], patience: float = 10.0) -> None:
    """Ends a process we started: SIGTERM, and after `patience` seconds SIGKILL."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Log:
    """What a process of ours says meanwhile: kept for when it fails, shown to nobody else."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process that writes to it)

    def last(self) -> str:
        """Its last line, and lets go of all."""
        with self.file:
            self.file.seek(0)
            lines = self.file.read().decode(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


@contextlib.contextmanager
def edge_process(
    bus_url: str, *, port: int = 0, wide: bool = False, **settings: int | str
) -> Iterator[RunningEdge]:
    """An edge on a port of 127.0.0.1, ready, on the server's core. `settings` become HUSTINGS_ variables.

    `wide`: with its widest batches from the first seconds on (`WIDE`)."""
    port = port or free_port()
    environment = {
        **os.environ,
        "HUSTINGS_BUS": bus_url,
        "HUSTINGS_AUDIENCE_DOOR": f"127.0.0.1:{port}",
        **{f"HUSTINGS_{name.upper()}": str(value) for name, value in settings.items()},
    }
    scheme = "https" if settings.get("tls_cert") else "http"
    # It asks whether somebody is there; who it is, it has just been told.
    unchecked = ssl._create_unverified_context()
    log = Log()
    with machine.on_cores(machine.server_cores()):
        process = subprocess.Popen(
            [sys.executable, "-c", WIDE + EDGE if wide else EDGE], env=environment, stderr=log.file
        )
    try:
        end = time.monotonic() + 40
        while True:
            with contextlib.suppress(OSError):
                address = f"{scheme}://127.0.0.1:{port}/healthz"
                urllib.request.urlopen(address, timeout=2, context=unchecked).close()
                break
            if time.monotonic() > end or process.poll() is not None:
                raise Unavailable(f"the edge did not become ready within 40 s: {log.last()}")
            time.sleep(0.05)
        yield RunningEdge(process.pid, port, scheme)
    finally:
        ended(process)
        log.file.close()


@dataclass(slots=True)
class Stand:
    """Bus, fake stage and studio, and an edge."""

    nats: NatsServer
    house: FakeHouse
    edge: RunningEdge


@contextlib.asynccontextmanager
async def stand(*, behind: int = 300, **settings: Any) -> AsyncIterator[Stand]:
    """A live room "hall", `behind` chunks old, at an edge of its own."""
    with nats_server() as nats:
        async with fake_house(nats.url, behind=behind) as house:
            running = asyncio.create_task(house.run())
            with contextlib.ExitStack() as stack:
                # In this thread: what a process may run on is inherited from the thread that starts it.
                edge = await asyncio.to_thread(stack.enter_context, edge_process(nats.url, **settings))
                try:
                    yield Stand(nats, house, edge)
                finally:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
