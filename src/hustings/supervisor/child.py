"""One supervised process: started, watched, started again, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog
from prometheus_client import Counter

from hustings.clock import Clock
from hustings.log import SUPERVISED
from hustings.role import SUPERVISOR_PID
from hustings.supervisor import tether
from hustings.supervisor.backoff import Backoff
from hustings.supervisor.logs import MAX_LINE, LogWriter

log = structlog.get_logger()

_restarts = Counter("hustings_role_restarts_total", "Times a role died and was started again.", ["name"])

GIVE_UP_AFTER = 5
"""Deaths in a row of a role that was never ready: it cannot start at all."""


class NeverStarted(Exception):
    """A role died over and over without having been ready once."""


class Child:
    """Keeps one process running. `name` is the role's: bus, stage, studio, edge-0, scribe.

    `after`: it is started only once this is set. `needed`: without it nothing works, so if it cannot start
    at all, nothing else should; otherwise it is tried on and on.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        logs: LogWriter,
        clock: Clock,
        tidy: Callable[[str], str] = str,
        *,
        after: asyncio.Event | None = None,
        needed: bool = True,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        """Set once, by whoever hears that the role serves."""
        self.heard: float | None = None
        """Monotonic time of the last sign of life of the running process."""
        self._command = command
        self._environment = environment
        self._logs = logs
        self._clock = clock
        self._tidy = tidy
        self._after = after
        self._needed = needed
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._patience = 0.0
        self._gone = asyncio.Event()
        self._backoff = Backoff()

    @property
    def pid(self) -> int:
        """Of the running process; 0 when there is none."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def run(self) -> None:
        """Until `stop`. Raises NeverStarted."""
        try:
            if self._after is not None:
                await self._first_of(self._after, self._stopping)
            while not self._stopping.is_set():
                await self._run_once()
        finally:
            self._gone.set()

    @staticmethod
    async def _first_of(*events: asyncio.Event) -> None:
        waiting = {asyncio.create_task(event.wait()) for event in events}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()

    async def stop(self, patience: float) -> None:
        """SIGTERM; after `patience` seconds SIGKILL. Returns when the process is gone."""
        self._patience = patience
        self._stopping.set()
        await self._gone.wait()

    def kill(self) -> None:
        """SIGKILL, now."""
        self._signal(signal.SIGKILL)

    def hang_up(self) -> None:
        """SIGHUP, which a role that is ready takes for "look at your certificate"."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _run_once(self) -> None:
        """One process from its start to its end and, unless stopping, the wait before the next."""
        started = self._clock.monotonic()
        self._process = process = await self._start()
        assert process.stdout is not None
        logs = asyncio.create_task(self._logs.forward(self.name, process.stdout, self._tidy))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await self._end(ended)
        # What it said last; a grandchild may hold the pipe open for ever.
        await asyncio.wait({logs}, timeout=1.0)
        logs.cancel()
        self.heard = None
        if not self._stopping.is_set():
            await self._after_death(ended.result(), self._clock.monotonic() - started)

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            env={
                **os.environ,
                **self._environment,
                SUPERVISOR_PID: str(os.getpid()),
                SUPERVISED: "1",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=MAX_LINE,
            # A process group of its own: Ctrl-C in the terminal is for the supervisor alone, which
            # stops the roles in order.
            process_group=0,
        )

    async def _end(self, ended: asyncio.Task[int]) -> None:
        self._signal(signal.SIGTERM)
        await asyncio.wait({ended}, timeout=self._patience)
        if not ended.done():
            log.warning("role did not stop in time", name=self.name, seconds=self._patience)
            self.kill()
            await ended

    async def _after_death(self, code: int, lived: float) -> None:
        delay = self._backoff.died(lived)
        log.error("role died", name=self.name, code=code, restart_in=delay)
        if self._needed and not self.ready.is_set() and self._backoff.deaths >= GIVE_UP_AFTER:
            raise NeverStarted(self.name)
        _restarts.labels(self.name).inc()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)


def role_command(role: str, *arguments: str) -> list[str]:
    """Starts one of our roles without the command line's libraries."""
    # -P: the folder somebody happens to be in is no place to import from.
    return [sys.executable, "-P", "-m", "hustings.cli.role", role, *arguments]


def tethered(program: Sequence[str]) -> list[str]:
    """Starts a program that is not ours so that it ends with the supervisor."""
    return [sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid()), *program]
