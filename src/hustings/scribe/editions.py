"""Editions as jobs: each made in a process of its own, seen by nobody but hosts until it is published."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import Counter

from hustings.archive.orders import EDIT_KIND, EditOrder, edit_id
from hustings.archive.tombstone import is_deleted
from hustings.bus.messages import DownloadState, EditReport
from hustings.clock import Clock
from hustings.errors import Unavailable
from hustings.ids import is_broadcast_id, is_slug
from hustings.scribe.child import Child, Said
from hustings.scribe.leases import Failed, Worker
from hustings.scribe.storage import Held
from hustings.store.jobs import OPEN, Jobs

log = structlog.get_logger()

COMMAND: Final = (sys.executable, "-P", "-m", "hustings.scribe.edit")
_UNFINISHED: Final = re.compile(r"\.([0-9]{8}T[0-9]{6}-[0-9a-f]{6})\.[0-9]{1,7}\.editing")
_WATCH: Final = 1.0
"""Seconds between two looks whether an edition is still wanted while it is made."""

_editions = Counter(
    "hustings_scribe_editions_total", "Editions made, or tried to be, by outcome.", ["outcome"]
)

type Report = Callable[[EditReport], Awaitable[None]]


class Editions(Worker[EditOrder]):
    """One at a time. `command` is the program that makes it (tests have others)."""

    kind = EDIT_KIND
    lease = 20.0  # while a part is being taken down, nobody hears anything
    tries = 6

    def __init__(
        self,
        jobs: Jobs,
        report: Report,
        clock: Clock,
        data: Path,
        command: Sequence[str] = COMMAND,
        held: Held | None = None,
    ) -> None:
        super().__init__(jobs, clock, EditOrder)
        self._report = report
        self._rooms = data / "rooms"
        self._data = data
        self._child = Child(command, Said, clock)
        self._held = held or Held(None)

    async def let_go(self, broadcast: str) -> None:
        """Ends what is being made of this broadcast's recording."""
        await self._child.let_go(broadcast)

    async def work(self, order: EditOrder) -> None:
        """Makes the edition."""
        named = is_slug(order.slug) and is_broadcast_id(order.broadcast) and is_broadcast_id(order.edition)
        folder = self._rooms / order.slug / order.broadcast
        if not named or not folder.is_dir() or is_deleted(folder):
            raise Failed("There is no such recording.", final=True)
        await self._tell(order, "making")
        task = {"data": str(self._data), "order": order}
        watching = asyncio.create_task(self._watch(order))
        try:
            async with self._held.local(folder):
                await self._child.run(order.broadcast, task, partial(self._tell, order, "making"))
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, order: EditOrder) -> None:
        """Ends it when nobody wants it any more."""
        while True:
            await asyncio.sleep(_WATCH)
            with contextlib.suppress(Unavailable):
                if not await self._wanted(order):
                    await self._child.let_go(order.broadcast)

    async def _wanted(self, order: EditOrder) -> bool:
        return (await self._jobs.standing(EDIT_KIND)).get(edit_id(order.edition), ("", ""))[0] == OPEN

    async def ended(self, order: EditOrder, error: Failed | None, *, again: bool) -> None:
        """Counts it, and says so."""
        if error is None:
            _editions.labels("made").inc()
            log.info("made an edition", slug=order.slug, number=order.number)
            await self._tell(order, "made", 1.0)
            return
        log.warning("an edition was not made", slug=order.slug, number=order.number, why=error.problem)
        _editions.labels("failed" if again else "given up").inc()
        await self._tell(order, "waiting" if again else "failed", problem=error.problem)

    async def between(self) -> None:
        """Whatever is half made now, nobody goes on with."""
        standing = await self._jobs.standing(EDIT_KIND)
        if not any(state == OPEN for state, _ in standing.values()):  # another scribe may be at it
            await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        for path in self._rooms.glob("*/.*.editing"):
            if _UNFINISHED.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path)

    async def _tell(
        self, order: EditOrder, state: DownloadState, progress: float = 0.0, problem: str = ""
    ) -> None:
        await self._report(
            EditReport(
                broadcast_id=order.broadcast,
                slug=order.slug,
                edition=order.edition,
                state=state,
                progress=progress,
                problem=problem,
            )
        )
