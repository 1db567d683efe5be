"""The scribe's work: jobs leased from the database, each done in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from hustings.archive.made import Made, MakingState, Order, write_state
from hustings.archive.orders import KIND
from hustings.archive.tombstone import is_deleted
from hustings.bus.messages import DownloadReport, DownloadState
from hustings.clock import Clock
from hustings.ids import is_broadcast_id, is_slug
from hustings.scribe.child import Child, Said
from hustings.scribe.leases import Failed, Worker
from hustings.scribe.storage import Held
from hustings.store.jobs import Jobs

log = structlog.get_logger()

TRIES = 6
COMMAND = (sys.executable, "-P", "-m", "hustings.scribe.make")

_jobs = Counter("hustings_scribe_jobs_total", "Jobs the scribe has done or tried, by outcome.", ["outcome"])
_busy = Gauge("hustings_scribe_busy", "Jobs being done now.")
_seconds = Counter("hustings_scribe_made_seconds_total", "Seconds of sound in files that were made.")

type Report = Callable[[DownloadReport], Awaitable[None]]


class _Line(Said):
    """What scribe.make says."""

    made: Made | None = None


class Scribe(Worker[Order]):
    """One file at a time. `command` is the program that makes it (tests have others)."""

    kind = KIND
    tries = TRIES

    def __init__(
        self,
        jobs: Jobs,
        report: Report,
        clock: Clock,
        data: Path,
        command: Sequence[str] = COMMAND,
        held: Held | None = None,
    ) -> None:
        super().__init__(jobs, clock, Order)
        self._report = report
        self._data = data
        self._child = Child(command, _Line, clock)
        self._held = held or Held(None)

    async def let_go(self, broadcast: str) -> None:
        """Ends what is being made of this broadcast's recording; its process is gone afterwards."""
        await self._child.let_go(broadcast)

    async def work(self, order: Order) -> None:
        """Makes the file."""
        _busy.set(1)
        try:
            await self._tell(order, "making")
            made = await self._make(order)
        finally:
            _busy.set(0)
        _seconds.inc(made.seconds)
        log.info("made a download", kind=order.kind, slug=order.slug, seconds=made.seconds)

    async def ended(self, order: Order, error: Failed | None, *, again: bool) -> None:
        """Counts it, and says so."""
        if error is None:
            _jobs.labels("made").inc()
            await self._tell(order, "made", 1.0)
            return
        log.warning("a download was not made", kind=order.kind, slug=order.slug, why=error.problem)
        _jobs.labels("failed" if again else "given up").inc()
        await self._tell(order, "waiting" if again else "failed", problem=error.problem)

    async def _tell(
        self, order: Order, state: DownloadState, progress: float = 0.0, problem: str = ""
    ) -> None:
        # For the replay page, whichever edge serves it and however often that restarts.
        making = MakingState(state=state, progress=progress, problem=problem) if state != "made" else None
        folder = self._folder(order)
        if folder is not None:
            await asyncio.to_thread(write_state, folder, order.kind, making)
        await self._report(
            DownloadReport(
                broadcast_id=order.broadcast,
                slug=order.slug,
                kind=order.kind,
                state=state,
                progress=progress,
                problem=problem,
            )
        )

    def _folder(self, order: Order) -> Path | None:
        """The recording's; None when there is none."""
        folder = self._data / "rooms" / order.slug / order.broadcast
        named = is_slug(order.slug) and is_broadcast_id(order.broadcast)
        return folder if named and folder.is_dir() and not is_deleted(folder) else None

    async def _make(self, order: Order) -> Made:
        folder = self._folder(order)
        if folder is None:
            raise Failed("There is no such recording.", final=True)
        cover = order.episode.cover
        picture = self._data / "covers" / f"{cover}.webp"
        task = {
            "folder": str(folder),
            "order": order,
            "cover": str(picture) if cover.isalnum() and picture.is_file() else "",
        }
        async with self._held.local(folder):
            said = await self._child.run(order.broadcast, task, partial(self._tell, order, "making"))
        if said.made is None:
            raise Failed("The process that makes it said nothing.", final=False)
        return said.made
