"""One supervised process: started, watched, started again, replaced by another, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter

from hustings.bus.health_messages import NodeEventKind
from hustings.clock import Clock
from hustings.priority import LOWERED, NICENESS
from hustings.sockets import DOOR_FD
from hustings.supervisor import tether
from hustings.supervisor.backoff import Backoff
from hustings.supervisor.logs import LogWriter
from hustings.supervisor.spares import Spares, start_process

log = structlog.get_logger()

_restarts = Counter("hustings_role_restarts_total", "Times a role died and was started again.", ["name"])

GIVE_UP_AFTER = 5
"""Deaths in a row of a role that was never ready: it cannot start at all."""
ROLE = "hustings.cli.role"
READY_WITHIN = 40.0
"""Seconds a process has to be ready before it may take another's place."""
HAND_OVER = signal.SIGUSR1
"""Tells an edge that another has its door: it takes nobody new, sends its listeners there, and ends."""


class NeverStarted(Exception):
    """A role died over and over without having been ready once."""


class Doorway:
    """A role's listening socket, kept open over its deaths, so that nobody is refused meanwhile."""

    def __init__(self, listen: Callable[[], socket.socket]) -> None:
        self._listen = listen
        self._socket: socket.socket | None = None

    def socket(self) -> socket.socket:
        """Listening. Raises HustingsError when it cannot."""
        if self._socket is None:
            self._socket = self._listen()
        return self._socket

    def shut(self) -> None:
        """Who waits here is refused, and the kernel asks no more of this door."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Process:
    """One process of a role, from its start to its end."""

    def __init__(
        self, process: asyncio.subprocess.Process, logs: asyncio.Task[None], started: float, since: float
    ) -> None:
        self.pid = process.pid
        self.started = started
        """Monotonic."""
        self.since = since
        """Unix seconds."""
        self.ready = asyncio.Event()
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait())
        self._logs = logs

    @property
    def runs(self) -> bool:
        return not self.ended.done()

    def signal(self, number: signal.Signals) -> None:
        if self.runs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def end(self, name: str, patience: float) -> None:
        """SIGTERM; after `patience` seconds SIGKILL. Returns when it is gone."""
        self.signal(signal.SIGTERM)
        await asyncio.wait({self.ended}, timeout=patience)
        if self.runs:
            log.warning("role did not stop in time", name=name, seconds=patience)
            self.signal(signal.SIGKILL)
        await self.ended
        await self.last_words()

    async def last_words(self) -> None:
        """What it said last; a grandchild may hold the pipe open for ever."""
        await asyncio.wait({self._logs}, timeout=1.0)
        self._logs.cancel()


class Child:
    """Keeps one process running. `name` is the role's: bus, stage, studio, edge-0, scribe.

    `after`: it is started only once this is set. `needed`: without it nothing works, so if it cannot start
    at all, nothing else should; otherwise it is tried on and on. `door`: its listening socket. `spares`:
    where a process in reserve may be. `begun` is told the number of each process that is its own now, `tell`
    what happens to it.
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
        door: Doorway | None = None,
        spares: Spares | None = None,
        begun: Callable[[str, int], None] = lambda _name, _pid: None,
        tell: Callable[[NodeEventKind, str], None] = lambda _kind, _name: None,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        """Set once, when the role serves for the first time."""
        self.heard: float | None = None
        """Monotonic time of the last sign of life of the running process."""
        self._command = command
        self._environment = environment
        self._logs = logs
        self._clock = clock
        self._tidy = tidy
        self._after = after
        self._needed = needed
        self._door = door
        self._spares = spares
        self._begun = begun
        self._tell = tell
        self.deaths = 0
        """Of processes that nobody had asked to end."""
        self._process: Process | None = None
        self._next: Process | None = None
        """Started to take the place of the running one."""
        self._on_purpose: Process | None = None
        """Ended so that another one begins."""
        self._swapped = asyncio.Event()
        self._stopping = asyncio.Event()
        self._patience = 0.0
        self._gone = asyncio.Event()
        self._backoff = Backoff()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int:
        """Of the running process; 0 when there is none."""
        return self._process.pid if self._process and self._process.runs else 0

    @property
    def since(self) -> float:
        """When the running process became this role, Unix seconds; 0 when there is none."""
        return self._process.since if self._process and self._process.runs else 0.0

    @property
    def is_ready(self) -> bool:
        """Whether the running process has said that it serves."""
        return bool(self.pid and self._process and self._process.ready.is_set())

    async def run(self) -> None:
        """Until `stop`. Raises NeverStarted."""
        try:
            if self._after is not None:
                await self._first_of(self._after.wait())
            while not self._stopping.is_set():
                if self._process is None or not self._process.runs:
                    self._process = await self._start()
                await self._until_something(self._process)
        finally:
            await asyncio.gather(*self._leaving)
            self._gone.set()

    async def stop(self, patience: float) -> None:
        """SIGTERM; after `patience` seconds SIGKILL. Returns when the process is gone."""
        self._patience = patience
        if self._door is not None:
            self._door.shut()
        self._stopping.set()
        await self._gone.wait()

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    def hang_up(self) -> None:
        """SIGHUP, which a role that is ready takes for "look at your certificate"."""
        if self._process is not None:
            self._process.signal(signal.SIGHUP)

    def said_ready(self, pid: int) -> bool:
        """Process `pid` says that it serves; whether it is ours."""
        found = next((each for each in (self._process, self._next) if each and each.pid == pid), None)
        if found is None:
            return False
        if found is self._process:
            self.heard = self._clock.monotonic()
            self.ready.set()
        if not found.ready.is_set():
            found.ready.set()
            if self._spares is not None:
                self._spares.fill()
        return True

    # --- another process in its place ----------------------------------------------------------

    async def replace(self, patience: float) -> bool:
        """Starts another process, and when it serves asks the running one to hand over, which it has
        `patience` seconds for. False when the other one did not come about: then all is as before."""
        if self._process is None or self._stopping.is_set():
            return False
        other = self._next = await self._start(fresh=True)
        await self._first_of(other.ready.wait(), other.ended, timeout=READY_WITHIN)
        self._next = None
        if self._process is other:  # the running one has died meanwhile, and this one is the role already
            return True
        if not other.ready.is_set() or self._stopping.is_set():
            log.error("no other process took its place", name=self.name)
            await other.end(self.name, 1.0)
            return False
        former, self._process = self._process, other
        self.heard = self._clock.monotonic()
        self._swapped.set()
        self._tell("restarted", self.name)
        former.signal(HAND_OVER)
        await self._aside(self._until_gone(former, patience))
        return True

    async def _until_gone(self, former: Process, patience: float) -> None:
        await self._first_of(former.ended, timeout=patience)
        await former.end(self.name, self._patience or 5.0)

    def _aside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """`work` goes on by itself; `run` does not end before it."""
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def _first_of(
        self, *work: Coroutine[Any, Any, Any] | asyncio.Task[int], timeout: float | None = None
    ) -> None:
        """Until one of `work` is done, all stop, or time is up. Tasks go on; coroutines are cancelled."""
        own = [
            asyncio.create_task(each) for each in (self._stopping.wait(), *work) if asyncio.iscoroutine(each)
        ]
        tasks = {each for each in work if isinstance(each, asyncio.Task)}
        await asyncio.wait({*own, *tasks}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for each in own:
            each.cancel()

    async def restart(self, patience: float) -> bool:
        """Ends the running process in order and starts another in the same moment; False if it was not up."""
        process = self._process
        if process is None or not process.runs or self._stopping.is_set():
            return False
        if self._spares is not None:
            await self._spares.renew()
        self._on_purpose = process
        await process.end(self.name, patience)
        return True

    # --- from start to end ---------------------------------------------------------------------

    async def _until_something(self, process: Process) -> None:
        """Until the process ends, is replaced, or all stop; and the wait before the next."""
        await self._first_of(process.ended, self._swapped.wait())
        if self._stopping.is_set():
            current = self._process or process
            await current.end(self.name, self._patience)
        elif self._swapped.is_set():
            self._swapped.clear()
            return
        self.heard = None
        if self._stopping.is_set():
            return
        if process is self._on_purpose:
            log.info("role ended to be started anew", name=self.name)
            self._tell("restarted", self.name)
            return
        self.deaths += 1
        self._tell("died", self.name)
        if self._next is not None:  # one is on its way already
            self._process, self._next = self._next, None
            log.error("role died", name=self.name, code=process.ended.result(), restart_in=0.0)
            return
        self._aside(process.last_words())
        await self._after_death(process)

    async def _start(self, *, fresh: bool = False) -> Process:
        """One process; the one in reserve unless it has to be `fresh`."""
        process = None if fresh else self._from_reserve()
        if process is None:
            environment = dict(self._environment)
            keep: list[int] = []
            if self._door is not None:
                keep.append(self._door.socket().fileno())
                environment[DOOR_FD] = str(keep[0])
            process = await start_process(self._command, environment, keep=keep)
        assert process.stdout is not None
        logs = asyncio.create_task(self._logs.forward(self.name, process.stdout, self._tidy))
        self._begun(self.name, process.pid)
        return Process(process, logs, self._clock.monotonic(), self._clock.wall())

    def _from_reserve(self) -> asyncio.subprocess.Process | None:
        spare = self._spares.take() if self._spares is not None else None
        if spare is None:
            return None
        arguments = self._command[self._command.index(ROLE) + 1 :]
        spare.hurry(arguments[0])
        if spare.begin(arguments, self._door.socket() if self._door is not None else None):
            return spare.process
        spare.drop()
        return None

    async def _after_death(self, process: Process) -> None:
        delay = self._backoff.died(self._clock.monotonic() - process.started)
        log.error("role died", name=self.name, code=process.ended.result(), restart_in=delay)
        if self._needed and not self.ready.is_set() and self._backoff.deaths >= GIVE_UP_AFTER:
            raise NeverStarted(self.name)
        _restarts.labels(self.name).inc()
        if delay and self._door is not None:
            self._door.shut()  # nobody shall wait for one that may not come
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)


def role_command(role: str, *arguments: str) -> list[str]:
    """Starts one of our roles without the command line's libraries."""
    # -P: the folder somebody happens to be in is no place to import from.
    return [sys.executable, "-P", "-m", ROLE, role, *arguments]


def tethered(program: Sequence[str], kind: str) -> list[str]:
    """Starts a program that is not ours so that it ends with the supervisor, at the priority of `kind`."""
    nice = f"{NICENESS[kind]},{LOWERED[kind]}"
    return [sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid()), nice, *program]
