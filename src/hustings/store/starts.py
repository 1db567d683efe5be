"""What is noted of how a broadcast began: the public start record outlives restarts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import func, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.errors import Unavailable
from hustings.store.connection import reading
from hustings.store.tables import start_notes

type NoteKind = Literal["speaker", "sound", "incident"]
ONCE: Final = ("speaker", "sound")
"""Kinds of which the first counts."""


@dataclass(frozen=True, slots=True)
class Note:
    """`speaker`: the first one was connected on the stage; `sound`: the first sound left an edge; `incident`:
    `what` went wrong. `at`: Unix seconds."""

    kind: NoteKind
    at: float
    what: str = ""


type Also = Callable[[AsyncConnection], Awaitable[None]]


class StartStore:
    """Notes by broadcast, in the order they were written. Raises Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def notes(self, broadcast_ids: Sequence[str]) -> dict[str, list[Note]]:
        """Of these broadcasts."""
        found: defaultdict[str, list[Note]] = defaultdict(list)
        for first in range(0, len(broadcast_ids), 500):
            some = broadcast_ids[first : first + 500]
            query = (
                select(start_notes)
                .where(start_notes.c.broadcast_id.in_(some))
                .order_by(start_notes.c.broadcast_id, start_notes.c.number)
            )
            async with reading(self._engine) as connection:
                for row in (await connection.execute(query)).mappings():
                    found[row["broadcast_id"]].append(Note(row["kind"], row["at"], row["what"]))
        return dict(found)

    async def add(
        self,
        broadcast_id: str,
        note: Note,
        also: Also | None = None,
    ) -> None:
        """Writes one more; of a kind in ONCE the first stays. `also`: what is written with it."""
        of_it = start_notes.c.broadcast_id == broadcast_id
        try:
            async with self._engine.begin() as connection:
                if note.kind in ONCE:
                    known = select(func.count()).where(of_it, start_notes.c.kind == note.kind)
                    if (await connection.execute(known)).scalar_one():
                        return
                count = (await connection.execute(select(func.count()).where(of_it))).scalar_one()
                values = {"kind": note.kind, "at": note.at, "what": note.what}
                await connection.execute(
                    insert(start_notes).values(broadcast_id=broadcast_id, number=count, **values)
                )
                if also is not None:
                    await also(connection)
        except SQLAlchemyError as error:
            raise Unavailable(f"The database cannot be used: {type(error).__name__}") from error
