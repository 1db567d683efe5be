"""Migrations lead to the tables of tables.py, on SQLite; and are SQL that PostgreSQL takes."""

from __future__ import annotations

import io
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from store_support import AT, open_store, sqlite

from hustings.ids import secret_hash
from hustings.rooms import commands as c
from hustings.rooms.model import Details, Role
from hustings.rooms.table import InvitationState, RoomStatus, SeatState
from hustings.store.migrations import HEAD, migrate, migration_config, upgrade
from hustings.store.store import Store
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
        await store.create_room("a", Details("A"), "", AT)
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


BEFORE_0002 = [
    "INSERT INTO rooms (id, slug, title, status, created_at, scheduled_at) VALUES"
    " (1, 'hall', 'Bürger\u202efragen', 'live', 1.0, 2.0), (7, 'other', 'Other', 'scheduled', 3.0, NULL)",
    "INSERT INTO broadcasts (id, room_id, number, opened_at, epoch, live_since, ended_at, end_reason) VALUES"
    " ('b1', 1, 1, 4.0, 0, 5.0, 6.0, 'ended'), ('b2', 1, 2, 7.0, 3, 8.0, NULL, '')",
    "INSERT INTO invitations (id, room_id, participant_id, name, role, public, state, ticket_hash,"
    " offered_at, changed_at, expires_at) VALUES"
    " ('i1', 1, 'p1', 'Ada', 'host', TRUE, 'accepted', '{ada}', 9.0, 10.0, NULL),"
    " ('i2', 1, 'p2', 'Grace', 'speaker', FALSE, 'withdrawn', '{grace}', 11.0, 12.0, 99.0),"
    " ('i3', 1, 'p3', 'Eve', 'speaker', TRUE, 'offered', '{eve}', 13.0, 13.0, NULL)",
    "INSERT INTO participants (id, room_id, invitation_id, name, role, state, taken_at, muted_self,"
    " muted_by_host) VALUES"
    " ('p1', 1, 'i1', 'Ada', 'host', 'seated', 14.0, FALSE, TRUE),"
    " ('p2', 1, 'i2', 'Grace', 'speaker', 'removed', 15.0, TRUE, FALSE)",
    "INSERT INTO api_tokens (hash, name, scope, created_at) VALUES ('h', 'data folder', 'operator', 1.0)",
]
"""What a server of the first version may have in its database when it is upgraded in the middle of it."""


async def test_a_database_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    hashes = {name: secret_hash(name) for name in ("ada", "grace", "eve")}
    async with engine.begin() as connection:
        await connection.run_sync(migrate, "0001")
        for statement in BEFORE_0002:
            await connection.execute(text(statement.format(**hashes)))
    await upgrade(engine)
    store = Store(engine)
    try:
        room = await store.room("hall")
        assert room.details == Details(
            "Bürger\u202efragen", scheduled_at=2.0, recording=False, opens_itself=False, hold=""
        ), "no room begins to record, or opens by itself, because the server was upgraded"
        assert (room.status, room.owner_id, room.locked, room.revision) == (RoomStatus.LIVE, "", False, 0)
        assert room.broadcast is not None
        assert (room.broadcast.id, room.broadcast.epoch, room.broadcast.live_since) == ("b2", 3, 8.0)
        assert list(room.invitations) == ["i1", "i2", "i3"]
        grace = room.invitations["i2"]
        assert (grace.role, grace.public, grace.state) == (Role.SPEAKER, False, InvitationState.WITHDRAWN)
        assert (grace.changed_at, grace.expires_at, grace.word, grace.request_id) == (12.0, 99.0, "", "")
        assert room.participants["p2"].state is SeatState.REMOVED
        assert room.participants["p1"].muted_by_host
        for number, name in enumerate(hashes, 1):
            assert await store.find_ticket(hashes[name]) == ("hall", f"i{number}"), "links stay good"
        assert [b.id for b in await store.broadcasts("hall")] == ["b2", "b1"]
        assert await store.token_scope("h") == "operator"
        await store.execute("hall", c.Connect("i3", AT))
        third = await store.create_room("third", Details("Third"), "", AT)
        assert third.details.recording
        assert third.details.opens_itself
        assert [r.slug for r in await store.all_rooms()] == ["hall", "other", "third"]
        async with engine.connect() as raw:
            broken = (await raw.execute(text("PRAGMA foreign_key_check"))).all()
            assert broken == []
            tables = await raw.run_sync(lambda sync: inspect(sync).get_table_names())
            assert not [table for table in tables if table.startswith("old_")]
    finally:
        await store.close()
