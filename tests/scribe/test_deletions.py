"""Deletions as jobs from a real database: done at once, done again when refused, told to everybody."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from recording_folder import BROADCAST, SLUG, write_recording
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.archive.index import write_index
from hustings.archive.made import Episode, Order
from hustings.archive.orders import DELETE_KIND, Deletion, deletion_id
from hustings.archive.tombstone import is_deleted, read_tombstone
from hustings.bus.messages import RecordingDeleted
from hustings.clock import FakeClock
from hustings.scribe.deletions import LEASE, SWEEP, Deletions
from hustings.scribe.leases import FIRST_RETRY, Failed
from hustings.scribe.remove import Remover
from hustings.scribe.work import Scribe
from hustings.store.deletions import AskedFor, DeletionStore
from hustings.store.engine import open_engine
from hustings.store.jobs import DONE, OPEN, Job, Jobs
from hustings.store.migrations import upgrade

KEY = Ed25519PrivateKey.generate()


class Desk:
    """A database, a clock and what was said."""

    def __init__(self, engine: AsyncEngine, data: Path) -> None:
        self.jobs, self.store = Jobs(engine), DeletionStore(engine)
        self.clock = FakeClock()
        self.data = data
        self.said: list[RecordingDeleted] = []
        self.let_go: list[tuple[str, bool]] = []
        self.remover = Remover(data, None, KEY)

    def deletions(self) -> Deletions:
        async def report(message: RecordingDeleted) -> None:
            self.said.append(message)

        async def let_go(broadcast: str) -> None:
            self.let_go.append((broadcast, (self.data / "rooms" / SLUG / broadcast / "program").is_dir()))

        return Deletions(self.jobs, self.remover, report, let_go, self.clock)

    async def ask(self) -> None:
        at = self.clock.wall()
        body = msgspec.json.encode(Deletion(slug=SLUG, broadcast=BROADCAST, why="host")).decode()
        job = Job(deletion_id(BROADCAST), DELETE_KIND, BROADCAST, body, at, at)
        await self.store.add(AskedFor(BROADCAST, SLUG, "host", at), job)

    async def standing(self) -> tuple[str, str]:
        return (await self.jobs.standing(DELETE_KIND))[deletion_id(BROADCAST)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    engine = open_engine(URL.create("sqlite+aiosqlite", database=str(tmp_path / "hustings.db")))
    await upgrade(engine)
    yield Desk(engine, tmp_path)
    await engine.dispose()


def record(data: Path) -> Path:
    folder = write_recording(data, 4.0).folder
    write_index(folder)
    return folder


async def test_a_deletion_is_done_and_told(desk: Desk) -> None:
    folder = record(desk.data)
    await desk.ask()
    deletions = desk.deletions()
    assert await deletions.do_one()
    assert not await deletions.do_one()
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
    assert desk.said == [RecordingDeleted(broadcast_id=BROADCAST, slug=SLUG)]
    assert desk.let_go == [(BROADCAST, True)]  # before the first file goes
    assert await desk.standing() == (DONE, "")


async def test_a_disk_that_refuses_is_asked_again_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = record(desk.data)
    await desk.ask()
    deletions = desk.deletions()

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(desk.remover, "delete", refuse)
        for _ in range(10):
            assert await deletions.do_one()
            assert not await deletions.do_one()
            assert await desk.standing() == (OPEN, "The disk refuses: Read-only file system.")
            desk.clock.advance(3600.0)
        assert desk.said == []
    assert await deletions.do_one()
    assert is_deleted(folder)
    assert FIRST_RETRY < 60


async def test_a_killed_scribe_s_deletion_is_done_again_within_a_minute(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = record(desk.data)
    await desk.ask()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("hustings.scribe.remove._tombstone", killed)
        with pytest.raises(Killed):
            await desk.deletions().do_one()
    assert not folder.exists()  # renamed: nothing of it is served
    fresh = desk.deletions()
    assert not await fresh.do_one()
    assert LEASE < 60
    desk.clock.advance(LEASE + 1)
    assert await fresh.do_one()
    stone = read_tombstone(folder)
    assert stone is not None
    assert stone.duration == 4 * 48_000
    assert [path.name for path in folder.parent.iterdir()] == [BROADCAST]


async def test_what_is_late_is_swept_after_the_start_and_then_hourly(desk: Desk) -> None:
    folder = record(desk.data)
    await desk.ask()
    deletions = desk.deletions()
    await deletions.do_one()
    (folder / "made").mkdir()
    await deletions.sweep()
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
    (folder / "made").mkdir()
    await deletions.sweep()
    assert (folder / "made").exists()
    desk.clock.advance(SWEEP)
    await deletions.sweep()
    assert not (folder / "made").exists()


async def test_nothing_is_made_of_a_deleted_recording(desk: Desk) -> None:
    folder = record(desk.data)
    await desk.ask()
    await desk.deletions().do_one()

    async def report(_message: object) -> None:
        pass

    scribe = Scribe(desk.jobs, report, desk.clock, desk.data)
    order = Order(slug=SLUG, broadcast=BROADCAST, kind="mp3", episode=Episode(title="Rents"))
    with pytest.raises(Failed, match="no such recording"):
        await scribe._make(order)
    await scribe._tell(order, "waiting")
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
