"""Writes what a command has changed: the rows of what differs between the room before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hustings.rooms.model import Consent, Invitation, Room, Stretch
from hustings.store import rows
from hustings.store.errors import TicketTaken
from hustings.store.tables import (
    bans,
    broadcasts,
    chapters,
    consents,
    invitations,
    off_record,
    participants,
    requests,
    rooms,
    tickets,
)

LINK, TICKET = "link", "ticket"


async def save(
    connection: AsyncConnection, room_id: int, before: Room, after: Room, *, ticket_hash: str, link_hash: str
) -> None:
    """Makes the rows of `before` those of `after`. The hashes are of the secrets the command brought."""
    if rows.room_values(before) != rows.room_values(after):
        await connection.execute(update(rooms).where(rooms.c.id == room_id).values(**rows.room_values(after)))
    await _save_broadcast(connection, room_id, before, after)
    await _save_invitations(connection, room_id, before, after, ticket_hash, link_hash)
    for person_id, person in _changed(before.participants, after.participants):
        # One brought up in an earlier broadcast may have a row that is no longer of the room: all is set.
        await _put(connection, participants, room_id, person_id, rows.participant_values(person))
    await _save_requests(connection, room_id, before, after, ticket_hash)
    if before.bans != after.bans:
        await connection.execute(delete(bans).where(bans.c.room_id == room_id))
        values = [{"room_id": room_id, **rows.ban_values(n, ban)} for n, ban in enumerate(after.bans)]
        if values:
            await connection.execute(insert(bans), values)
    await _save_consents(connection, room_id, before, after)


async def _save_broadcast(connection: AsyncConnection, room_id: int, before: Room, after: Room) -> None:
    old, new = before.broadcast, after.broadcast
    if new is None or new == old:
        return
    values = rows.broadcast_values(new)
    if old is None or old.id != new.id:
        count = select(func.count()).where(broadcasts.c.room_id == room_id).scalar_subquery()
        await connection.execute(insert(broadcasts).values(**values, room_id=room_id, number=count + 1))
        known = 0
        off: tuple[Stretch, ...] = ()
    else:
        await connection.execute(update(broadcasts).where(broadcasts.c.id == new.id).values(**values))
        known, off = len(old.chapters), old.off_record
    for number, (at, title) in list(enumerate(new.chapters))[known:]:
        mark = {"broadcast_id": new.id, "number": number, "at": at, "title": title}
        await connection.execute(insert(chapters).values(**mark))
    for number, stretch in _new_stretches(off, new.off_record):
        key = {"broadcast_id": new.id, "number": number}
        await _put_stretch(connection, off_record, key, stretch, {})


async def _save_consents(connection: AsyncConnection, room_id: int, before: Room, after: Room) -> None:
    for person, consent in _changed(before.consents, after.consents):
        old = before.consents.get(person)
        key = {"room_id": room_id, "participant_id": person, "scope": consent.scope}
        # Rows of the same person from before he was forgotten stay, and count.
        first = await _count_gone(connection, room_id, consent)
        for number, stretch in _new_stretches(old.stretches if old else (), consent.stretches):
            whole = {**key, "number": first + number}
            await _put_stretch(connection, consents, whole, stretch, {"gone": False})
    gone = [person for person in before.consents if person not in after.consents]
    if gone:
        where = (consents.c.room_id == room_id, consents.c.participant_id.in_(gone))
        await connection.execute(update(consents).where(*where).values(gone=True))


async def _count_gone(connection: AsyncConnection, room_id: int, consent: Consent) -> int:
    query = select(func.count()).where(
        consents.c.room_id == room_id,
        consents.c.participant_id == consent.participant_id,
        consents.c.scope == consent.scope,
        consents.c.gone.is_(True),
    )
    return int((await connection.execute(query)).scalar_one())


def _new_stretches(before: tuple[Stretch, ...], after: tuple[Stretch, ...]) -> list[tuple[int, Stretch]]:
    """Those that were not there or have ended since, with their numbers."""
    return [(n, each) for n, each in enumerate(after) if n >= len(before) or before[n] != each]


async def _put_stretch(
    connection: AsyncConnection,
    table: Table,
    key: Mapping[str, Any],
    stretch: Stretch,
    more: Mapping[str, Any],
) -> None:
    where = [table.c[name] == value for name, value in key.items()]
    done = await connection.execute(update(table).where(*where).values(ended_at=stretch.ended_at))
    if not done.rowcount:
        values = {**key, "began_at": stretch.began_at, "ended_at": stretch.ended_at, **more}
        await connection.execute(insert(table).values(**values))


async def _save_invitations(
    connection: AsyncConnection, room_id: int, before: Room, after: Room, ticket_hash: str, link_hash: str
) -> None:
    for invitation_id, invitation in _changed(before.invitations, after.invitations):
        values = rows.invitation_values(invitation)
        if invitation_id in before.invitations:
            await connection.execute(
                update(invitations).where(invitations.c.id == invitation_id).values(**values)
            )
            continue
        await connection.execute(insert(invitations).values(room_id=room_id, **values))
        if invitation.request_id:
            await _hand_out(connection, room_id, invitation)
        else:
            at = invitation.offered_at
            await add_secret(connection, invitation_id, ticket_hash, TICKET, at)
            await add_secret(connection, invitation_id, link_hash, LINK, at)
    gone = [invitation_id for invitation_id in before.invitations if invitation_id not in after.invitations]
    if gone:
        await connection.execute(update(invitations).where(invitations.c.id.in_(gone)).values(gone=True))


async def _hand_out(connection: AsyncConnection, room_id: int, invitation: Invitation) -> None:
    """The ticket a listener has made when asking to speak is good from now on."""
    query = select(requests.c.ticket_hash).where(
        requests.c.room_id == room_id, requests.c.id == invitation.request_id
    )
    ticket_hash = (await connection.execute(query)).scalar_one()
    await add_secret(connection, invitation.id, ticket_hash, TICKET, invitation.offered_at)


async def add_secret(
    connection: AsyncConnection, invitation_id: str, secret_hash: str, kind: str, at: float
) -> None:
    """Keeps a new link or ticket; nothing for an empty hash."""
    if secret_hash:
        values = {"hash": secret_hash, "invitation_id": invitation_id, "kind": kind, "created_at": at}
        await connection.execute(insert(tickets).values(**values))


async def _save_requests(
    connection: AsyncConnection, room_id: int, before: Room, after: Room, ticket_hash: str
) -> None:
    forgotten = [request_id for request_id in before.requests if request_id not in after.requests]
    if forgotten:
        await connection.execute(
            delete(requests).where(requests.c.room_id == room_id, requests.c.id.in_(forgotten))
        )
    for request_id, request in _changed(before.requests, after.requests):
        values = rows.request_values(request)
        if request_id in before.requests:
            where = (requests.c.room_id == room_id, requests.c.id == request_id)
            await connection.execute(update(requests).where(*where).values(**values))
            continue
        await _refuse_known(connection, ticket_hash)
        await connection.execute(insert(requests).values(room_id=room_id, ticket_hash=ticket_hash, **values))


async def _refuse_known(connection: AsyncConnection, ticket_hash: str) -> None:
    """A listener's page makes a ticket for every request; one that is known would be somebody's already."""
    for table, column in ((tickets, tickets.c.hash), (requests, requests.c.ticket_hash)):
        query = select(func.count()).select_from(table).where(column == ticket_hash)
        if (await connection.execute(query)).scalar_one():
            raise TicketTaken


def _changed[V](before: Mapping[str, V], after: Mapping[str, V]) -> list[tuple[str, V]]:
    return [(key, value) for key, value in after.items() if before.get(key) != value]


async def _put(
    connection: AsyncConnection, table: Table, room_id: int, row_id: str, values: Mapping[str, Any]
) -> None:
    where = (table.c.room_id == room_id, table.c.id == row_id)
    result = await connection.execute(update(table).where(*where).values(**values))
    if not result.rowcount:
        await connection.execute(insert(table).values(room_id=room_id, **values))
