"""Jobs: what must be done once something else is committed, and is tried until it succeeds.

A job is written in the transaction of its cause (`enqueue`), so there is none without the other. Whoever
does it leases it first; a lease that runs out (the process died) lets another try. So a job may be done
twice: what it does must bear that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.store.connection import reading, writing
from hustings.store.tables_jobs import jobs

OPEN, DONE, DEAD = "open", "done", "dead"
NOTE_LENGTH = 200
_LOOKED_AT = 64
"""Due jobs looked at in one go."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done. `id` stays the same over all attempts."""

    id: str
    kind: str
    subject: str
    body: str
    created_at: float
    due_at: float
    attempts: int = 0


async def enqueue(connection: AsyncConnection, job: Job) -> None:
    """Writes a job down, to be done once the caller's transaction is committed."""
    await connection.execute(
        insert(jobs).values(
            id=job.id,
            kind=job.kind,
            subject=job.subject,
            body=job.body,
            state=OPEN,
            attempts=job.attempts,
            created_at=job.created_at,
            due_at=job.due_at,
            note="",
        )
    )


async def count_open(connection: AsyncConnection, subject: str) -> int:
    """How many jobs about `subject` wait."""
    query = select(func.count()).where(jobs.c.subject == subject, jobs.c.state == OPEN)
    return int(await connection.scalar(query) or 0)


class Jobs:
    """Raises Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction for `enqueue`, where the cause of the jobs is none."""
        return writing(self._engine)

    async def lease(
        self, kind: str, at: float, seconds: float, places: int, busy: Mapping[str, int], per_subject: int
    ) -> list[Job]:
        """At most `places` due jobs, the longest due first, now ours for `seconds`.

        `busy`: how many of each subject are being done; none gets more than `per_subject`.
        """
        taken: list[Job] = []
        full = {subject for subject, number in busy.items() if number >= per_subject}
        now_busy = Counter(busy)
        while len(taken) < places:
            found = await self._lease_some(kind, at, seconds, full, {job.id for job in taken})
            chosen: list[Job] = []
            for job in found:
                if len(taken) + len(chosen) < places and now_busy[job.subject] < per_subject:
                    now_busy[job.subject] += 1
                    chosen.append(job)
            taken += await self._take(chosen, at, at + seconds)
            full = {subject for subject, number in now_busy.items() if number >= per_subject}
            if len(found) < _LOOKED_AT or not chosen:
                break
        return taken

    async def _lease_some(
        self, kind: str, at: float, seconds: float, full: Collection[str], ours: Collection[str]
    ) -> list[Job]:
        query = (
            select(jobs)
            .where(jobs.c.kind == kind, jobs.c.state == OPEN, jobs.c.due_at <= at)
            .where(_free(at))
            .where(jobs.c.subject.not_in(full), jobs.c.id.not_in(ours))
            .order_by(jobs.c.due_at, jobs.c.created_at)
            .limit(_LOOKED_AT)
        )
        async with reading(self._engine) as connection:
            return [_job(row) for row in (await connection.execute(query)).mappings()]

    async def _take(self, chosen: list[Job], at: float, until: float) -> list[Job]:
        """Those of `chosen` that nobody else was quicker to take."""
        if not chosen:
            return []
        won: list[Job] = []
        async with writing(self._engine) as connection:
            for job in chosen:
                mine = update(jobs).where(jobs.c.id == job.id, jobs.c.state == OPEN, _free(at))
                if (await connection.execute(mine.values(leased_until=until))).rowcount:
                    won.append(job)
        return won

    async def done(self, job: Job, at: float, note: str) -> None:
        await self._end(job, DONE, at, note)

    async def bury(self, job: Job, at: float, note: str) -> None:
        """It is tried no more."""
        await self._end(job, DEAD, at, note)

    async def add(self, job: Job) -> bool:
        """Writes a job of a known identifier down unless it waits already; one that is over is to be done
        again. Returns whether there is something to do now that was not there before."""
        async with writing(self._engine) as connection:
            known = await connection.scalar(select(jobs.c.state).where(jobs.c.id == job.id))
            if known is None:
                await enqueue(connection, job)
            elif known != OPEN:
                values = {"state": OPEN, "attempts": 0, "due_at": job.due_at, "ended_at": None, "note": ""}
                await connection.execute(
                    update(jobs)
                    .where(jobs.c.id == job.id)
                    .values(**values, body=job.body, created_at=job.created_at, leased_until=None)
                )
        return known != OPEN

    async def renew(self, job: Job, until: float) -> bool:
        """Keeps a leased job ours until then; False when it is open no more."""
        async with writing(self._engine) as connection:
            mine = update(jobs).where(jobs.c.id == job.id, jobs.c.state == OPEN)
            return bool((await connection.execute(mine.values(leased_until=until))).rowcount)

    async def standing(self, kind: str) -> dict[str, tuple[str, str]]:
        """State and note of every job of a kind, by identifier."""
        query = select(jobs.c.id, jobs.c.state, jobs.c.note).where(jobs.c.kind == kind)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).mappings()
            return {row["id"]: (row["state"], row["note"]) for row in rows}

    async def again(self, job: Job, due_at: float, note: str) -> None:
        """It is tried again at `due_at`."""
        values = {"attempts": job.attempts + 1, "due_at": due_at, "leased_until": None}
        await self._set(job, {**values, "note": note[:NOTE_LENGTH]})

    async def hurry(self, kind: str, at: float) -> None:
        """What waits for another try is tried at `at`: what held it up is over."""
        async with writing(self._engine) as connection:
            waiting = update(jobs).where(jobs.c.kind == kind, jobs.c.state == OPEN, jobs.c.due_at > at)
            await connection.execute(waiting.values(due_at=at))

    async def _end(self, job: Job, state: str, at: float, note: str) -> None:
        values = {"state": state, "attempts": job.attempts + 1, "ended_at": at, "leased_until": None}
        await self._set(job, {**values, "note": note[:NOTE_LENGTH]})

    async def _set(self, job: Job, values: Mapping[str, object]) -> None:
        async with writing(self._engine) as connection:
            await connection.execute(update(jobs).where(jobs.c.id == job.id).values(**values))

    async def drop(self, subject: str) -> None:
        """Forgets all jobs about `subject`."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(jobs).where(jobs.c.subject == subject))

    async def counts(self) -> dict[str, dict[str, int]]:
        """Of each subject: how many are open, done, dead."""
        query = select(jobs.c.subject, jobs.c.state, func.count().label("n")).group_by(
            jobs.c.subject, jobs.c.state
        )
        found: dict[str, dict[str, int]] = {}
        async with reading(self._engine) as connection:
            for row in (await connection.execute(query)).mappings():
                found.setdefault(row["subject"], {})[row["state"]] = row["n"]
        return found

    async def purge(self, done_before: float, dead_before: float) -> None:
        """Removes what has ended long ago."""
        async with writing(self._engine) as connection:
            for state, before in ((DONE, done_before), (DEAD, dead_before)):
                await connection.execute(delete(jobs).where(jobs.c.state == state, jobs.c.ended_at <= before))


def _free(at: float) -> ColumnElement[bool]:
    return or_(jobs.c.leased_until.is_(None), jobs.c.leased_until <= at)


def _job(row: RowMapping) -> Job:
    return Job(
        row["id"], row["kind"], row["subject"], row["body"], row["created_at"], row["due_at"], row["attempts"]
    )
