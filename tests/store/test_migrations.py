"""Migrations lead to the tables of tables.py, on SQLite; and are SQL that PostgreSQL takes."""

from __future__ import annotations

import io
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from store_support import AT, open_store, sqlite

from hustings.store.migrations import HEAD, migrate, migration_config, upgrade
from hustings.store.tables import metadata


def difference(connection: Connection) -> object:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, metadata)


def constraints(connection: Connection) -> object:
    """Everything a table promises, with names: what compare_metadata does not look at."""
    inspector = inspect(connection)
    return {
        table: (
            inspector.get_pk_constraint(table),
            sorted(str(unique) for unique in inspector.get_unique_constraints(table)),
            sorted(str(key) for key in inspector.get_foreign_keys(table)),
            sorted(str(index) for index in inspector.get_indexes(table)),
            [
                (column["name"], str(column["type"]), column["nullable"])
                for column in inspector.get_columns(table)
            ],
        )
        for table in sorted(inspector.get_table_names())
    }


async def test_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    migrated, direct = sqlite(tmp_path), sqlite(tmp_path / "new")
    try:
        async with migrated.begin() as connection:
            await connection.run_sync(migrate)
        await upgrade(direct)
        async with migrated.connect() as old, direct.connect() as new:
            assert await old.run_sync(difference) == []
            assert await new.run_sync(difference) == []
            assert await old.run_sync(constraints) == await new.run_sync(constraints)
        await upgrade(migrated)  # nothing left to do
    finally:
        await migrated.dispose()
        await direct.dispose()


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_heads() == [HEAD]


async def test_upgrading_twice_keeps_what_is_there(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", "A", None, AT)
    async with open_store(tmp_path) as store:
        assert [room.slug for room in await store.all_rooms()] == ["a"]


def test_migrations_are_sql_that_postgresql_takes() -> None:
    config = migration_config()
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    sql = config.output_buffer.getvalue()
    assert "CREATE TABLE rooms" in sql
    assert "SERIAL" in sql
    assert "DOUBLE PRECISION" in sql
