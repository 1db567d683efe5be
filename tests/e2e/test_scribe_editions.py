"""Editions as jobs: from a real database, made by a real process, also out of a store; given up in the
middle."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from faulty_store import FaultyStore
from recording_folder import BROADCAST, SLUG, write_recording
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.archive.editing import Asked
from hustings.archive.index import write_index
from hustings.archive.model import read_index
from hustings.archive.objects import Objects
from hustings.archive.orders import EDIT_KIND, EditOrder, edit_id
from hustings.archive.stored import free, freed, store_recording
from hustings.archive.withheld import is_withheld
from hustings.bus.messages import EditReport
from hustings.clock import FakeClock
from hustings.scribe.editions import COMMAND, Editions
from hustings.scribe.storage import Held
from hustings.store.edits import Edit, EditStore
from hustings.store.engine import open_engine
from hustings.store.jobs import DEAD, DONE, OPEN, Job, Jobs
from hustings.store.migrations import upgrade

pytestmark = pytest.mark.e2e

EDITION = "20261128T200000-fedcba"
DAY = 86_400.0


class Desk:
    """A database, a clock and what was reported."""

    def __init__(self, engine: AsyncEngine, data: Path) -> None:
        self.jobs, self.edits = Jobs(engine), EditStore(engine)
        self.clock = FakeClock(wall=1_795_000_000.0)
        self.data = data
        self.said: list[EditReport] = []

    def editions(self, command: Sequence[str] = COMMAND, objects: Objects | None = None) -> Editions:
        async def report(message: EditReport) -> None:
            self.said.append(message)

        return Editions(self.jobs, report, self.clock, self.data, command, Held(objects))

    def record(self) -> Path:
        folder = write_recording(self.data, 6.0).folder
        write_index(folder, whole=True)
        return folder

    async def order(self, begins: float) -> None:
        order = EditOrder(
            slug=SLUG, broadcast=BROADCAST, edition=EDITION, number=1, asked=Asked(begins=begins)
        )
        at, body = self.clock.wall(), msgspec.json.encode(order).decode()
        edit = Edit(EDITION, BROADCAST, 1, SLUG, msgspec.json.encode(order.asked).decode(), at, "", False)
        assert await self.edits.add(edit, Job(edit_id(EDITION), EDIT_KIND, BROADCAST, body, at, at))

    async def standing(self) -> tuple[str, str]:
        return (await self.jobs.standing(EDIT_KIND)).get(edit_id(EDITION), ("", ""))

    @property
    def edition(self) -> Path:
        return self.data / "rooms" / SLUG / EDITION

    @property
    def part(self) -> Path:
        return self.data / "rooms" / SLUG / f".{BROADCAST}.1.editing"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    engine = open_engine(URL.create("sqlite+aiosqlite", database=str(tmp_path / "hustings.db")))
    await upgrade(engine)
    yield Desk(engine, tmp_path)
    await engine.dispose()


async def test_made_once_for_hosts_and_said(desk: Desk) -> None:
    desk.record()
    await desk.order(1.0)
    editions = desk.editions()
    assert await editions.do_one()
    assert not await editions.do_one()
    assert await desk.standing() == (DONE, "")
    assert [said.state for said in desk.said] == ["making", "made"]
    assert desk.said[-1].edition == EDITION
    assert read_index(desk.edition).duration == 5 * 48_000
    assert is_withheld(desk.edition)


async def test_what_was_freed_comes_back_from_the_store_for_it(desk: Desk) -> None:
    folder = desk.record()
    objects = Objects(FaultyStore())
    store_recording(folder, objects, desk.clock.wall)
    assert free(folder, objects, 0.0, desk.clock.wall() + 100 * DAY)
    assert freed(folder)
    await desk.order(1.0)
    assert await desk.editions(objects=objects).do_one()
    assert await desk.standing() == (DONE, "")
    assert read_index(desk.edition).duration == 5 * 48_000


async def test_what_cannot_be_made_says_why_and_leaves_nothing(desk: Desk) -> None:
    desk.record()
    await desk.order(7.0)
    assert await desk.editions().do_one()
    state, note = await desk.standing()
    assert (state, "ends after 6.00 s" in note) == (DEAD, True)
    assert (desk.said[-1].state, desk.said[-1].problem) == ("failed", note)
    assert not desk.edition.exists()


async def test_a_crash_is_tried_again_and_given_up_in_the_end(desk: Desk) -> None:
    desk.record()
    await desk.order(1.0)
    editions = desk.editions((sys.executable, "-c", "import os; os.abort()"))
    for number in range(1, Editions.tries + 1):
        assert await editions.do_one()
        assert (await desk.standing())[0] == (OPEN if number < Editions.tries else DEAD)
        desk.clock.advance(3600.0)


async def test_given_up_its_process_ends_and_what_is_half_made_goes(desk: Desk) -> None:
    desk.record()
    await desk.order(1.0)
    (desk.part / "program").mkdir(parents=True)
    pid = desk.data / "pid"
    text = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    editions = desk.editions((sys.executable, "-c", text))
    working = asyncio.create_task(editions.run())
    async with asyncio.timeout(60):
        while not pid.exists() or not pid.read_text():
            await asyncio.sleep(0.02)
        assert desk.part.exists()  # another may be at it
        await desk.edits.drop(EDITION, edit_id(EDITION), desk.clock.wall())
        while Path(f"/proc/{pid.read_text()}").exists() or desk.part.exists():
            await asyncio.sleep(0.02)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await desk.standing() == ("", "")
    assert not desk.edition.exists()
