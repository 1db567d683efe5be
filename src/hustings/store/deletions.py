"""Recordings that are to be deleted, with the jobs that do it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.store.connection import reading, writing
from hustings.store.jobs import Job, enqueue
from hustings.store.tables_jobs import jobs, recording_deletions


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A recording somebody, or its age, has sentenced. `why`: host or retention."""

    broadcast: str
    slug: str
    why: str
    asked_at: float


class DeletionStore:
    """Raises Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def all(self) -> list[AskedFor]:
        async with reading(self._engine) as connection:
            rows = (await connection.execute(select(recording_deletions))).mappings()
            return [AskedFor(row["broadcast_id"], row["slug"], row["why"], row["asked_at"]) for row in rows]

    async def add(self, asked: AskedFor, job: Job) -> bool:
        """Both are written in one transaction, and what else was to be done with the recording is forgotten.
        False when that was so already."""
        try:
            async with writing(self._engine) as connection:
                await connection.execute(
                    insert(recording_deletions).values(
                        broadcast_id=asked.broadcast, slug=asked.slug, why=asked.why, asked_at=asked.asked_at
                    )
                )
                await connection.execute(delete(jobs).where(jobs.c.subject == asked.broadcast))
                await enqueue(connection, job)
        except IntegrityError:
            return False
        return True
