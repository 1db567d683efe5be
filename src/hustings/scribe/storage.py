"""Recordings into the store, as jobs: sent and read back, their local files freed later, fetched back for
whoever needs them whole (archive/stored.py does it; docs/recording.md, Storage)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter as Tally
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from hustings.archive.model import INDEX_NAME
from hustings.archive.objects import Objects, StoreFailed
from hustings.archive.orders import STORE_KIND, StoreOrder, store_id
from hustings.archive.stored import (
    Changed,
    Stopped,
    ensure_local,
    forget,
    free,
    store_recording,
    unstored,
)
from hustings.archive.tombstone import is_deleted
from hustings.clock import Clock
from hustings.errors import Unavailable
from hustings.ids import is_broadcast_id, is_slug
from hustings.scribe.leases import Failed, Worker
from hustings.store.jobs import Job, Jobs

log = structlog.get_logger()

LOOK: Final = 3600.0
"""Seconds between two looks for what is not stored yet, and what may be freed."""
LETS_GO: Final = 5.0
"""Seconds a deletion waits for what is on its way to the store."""

_stores = Counter("hustings_scribe_store_jobs_total", "Recordings put into the store, or tried.", ["outcome"])
_sent = Counter("hustings_scribe_stored_bytes_total", "Bytes of recordings sent and read back.")
_freed = Counter("hustings_scribe_freed_bytes_total", "Bytes of recordings that left the data folder.")
_failing = Gauge("hustings_scribe_store_failing", "1 while the store has failed when it was last used.")


class Held:
    """Recordings that somebody is reading whole: nothing of them is freed meanwhile."""

    def __init__(self, objects: Objects | None) -> None:
        self._objects = objects
        self._held: Tally[Path] = Tally()
        self._locks: dict[Path, asyncio.Lock] = {}
        """Of each recording: its files come, or go, not both."""

    @contextlib.asynccontextmanager
    async def local(self, folder: Path) -> AsyncIterator[None]:
        """Inside, all files of the recording in `folder` are there as files: what was freed is fetched back
        first, and nothing is freed before the end. Raises Failed."""
        stop = threading.Event()
        async with self._using(folder):
            async with self._locks[folder]:
                try:
                    await asyncio.to_thread(ensure_local, folder, self._objects, stop=stop.is_set)
                except (OSError, Stopped) as error:
                    problem = getattr(error, "strerror", None) or str(error)
                    raise Failed(f"The recording cannot be fetched: {problem}", final=False) from error
                finally:
                    stop.set()
            yield

    async def free(self, folder: Path, days: float, now: float) -> int:
        """Frees what may be freed of a recording that nobody reads; returns how many bytes. Raises
        StoreFailed, OSError."""
        if self._objects is None:
            return 0
        async with self._using(folder), self._locks[folder]:
            if self._held[folder] > 1:
                return 0
            return await asyncio.to_thread(free, folder, self._objects, days, now)

    @contextlib.asynccontextmanager
    async def _using(self, folder: Path) -> AsyncIterator[None]:
        self._held[folder] += 1
        self._locks.setdefault(folder, asyncio.Lock())
        try:
            yield
        finally:
            self._held[folder] -= 1
            if not self._held[folder]:
                del self._held[folder], self._locks[folder]


class Storage(Worker[StoreOrder]):
    """`local_days`: when large files may leave the data folder, below 0: never. It is tried for ever."""

    kind = STORE_KIND
    lease = 20.0  # what a killed one had begun lies in the store until somebody goes on

    def __init__(
        self, jobs: Jobs, clock: Clock, data: Path, objects: Objects, held: Held, local_days: float
    ) -> None:
        super().__init__(jobs, clock, StoreOrder)
        self._data = data
        self._objects = objects
        self._held = held
        self._local_days = local_days
        self._given_up: set[str] = set()
        """Broadcasts whose recordings are being deleted: nothing of them is sent any more."""
        self._sending: tuple[str, threading.Event] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._looked: float | None = None

    async def order(self, slug: str, broadcast: str) -> None:
        """Something of this recording may not be in the store."""
        at = self._clock.wall()
        body = msgspec.json.encode(StoreOrder(slug=slug, broadcast=broadcast)).decode()
        try:
            await self._jobs.add(Job(store_id(broadcast), STORE_KIND, broadcast, body, at, at))
        except Unavailable:
            log.warning("a recording was not put on the list for the store", slug=slug)  # the next look does
        self.due()

    async def let_go(self, broadcast: str) -> None:
        """Nothing of this one is sent any more, but for what a store that hangs may take yet."""
        self._given_up.add(broadcast)
        if self._sending is not None and self._sending[0] == broadcast:
            self._sending[1].set()
            with contextlib.suppress(TimeoutError):  # what comes later is removed by who sends it
                await asyncio.wait_for(self._idle.wait(), LETS_GO)

    async def work(self, order: StoreOrder) -> None:
        """Sends what is missing, then frees what may be freed."""
        folder = self._folder(order.slug, order.broadcast)
        if folder is None or order.broadcast in self._given_up:
            return
        stop = threading.Event()
        self._sending = (order.broadcast, stop)
        self._idle.clear()
        sending = asyncio.ensure_future(asyncio.to_thread(self._store, folder, stop))
        sending.add_done_callback(lambda _done: self._idle.set())
        try:
            await asyncio.shield(sending)
            _freed.inc(await self._held.free(folder, self._local_days, self._clock.wall()))
        except asyncio.CancelledError:
            stop.set()
            raise
        except Stopped:
            return
        except Changed as error:
            raise Failed(f"{error} changed while it was sent; it is sent again.", final=False) from error
        except StoreFailed as error:
            raise Failed(error.problem, final=False) from error
        except OSError as error:
            raise Failed(f"The disk refuses: {error.strerror or error}.", final=False) from error
        finally:
            self._sending = None
            _failing.set(bool(self._objects.problem))

    def _store(self, folder: Path, stop: threading.Event) -> None:
        try:
            # Again, for what was made meanwhile.
            while store_recording(folder, self._objects, self._clock.wall, stop=stop.is_set, sent=_sent.inc):
                pass
        finally:
            if is_deleted(folder):
                with contextlib.suppress(OSError):  # else the hourly look does it (Remover.sweep)
                    forget(folder, self._objects)

    async def ended(self, order: StoreOrder, error: Failed | None, *, again: bool) -> None:
        """Counts it."""
        _stores.labels("failed" if error is not None else "stored").inc()
        if error is not None:
            log.error("a recording is not in the store", slug=order.slug, why=error.problem)
        else:
            await self._jobs.hurry(STORE_KIND, self._clock.wall())  # the store is back for the others, too

    async def between(self) -> None:
        """Looks, after the start and every hour, for what is not stored, and for what may be freed."""
        now = self._clock.monotonic()
        if self._looked is not None and now - self._looked < LOOK:
            return
        if self._looked is None:
            await self._jobs.hurry(STORE_KIND, self._clock.wall())  # somebody may have mended what was wrong
            self.due()
        self._looked = now
        for folder in await asyncio.to_thread(self._recordings):
            try:
                if await asyncio.to_thread(unstored, folder):
                    await self.order(folder.parent.name, folder.name)
                else:
                    _freed.inc(await self._held.free(folder, self._local_days, self._clock.wall()))
            except OSError as error:
                log.warning("what is stored cannot be looked through", why=error.strerror or str(error))
                _failing.set(bool(self._objects.problem))
                return

    def _recordings(self) -> list[Path]:
        found = sorted((self._data / "rooms").glob(f"*/*/{INDEX_NAME}"))
        folders = (self._folder(path.parent.parent.name, path.parent.name) for path in found)
        return [each for each in folders if each is not None and each.name not in self._given_up]

    def _folder(self, slug: str, broadcast: str) -> Path | None:
        """Of a recording that is over; None when there is none."""
        if not (is_slug(slug) and is_broadcast_id(broadcast)):
            return None
        folder = self._data / "rooms" / slug / broadcast
        return folder if (folder / INDEX_NAME).is_file() and not is_deleted(folder) else None
