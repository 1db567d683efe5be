"""The studio as a process: database, bus, HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.archive.open_store import open_objects
from hustings.archive.record_keys import Signer
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.health_messages import NodeHealth
from hustings.bus.messages import (
    AudienceReport,
    DownloadReport,
    EditReport,
    FirstSound,
    JobsDue,
    RecordingDeleted,
    RecordingReady,
    RecordingReport,
    RecordingWithheld,
    RoleMetrics,
    RoleReady,
    RoomsSnapshotRequest,
    StageHello,
    StageLevels,
    StageReport,
)
from hustings.clock import Clock, SystemClock
from hustings.config import Settings, host_port
from hustings.counted_apart import read_bots
from hustings.countries import countries_of_role
from hustings.ids import secret_hash
from hustings.role import role_runtime
from hustings.sockets import studio_door
from hustings.store.accounts import AccountStore
from hustings.store.deletions import DeletionStore
from hustings.store.edits import EditStore
from hustings.store.engine import database_url, open_engine
from hustings.store.jobs import Jobs
from hustings.store.migrations import upgrade
from hustings.store.questions import QuestionStore
from hustings.store.record import RecordStore
from hustings.store.server_key import former_key, former_public, server_key
from hustings.store.starts import StartStore
from hustings.store.store import Store
from hustings.store.tokens import kept_secret, operator_token
from hustings.store.webhooks import WebhookStore
from hustings.studio.accounts.entry import Entry
from hustings.studio.accounts.service import Accounts
from hustings.studio.app import create_app
from hustings.studio.assets import Assets
from hustings.studio.audience import Audience
from hustings.studio.audience_page import AudiencePages
from hustings.studio.clips import Clips
from hustings.studio.covers import Covers
from hustings.studio.downloads import Downloads
from hustings.studio.edits import Edits
from hustings.studio.feeds import Feeds
from hustings.studio.holds import Holds
from hustings.studio.host_feeds import HostFeeds
from hustings.studio.i18n import load_texts
from hustings.studio.listeners import Listeners, accepts
from hustings.studio.operator.health import Health
from hustings.studio.operator.routes import Answers
from hustings.studio.operator.view import recordings
from hustings.studio.podcasts import Podcasts
from hustings.studio.published import Published
from hustings.studio.publisher import Publisher
from hustings.studio.ready import Readiness
from hustings.studio.record import Records
from hustings.studio.record_pages import RecordPages
from hustings.studio.renderer import Renderer
from hustings.studio.replays import Replays
from hustings.studio.room_files import RoomFiles
from hustings.studio.service import OPERATOR, Studio
from hustings.studio.sessions import SessionIds
from hustings.studio.shelf import Shelf
from hustings.studio.speaker_socket import SpeakerSockets
from hustings.studio.starter import starter
from hustings.studio.starts import Starts
from hustings.studio.talk_times import TalkTimes
from hustings.studio.tls_door import TlsDoor
from hustings.studio.trusted_time import clock_is_held, since_boot
from hustings.studio.urls import Urls
from hustings.studio.webhooks.recordings import RecordingHooks
from hustings.studio.webhooks.sender import Sender
from hustings.studio.webhooks.service import Webhooks
from hustings.tls import HSTS, server_tls

if TYPE_CHECKING:
    from hustings.tls.server import ServerTls

log = structlog.get_logger()

GRACE = 2
"""Seconds open requests and sockets get at shutdown; without a bound uvicorn waits for ever."""
HOUSEKEEPING = 1.0
EXPIRING = 15.0
TIDYING = 60.0
"""Seconds between two times that what has run out is removed from the database."""


async def run_studio(settings: Settings) -> None:
    """Serves the studio door until SIGTERM or SIGINT."""
    async with role_runtime("studio", settings) as runtime:
        tls = server_tls(settings, SystemClock())
        door = studio_door(settings.studio_door)
        with contextlib.closing(door):
            host, port = door.getsockname()[:2]
            urls = Urls(settings, studio_port=port)
            held = since_boot, clock_is_held
            async with studio_app(runtime.bus, settings, SystemClock(), urls, held) as app:
                server = _Server(server_config(app, tls, hsts=bool(settings.domain)))
                serving = asyncio.create_task(server.serve(sockets=[door]))
                stopping = asyncio.create_task(runtime.stopped.wait())
                watching = asyncio.create_task(tls.watch()) if tls else None
                while not server.started and not serving.done():
                    await asyncio.sleep(0.01)
                await runtime.ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
                await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if watching is not None:
                    watching.cancel()
                server.end()
                await serving


def prepare() -> None:
    """Loads what is loaded late otherwise. For a process in reserve."""
    import alembic.command  # noqa: F401
    import uvicorn.lifespan.off
    import uvicorn.loops.auto
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.auto  # noqa: F401

    Renderer(load_texts(), Assets())


def server_config(app: FastAPI, tls: ServerTls | None = None, *, hsts: bool = False) -> uvicorn.Config:
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
        # Sound does not get smaller, and nobody can send us a few bytes that become many.
        ws_per_message_deflate=False,
        # Nobody but a proxy on this machine may say whom it speaks for.
        forwarded_allow_ips="127.0.0.1",
        ssl_context_factory=(lambda _config, _default: tls.swapping()) if tls else None,
        headers=[("Strict-Transport-Security", HSTS)] if hsts else None,
    )


@contextlib.asynccontextmanager
async def studio_app(
    bus: Bus,
    settings: Settings,
    clock: Clock,
    urls: Urls,
    held: tuple[Callable[[], float], Callable[[], bool]] | None = None,
) -> AsyncIterator[FastAPI]:
    """With its database migrated and loaded and its bus served. `held`: two arguments of TrustedTime."""
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_engine(database_url(settings))
    store = Store(engine)
    try:
        await upgrade(engine)
        token = operator_token(settings.data)
        await store.keep_token(secret_hash(token), "data folder", OPERATOR, clock.wall())
        key = kept_secret(settings.data, "session-key").encode()
        studio = Studio(store, bus, clock, settings, urls, SessionIds(key), key)
        accounts = Accounts(AccountStore(engine), clock)
        await (entry := Entry(accounts, settings.data)).prepare()
        await studio.load()
        listeners = Listeners(studio, QuestionStore(engine), bus)
        await listeners.questions.load()
        renderer = Renderer(load_texts(), assets := Assets())
        feeds = Feeds(studio.board, bus, urls, clock)
        studio.on_events(feeds.happened)
        publisher = Publisher(feeds, studio.board, bus, renderer, urls, clock)
        publisher.accepts = accepts
        publisher.add(listeners.questions.pages)
        publisher.add(RoomFiles(Covers(settings.data / "covers"), urls, clock).of)
        publisher.add(Holds(settings.data / "hold").pages)
        recordings = await _recordings(bus, engine, studio, publisher, renderer)
        records, published = await _records(bus, engine, studio, publisher, renderer)
        audience = await _audience(bus, engine, studio, publisher, records)
        starts = await _starts(bus, engine, studio, publisher, records)
        talk_times = TalkTimes(studio.board, store)
        await talk_times.load()
        # An edge takes a room that is missing from the snapshot for removed: so none before all are there.
        await publisher.publish_due()
        await _subscribe(bus, studio, publisher)
        app = create_app(studio, accounts, entry, publisher, renderer, assets)
        await recordings.begin(app, bus)
        await bus.subscribe(subjects.STAGE_LEVELS, StageLevels, app.state.sockets.levelled)
        health = await _health(app, bus, studio, engine)
        app.state.starts, app.state.speaker_sockets = starts, await SpeakerSockets.begun(bus)
        app.state.webhooks = webhooks = await _webhooks(bus, engine, studio, key)
        app.state.published, app.state.audience = published, audience
        app.state.listeners, app.state.questions = listeners, listeners.questions
        listeners.on_reactions(app.state.sockets.reacted)
        await listeners.serve()
        await audience.serve()
        by_itself = starter(studio, *(held or (clock.monotonic, lambda: False)))
        work = (
            *(by_itself.run(), starts.run(), records.run(), *recordings.run()),
            *(feeds.run(), publisher.run(), talk_times.run(), *_house(studio)),
            *(audience.run(), health.run(), listeners.run(), webhooks.run(), _tidy(accounts, webhooks)),
        )
        async with _at_work(work, (talk_times.save, studio.link.close)):
            yield app
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def _at_work(
    work: Iterable[Coroutine[Any, Any, None]], last: Iterable[Callable[[], Awaitable[None]]]
) -> AsyncIterator[None]:
    """All of it goes on meanwhile; `last` comes after it."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in last:
            await each()


