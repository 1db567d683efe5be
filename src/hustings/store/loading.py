"""Whole rooms out of the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hustings.rooms.model import Room
from hustings.store import rows
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
)


async def load_rooms(connection: AsyncConnection, condition: Any) -> list[Room]:
    """Nine queries whatever their number. `condition` is on `rooms`, or None for all."""
    where = [] if condition is None else [condition]

    async def fetch(query: Any) -> rows.Rows:
        return (await connection.execute(query.where(*where))).mappings().all()

    newest = select(func.max(broadcasts.c.number)).where(broadcasts.c.room_id == rooms.c.id)
    current = broadcasts.c.number == newest.correlate(rooms).scalar_subquery()
    seats = (
        select(participants)
        .join_from(participants, rooms)
        .join(invitations, invitations.c.id == participants.c.invitation_id)
    )
    return rows.assemble(
        rows.RoomRows(
            rooms=await fetch(select(rooms).order_by(rooms.c.slug)),
            broadcasts=await fetch(select(broadcasts).join_from(broadcasts, rooms).where(current)),
            chapters=await fetch(
                select(chapters)
                .join_from(chapters, broadcasts)
                .join(rooms, rooms.c.id == broadcasts.c.room_id)
                .where(current)
                .order_by(chapters.c.number)
            ),
            off_record=await fetch(
                select(off_record)
                .join_from(off_record, broadcasts)
                .join(rooms, rooms.c.id == broadcasts.c.room_id)
                .where(current)
                .order_by(off_record.c.number)
            ),
            invitations=await fetch(
                select(invitations)
                .join_from(invitations, rooms)
                .where(invitations.c.gone.is_(False))
                .order_by(invitations.c.offered_at, invitations.c.id)
            ),
            participants=await fetch(
                seats.where(invitations.c.gone.is_(False)).order_by(
                    participants.c.taken_at, participants.c.id
                )
            ),
            requests=await fetch(
                select(requests).join_from(requests, rooms).order_by(requests.c.asked_at, requests.c.id)
            ),
            bans=await fetch(select(bans).join_from(bans, rooms).order_by(bans.c.position)),
            consents=await fetch(
                select(consents)
                .join_from(consents, rooms)
                .where(consents.c.gone.is_(False))
                .order_by(consents.c.participant_id, consents.c.number)
            ),
        )
    )
