"""Storing as jobs from a real database: a store that fails is tried on; what is being read is not freed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faulty_store import FaultyStore
from obstore.exceptions import GenericError
from recording_folder import BROADCAST, SLUG, write_recording
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.archive.index import write_index
from hustings.archive.objects import Objects, StoreFailed
from hustings.archive.orders import STORE_KIND, Deletion, store_id
from hustings.archive.stored import freed, key_of, unstored
from hustings.clock import FakeClock
from hustings.scribe.leases import FIRST_RETRY, Failed
from hustings.scribe.remove import Remover
from hustings.scribe.storage import LOOK, Held, Storage
from hustings.store.engine import open_engine
from hustings.store.jobs import DONE, OPEN, Jobs
from hustings.store.migrations import upgrade

KEY = Ed25519PrivateKey.generate()
EARLIER = "20261127T200000-abc123"
NOW = 1_795_000_000.0


class Desk:
    """A database, a clock, a store and a data folder with one recording."""

    def __init__(self, engine: AsyncEngine, data: Path) -> None:
        self.jobs = Jobs(engine)
        self.clock = FakeClock()
        self.clock.advance(NOW - self.clock.wall())
        self.data = data
        self.store = FaultyStore()
        self.objects = Objects(self.store)
        self.held = Held(self.objects)
        self.folder = self.record()

    def record(self, broadcast: str = BROADCAST) -> Path:
        folder = write_recording(self.data, 4.0, broadcast=broadcast).folder
        write_index(folder)
        return folder

    def storage(self, days: float = -1.0) -> Storage:
        return Storage(self.jobs, self.clock, self.data, self.objects, self.held, days)

    async def standing(self, broadcast: str = BROADCAST) -> tuple[str, str]:
        return (await self.jobs.standing(STORE_KIND))[store_id(broadcast)]

    def broken(self) -> None:
        def fail(_call: str, _path: str, _number: int) -> None:
            raise GenericError("error sending request")

        self.store.fail = fail

    def mended(self) -> None:
        self.store.fail = FaultyStore().fail

    def keys(self, broadcast: str = BROADCAST) -> list[str]:
        self.mended()
        return [each.key for each in self.objects.found(f"rooms/{SLUG}/{broadcast}")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    engine = open_engine(URL.create("sqlite+aiosqlite", database=str(tmp_path / "hustings.db")))
    await upgrade(engine)
    yield Desk(engine, tmp_path)
    await engine.dispose()


async def test_it_is_stored_and_stays(desk: Desk) -> None:
    storage = desk.storage()
    await storage.order(SLUG, BROADCAST)
    await storage.order(SLUG, BROADCAST)
    assert await storage.do_one()
    assert not await storage.do_one()
    assert await desk.standing() == (DONE, "")
    assert unstored(desk.folder) == []
    assert freed(desk.folder) == {}


async def test_a_store_that_fails_is_tried_for_ever_and_says_why(desk: Desk) -> None:
    storage = desk.storage(0.0)
    await storage.order(SLUG, BROADCAST)
    desk.broken()
    for _ in range(10):
        assert await storage.do_one()
        assert not await storage.do_one()
        assert await desk.standing() == (OPEN, "The store does not answer.")
        desk.clock.advance(3600.0)
    assert freed(desk.folder) == {}
    assert FIRST_RETRY < 60
    desk.mended()
    assert await storage.do_one()
    assert await desk.standing() == (DONE, "")
    assert freed(desk.folder)


async def test_once_the_store_is_back_nobody_waits_for_his_turn(desk: Desk) -> None:
    desk.record(EARLIER)
    storage = desk.storage()
    desk.broken()
    for broadcast in (BROADCAST, EARLIER):
        await storage.order(SLUG, broadcast)
        assert await storage.do_one()
    assert not await storage.do_one()
    desk.mended()
    assert not await storage.do_one()
    after_a_start = desk.storage()
    await after_a_start.between()
    desk.broken()
    assert await after_a_start.do_one()
    assert await after_a_start.do_one()
    assert not await after_a_start.do_one()
    desk.mended()
    desk.clock.advance(FIRST_RETRY * 4)
    await desk.jobs.again((await desk.jobs.lease(STORE_KIND, desk.clock.wall(), 1.0, 1, {}, 1))[0], 1e10, "")
    assert await after_a_start.do_one()
    assert await after_a_start.do_one()  # the other one's turn would have been in years
    assert {(await desk.standing(each))[0] for each in (BROADCAST, EARLIER)} == {DONE}


async def test_what_is_made_later_is_sent_and_all_is_freed_when_its_time_is_over(desk: Desk) -> None:
    storage = desk.storage(100.0)
    await storage.between()
    assert await storage.do_one()
    (desk.folder / "made").mkdir()
    (desk.folder / "made" / "program.mp3").write_bytes(b"sound")
    await storage.between()  # not yet: it has just looked
    assert not await storage.do_one()
    desk.clock.advance(LOOK)
    await storage.between()
    assert await storage.do_one()
    assert unstored(desk.folder) == []
    assert freed(desk.folder) == {}
    desk.clock.advance(100 * 86_400.0)
    await storage.between()
    assert "made/program.mp3" in freed(desk.folder)
    assert not await storage.do_one()


async def test_a_recording_that_goes_on_is_left_alone(desk: Desk) -> None:
    (desk.folder / "recording.json").unlink()
    storage = desk.storage(0.0)
    await storage.between()
    await storage.order(SLUG, BROADCAST)
    await storage.order(SLUG, "../../etc")
    while await storage.do_one():
        pass
    assert desk.keys() == []


async def test_what_somebody_reads_whole_is_fetched_back_and_not_freed_meanwhile(desk: Desk) -> None:
    storage = desk.storage(0.0)
    await storage.between()
    assert await storage.do_one()
    missing = freed(desk.folder)
    assert missing
    async with desk.held.local(desk.folder):
        assert freed(desk.folder) == {}
        assert await desk.held.free(desk.folder, 0.0, NOW) == 0
        async with desk.held.local(desk.folder):
            pass
        desk.clock.advance(LOOK)
        await storage.between()
        assert freed(desk.folder) == {}
    assert await desk.held.free(desk.folder, 0.0, NOW) == sum(each.bytes for each in missing.values())
    assert freed(desk.folder) == missing


async def test_what_cannot_be_fetched_back_is_a_failure_that_passes(desk: Desk) -> None:
    storage = desk.storage(0.0)
    await storage.between()
    assert await storage.do_one()
    desk.broken()
    with pytest.raises(Failed, match="The store does not answer") as raised:
        async with desk.held.local(desk.folder):
            raise AssertionError
    assert not raised.value.final
    with pytest.raises(Failed, match="names none"):
        async with Held(None).local(desk.folder):
            raise AssertionError


async def test_a_deletion_ends_what_is_being_sent_and_reaches_the_store(desk: Desk) -> None:
    desk.record(EARLIER)
    storage = desk.storage()
    sending, go_on = threading.Event(), threading.Event()

    def fail(call: str, path: str, _number: int) -> None:
        if call == "put" and path.endswith("recording.json"):
            sending.set()
            assert go_on.wait(30)

    desk.store.fail = fail
    await storage.order(SLUG, BROADCAST)
    working = asyncio.create_task(storage.do_one())
    await asyncio.to_thread(sending.wait, 30)
    letting_go = asyncio.create_task(storage.let_go(BROADCAST))
    await asyncio.sleep(0)
    assert not letting_go.done()  # something is on its way
    go_on.set()
    await letting_go
    await working
    sent = len(desk.store.sent())
    await storage.order(SLUG, BROADCAST)
    assert await storage.do_one()
    assert len(desk.store.sent()) == sent  # its files are still there, and nothing of them is sent
    remover = Remover(desk.data, None, KEY, desk.objects)
    order = Deletion(slug=SLUG, broadcast=BROADCAST, why="host")
    assert await asyncio.to_thread(remover.delete, order, NOW) is not None
    assert desk.keys() == [key_of(desk.folder, "deleted.json")]
    await storage.order(SLUG, BROADCAST)
    await storage.order(SLUG, EARLIER)
    while await storage.do_one():
        pass
    assert desk.keys() == [key_of(desk.folder, "deleted.json")]
    assert len(desk.keys(EARLIER)) > 10


async def test_what_a_store_that_hung_takes_after_the_deletion_is_removed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hustings.scribe.storage.LETS_GO", 0.01)
    storage = desk.storage()
    sending, go_on = threading.Event(), threading.Event()

    def fail(call: str, path: str, _number: int) -> None:
        if call == "put" and path.endswith("recording.json") and not go_on.is_set():
            sending.set()
            assert go_on.wait(30)

    desk.store.fail = fail
    await storage.order(SLUG, BROADCAST)
    working = asyncio.create_task(storage.do_one())
    await asyncio.to_thread(sending.wait, 30)
    await storage.let_go(BROADCAST)  # nobody waits for a store that hangs
    remover = Remover(desk.data, None, KEY, desk.objects)
    order = Deletion(slug=SLUG, broadcast=BROADCAST, why="host")
    assert await asyncio.to_thread(remover.delete, order, NOW) is not None
    go_on.set()
    await working
    assert desk.store.sent()[-1] == key_of(desk.folder, "deleted.json")
    assert desk.keys() == [key_of(desk.folder, "deleted.json")]


async def test_a_deletion_is_not_done_before_the_store_has_forgotten(desk: Desk) -> None:
    storage = desk.storage()
    await storage.between()
    assert await storage.do_one()
    remover = Remover(desk.data, None, KEY, desk.objects)
    order = Deletion(slug=SLUG, broadcast=BROADCAST, why="host")
    desk.broken()
    with pytest.raises(StoreFailed, match="does not answer"):
        remover.delete(order, NOW)
    assert [path.name for path in desk.folder.iterdir()] == ["deleted.json"]  # here it is gone at once
    desk.mended()
    stone = remover.delete(order, NOW)
    assert stone is not None
    assert desk.keys() == [key_of(desk.folder, "deleted.json")]
    # Another machine was in the middle of sending.
    desk.objects.put(key_of(desk.folder, "tracks/a.0.opus"), iter((b"sound",)), 5)
    assert remover.sweep() == 1
    assert desk.keys() == [key_of(desk.folder, "deleted.json")]
    assert remover.sweep() == 0
