"""Rooms in and out of the database. One command is one transaction: load, decide, write, commit.

When a method returns, what it did is committed (SQLite: synced to disk) and survives kill -9.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.errors import Unavailable
from hustings.rooms import events as e
from hustings.rooms.commands import AskToSpeak, Command, Invite
from hustings.rooms.decide import decide
from hustings.rooms.errors import UnknownMember
from hustings.rooms.model import Broadcast, Details, Room
from hustings.rooms.table import TABLE, InvitationState, RoomStatus, Verb
from hustings.store import rows
from hustings.store.connection import reading
from hustings.store.errors import LinkUsed, SlugTaken, TicketTaken, UnknownLink, UnknownRoom
from hustings.store.loading import load_rooms
from hustings.store.saving import LINK, TICKET, add_secret, save
from hustings.store.tables import (
    api_tokens,
    broadcasts,
    chapters,
    invitations,
    off_record,
    rooms,
    talk_times,
    tickets,
)
from hustings.store.tables_accounts import accounts

__all__ = ["LinkUsed", "SlugTaken", "Store", "TicketTaken", "UnknownLink", "UnknownRoom"]

MAX_BROADCASTS = 50
"""Past broadcasts that are read at once."""
MAX_DUE = 100
"""Invitations whose time has run out that are read at once."""

_EXPIRING = [state.value for state in InvitationState if TABLE.get((state, Verb.EXPIRE)) not in (None, state)]


type Also = Callable[[AsyncConnection, Room, Room, list[e.Event]], Awaitable[None]]


class Store:
    """All of the database. Raises Unavailable when it cannot be reached or written."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def close(self) -> None:
        """Closes every connection; without it the process hangs at exit."""
        await self._engine.dispose()

    # --- rooms -------------------------------------------------------------------------------

    async def create_room(self, slug: str, details: Details, owner_id: str, at: float) -> Room:
        """A new, scheduled room of an account (`owner_id`), or an operator's (""). Raises SlugTaken."""
        room = Room(slug, RoomStatus.SCHEDULED, created_at=at, details=details, owner_id=owner_id)
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
        self,
        slug: str,
        command: Command,
        *,
        ticket_hash: str = "",
        link_hash: str = "",
        also: Also | None = None,
    ) -> tuple[Room, list[e.Event]]:
        """Carries out `command`: the room afterwards and what happened. An Invite may bring the hashes
        of a ticket and of a link, AskToSpeak brings that of the ticket the asker made. `also` is called
        with the rooms before and after and the events, in the transaction that writes them.

        Raises RoomError (nothing was written), UnknownRoom, or TicketTaken.
        """
        assert not link_hash or isinstance(command, Invite)
        assert not ticket_hash or isinstance(command, Invite | AskToSpeak)
        assert ticket_hash or not isinstance(command, AskToSpeak)
        try:
            async with self._engine.begin() as connection:
                # Held until commit, so that two commands to one room follow one another on PostgreSQL
                # as they do on SQLite (which ignores the clause and has one writer anyway).
                query = select(rooms.c.id).where(rooms.c.slug == slug).with_for_update()
                room_id = (await connection.execute(query)).scalar_one_or_none()
                if room_id is None:
                    raise UnknownRoom(slug)
                room = (await load_rooms(connection, rooms.c.id == room_id))[0]
                happened = decide(room, command)
                after = e.apply(room, happened)
                if happened:
                    await save(connection, room_id, room, after, ticket_hash=ticket_hash, link_hash=link_hash)
                    if also is not None:
                        await also(connection, room, after, happened)
        except SQLAlchemyError as error:
            raise _unavailable(error) from error
        return after, happened

    # --- links and tickets -------------------------------------------------------------------

    async def find_ticket(self, ticket_hash: str) -> tuple[str, str] | None:
        """Slug and invitation of a ticket, by its hash. Whether it is still good, the room decides."""
        query = (
            select(rooms.c.slug, invitations.c.id)
            .join_from(tickets, invitations)
            .join(rooms, rooms.c.id == invitations.c.room_id)
            .where(tickets.c.hash == ticket_hash, tickets.c.kind == TICKET, tickets.c.revoked_at.is_(None))
        )
        found = await self._read(query)
        return (found[0]["slug"], found[0]["id"]) if found else None

    async def role_of(self, account_id: str) -> str:
        """The role of an account; "" when it is disabled or gone."""
        query = select(accounts.c.role).where(accounts.c.id == account_id, accounts.c.disabled_at.is_(None))
        found = await self._read(query)
        return str(found[0]["role"]) if found else ""

    async def redeem(
        self, link_hash: str, new_ticket_hash: str, at: float, *, slug: str = ""
    ) -> tuple[str, str]:
        """Slug and invitation of a link, to the first who asks: from now on the ticket is good, and the
        link is not. With `slug`, only a link to this room. Raises LinkUsed or UnknownLink."""
        query = (
            select(rooms.c.slug, invitations.c.id, tickets.c.redeemed_at)
            .join_from(tickets, invitations)
            .join(rooms, rooms.c.id == invitations.c.room_id)
            .where(tickets.c.hash == link_hash, tickets.c.kind == LINK, tickets.c.revoked_at.is_(None))
        )
        # Who comes late is told so without waiting for the one writer SQLite has.
        _refuse_link(await self._read(query), slug)
        try:
            async with self._engine.begin() as connection:
                won = await connection.execute(
                    update(tickets)
                    .where(tickets.c.hash == link_hash, tickets.c.kind == LINK)
                    .where(tickets.c.redeemed_at.is_(None), tickets.c.revoked_at.is_(None))
                    .values(redeemed_at=at)
                )
                found = (await connection.execute(query)).mappings().all()
                if not won.rowcount:
                    _refuse_link(found, slug)
                    raise UnknownLink  # revoked in between
                room_slug, invitation_id = str(found[0]["slug"]), str(found[0]["id"])
                await add_secret(connection, invitation_id, new_ticket_hash, TICKET, at)
        except SQLAlchemyError as error:
            raise _unavailable(error) from error
        return room_slug, invitation_id

    async def new_link(self, invitation_id: str, link_hash: str, at: float) -> None:
        """The one good link of an invitation from now on; tickets stay good. Raises UnknownMember."""
        try:
            async with self._engine.begin() as connection:
                await _need_invitation(connection, invitation_id)
                await connection.execute(
                    update(tickets)
                    .where(tickets.c.invitation_id == invitation_id, tickets.c.kind == LINK)
                    .where(tickets.c.revoked_at.is_(None))
                    .values(revoked_at=at)
                )
                await add_secret(connection, invitation_id, link_hash, LINK, at)
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    async def add_ticket(self, invitation_id: str, ticket_hash: str, at: float) -> None:
        """One more good ticket for an invitation; may be repeated. Raises UnknownMember, TicketTaken."""
        try:
            async with self._engine.begin() as connection:
                await _need_invitation(connection, invitation_id)
                query = select(tickets.c.invitation_id, tickets.c.kind).where(tickets.c.hash == ticket_hash)
                known = (await connection.execute(query)).one_or_none()
                if known is None:
                    await add_secret(connection, invitation_id, ticket_hash, TICKET, at)
                elif tuple(known) != (invitation_id, TICKET):
                    raise TicketTaken
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    async def due_invitations(self, at: float) -> list[tuple[str, str]]:
        """Slug and identifier of offers whose time has run out by `at`, oldest first, MAX_DUE at most."""
        query = (
            select(rooms.c.slug, invitations.c.id)
            .join_from(invitations, rooms)
            .where(invitations.c.expires_at <= at, invitations.c.gone.is_(False))
            .where(invitations.c.state.in_(_EXPIRING))
            .order_by(invitations.c.expires_at, invitations.c.id)
            .limit(MAX_DUE)
        )
        return [(row["slug"], row["id"]) for row in await self._read(query)]

    # --- what was ----------------------------------------------------------------------------

    async def broadcasts(self, slug: str) -> list[Broadcast]:
        """The last MAX_BROADCASTS, newest first, the current one included; none for an unknown room."""
        newest = (
            select(broadcasts)
            .join_from(broadcasts, rooms)
            .where(rooms.c.slug == slug)
            .order_by(broadcasts.c.number.desc())
            .limit(MAX_BROADCASTS)
        )
        found = await self._read(newest)
        marks = rows.chapters_of(
            await self._read(
                select(chapters)
                .where(chapters.c.broadcast_id.in_([row["id"] for row in found]))
                .order_by(chapters.c.broadcast_id, chapters.c.number)
            )
        )
        off = rows.stretches_of(
            await self._read(
                select(off_record)
                .where(off_record.c.broadcast_id.in_([row["id"] for row in found]))
                .order_by(off_record.c.broadcast_id, off_record.c.number)
            )
        )
        return [rows.broadcast_of(row, marks.get(row["id"], ()), off.get(row["id"], ())) for row in found]

    async def on_air(self, slug: str, broadcast_id: str) -> tuple[float | None, float | None] | None:
        """When a broadcast of this room went live and when it ended; None: there is no such broadcast."""
        query = (
            select(broadcasts.c.live_since, broadcasts.c.ended_at)
            .join_from(broadcasts, rooms)
            .where(rooms.c.slug == slug, broadcasts.c.id == broadcast_id)
        )
        found = await self._read(query)
        return (found[0]["live_since"], found[0]["ended_at"]) if found else None

    async def save_talked(self, broadcast_id: str, seconds: Mapping[str, float]) -> None:
        """How long each participant has talked in a broadcast; others keep what they had."""
        if not seconds:
            return
        try:
            async with self._engine.begin() as connection:
                for participant_id, talked in seconds.items():
                    where = (
                        talk_times.c.broadcast_id == broadcast_id,
                        talk_times.c.participant_id == participant_id,
                    )
                    done = await connection.execute(update(talk_times).where(*where).values(seconds=talked))
                    if not done.rowcount:
                        values = {
                            "broadcast_id": broadcast_id,
                            "participant_id": participant_id,
                            "seconds": talked,
                        }
                        await connection.execute(insert(talk_times).values(**values))
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

    async def talked(self, broadcast_id: str) -> dict[str, float]:
        """Seconds by participant, as saved last."""
        query = select(talk_times).where(talk_times.c.broadcast_id == broadcast_id)
        return {row["participant_id"]: row["seconds"] for row in await self._read(query)}

    # --- API tokens --------------------------------------------------------------------------

    async def keep_token(self, token_hash: str, name: str, scope: str, at: float) -> None:
        """The one good token of this `name` from now on; others of that name are revoked."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(api_tokens)
                    .where(api_tokens.c.name == name, api_tokens.c.hash != token_hash)
                    .where(api_tokens.c.revoked_at.is_(None), api_tokens.c.account_id.is_(None))
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
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).mappings().all()

    async def _load(self, condition: Any) -> list[Room]:
        async with reading(self._engine) as connection:
            return await load_rooms(connection, condition)


def _refuse_link(found: Sequence[RowMapping], slug: str) -> None:
    """Raises LinkUsed or UnknownLink unless it may be redeemed."""
    if not found or (slug and found[0]["slug"] != slug):
        raise UnknownLink
    if found[0]["redeemed_at"] is not None:
        raise LinkUsed


async def _need_invitation(connection: AsyncConnection, invitation_id: str) -> None:
    query = select(invitations.c.id).where(invitations.c.id == invitation_id)
    if (await connection.execute(query)).one_or_none() is None:
        raise UnknownMember("invitation", invitation_id)


def _unavailable(error: SQLAlchemyError) -> Unavailable:
    cause = getattr(error, "orig", None)
    return Unavailable(f"The database cannot be used: {type(cause or error).__name__}: {cause or error}")