async def _subscribe(bus: Bus, studio: Studio, publisher: Publisher) -> None:
    def edge_ready(ready: RoleReady) -> None:
        if ready.role.startswith("edge") and not studio.urls.audience_port:
            studio.urls.audience_port = host_port(ready.address)[1]

    await bus.subscribe(subjects.STAGE_HELLO, StageHello, studio.stage_said_hello)
    await bus.subscribe(subjects.STAGE_REPORT, StageReport, studio.stage_reported)
    await bus.subscribe(subjects.RECORDING_REPORT, RecordingReport, studio.recording_reported)
    await bus.subscribe(subjects.AUDIENCE_REPORT, AudienceReport, studio.audience_reported)
    await bus.serve(subjects.ROOMS_SNAPSHOT, RoomsSnapshotRequest, publisher.snapshot)
    await bus.subscribe(subjects.ROLE_READY, RoleReady, edge_ready)


async def _health(app: FastAPI, bus: Bus, studio: Studio, engine: AsyncEngine) -> Health:
    """How the server is, for the operator's page, and whether this role can serve."""
    board, clock = studio.board, studio.clock
    app.state.ready = Readiness(lambda: bus.connected, engine, clock)
    health = app.state.health = Health(
        clock, lambda: bus.connected, lambda: recordings(board, clock.monotonic())
    )
    app.state.health_answers = Answers()
    await bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, health.role_said)
    await bus.subscribe(subjects.NODE_HEALTH, NodeHealth, health.node_said)
    return health


