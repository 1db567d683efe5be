"""What every role process shares: logs, the bus connection, signals, readiness and metrics.

async with role_runtime("stage", settings) as runtime:
    ...                              # open doors, subscribe on runtime.bus
    await runtime.ready("127.0.0.1:8002")
    await runtime.stopped.wait()     # set by SIGTERM or SIGINT
    ...                              # close in order
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, disable_created_metrics, generate_latest

from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import RoleMetrics, RoleReady
from hustings.config import Settings
from hustings.errors import UsageError
from hustings.log import configure_logging
from hustings.notify import notify, status

log = structlog.get_logger()

# Else each counter has one series more, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's types leave it out

METRICS_INTERVAL = 2.0
"""Seconds between two RoleMetrics."""
SUPERVISOR_PID = "HUSTINGS_SUPERVISOR_PID"
"""Set in the environment of the supervisor's children: whose end is theirs too."""


class RoleRuntime:
    """One running role. `name` is "stage", "studio" or "edge-0"; it labels logs and metrics."""

    def __init__(self, name: str, settings: Settings, bus: Bus, registry: CollectorRegistry) -> None:
        self.name = name
        self.settings = settings
        self.bus = bus
        self.stopped = asyncio.Event()
        self._registry = registry
        self._ready: RoleReady | None = None

    async def ready(self, address: str = "") -> None:
        """Tells the supervisor that the role serves now, at HOST:PORT `address` as really bound.

        Said again with every metrics message, so that a bus restart cannot swallow it.
        """
        self._ready = RoleReady(role=self.name, pid=os.getpid(), address=address)
        await self.bus.publish(subjects.ROLE_READY, self._ready)
        notify("READY=1", status(f"{self.name} serves"))
        log.info("ready")

    def stop(self) -> None:
        """Asks the role to end, as SIGTERM does."""
        self.stopped.set()

    async def _report(self) -> None:
        """Metrics and readiness, until cancelled; also notices a supervisor that is gone."""
        parent = int(os.environ.get(SUPERVISOR_PID, "0"))
        while True:
            if parent and os.getppid() != parent:
                self.stop()
                log.warning("the supervisor is gone; stopping")
                return
            text = generate_latest(self._registry).decode()
            await self.bus.publish(
                subjects.ROLE_METRICS, RoleMetrics(role=self.name, pid=os.getpid(), text=text)
            )
            if self._ready is not None:
                await self.bus.publish(subjects.ROLE_READY, self._ready)
                # A watchdog wants to know whether the event loop turns; a bus that is away is no reason to be
                # killed, but a status.
                told = f"{self.name} serves" if self.bus.connected else f"{self.name}: the bus is away"
                notify("WATCHDOG=1", status(told))
            await asyncio.sleep(METRICS_INTERVAL)


@contextlib.asynccontextmanager
async def role_runtime(
    name: str, settings: Settings, *, registry: CollectorRegistry = REGISTRY
) -> AsyncIterator[RoleRuntime]:
    """Runs the body as the role `name`: logs on stderr, bus connected, SIGTERM and SIGINT set `stopped`.

    `settings.bus` must name the bus (nats://user:password@host:port). Raises UsageError when it is
    empty and Unavailable when the bus does not answer. The bus is closed when the body ends.
    """
    configure_logging(name, json_lines=settings.log_json)
    if not settings.bus:
        raise UsageError("No bus: give --bus nats://USER:PASSWORD@HOST:PORT or set HUSTINGS_BUS.")
    bus = await Bus.connect(settings.bus, name)
    runtime = RoleRuntime(name, settings, bus, registry)
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not in the main thread (a test's): nobody to catch signals for.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, runtime.stop)
            caught.append(number)
    reporter = asyncio.create_task(runtime._report())
    try:
        yield runtime
    finally:
        notify("STOPPING=1")
        reporter.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reporter
        for number in caught:
            loop.remove_signal_handler(number)
        await bus.close()
        log.info("stopped")
