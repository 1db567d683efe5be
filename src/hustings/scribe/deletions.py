"""Deletions as jobs: done at once, whatever is being made meanwhile, and tried until they succeed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import Counter

from hustings.archive.objects import StoreFailed
from hustings.archive.orders import DELETE_KIND, Deletion
from hustings.bus.messages import RecordingDeleted
from hustings.clock import Clock
from hustings.errors import Corrupt
from hustings.scribe.leases import Failed, Worker
from hustings.scribe.remove import Remover
from hustings.store.jobs import Jobs

log = structlog.get_logger()

LEASE: Final = 20.0
"""Seconds until another may do it, if this one was killed before anything was renamed: what is to go is not
served for longer than a minute. Two at the same work do no harm."""
SWEEP: Final = 3600.0
"""Seconds between two looks at what may have come to lie beside a tombstone."""

_deleted = Counter("hustings_scribe_deletions_total", "Recordings deleted, or tried to be.", ["outcome"])

type Report = Callable[[RecordingDeleted], Awaitable[None]]


class Deletions(Worker[Deletion]):
    """`let_go`: ends what is being made of a broadcast's recording, before its files go. Never given
    up: somebody has been told that it goes."""

    kind = DELETE_KIND
    lease = LEASE

    def __init__(
        self,
        jobs: Jobs,
        remover: Remover,
        report: Report,
        let_go: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        super().__init__(jobs, clock, Deletion)
        self._remover = remover
        self._report = report
        self._let_go = let_go
        self._swept: float | None = None

    async def between(self) -> None:
        """Looks, now and then, for what should not be there."""
        await self.sweep()

    async def sweep(self) -> None:
        """Once after the start and then every hour."""
        now = self._clock.monotonic()
        if self._swept is not None and now - self._swept < SWEEP:
            return
        self._swept = now
        try:
            found = await asyncio.to_thread(self._remover.sweep)
        except OSError as error:
            log.warning("deleted recordings cannot be looked through", error=error.strerror)
            return
        if found:
            log.warning("something lay beside tombstones, and was removed", recordings=found)

    async def work(self, order: Deletion) -> None:
        """Removes it."""
        await self._let_go(order.broadcast)
        try:
            await asyncio.to_thread(self._remover.delete, order, self._clock.wall())
        except StoreFailed as error:
            raise Failed(error.problem, final=False) from error
        except (OSError, Corrupt) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise Failed(f"The disk refuses: {problem}.", final=False) from error

    async def ended(self, order: Deletion, error: Failed | None, *, again: bool) -> None:
        """Counts it, and says so."""
        if error is not None:
            _deleted.labels("failed").inc()
            log.error("a recording was not deleted", slug=order.slug, why=error.problem)
            return
        _deleted.labels("deleted").inc()
        log.info("deleted a recording", slug=order.slug, why=order.why)
        await self._report(RecordingDeleted(broadcast_id=order.broadcast, slug=order.slug))
