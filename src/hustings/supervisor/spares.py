"""A process in reserve for a role: everything is imported, and it waits to be told to begin.

Importing is nearly all of a restart (0.4 to 1.2 s of CPU). A spare does it beforehand, at a low
priority; when the role dies, one line on its standard input makes it the role.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from hustings.log import SUPERVISED
from hustings.notify import NOTIFY_SOCKET
from hustings.priority import NICENESS
from hustings.role import SUPERVISOR_PID
from hustings.supervisor.logs import MAX_LINE

log = structlog.get_logger()

REFILL_AFTER = 3.0
"""Seconds for which a role that has just begun has the machine to itself before its spare is started."""

WARM_WITHIN = 30.0
"""Seconds a fresh spare is waited for."""


@dataclass(slots=True)
class Spare:
    """A process that waits, and our end of its standard input."""

    process: asyncio.subprocess.Process
    channel: socket.socket

    async def warm(self) -> None:
        """Until it has imported everything, or is gone."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(WARM_WITHIN):
                await asyncio.get_running_loop().sock_recv(self.channel, 1)

    def begin(self, arguments: Sequence[str], door: socket.socket | None) -> bool:
        """Makes it the role named by `arguments`, with its listening socket; False when it is gone."""
        message = json.dumps(list(arguments)).encode()
        try:
            if door is None:
                self.channel.sendall(message)
            else:
                socket.send_fds(self.channel, [message], [door.fileno()])
        except OSError:
            return False
        finally:
            self.channel.close()
        return True

    def hurry(self, kind: str) -> None:
        """If it has not loaded everything yet, it goes on at its role's own priority."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.process.pid, NICENESS[kind])

    def drop(self) -> None:
        """It is not needed: its input ends, and so does it."""
        self.channel.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class Spares:
    """One spare for all roles of a kind. `environment` is what the role itself would be started with."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._spare: Spare | None = None
        self._filling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int:
        """Of the spare; 0 when there is none."""
        spare = self._spare
        return spare.process.pid if spare is not None and spare.process.returncode is None else 0

    def fill(self, after: float = REFILL_AFTER) -> None:
        """Has a spare started soon, unless there is one."""
        if not self._closed and (self._filling is None or self._filling.done()) and not self.pid:
            self._filling = asyncio.create_task(self._fill(after))

    def take(self) -> Spare | None:
        """The spare, ready or not, if there is one; it is then the caller's."""
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None
        spare, self._spare = self._spare, None
        return spare if spare is not None and spare.process.returncode is None else None

    async def renew(self) -> None:
        """Another one in its place, which has read the code that is installed now."""
        old = self.take()
        if old is not None:
            old.drop()
            await old.process.wait()
        if not self._closed:
            spare = self._spare = await self._start()
            await spare.warm()

    async def close(self) -> None:
        """Ends the spare and makes no other."""
        self._closed = True
        if (spare := self.take()) is not None:
            spare.drop()
            await spare.process.wait()

    async def _fill(self, after: float) -> None:
        await asyncio.sleep(after)
        try:
            self._spare = await self._start()
        except OSError as error:
            log.warning("no spare process could be started", error=type(error).__name__)

    async def _start(self) -> Spare:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            process = await start_process(self._command, self._environment, stdin=theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Spare(process, ours)


async def start_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: socket.socket | None = None,
    keep: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """A child of this supervisor. `keep`: descriptors that it inherits. Raises OSError."""
    # systemd is told by the supervisor, and by nobody else.
    inherited = {name: value for name, value in os.environ.items() if name != NOTIFY_SOCKET}
    return await asyncio.create_subprocess_exec(
        *command,
        env={**inherited, **environment, SUPERVISOR_PID: str(os.getpid()), SUPERVISED: "1"},
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin.fileno(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=MAX_LINE,
        pass_fds=keep,
        # A process group of its own: Ctrl-C in the terminal is for the supervisor alone, which
        # stops the roles in order.
        process_group=0,
    )
