"""A store on a fresh SQLite file."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.store.engine import open_engine
from hustings.store.migrations import upgrade
from hustings.store.store import Store

AT = 1_790_000_000.0


def sqlite(folder: Path) -> AsyncEngine:
    return open_engine(URL.create("sqlite+aiosqlite", database=str(folder / "hustings.db")))


@contextlib.asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[Store]:
    engine = sqlite(folder)
    await upgrade(engine)
    store = Store(engine)
    try:
        yield store
    finally:
        await store.close()
