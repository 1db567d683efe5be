"""The public record's entries (rooms/record.py): appended with their cause, never changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import insert, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.errors import Unavailable
from hustings.rooms.record import FIRST, KEY, canonical, entry_line, line_hash
from hustings.rooms.record_entries import Fact
from hustings.rooms.record_seal import Opening, sealed
from hustings.store.connection import reading
from hustings.store.tables import record_entries, record_openings, rooms

MAX_READ: Final = 1000
"""Lines read at once."""


class Signing(Protocol):
    """archive.record_keys.Signer."""

    @property
    def public(self) -> str: ...

    def sign(self, data: bytes) -> str: ...


class RecordStore:
    """`former` gives a key the server had before, by its public half; None when it is lost: then the record
    shows, and `hustings verify` says, that another key goes on with it. Raises Unavailable."""

    def __init__(self, engine: AsyncEngine, signer: Signing, former: Callable[[str], Signing | None]) -> None:
        self._engine = engine
        self._signer = signer
        self._former = former

    async def append(
        self, connection: AsyncConnection, slug: str, facts: Sequence[Fact], begin: Sequence[Fact] = ()
    ) -> None:
        """Within a transaction that has locked the room's row, as Store.execute's has. `begin`: what comes
        first where there is no entry yet."""
        seq, prev = await self._last(connection, slug)
        facts = [*begin, *facts] if seq == 0 else facts
        if not facts:
            return
        # Asked each time: what was appended may have been rolled back, or another process have another key.
        facts = [*await self._introduction(connection, slug, facts[0].at), *facts]
        for fact in facts:
            signer = self._signer
            if fact.kind == KEY and (was := fact.data.get("was")) is not None:
                signer = self._former(str(was)) or signer
            data = sealed(fact.data, fact.nonce) if fact.nonce else fact.data
            line = entry_line(
                room=slug, seq=seq, prev=prev, at=fact.at, kind=fact.kind, data=data, sign=signer.sign
            )
            prev = line_hash(line)
            values = {"slug": slug, "seq": seq, "hash": prev, "line": line.decode()}
            await connection.execute(insert(record_entries).values(**values))
            if fact.nonce:
                kept = {"slug": slug, "seq": seq, "nonce": fact.nonce, "data": canonical(fact.data).decode()}
                await connection.execute(insert(record_openings).values(**kept))
            seq += 1

    async def add(
        self, slug: str, facts: Sequence[Fact], *, begin: Sequence[Fact] = (), once: str = ""
    ) -> bool:
        """In a transaction of its own. With `once`, the name of a member, nothing is added when there is an
        entry of the first fact's kind, and with the same value there. Says whether it was added."""
        try:
            async with self._engine.begin() as connection:
                locked = select(rooms.c.id).where(rooms.c.slug == slug).with_for_update()
                if (await connection.execute(locked)).scalar_one_or_none() is None:
                    return False
                if once and await self._there(connection, slug, facts[0], once):
                    return False
                await self.append(connection, slug, facts, begin)
        except SQLAlchemyError as error:
            raise Unavailable(f"The database cannot be used: {type(error).__name__}") from error
        return True

    async def lines(self, slug: str, first: int) -> list[bytes]:
        """Entries from number `first` on, in order, MAX_READ at most."""
        query = (
            select(record_entries.c.line)
            .where(record_entries.c.slug == slug, record_entries.c.seq >= first)
            .order_by(record_entries.c.seq)
            .limit(MAX_READ)
        )
        async with reading(self._engine) as connection:
            return [line.encode() for line in (await connection.execute(query)).scalars()]

    async def entries(
        self, kinds: Sequence[str], *, slug: str = "", first: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Entries (their members) of these kinds, from number `first` on, in order, `limit` at most; of all
        rooms without `slug`."""
        # No text can hold this: its quotation marks have backslashes before them.
        named = [record_entries.c.line.contains(f'"kind":"{kind}"') for kind in kinds]
        query = select(record_entries.c.line).where(or_(*named), record_entries.c.seq >= first)
        if slug:
            query = query.where(record_entries.c.slug == slug)
        query = query.order_by(record_entries.c.slug, record_entries.c.seq).limit(limit)
        async with reading(self._engine) as connection:
            found = [json.loads(line) for line in (await connection.execute(query)).scalars()]
        return [members for members in found if members["kind"] in kinds]

    async def openings(self, slug: str, first: int = 0) -> list[Opening]:
        """What sealed entries were made of, from number `first` on, in order, MAX_READ at most."""
        query = (
            select(record_openings.c.seq, record_openings.c.nonce, record_openings.c.data)
            .where(record_openings.c.slug == slug, record_openings.c.seq >= first)
            .order_by(record_openings.c.seq)
            .limit(MAX_READ)
        )
        async with reading(self._engine) as connection:
            found = await connection.execute(query)
            return [Opening(row.seq, row.nonce, json.loads(row.data)) for row in found]

    async def kind_of(self, slug: str, seq: int) -> str:
        """Of one entry; "" when there is none."""
        query = select(record_entries.c.line).where(
            record_entries.c.slug == slug, record_entries.c.seq == seq
        )
        async with reading(self._engine) as connection:
            line = (await connection.execute(query)).scalar_one_or_none()
        return str(json.loads(line)["kind"]) if line is not None else ""

    async def hash_of(self, slug: str, seq: int) -> str:
        """Of one entry; "" when there is none."""
        query = select(record_entries.c.hash).where(
            record_entries.c.slug == slug, record_entries.c.seq == seq
        )
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalar_one_or_none() or ""

    @staticmethod
    async def _last(connection: AsyncConnection, slug: str) -> tuple[int, str]:
        """Number and `prev` of the next entry."""
        query = (
            select(record_entries.c.seq, record_entries.c.hash)
            .where(record_entries.c.slug == slug)
            .order_by(record_entries.c.seq.desc())
            .limit(1)
        )
        last = (await connection.execute(query)).one_or_none()
        return (last.seq + 1, last.hash) if last is not None else (0, FIRST)

    async def _introduction(self, connection: AsyncConnection, slug: str, at: float) -> list[Fact]:
        """An entry that names the key in use, unless that is the one named last."""
        was = await self._key(connection, slug)
        if was == self._signer.public:
            return []
        return [Fact(KEY, at, {"key": self._signer.public, "was": was})]

    @staticmethod
    async def _key(connection: AsyncConnection, slug: str) -> str | None:
        query = (
            select(record_entries.c.line)
            .where(record_entries.c.slug == slug, record_entries.c.line.contains('"kind":"key"'))
            .order_by(record_entries.c.seq.desc())
        )
        for line in (await connection.execute(query)).scalars():
            members = json.loads(line)
            if members["kind"] == KEY:
                return str(members["data"]["key"])
        return None

    @staticmethod
    async def _there(connection: AsyncConnection, slug: str, fact: Fact, member: str) -> bool:
        query = select(record_entries.c.line).where(
            record_entries.c.slug == slug, record_entries.c.line.contains(f'"kind":"{fact.kind}"')
        )
        for line in (await connection.execute(query)).scalars():
            members = json.loads(line)
            if members["kind"] == fact.kind and members["data"].get(member) == fact.data[member]:
                return True
        return False
