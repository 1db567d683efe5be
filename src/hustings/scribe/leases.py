"""Jobs of one kind, one after another: leased, kept, ended, tried again. What the scribe's workers share."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import ClassVar, Final

import msgspec
import structlog

from hustings.bus.messages import UNDECODABLE
from hustings.clock import Clock
from hustings.errors import Unavailable
from hustings.store.jobs import Job, Jobs

log = structlog.get_logger()

POLL: Final = 30.0
"""Seconds between two looks for jobs; a JobsDue on the bus makes it at once."""
FIRST_RETRY: Final = 30.0
LONGEST_RETRY: Final = 3600.0


class Failed(Exception):
    """A job was not done. `problem`: a sentence for hosts; `final`: no further try would help."""

    def __init__(self, problem: str, *, final: bool) -> None:
        super().__init__(problem)
        self.problem = problem
        self.final = final


def retry_delay(attempts: int) -> float:
    """Seconds until the next try after `attempts` have failed."""
    return min(FIRST_RETRY * 4.0 ** max(0, attempts - 1), LONGEST_RETRY)


class Worker[Order](ABC):
    """Does the jobs of `kind`, whose bodies are `order`s. A job is ours for `lease` seconds, which are
    renewed while it is done; it is tried `tries` times, 0: for ever."""

    kind: ClassVar[str]
    lease: ClassVar[float] = 60.0
    tries: ClassVar[int] = 0

    def __init__(self, jobs: Jobs, clock: Clock, order: type[Order]) -> None:
        self._jobs = jobs
        self._clock = clock
        self._order = order
        self._wake = asyncio.Event()

    @abstractmethod
    async def work(self, order: Order) -> None:
        """Does it; it may have been done before, or half. Raises Failed."""

    @abstractmethod
    async def ended(self, order: Order, error: Failed | None, *, again: bool) -> None:
        """How it ended, once that is written down. `again`: it will be tried."""

    async def between(self) -> None:  # noqa: B027  # not every worker has something to do then
        """Whenever nothing is due."""

    def due(self) -> None:
        """There may be a job."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; what is under way then is done again by whoever comes next."""
        while True:
            self._wake.clear()
            try:
                while await self.do_one():
                    pass
                await self.between()
            except Unavailable:
                # The studio makes the tables at its first start; until then there is nothing to do.
                log.info("waiting for the database")
            except Exception:
                log.exception("a job failed", kind=self.kind)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL)

    async def do_one(self) -> bool:
        """Does the job that is longest due; False when there is none. Raises Unavailable."""
        leased = await self._jobs.lease(self.kind, self._clock.wall(), self.lease, 1, {}, 1)
        if not leased:
            return False
        job = leased[0]
        try:
            order = msgspec.json.decode(job.body, type=self._order)
        except UNDECODABLE:
            await self._jobs.bury(job, self._clock.wall(), "unreadable")
            return True
        await self._do(job, order)
        return True

    async def _do(self, job: Job, order: Order) -> None:
        keeping = asyncio.create_task(self._keep(job))
        try:
            await self.work(order)
        except Failed as error:
            await self._failed(job, order, error)
        except asyncio.CancelledError:
            # Stopped in order: the next one need not wait until the lease runs out.
            with contextlib.suppress(Exception):
                await asyncio.shield(self._jobs.renew(job, self._clock.wall()))
            raise
        else:
            await self._jobs.done(job, self._clock.wall(), "")
            await self.ended(order, None, again=False)
        finally:
            keeping.cancel()

    async def _failed(self, job: Job, order: Order, error: Failed) -> None:
        at = self._clock.wall()
        over = error.final or 0 < self.tries <= job.attempts + 1
        if over:
            await self._jobs.bury(job, at, error.problem)
        else:
            await self._jobs.again(job, at + retry_delay(job.attempts + 1), error.problem)
        await self.ended(order, error, again=not over)

    async def _keep(self, job: Job) -> None:
        """The job stays ours as long as we are at it."""
        while True:
            await asyncio.sleep(self.lease / 4)
            try:
                await self._jobs.renew(job, self._clock.wall() + self.lease)
            except Unavailable:
                log.warning("the lease could not be renewed")
