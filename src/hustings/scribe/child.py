"""The processes that make things: started with a task, listened to, ended when they must be."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from hustings.bus.messages import UNDECODABLE
from hustings.clock import Clock
from hustings.scribe.leases import Failed
from hustings.scribe.process import REFUSED

SILENT_FOR: Final = 300.0
"""Seconds without a word from such a process, after which it hangs."""
MAX_LINE: Final = 256 * 1024
REPORT_EVERY: Final = 1.0

type Progress = Callable[[float], Awaitable[None]]


class Said(msgspec.Struct):
    """What a process says of itself, in lines; subclasses have what it made."""

    progress: float | None = None
    problem: str = ""


class Child[Line: Said]:
    """One process at a time. `command`: the program; `line`: what it says."""

    def __init__(self, command: Sequence[str], line: type[Line], clock: Clock) -> None:
        self._command = command
        self._line = line
        self._clock = clock
        self._running: tuple[str, asyncio.subprocess.Process] | None = None

    async def let_go(self, broadcast: str) -> None:
        """Ends what is being made of this broadcast's recording; its process is gone afterwards."""
        if self._running is not None and self._running[0] == broadcast:
            process = self._running[1]
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    async def run(self, broadcast: str, task: object, progress: Progress) -> Line:
        """Gives it the task; its last word. Raises Failed."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # stderr is ours: what it says when it crashes belongs into the log.
            env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
            limit=MAX_LINE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._running = (broadcast, process)
        try:
            with contextlib.suppress(ConnectionError):
                process.stdin.write(msgspec.json.encode(task) + b"\n")
                await process.stdin.drain()
            said = await self._listen(process.stdout, progress)
            code = await process.wait()
        finally:
            self._running = None
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0 or said.problem:
            problem = said.problem or f"The process that makes it ended ({code})."
            raise Failed(problem, final=code == REFUSED and bool(said.problem))
        return said

    async def _listen(self, out: asyncio.StreamReader, progress: Progress) -> Line:
        """Passes progress on; the last word."""
        last, reported = self._line(), self._clock.monotonic()
        while True:
            try:
                async with asyncio.timeout(SILENT_FOR):
                    raw = await out.readline()
            except TimeoutError:
                raise Failed("It hangs.", final=False) from None
            if not raw:
                return last
            try:
                last = msgspec.json.decode(raw, type=self._line)
            except UNDECODABLE:
                continue
            now = self._clock.monotonic()
            if last.progress is not None and now - reported >= REPORT_EVERY:
                reported = now
                await progress(last.progress)
