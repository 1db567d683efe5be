"""Alembic migrations, run when the studio starts (`upgrade`).

Alembic takes most of a second to import, so it is asked only when there is something to migrate: a new
database gets its tables directly, one that is up to date nothing. A new migration: next number in
`versions`, by hand, and HEAD below; tests/store/test_migrations.py compares tables.py, HEAD and migrations.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.store import tables_accounts, tables_jobs, tables_questions  # noqa: F401  # register their tables
from hustings.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0011"
"""The newest migration."""

_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own note of where a database is."""


async def upgrade(engine: AsyncEngine) -> None:
    """Brings the database to HEAD in one transaction; does nothing when it is there already."""
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    tables = inspect(connection).get_table_names()
    if not tables:
        metadata.create_all(connection)
        _version.create(connection)
        connection.execute(insert(_version).values(version_num=HEAD))
    elif "alembic_version" not in tables or connection.scalar(select(_version.c.version_num)) != HEAD:
        migrate(connection)


def migrate(connection: Connection, revision: str = "head") -> None:
    """Runs the migrations up to `revision` on `connection`."""
    from alembic import command

    command.upgrade(migration_config(connection), revision)


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an .ini file; `connection` is the one to migrate on."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