async def _records(
    bus: Bus, engine: AsyncEngine, studio: Studio, publisher: Publisher, renderer: Renderer
) -> tuple[Records, Published]:
    """Every room's public record, and what hosts publish in it."""
    data = studio.settings.data
    signer = Signer(server_key(data))
    store = RecordStore(engine, signer, lambda public: _former(data, public))
    records = Records(store, studio.board, data, studio.clock, signer, publisher.renew)
    studio.also.append(records.also)
    studio.on_events(records.committed)
    publisher.add(records.pages)
    published = Published(store, studio.store, studio.board, studio.clock, records)
    await published.load()
    publisher.add(published.pages)
    publisher.add_lists(RecordPages(renderer, signer.public, former_public(data)).pages)
    await bus.subscribe(subjects.RECORDING_READY, RecordingReady, records.recording_ready)
    await bus.subscribe(subjects.RECORDING_DELETED, RecordingDeleted, records.recording_deleted)
    return records, published


async def _audience(
    bus: Bus, engine: AsyncEngine, studio: Studio, publisher: Publisher, records: Records
) -> Audience:
    """Who listened."""
    audience = Audience(
        *(studio.board, records.store, bus, studio.clock, publisher.renew, records.written),
        seconds=studio.settings.audience_seconds,
        bots=read_bots(studio.settings),
        countries=countries_of_role(studio.settings),
    )
    await audience.load()
    publisher.add(audience.pages)
    studio.media.counted = audience.visitor
    return audience


async def _starts(
    bus: Bus, engine: AsyncEngine, studio: Studio, publisher: Publisher, records: Records
) -> Starts:
    """The record of how broadcasts began. Subscribed before the board: it compares with what was before."""
    starts = Starts(studio.board, StartStore(engine), studio.clock, publisher.renew, records)
    await starts.load()
    publisher.add(starts.pages)
    await bus.subscribe(subjects.STAGE_HELLO, StageHello, starts.stage_said_hello)
    await bus.subscribe(subjects.STAGE_REPORT, StageReport, starts.stage_reported)
    await bus.subscribe(subjects.RECORDING_REPORT, RecordingReport, starts.recording_reported)
    await bus.subscribe(subjects.AUDIENCE_REPORT, AudienceReport, starts.audience_reported)
    await bus.subscribe(subjects.AUDIENCE_SOUND, FirstSound, starts.first_sound)
    await bus.subscribe(subjects.ROLE_READY, RoleReady, starts.role_ready)
    bus.on_reconnect(starts.bus_was_lost)
    return starts


def _former(data: Path, public: str) -> Signer | None:
    key = former_key(data, public)
    return Signer(key) if key is not None else None


def _waker(bus: Bus) -> Callable[[JobsDue], Awaitable[None]]:
    async def wake(message: JobsDue) -> None:
        await bus.publish(subjects.JOBS_DUE, message)

    return wake


