"""All workers of the scribe, as they know one another and the bus."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hustings.archive.open_store import open_objects
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import DownloadReport, EditReport, JobsDue, RecordingDeleted, RecordingReady
from hustings.clock import SystemClock
from hustings.config import Settings
from hustings.scribe.deletions import Deletions
from hustings.scribe.editions import Editions
from hustings.scribe.remove import Remover
from hustings.scribe.storage import Held, Storage
from hustings.scribe.work import Scribe
from hustings.store.engine import database_url, open_engine
from hustings.store.jobs import Jobs
from hustings.store.server_key import server_key

type AnyWorker = Scribe | Editions | Deletions | Storage


@contextlib.asynccontextmanager
async def open_workers(settings: Settings, bus: Bus) -> AsyncIterator[list[AnyWorker]]:
    """With the database open; woken by the bus. Raises UsageError, Unavailable."""
    objects = open_objects(settings)
    engine = open_engine(database_url(settings))
    try:
        jobs, clock, held = Jobs(engine), SystemClock(), Held(objects)
        storage: Storage | None = None
        if objects is not None:
            days = settings.objects_local_days
            storage = Storage(jobs, clock, settings.data, objects, held, days)

        async def add_to_store(slug: str, broadcast: str) -> None:
            if storage is not None:
                await storage.order(slug, broadcast)

        async def report(message: DownloadReport) -> None:
            await bus.publish(subjects.DOWNLOAD_REPORT, message)
            if message.state == "made":
                await add_to_store(message.slug, message.broadcast_id)

        async def edited(message: EditReport) -> None:
            await bus.publish(subjects.EDIT_REPORT, message)
            if message.state == "made":
                await add_to_store(message.slug, message.edition)

        async def deleted(message: RecordingDeleted) -> None:
            await bus.publish(subjects.RECORDING_DELETED, message)

        async def recorded(message: RecordingReady) -> None:
            await add_to_store(message.slug, message.broadcast_id)

        makers: list[Scribe | Editions | Storage] = [
            Scribe(jobs, report, clock, settings.data, held=held),
            Editions(jobs, edited, clock, settings.data, held=held),
            *([storage] if storage is not None else []),
        ]

        async def let_go(broadcast: str) -> None:
            for maker in makers:
                await maker.let_go(broadcast)

        spare = Path(settings.record_spare) if settings.record_spare else None
        remover = Remover(settings.data, spare, server_key(settings.data), objects)
        workers: list[AnyWorker] = [*makers, Deletions(jobs, remover, deleted, let_go, clock)]

        def due() -> None:
            for worker in workers:
                worker.due()

        await bus.subscribe(subjects.JOBS_DUE, JobsDue, lambda _message: due())
        await bus.subscribe(subjects.RECORDING_READY, RecordingReady, recorded)
        bus.on_reconnect(due)
        yield workers
    finally:
        await engine.dispose()
