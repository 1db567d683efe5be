"""Rooms that open and start by themselves: on the second, once, over restarts, moves and clock steps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_bus import FakeBus
from sqlalchemy.ext.asyncio import AsyncEngine
from studio_support import FakeStage, running_studio, seat, settings_in

from hustings.bus.messages import StageReport
from hustings.clock import FakeClock
from hustings.errors import Unavailable
from hustings.rooms import commands as c
from hustings.rooms.model import Details, Room
from hustings.rooms.table import RoomStatus
from hustings.store.engine import database_url, open_engine
from hustings.store.migrations import upgrade
from hustings.store.store import Store
from hustings.studio.service import Studio
from hustings.studio.sessions import SessionIds
from hustings.studio.starter import LOOK, NOBODY_CAME, Starter, starter
from hustings.studio.trusted_time import BELIEVE_AFTER, TrustedTime
from hustings.studio.urls import Urls

WEEK = 7 * 86400.0


class Killed(Exception):
    """The process is gone."""


class MortalStore(Store):
    """Dies (`before` or `after` the commit) at the next command, or cannot be reached so many times."""

    dies = ""
    away = 0

    async def execute(self, slug: str, command: c.Command, **more: Any) -> Any:
        if self.away:
            self.away -= 1
            raise Unavailable("The database is away.")
        dies, self.dies = self.dies, ""
        if dies == "before":
            raise Killed
        done = await super().execute(slug, command, **more)
        if dies == "after":
            raise Killed
        return done


@dataclass
class World:
    """One room, one studio after the other, a clock that moves only when told."""

    store: MortalStore
    folder: Path
    clock: FakeClock
    slug: str
    bus: FakeBus = field(default_factory=FakeBus)
    synchronised: bool = False
    studio: Studio | None = None
    starter: Starter | None = None

    async def begin(self) -> None:
        """A studio starts, with what the database holds."""
        settings = settings_in(self.folder)
        self.studio = Studio(
            self.store, self.bus, self.clock, settings, Urls(settings), SessionIds(b"k" * 32), b"k" * 32
        )
        self.studio.board.put(await self.store.room(self.slug))
        self.starter = starter(self.studio, self.clock.monotonic, lambda: self.synchronised)

    async def kill(self) -> None:
        if self.studio is not None:
            await self.studio.link.close()
        self.studio = self.starter = None

    @property
    def true(self) -> float:
        """Time as it is, whatever the wall clock says."""
        return self.clock.monotonic()

    async def run(self, until: float) -> None:
        """Lives until then (true time); who dies in a deed stays dead."""
        while self.true < until:
            delay = until - self.true
            if self.starter is not None:
                try:
                    wanted = await self.starter.step()
                except Killed:
                    await self.kill()
                else:
                    assert wanted <= LOOK
                    delay = min(delay, max(wanted, 0.001))
            self.clock.advance(delay)

    async def room(self) -> Room:
        return await self.store.room(self.slug)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    made = open_engine(database_url(settings_in(tmp_path)))
    await upgrade(made)
    yield made
    await made.dispose()


async def world(engine: AsyncEngine, folder: Path, slug: str = "hall", **details: Any) -> World:
    """True time and wall clock begin as the same number, so that a plan can be read in both."""
    clock = FakeClock(1_790_000_000.0, 1_790_000_000.0)
    store = MortalStore(engine)
    await store.create_room(slug, Details(**{"title": "Hall", **details}), "", clock.wall())
    made = World(store, folder, clock, slug)
    await FakeStage(made.bus).start()
    await made.begin()
    return made


START = 1_790_000_000.0


@pytest.mark.parametrize("seed", range(90))
async def test_ninety_starts(engine: AsyncEngine, tmp_path: Path, seed: int) -> None:
    """A random plan, moved up to twice, with studios that are killed at random moments, also between a deed
    and its commit or right after it. It opens and starts at the second, or at once when there is a studio
    again, once each."""
    rng = random.Random(seed)
    planned = START + rng.uniform(1000, 8000)
    minutes = rng.choice((0, 1, 10, 15))
    it = await world(engine, tmp_path, scheduled_at=planned, doors_minutes=minutes, starts_itself=True)
    for _ in range(rng.choice((0, 0, 1, 2))):
        await it.run(START + rng.uniform(0, 300))
        planned = START + rng.uniform(1200, 9000)
        assert it.studio is not None
        await it.studio.execute(it.slug, c.Schedule(planned, "UTC", False, it.clock.wall()))
    doors = planned - minutes * 60
    up: list[tuple[float, float]] = [(START, float("inf"))]
    for _ in range(rng.randrange(5)):
        near = rng.choice((doors, planned, rng.uniform(doors - 100, planned + 100)))
        down = max(it.true, near + rng.uniform(-3, 3))
        it.store.dies = rng.choice(("", "", "before", "after"))
        it.store.away = rng.choice((0, 0, 0, 2))
        await it.run(down)
        await it.kill()
        up[-1] = (up[-1][0], down)
        await it.run(down + rng.choice((0.2, 1.0, 4.0, 30.0)))
        up.append((it.true, float("inf")))
        it.store.dies = ""
        await it.begin()
    await it.run(max(it.true, planned) + 2)
    if it.starter is None:  # killed in its last deed
        await it.begin()
        up.append((it.true, float("inf")))
        await it.run(it.true + 2)
    room = await it.room()
    assert room.status is RoomStatus.LIVE
    assert room.broadcast is not None
    assert room.broadcast.planned_at == planned
    assert [b.id for b in await it.store.broadcasts(it.slug)] == [room.broadcast.id], "opened once"
    live = room.broadcast.live_since
    assert live is not None
    assert live >= planned
    assert room.broadcast.opened_at >= doors
    # Not later than the first studio that was there then and lived long enough to try again.
    lived = [max(begin, planned) for begin, end in up if end - max(begin, planned) > 1.0]
    assert live - lived[0] <= 1.0, (live - planned, up)
    await it.kill()


@pytest.mark.parametrize("step", [3600.0, -3600.0, 70.0, -70.0])
@pytest.mark.parametrize("before", [5.0, 400.0])
async def test_a_clock_set_wrong_and_back_opens_nothing_early_or_late(
    engine: AsyncEngine, tmp_path: Path, step: float, before: float
) -> None:
    planned = START + 2000
    it = await world(engine, tmp_path, scheduled_at=planned, doors_minutes=10, starts_itself=True)
    await it.run(planned - before)
    it.clock.step(step)
    await it.run(planned - 0.5)
    assert it.studio is not None
    assert (await it.room()).status in (RoomStatus.SCHEDULED, RoomStatus.OPEN)
    await it.run(planned + 0.5)
    assert (await it.room()).status is RoomStatus.LIVE
    await it.kill()


async def test_a_correction_by_the_time_service_is_believed_at_once(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """The clock was an hour behind when the studio began: what it says now is right."""
    it = await world(engine, tmp_path, scheduled_at=START + 7200, opens_itself=False, starts_itself=True)
    it.synchronised = True
    await it.run(START + 100)
    it.clock.step(3600)
    await it.run(START + 3599)
    assert (await it.room()).status is RoomStatus.SCHEDULED
    await it.run(START + 3601)
    assert (await it.room()).status is RoomStatus.LIVE
    await it.kill()


def test_a_step_that_lasts_is_believed_in_the_end() -> None:
    clock = FakeClock(0.0, 1000.0)
    time = TrustedTime(clock.wall, clock.monotonic, lambda: False)
    clock.step(3600)
    assert time.now() == 1000.0
    assert time.doubts
    clock.advance(BELIEVE_AFTER - 1)
    assert time.now() == 1000.0 + BELIEVE_AFTER - 1
    clock.advance(1)
    assert time.now() == 4600.0 + BELIEVE_AFTER
    assert not time.doubts


def test_small_corrections_are_followed() -> None:
    clock = FakeClock(0.0, 1000.0)
    time = TrustedTime(clock.wall, clock.monotonic, lambda: False)
    for _ in range(100):
        clock.advance(5.0)
        clock.step(0.1)
        assert time.now() == pytest.approx(clock.wall())


async def test_cancelled_and_moved_in_the_last_second(engine: AsyncEngine, tmp_path: Path) -> None:
    it = await world(engine, tmp_path, scheduled_at=START + 1000, doors_minutes=10)
    await it.run(START + 399.5)
    assert it.studio is not None
    await it.studio.execute(it.slug, c.Cancel(it.clock.wall()))
    await it.run(START + 1100)
    assert (await it.room()).status is RoomStatus.CANCELLED
    await it.studio.execute(it.slug, c.Schedule(START + 2000, "UTC", False, it.clock.wall()))
    await it.run(START + 1399)
    assert (await it.room()).status is RoomStatus.SCHEDULED
    await it.run(START + 1401)
    assert (await it.room()).status is RoomStatus.OPEN
    await it.run(START + 2100)
    assert (await it.room()).status is RoomStatus.OPEN, "on the host's word"
    await it.kill()


async def test_a_weekly_room_opens_starts_and_goes_on(engine: AsyncEngine, tmp_path: Path) -> None:
    planned = START + 1000
    it = await world(engine, tmp_path, scheduled_at=planned, weekly=True, starts_itself=True)
    for week in range(3):
        await it.run(planned + week * WEEK + 1)
        assert (await it.room()).status is RoomStatus.LIVE, week
        assert it.studio is not None
        await it.studio.stop(it.slug)
        assert (await it.room()).scheduled_at == planned + (week + 1) * WEEK
    await it.kill()


async def test_a_weekly_broadcast_that_ends_before_its_time_is_not_opened_again(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    it = await world(engine, tmp_path, scheduled_at=START + 1000, weekly=True)
    await it.run(START + 450)
    assert it.studio is not None
    await it.studio.go_live(it.slug)
    await it.run(START + 800)
    await it.studio.stop(it.slug)
    assert (await it.room()).scheduled_at == START + 1000 + WEEK
    await it.kill()


async def test_doors_close_again_when_nobody_came(engine: AsyncEngine, tmp_path: Path) -> None:
    it = await world(engine, tmp_path, scheduled_at=START + 1000, weekly=True)
    await it.run(START + 401)
    assert it.studio is not None
    room = it.studio.room(it.slug)
    assert room.broadcast is not None
    stage = FakeStage(it.bus)
    # Somebody is there: they stay open.
    await it.run(START + 1000 + 7199)
    it.studio.stage_reported(_report(stage, room, connected=True))
    await it.run(START + 1000 + 7200 + 5)
    assert (await it.room()).status is RoomStatus.OPEN
    # Ten minutes later nobody is.
    await it.run(START + 1000 + 7200 + 599)
    it.studio.stage_reported(_report(stage, room, connected=False))
    await it.run(START + 1000 + 7200 + 602)
    closed = await it.room()
    assert closed.status is RoomStatus.ENDED
    assert closed.broadcast is not None
    assert closed.broadcast.end_reason == NOBODY_CAME
    assert closed.scheduled_at == START + 1000 + WEEK
    await it.kill()


def _report(stage: FakeStage, room: Room, *, connected: bool) -> StageReport:
    assert room.broadcast is not None
    return StageReport(
        broadcast_id=room.broadcast.id,
        slug=room.slug,
        stage_id=stage.stage_id,
        live=False,
        media_time=0,
        seats=[seat("p1", connected=connected)],
    )


async def test_a_server_that_was_off_for_hours_opens_nothing(engine: AsyncEngine, tmp_path: Path) -> None:
    it = await world(engine, tmp_path, scheduled_at=START + 1000, weekly=True, starts_itself=True)
    await it.kill()
    it.clock.advance(4 * 3600)
    await it.begin()
    await it.run(it.true + 10)
    room = await it.room()
    assert room.status is RoomStatus.SCHEDULED
    assert room.scheduled_at == START + 1000 + WEEK
    await it.kill()


async def test_it_sleeps_until_the_next_deed(engine: AsyncEngine, tmp_path: Path) -> None:
    it = await world(engine, tmp_path, scheduled_at=START + 602.5, doors_minutes=10)
    assert it.starter is not None
    assert await it.starter.step() == pytest.approx(2.5)
    it.clock.advance(2.5)
    assert await it.starter.step() == LOOK
    assert (await it.room()).status is RoomStatus.OPEN
    await it.kill()


async def test_in_the_whole_studio_it_is_told_to_the_stage(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        at = house.clock.wall() + 0.4
        await house.room(at=_iso(at), starts_itself=True, doors_minutes=0)
        house.clock.advance(0.4)
        for _ in range(200):
            if house.stage.live:
                break
            await asyncio.sleep(0.02)
        assert list(house.stage.live.values()) == [pytest.approx(at, abs=0.1)]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
