"""A load generator: a process on a core of its own, told by lines what to do, answering in JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from hustings.bench import machine
from hustings.errors import Unavailable

PATIENCE = 170.0
"""Seconds a generator may take for an answer."""


class Generator:
    """One generator, as the bench sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._since = (time.monotonic(), 0.0)

    async def answer(self) -> Any:
        """Its next line. Raises Unavailable when it ended or says nothing."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        except TimeoutError:
            line = b""
        if not line:
            raise Unavailable("the load generator ended or hung; see above, or try fewer at once.")
        return json.loads(line)

    async def ask(self, order: str) -> Any:
        """Sends an order and waits for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(order.encode() + b"\n")
        return await self.answer()

    def begin(self) -> None:
        """From now on its use of its core counts."""
        self._since = (time.monotonic(), machine.cpu_seconds(self._process.pid))

    def share(self) -> float:
        """Percent of a core since `begin`."""
        at, used = self._since
        return 100 * (machine.cpu_seconds(self._process.pid) - used) / max(time.monotonic() - at, 1e-9)


@contextlib.asynccontextmanager
async def generator(module: str, settings: Mapping[str, Any]) -> AsyncIterator[Generator]:
    """Runs `hustings.bench.<module>` with `settings` until the end of the block."""
    with machine.on_cores(machine.load_cores()):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"hustings.bench.{module}",
            json.dumps(settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
    try:
        yield Generator(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def spent(load: Generator, pid: int, seconds: float, runs: int) -> tuple[list[float], list[float]]:
    """Percent of a core that process `pid` took in each run, and the generator."""
    shares, generators = [], []
    for _ in range(runs):
        load.begin()
        before, at = machine.cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(seconds)
        shares.append(max(0.01, 100 * (machine.cpu_seconds(pid) - before) / (time.monotonic() - at)))
        generators.append(load.share())
    return shares, generators


# --- inside the generator --------------------------------------------------------------------


def settings() -> dict[str, Any]:
    """What this generator was given."""
    machine.raise_descriptor_limit()
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def say(answer: Any) -> None:
    """One answer."""
    print(json.dumps(answer), flush=True)


def order(wait: float) -> str | None:
    """The next order; "" when there is none within `wait` seconds, None when the bench has ended."""
    if not select.select([sys.stdin], [], [], wait)[0]:
        return ""
    return sys.stdin.readline().strip() or None
