"""Webhooks in and out of the database. Their secrets are nowhere: they are derived (studio.webhooks)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import RowMapping, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.store.account_records import OPERATOR, TooManyKept
from hustings.store.connection import reading, writing
from hustings.store.jobs import NOTE_LENGTH
from hustings.store.tables_accounts import accounts
from hustings.store.tables_jobs import webhooks

MAX_WEBHOOKS = 100


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are sent. `events` empty: all; `slug` "": every room of the account's."""

    id: str
    account_id: str
    url: str
    events: tuple[str, ...]
    slug: str
    created_at: float
    disabled_at: float | None = None
    last_at: float | None = None
    last_status: int | None = None
    last_note: str = ""


async def for_room(connection: AsyncConnection, slug: str, owner_id: str) -> list[Webhook]:
    """Those that hear of a room: of operators, of the data folder, and of whoever owns it."""
    whose = or_(
        webhooks.c.account_id == "",
        accounts.c.disabled_at.is_(None) & or_(accounts.c.role == OPERATOR, accounts.c.id == owner_id),
    )
    query = (
        select(webhooks)
        .join_from(webhooks, accounts, webhooks.c.account_id == accounts.c.id, isouter=True)
        .where(webhooks.c.disabled_at.is_(None), webhooks.c.slug.in_(["", slug]), whose)
    )
    return [_webhook(row) for row in (await connection.execute(query)).mappings()]


class WebhookStore:
    """Raises Unavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, webhook: Webhook) -> None:
        """Raises TooManyKept."""
        async with writing(self._engine) as connection:
            number = await connection.scalar(select(func.count()).select_from(webhooks)) or 0
            if number >= MAX_WEBHOOKS:
                raise TooManyKept("webhooks", MAX_WEBHOOKS)
            await connection.execute(
                insert(webhooks).values(
                    id=webhook.id,
                    account_id=webhook.account_id,
                    url=webhook.url,
                    events=",".join(webhook.events),
                    slug=webhook.slug,
                    created_at=webhook.created_at,
                    last_note="",
                )
            )

    async def count(self) -> int:
        async with reading(self._engine) as connection:
            return int(await connection.scalar(select(func.count()).select_from(webhooks)) or 0)

    async def all(self, account_id: str | None = None) -> list[Webhook]:
        """Of one account, or all."""
        query = select(webhooks).order_by(webhooks.c.created_at)
        if account_id is not None:
            query = query.where(webhooks.c.account_id == account_id)
        async with reading(self._engine) as connection:
            return [_webhook(row) for row in (await connection.execute(query)).mappings()]

    async def find(self, webhook_id: str) -> Webhook | None:
        async with reading(self._engine) as connection:
            rows = await connection.execute(select(webhooks).where(webhooks.c.id == webhook_id))
            row = rows.mappings().one_or_none()
        return _webhook(row) if row is not None else None

    async def remove(self, webhook_id: str) -> None:
        async with writing(self._engine) as connection:
            await connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))

    async def note(
        self, webhook_id: str, at: float, status: int, note: str, *, disabled_at: float | None = None
    ) -> None:
        """How the last attempt went; with `disabled_at` there is no further one."""
        values: dict[str, object] = {"last_at": at, "last_status": status, "last_note": note[:NOTE_LENGTH]}
        if disabled_at is not None:
            values["disabled_at"] = disabled_at
        async with writing(self._engine) as connection:
            await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


def _webhook(row: RowMapping) -> Webhook:
    return Webhook(
        row["id"],
        row["account_id"],
        row["url"],
        tuple(name for name in row["events"].split(",") if name),
        row["slug"],
        row["created_at"],
        row["disabled_at"],
        row["last_at"],
        row["last_status"],
        row["last_note"],
    )
