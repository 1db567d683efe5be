"""Alembic migrations. They run by themselves when the studio starts (`upgrade`).

A new one: `hustings.store.migrations.versions`, next number, hand-written; the test in
tests/store/test_migrations.py says whether it leads to what tables.py holds.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an .ini file; `connection` is the one to migrate on."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Brings the database to `revision` in one transaction; does nothing when it is there already."""

    def run(connection: Connection) -> None:
        command.upgrade(migration_config(connection), revision)

    async with engine.begin() as connection:
        await connection.run_sync(run)