@dataclass(frozen=True, slots=True)
class _Recordings:
    """What has to do with recordings that are over."""

    shelf: Shelf
    replays: Replays
    downloads: Downloads
    edits: Edits

    def run(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return self.replays.run(), self.downloads.run(), self.shelf.run(), self.edits.run()

    async def begin(self, app: FastAPI, bus: Bus) -> None:
        app.state.downloads, app.state.shelf, app.state.edits = self.downloads, self.shelf, self.edits
        await bus.subscribe(subjects.RECORDING_READY, RecordingReady, self.replays.ready)
        await bus.subscribe(subjects.RECORDING_READY, RecordingReady, self.downloads.ready)
        await bus.subscribe(subjects.DOWNLOAD_REPORT, DownloadReport, self.downloads.reported)
        await bus.subscribe(subjects.RECORDING_DELETED, RecordingDeleted, self.shelf.deleted)
        await bus.subscribe(subjects.EDIT_REPORT, EditReport, self.edits.reported)


async def _recordings(
    bus: Bus, engine: AsyncEngine, studio: Studio, publisher: Publisher, renderer: Renderer
) -> _Recordings:
    """With the pages and feeds that tell of them, and what was given up before."""
    data, board, jobs = studio.settings.data, studio.board, Jobs(engine)
    wake = _waker(bus)
    board.keep_days = studio.settings.keep_days
    shelf = Shelf(data, board, DeletionStore(engine), jobs, wake, studio.clock)
    await shelf.load()
    replays = Replays(data, board, renderer, shelf.gone)
    downloads = Downloads(data, board, jobs, wake, publisher.renew, studio.clock, shelf.gone)
    podcasts = Podcasts(downloads.recordings, studio.urls, studio.clock, renderer.texts)
    publisher.add(replays.pages)
    publisher.add(Clips(renderer).pages)
    publisher.add(AudiencePages(renderer).pages)
    publisher.add(podcasts.pages)
    publisher.add_lists(HostFeeds(board.rooms, downloads.recordings, studio.urls, renderer.texts).pages)
    shelf.on_change(replays.look)
    shelf.on_change(downloads.look)

    async def withheld(message: RecordingWithheld) -> None:
        await bus.publish(subjects.RECORDING_WITHHELD, message)

    edits = Edits(
        *(data, shelf, EditStore(engine), jobs, wake, withheld, studio.clock),
        levelling=studio.settings.levelling,
        objects=open_objects(studio.settings, hasty=True),
    )
    edits.on_publish(downloads.published)
    await edits.load()
    return _Recordings(shelf, replays, downloads, edits)


async def _webhooks(bus: Bus, engine: AsyncEngine, studio: Studio, key: bytes) -> Webhooks:
    """Told of each command in its transaction, and of what becomes of recordings."""
    private = studio.settings.webhook_private
    webhooks = Webhooks(
        WebhookStore(engine), Jobs(engine), studio.clock, studio.urls, key, Sender(private), private
    )
    await webhooks.load()
    studio.also.append(webhooks.also)
    studio.on_events(webhooks.committed)
    hooks = RecordingHooks(webhooks, studio.board.room, studio.urls)
    await bus.subscribe(subjects.RECORDING_READY, RecordingReady, hooks.ready)
    await bus.subscribe(subjects.DOWNLOAD_REPORT, DownloadReport, hooks.made)
    await bus.subscribe(subjects.RECORDING_DELETED, RecordingDeleted, hooks.deleted)
    return webhooks


async def _tidy(accounts: Accounts, webhooks: Webhooks) -> None:
    while True:
        try:
            await accounts.tidy()
            await webhooks.tidy()
        except Exception:
            log.exception("tidying failed")
        await asyncio.sleep(TIDYING)


def _house(studio: Studio) -> tuple[Coroutine[Any, Any, None], ...]:
    """What is done from time to time."""
    return _keep_house(studio), _expire_offers(studio), studio.absences.run()


async def _keep_house(studio: Studio) -> None:
    while True:
        await asyncio.sleep(HOUSEKEEPING)
        studio.board.tick(studio.clock.monotonic())
        try:
            await studio.link.watch()
        except Exception:
            log.exception("housekeeping failed")


async def _expire_offers(studio: Studio) -> None:
    """Nobody waits for it: an offer past its time is refused before that is written down."""
    while True:
        await asyncio.sleep(EXPIRING)
        try:
            await studio.expire_due()
        except Exception:
            log.exception("expiring failed")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which the role has, and with a door of our own for TLS."""

    _accepting: asyncio.Task[None] | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Serves no more."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """As uvicorn's, which makes the Date header once a second, but told when to end, not looking."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        config = self.config
        if config.ssl is None or not sockets:
            await super().startup(sockets)
            return
        await self.lifespan.startup()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn does
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        self.servers = []
        self._accepting = asyncio.create_task(TlsDoor(protocol, config.ssl).run(sockets[0]))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        await super().shutdown(sockets)
