"""The studio as a process: database, bus, HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import structlog
import uvicorn
from fastapi import FastAPI

from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import AudienceReport, RoleReady, RoomsSnapshotRequest, StageHello, StageReport
from hustings.clock import Clock, SystemClock
from hustings.config import Settings, host_port
from hustings.errors import UsageError
from hustings.ids import secret_hash
from hustings.role import role_runtime
from hustings.store.engine import database_url, open_engine
from hustings.store.migrations import upgrade
from hustings.store.store import Store
from hustings.store.tokens import kept_secret, operator_token
from hustings.studio.app import create_app
from hustings.studio.assets import Assets
from hustings.studio.i18n import load_texts
from hustings.studio.publisher import Publisher
from hustings.studio.renderer import Renderer
from hustings.studio.service import OPERATOR, Studio
from hustings.studio.sessions import SessionIds
from hustings.studio.urls import Urls

log = structlog.get_logger()

GRACE = 2
"""Seconds open requests and sockets get at shutdown; without a bound uvicorn waits for ever."""
HOUSEKEEPING = 1.0


async def run_studio(settings: Settings) -> None:
    """Serves the studio door until SIGTERM or SIGINT."""
    async with role_runtime("studio", settings) as runtime:
        door = _listen(settings.studio_door)
        with contextlib.closing(door):
            host, port = door.getsockname()[:2]
            urls = Urls(settings, studio_port=port)
            async with studio_app(runtime.bus, settings, SystemClock(), urls) as app:
                server = _Server(server_config(app))
                serving = asyncio.create_task(server.serve(sockets=[door]))
                stopping = asyncio.create_task(runtime.stopped.wait())
                while not server.started and not serving.done():
                    await asyncio.sleep(0.01)
                await runtime.ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
                await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                server.should_exit = True
                await serving


def server_config(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves the studio door."""
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=15,
        ws_max_size=4096,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        # Nobody but a proxy on this machine may say whom it speaks for.
        forwarded_allow_ips="127.0.0.1",
    )


@contextlib.asynccontextmanager
async def studio_app(bus: Bus, settings: Settings, clock: Clock, urls: Urls) -> AsyncIterator[FastAPI]:
    """The application with its database migrated and loaded and its bus served; closed in order."""
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_engine(database_url(settings))
    store = Store(engine)
    try:
        await upgrade(engine)
        token = operator_token(settings.data)
        await store.keep_token(secret_hash(token), "data folder", OPERATOR, clock.wall())
        ids = SessionIds(kept_secret(settings.data, "session-key").encode())
        studio = Studio(store, bus, clock, settings, urls, ids)
        await studio.load()
        assets = Assets()
        renderer = Renderer(load_texts(), assets)
        publisher = Publisher(studio.board, bus, renderer, urls, clock)
        # An edge takes a room that is missing from the snapshot for removed: so none before all are there.
        await publisher.publish_due()
        await _subscribe(bus, studio, publisher)
        tasks = [asyncio.create_task(publisher.run()), asyncio.create_task(_keep_house(studio))]
        try:
            yield create_app(studio, publisher, renderer, assets)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await studio.link.close()
    finally:
        await store.close()


async def _subscribe(bus: Bus, studio: Studio, publisher: Publisher) -> None:
    def edge_ready(ready: RoleReady) -> None:
        if ready.role.startswith("edge") and not studio.urls.audience_port:
            studio.urls.audience_port = host_port(ready.address)[1]

    await bus.subscribe(subjects.STAGE_HELLO, StageHello, studio.stage_said_hello)
    await bus.subscribe(subjects.STAGE_REPORT, StageReport, studio.stage_reported)
    await bus.subscribe(subjects.AUDIENCE_REPORT, AudienceReport, studio.audience_reported)
    await bus.serve(subjects.ROOMS_SNAPSHOT, RoomsSnapshotRequest, publisher.snapshot)
    await bus.subscribe(subjects.ROLE_READY, RoleReady, edge_ready)


async def _keep_house(studio: Studio) -> None:
    while True:
        await asyncio.sleep(HOUSEKEEPING)
        studio.board.tick(studio.clock.monotonic())
        try:
            await studio.link.watch()
        except Exception:
            log.exception("housekeeping failed")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the role has its own."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _listen(door: str) -> socket.socket:
    """A listening socket at HOST:PORT. Raises UsageError when the address cannot be used."""
    host, port = host_port(door)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise UsageError(f"The studio door {door} cannot be opened: {error.strerror}.") from error
