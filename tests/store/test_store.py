"""The store on SQLite: what is committed, what is refused, who waits for whom."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from store_support import AT, open_store, sqlite

from hustings.config import Settings
from hustings.errors import Unavailable, UsageError
from hustings.ids import secret_hash
from hustings.rooms import commands as c
from hustings.rooms.errors import IllegalCommand
from hustings.rooms.model import Details, Role
from hustings.rooms.table import RoomStatus
from hustings.store.engine import database_url, open_engine
from hustings.store.store import SlugTaken, Store, UnknownRoom


async def test_a_slug_is_taken_once(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        with pytest.raises(SlugTaken):
            await store.create_room("a", Details("B"), "", AT)
        assert (await store.room("a")).title == "A"


async def test_unknown_rooms_are_said_to_be_unknown(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        with pytest.raises(UnknownRoom):
            await store.room("no")
        with pytest.raises(UnknownRoom):
            await store.execute("no", c.GoLive(AT))


async def test_a_refused_command_leaves_nothing_behind(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        room = await store.create_room("a", Details("A"), "", AT)
        with pytest.raises(IllegalCommand):
            await store.execute("a", c.GoLive(AT))
        assert await store.room("a") == room


async def test_a_ticket_is_found_by_its_hash_only(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        invite = c.Invite("i", "p", "Ada", Role.SPEAKER, True, AT)
        await store.execute("a", invite, ticket_hash=secret_hash("the ticket"))
        assert await store.find_ticket(secret_hash("the ticket")) == ("a", "i")
        assert await store.find_ticket(secret_hash("another")) is None
    assert b"the ticket" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


async def test_parallel_commands_follow_one_another(tmp_path: Path) -> None:
    """Of many `open`s at once one begins the broadcast; none fails with a locked database."""
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        results = await asyncio.gather(*(store.execute("a", c.OpenDoors(f"b{n}", AT)) for n in range(40)))
        assert sum(len(events) for _, events in results) == 1
        assert len({room.broadcast.id for room, _ in results if room.broadcast}) == 1


async def test_two_engines_on_one_file_wait_for_each_other(tmp_path: Path) -> None:
    async with open_store(tmp_path) as one:
        two = Store(sqlite(tmp_path))
        await one.create_room("a", Details("A"), "", AT)
        commands = [c.Invite(f"i{n}", f"p{n}", "N", Role.SPEAKER, False, AT) for n in range(20)]
        await asyncio.gather(
            *(
                (one if n % 2 else two).execute("a", command, ticket_hash=f"h{n}")
                for n, command in enumerate(commands)
            )
        )
        assert len((await two.room("a")).invitations) == 20
        await two.close()


async def test_sqlite_is_set_up_for_what_is_acknowledged(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    async with engine.connect() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar() == value
    await engine.dispose()
    assert stat.S_IMODE((tmp_path / "hustings.db").stat().st_mode) == 0o600


async def test_a_broken_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "hustings.db").write_bytes(b"no database at all, " * 400)
    store = Store(sqlite(tmp_path))
    with pytest.raises(Unavailable):
        await store.room("a")
    await store.close()


async def test_tokens_are_known_until_replaced(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.keep_token("h1", "data folder", "operator", AT)
        await store.keep_token("h1", "data folder", "operator", AT)
        assert await store.token_scope("h1") == "operator"
        await store.keep_token("h2", "data folder", "operator", AT)
        assert await store.token_scope("h1") is None
        assert await store.token_scope("h2") == "operator"


CHILD = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_support import AT, open_store
from hustings.rooms.model import Details
async def main():
    async with open_store(Path(sys.argv[1])) as store:
        number = 0
        while True:
            await store.create_room(f"room-{number}", Details("Title"), "", AT)
            print(number, flush=True)
            number += 1
asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    child = subprocess.Popen(  # noqa: ASYNC220  # this test waits for nothing else
        [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 20:
                break
        child.kill()
        told = [int(line), *(int(rest) for rest in child.stdout if rest.endswith("\n"))][-1]
    async with open_store(tmp_path) as store:
        found = {room.slug for room in await store.all_rooms()}
        assert {f"room-{number}" for number in range(told + 1)} <= found
        after, _ = await store.execute("room-0", c.OpenDoors("b", AT))
        assert after.status is RoomStatus.OPEN


def _settings(data: Path, database: str = "") -> Settings:
    return Settings.model_validate({"data": data, "database": database})


def test_database_addresses(tmp_path: Path) -> None:
    assert database_url(_settings(tmp_path)).database == str(tmp_path / "hustings.db")
    remote = database_url(_settings(tmp_path, "postgresql://me@db/hustings"))
    assert remote.get_backend_name() == "postgresql"
    with pytest.raises(UsageError):
        database_url(_settings(tmp_path, "not an address"))
    with pytest.raises(UsageError):
        open_engine(remote.set(drivername="postgresql+asyncpg"))
