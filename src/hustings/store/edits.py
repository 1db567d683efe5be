"""Edited versions of recordings (editions), with the jobs that make them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.store.connection import reading, writing
from hustings.store.jobs import Job, enqueue
from hustings.store.tables_jobs import jobs, recording_edits


@dataclass(frozen=True, slots=True)
class Edit:
    """One edition. `broadcast`: the original's; `asked`: JSON; times are Unix seconds."""

    edition: str
    broadcast: str
    number: int
    slug: str
    asked: str
    asked_at: float
    asked_by: str
    take_down: bool
    public: bool = False
    published_at: float | None = None
    dropped_at: float | None = None


class EditStore:
    """Raises Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def all(self) -> list[Edit]:
        """In the order in which they were asked for."""
        query = select(recording_edits).order_by(recording_edits.c.broadcast_id, recording_edits.c.number)
        async with reading(self._engine) as connection:
            return [_edit(row) for row in (await connection.execute(query)).mappings()]

    async def add(self, edit: Edit, job: Job) -> bool:
        """The edition and the job that makes it, in one transaction. False: that number, or that identifier,
        is taken."""
        try:
            async with writing(self._engine) as connection:
                await connection.execute(
                    insert(recording_edits).values(
                        edition_id=edit.edition,
                        broadcast_id=edit.broadcast,
                        number=edit.number,
                        slug=edit.slug,
                        asked=edit.asked,
                        asked_at=edit.asked_at,
                        asked_by=edit.asked_by,
                        take_down=edit.take_down,
                        public=edit.public,
                        published_at=edit.published_at,
                        dropped_at=edit.dropped_at,
                    )
                )
                await enqueue(connection, job)
        except IntegrityError:
            return False
        return True

    async def publish(self, broadcast: str, edition: str, at: float) -> None:
        """Of this original's editions this one is public from now on; "": none of them."""
        table = recording_edits
        async with writing(self._engine) as connection:
            of_it = update(table).where(table.c.broadcast_id == broadcast)
            await connection.execute(of_it.where(table.c.edition_id != edition).values(public=False))
            await connection.execute(
                of_it.where(table.c.edition_id == edition, table.c.public.is_(False)).values(
                    public=True, published_at=at
                )
            )

    async def drop(self, edition: str, job: str, at: float) -> None:
        """It is given up; what is not made yet is not made any more."""
        table = recording_edits
        async with writing(self._engine) as connection:
            await connection.execute(
                update(table).where(table.c.edition_id == edition).values(public=False, dropped_at=at)
            )
            await connection.execute(delete(jobs).where(jobs.c.id == job))


def _edit(row: RowMapping) -> Edit:
    return Edit(
        row["edition_id"],
        row["broadcast_id"],
        row["number"],
        row["slug"],
        row["asked"],
        row["asked_at"],
        row["asked_by"],
        row["take_down"],
        row["public"],
        row["published_at"],
        row["dropped_at"],
    )
