"""The edge role: opens the audience door and keeps everything fed until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
from typing import TYPE_CHECKING

import structlog
from prometheus_client import REGISTRY

from hustings.bus import subjects
from hustings.bus.messages import RecordingDeleted, RecordingReport, RecordingWithheld
from hustings.clock import SystemClock
from hustings.config import Settings
from hustings.counted_apart import read_bots
from hustings.countries import countries_of_role
from hustings.edge.app import TICK, Edge
from hustings.edge.counting_bus import CountingBus
from hustings.edge.rooms import RoomSync
from hustings.edge.tls import Pipes, TlsConnection
from hustings.role import RoleRuntime, role_runtime
from hustings.sockets import AUDIENCE_BACKLOG, audience_door
from hustings.tls import server_tls

if TYPE_CHECKING:
    from hustings.tls.server import ServerTls

log = structlog.get_logger()

REPORT_EVERY = 5.0
"""Seconds between two AudienceReports."""
WAIT_FOR_ROOMS = 10.0
WAIT_FOR_WINDOW = 5.0
"""Seconds the door stays closed at the start while rooms and media come in."""
MOVE_WITHIN = 6.0
"""Seconds over which listeners spread when they move to the process that takes this one's place."""
LEAVE_WITHIN = 30.0
"""Seconds after which who has not gone by himself is told goodbye: plain streams, old clients."""
DRAIN = 3.0
"""Seconds to let last words go out."""


async def run_edge(settings: Settings, index: int) -> None:
    """Serves the audience until SIGTERM or SIGINT. `index` tells the edges of one machine apart.

    Raises UsageError when the door cannot be opened or a file not be used (certificate, lists of the
    audience), Unavailable when the bus does not answer.
    """
    async with role_runtime(f"edge-{index}", settings) as runtime:
        edge = Edge(
            settings,
            bus=runtime.bus,
            clock=SystemClock(),
            call_soon=asyncio.get_running_loop().call_soon,
            bots=read_bots(settings),
        )
        edge.counting.countries = countries_of_role(settings)
        tls = server_tls(settings, edge.clock)
        edge.metrics.register(REGISTRY)
        try:
            await _serve(edge, settings, runtime, tls)
        finally:
            REGISTRY.unregister(edge.metrics)


async def _serve(edge: Edge, settings: Settings, runtime: RoleRuntime, tls: ServerTls | None) -> None:
    pipes = Pipes()

    def accept() -> asyncio.Protocol:
        connection = edge.connection()
        return TlsConnection(connection, tls.current, pipes) if tls is not None else connection

    sync = RoomSync(runtime.bus, edge.book)
    runtime.bus.on_reconnect(sync.resync)
    runtime.bus.on_reconnect(edge.resync)
    await runtime.bus.subscribe(subjects.RECORDING_REPORT, RecordingReport, edge.recording_reported)
    await runtime.bus.subscribe(subjects.RECORDING_DELETED, RecordingDeleted, edge.recording_gone)
    await runtime.bus.subscribe(subjects.RECORDING_WITHHELD, RecordingWithheld, edge.recording_gone)
    counting = CountingBus(runtime.bus, edge.counting)
    tasks = [
        asyncio.create_task(sync.run()),
        asyncio.create_task(counting.run()),
        asyncio.create_task(_tick(edge)),
        asyncio.create_task(_report(edge, runtime)),
        asyncio.create_task(edge.outbox.run()),
    ]
    if tls is not None:
        tasks.append(asyncio.create_task(tls.watch()))
    try:
        await _load(edge, sync, runtime)
        sock = audience_door(settings.audience_door)
        server = await asyncio.get_running_loop().create_server(accept, sock=sock, backlog=AUDIENCE_BACKLOG)
        host, port = sock.getsockname()[:2]
        # What is here now stays for good: the collector need not look at it again, and the many small
        # objects of connections should not make it run all the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        await runtime.ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        handed_over = _when_told_to_hand_over()
        await _unless_stopped(handed_over.wait(), runtime)
        server.close()
        if handed_over.is_set():
            await _leave(edge, runtime)
        await _drain(edge)
        await counting.report()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _load(edge: Edge, sync: RoomSync, runtime: RoleRuntime) -> None:
    """Rooms first, then what the stage has of them; opens late rather than empty, but opens."""
    with contextlib.suppress(TimeoutError):
        await _unless_stopped(sync.loaded.wait(), runtime, WAIT_FOR_ROOMS)
    filled = [track.filled.wait() for channel in edge.channels.values() for track in channel.tracks.values()]
    filled += [channel.looked_back.wait() for channel in edge.channels.values() if channel.tracks]
    with contextlib.suppress(TimeoutError):
        await _unless_stopped(asyncio.gather(*filled), runtime, WAIT_FOR_WINDOW)


async def _unless_stopped(work: object, runtime: RoleRuntime, timeout: float | None = None) -> None:
    """Waits for `work`, for `timeout` seconds at most, or until the role is told to stop."""
    waiting = asyncio.ensure_future(work)  # type: ignore[call-overload]  # a coroutine or a future
    stopped = asyncio.ensure_future(runtime.stopped.wait())
    try:
        await asyncio.wait((waiting, stopped), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        stopped.cancel()
        await asyncio.gather(waiting, stopped, return_exceptions=True)


async def _tick(edge: Edge) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due += TICK
        await asyncio.sleep(due - loop.time())
        late = loop.time() - due
        try:
            edge.tick(late)
        except Exception:
            log.exception("edge tick failed")
        due = max(due, loop.time() - TICK)


async def _report(edge: Edge, runtime: RoleRuntime) -> None:
    edge_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    loop = asyncio.get_running_loop()
    due = loop.time() + REPORT_EVERY
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(edge.news.wait(), max(0.0, due - loop.time()))
        edge.news.clear()
        for sound in edge.first_sounds(edge_id):
            await runtime.bus.publish(subjects.AUDIENCE_SOUND, sound)
        if loop.time() >= due:
            due += REPORT_EVERY
            await runtime.bus.publish(subjects.AUDIENCE_REPORT, edge.audience(edge_id))


def _when_told_to_hand_over() -> asyncio.Event:
    """Set by SIGUSR1: another process listens at this door's very socket now."""
    told = asyncio.Event()
    with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread (a test's)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
    return told


async def _leave(edge: Edge, runtime: RoleRuntime) -> None:
    """Serves on while listeners move over to the other process; ends when they have, or in time."""
    log.info("handing over", connections=len(edge.connections))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    edge.leave(MOVE_WITHIN)
    while edge.connections and not runtime.stopped.is_set() and loop.time() < begun + LEAVE_WITHIN:
        if loop.time() > begun + MOVE_WITHIN:
            for connection in list(edge.connections):
                connection.drain()
        await asyncio.sleep(0.1)
    log.info("handed over", seconds=round(loop.time() - begun, 1), left=len(edge.connections))


async def _drain(edge: Edge) -> None:
    """Last words to everybody; then time for them to go out."""
    await edge.close()
    for connection in list(edge.connections):
        connection.drain()
    deadline = asyncio.get_running_loop().time() + DRAIN
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(edge.outbox.close(), DRAIN)
    while edge.connections and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)
    for connection in list(edge.connections):
        connection.transport.abort()
