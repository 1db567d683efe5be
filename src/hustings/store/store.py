"""Rooms in and out of the database. One command is one transaction: load, decide, write, commit.

When a method returns, what it did is committed (SQLite: synced to disk) and survives kill -9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.errors import HustingsError, Unavailable
from hustings.rooms import events as e
from hustings.rooms.commands import Command, Invite
from hustings.rooms.decide import decide
from hustings.rooms.model import Room
from hustings.rooms.table import RoomStatus, SeatState
from hustings.store import rows
from hustings.store.engine import READ_ONLY
from hustings.store.tables import api_tokens, broadcasts, invitations, participants, rooms


class UnknownRoom(HustingsError):
    """No room has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__("There is no such room.")
        self.slug = slug


class SlugTaken(HustingsError):
    """Another room has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is a room '{slug}' already; choose another slug.")
        self.slug = slug


class Store:
    """All of the database. Raises Unavailable when it cannot be reached or written."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def close(self) -> None:
        """Closes every connection; without it the process hangs at exit."""
        await self._engine.dispose()

    # --- rooms -------------------------------------------------------------------------------

    async def create_room(self, slug: str, title: str, scheduled_at: float | None, at: float) -> Room:
        """A new, scheduled room. Raises SlugTaken."""
        room = Room(slug, title, RoomStatus.SCHEDULED, created_at=at, scheduled_at=scheduled_at)
        values = rows.room_values(room)
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(rooms).values(**values))
        except IntegrityError as error:
            raise SlugTaken(slug) from error
        except SQLAlchemyError as error:
            raise _unavailable(error) from error
        return room

    async def room(self, slug: str) -> Room:
        """Raises UnknownRoom."""
        found = await self._load(rooms.c.slug == slug)
        if not found:
            raise UnknownRoom(slug)
        return found[0]

    async def all_rooms(self) -> list[Room]:
        """Every room, in order of slugs."""
        return await self._load(None)

    async def execute(
        self, slug: str, command: Command, *, ticket_hash: str = ""
    ) -> tuple[Room, list[e.Event]]:
        """Carries out `command`: the room afterwards and what happened. `ticket_hash` goes with Invite.

        Raises RoomError (nothing was written) or UnknownRoom.
        """
        assert bool(ticket_hash) == isinstance(command, Invite)
        try:
            async with self._engine.begin() as connection:
                # Held until commit, so that two commands to one room follow one another on PostgreSQL
                # as they do on SQLite (which ignores the clause and has one writer anyway).
                query = select(rooms.c.id).where(rooms.c.slug == slug).with_for_update()
                room_id = (await connection.execute(query)).scalar_one_or_none()
                if room_id is None:
                    raise UnknownRoom(slug)
                room = (await _load_rooms(connection, rooms.c.id == room_id))[0]
                happened = decide(room, command)
                for event in happened:
                    await _write(connection, room_id, event, ticket_hash)
                after = e.apply(room, happened)
                if after.status is not room.status:
                    await connection.execute(
                        update(rooms).where(rooms.c.id == room_id).values(status=after.status.value)
                    )
        except SQLAlchemyError as error:
            raise _unavailable(error) from error
        return after, happened

    async def find_ticket(self, ticket_hash: str) -> tuple[str, str] | None:
        """Slug and invitation of a ticket, by its hash. Whether it is still good, the room decides."""
        query = (
            select(rooms.c.slug, invitations.c.id)
            .join_from(invitations, rooms)
            .where(invitations.c.ticket_hash == ticket_hash)
        )
        found = await self._read(query)
        return (found[0]["slug"], found[0]["id"]) if found else None

    # --- API tokens --------------------------------------------------------------------------

    async def keep_token(self, token_hash: str, name: str, scope: str, at: float) -> None:
        """The one good token of this `name` from now on; others of that name are revoked."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(api_tokens)
                    .where(api_tokens.c.name == name, api_tokens.c.hash != token_hash)
                    .where(api_tokens.c.revoked_at.is_(None))
                    .values(revoked_at=at)
                )
                known = await connection.execute(
                    update(api_tokens).where(api_tokens.c.hash == token_hash).values(revoked_at=None)
                )
                if not known.rowcount:
                    values = {"hash": token_hash, "name": name, "scope": scope, "created_at": at}
                    await connection.execute(insert(api_tokens).values(**values))
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    async def token_scope(self, token_hash: str) -> str | None:
        """What a token allows, or None when it is unknown or revoked."""
        query = select(api_tokens.c.scope).where(
            api_tokens.c.hash == token_hash, api_tokens.c.revoked_at.is_(None)
        )
        found = await self._read(query)
        return str(found[0]["scope"]) if found else None

    # --- inside ------------------------------------------------------------------------------

    async def _read(self, query: Any) -> Sequence[RowMapping]:
        try:
            async with self._reader() as connection:
                return (await connection.execute(query)).mappings().all()
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    async def _load(self, condition: Any) -> list[Room]:
        try:
            async with self._reader() as connection:
                return await _load_rooms(connection, condition)
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    def _reader(self) -> AsyncConnection:
        return self._engine.execution_options(**{READ_ONLY: True}).connect()


async def _load_rooms(connection: AsyncConnection, condition: Any) -> list[Room]:
    """Whole rooms, four queries whatever their number. `condition` is on `rooms`, or None for all."""
    where = [] if condition is None else [condition]

    async def fetch(query: Any) -> Sequence[RowMapping]:
        return (await connection.execute(query.where(*where))).mappings().all()

    newest = select(func.max(broadcasts.c.number)).where(broadcasts.c.room_id == rooms.c.id)
    current = broadcasts.c.number == newest.correlate(rooms).scalar_subquery()
    return rows.assemble(
        await fetch(select(rooms).order_by(rooms.c.slug)),
        await fetch(select(broadcasts).join_from(broadcasts, rooms).where(current)),
        await fetch(select(invitations).join_from(invitations, rooms).order_by(invitations.c.offered_at)),
        await fetch(select(participants).join_from(participants, rooms).order_by(participants.c.taken_at)),
    )


async def _write(connection: AsyncConnection, room_id: int, event: e.Event, ticket_hash: str) -> None:
    """Writes what one event changes; the counterpart of `events.apply` (a test compares the two)."""
    match event:
        case e.DoorsOpened():
            count = select(func.count()).where(broadcasts.c.room_id == room_id).scalar_subquery()
            values = {"id": event.broadcast_id, "room_id": room_id, "opened_at": event.at}
            await connection.execute(
                insert(broadcasts).values(**values, number=count + 1, epoch=0, end_reason="")
            )
        case e.WentLive():
            await _set(connection, broadcasts, event.broadcast_id, live_since=event.at)
        case e.BroadcastEnded():
            await _set(connection, broadcasts, event.broadcast_id, ended_at=event.at, end_reason=event.reason)
        case e.BroadcastTakenUp():
            await _set(connection, broadcasts, event.broadcast_id, epoch=event.epoch)
        case e.BroadcastPaused() | e.BroadcastResumed():
            pass  # only the room's status changes
        case e.InvitationOffered():
            await connection.execute(
                insert(invitations).values(rows.offered_values(room_id, event, ticket_hash))
            )
        case e.InvitationChanged():
            await _set(
                connection, invitations, event.invitation_id, state=event.state.value, changed_at=event.at
            )
        case e.SeatTaken():
            if not await _set(connection, participants, event.participant_id, state=SeatState.SEATED.value):
                await connection.execute(insert(participants).values(rows.seat_values(room_id, event)))
        case e.SeatChanged():
            await _set(connection, participants, event.participant_id, state=event.state.value)
        case e.MuteChanged():
            flags = {"muted_self": event.muted_self, "muted_by_host": event.muted_by_host}
            await _set(connection, participants, event.participant_id, **flags)


async def _set(connection: AsyncConnection, table: Any, row_id: str, **values: object) -> int:
    result = await connection.execute(update(table).where(table.c.id == row_id).values(**values))
    return result.rowcount


def _unavailable(error: SQLAlchemyError) -> Unavailable:
    cause = getattr(error, "orig", None)
    return Unavailable(f"The database cannot be used: {type(cause or error).__name__}: {cause or error}")
