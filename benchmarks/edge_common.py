"""What the edge's benchmarks share: an edge process on a bus with a fake stage, CPU shares, output.

Results are rows as `hustings bench --json` prints them: bench, subject, metric, value, unit, runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import resource
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_fakes import FakeHouse, NatsServer, fake_house, free_port, nats_server

import hustings

EDGE = """
import uvloop
from hustings.config import Settings
from hustings.edge.main import run_edge
uvloop.run(run_edge(Settings(), 0))
"""
TICKS = os.sysconf("SC_CLK_TCK")


def raise_descriptor_limit() -> int:
    """Soft limit to the hard one; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid: int) -> int:
    """Memory of a process now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@dataclass(slots=True)
class RunningEdge:
    """One edge process."""

    pid: int
    port: int
    scheme: str = "http"

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


@contextlib.contextmanager
def edge_process(bus_url: str, *, port: int = 0, **settings: int | str) -> Iterator[RunningEdge]:
    """An edge on a port of 127.0.0.1, ready. Further `settings` become HUSTINGS_ variables."""
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
    process = subprocess.Popen([sys.executable, "-c", EDGE], env=environment)
    try:
        end = time.monotonic() + 40
        while True:
            with contextlib.suppress(OSError):
                address = f"{scheme}://127.0.0.1:{port}/healthz"
                urllib.request.urlopen(address, timeout=2, context=unchecked).close()
                break
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit("the edge did not become ready")
            time.sleep(0.05)
        yield RunningEdge(process.pid, port, scheme)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
                manager = edge_process(nats.url, **settings)
                edge = await asyncio.to_thread(stack.enter_context, manager)
                try:
                    yield Stand(nats, house, edge)
                finally:
                    running.cancel()


@dataclass(slots=True)
class Results:
    """Rows of one run."""

    bench: str
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, metric: str, runs: list[float], unit: str, subject: str = "hustings") -> None:
        """One metric; its value is the median of `runs`."""
        ordered = sorted(runs)
        value = ordered[len(ordered) // 2]
        row = {
            "bench": self.bench,
            "subject": subject,
            "metric": metric,
            "value": round(value, 3),
            "unit": unit,
            "runs": [round(run, 3) for run in runs],
        }
        self.rows.append(row)
        print(f"{self.bench:<6} {subject:<9} {metric:<28} {value:>12,.1f} {unit}", flush=True)

    def finish(self) -> None:
        """All rows as one JSON document on the last line."""
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
        print(json.dumps({"machine": machine, "version": hustings.__version__, "results": self.rows}))
