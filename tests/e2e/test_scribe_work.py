"""The scribe at work: jobs from a real database, files made by a real process, and processes that fail."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from recording_folder import BROADCAST, SLUG, write_recording
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.archive.index import write_index
from hustings.archive.made import Episode, MadeKind, Order, read_made
from hustings.archive.orders import KIND, job_id
from hustings.bus.messages import DownloadReport
from hustings.clock import FakeClock
from hustings.scribe.work import COMMAND, TRIES, Scribe
from hustings.store.engine import open_engine
from hustings.store.jobs import DEAD, DONE, OPEN, Job, Jobs
from hustings.store.migrations import upgrade

pytestmark = pytest.mark.e2e


class Desk:
    """A database, a clock and what was reported."""

    def __init__(self, engine: AsyncEngine, data: Path) -> None:
        self.jobs = Jobs(engine)
        self.clock = FakeClock()
        self.data = data
        self.said: list[DownloadReport] = []

    def scribe(self, command: Sequence[str] = COMMAND) -> Scribe:
        async def report(message: DownloadReport) -> None:
            self.said.append(message)

        return Scribe(self.jobs, report, self.clock, self.data, command)

    def program(self, text: str) -> Scribe:
        """A scribe whose files are made by a program of these lines."""
        return self.scribe((sys.executable, "-c", text))

    async def order(self, kind: MadeKind = "mp3", broadcast: str = BROADCAST) -> str:
        order = Order(slug=SLUG, broadcast=broadcast, kind=kind, episode=Episode(title="Rents"))
        (self.data / "rooms" / SLUG / BROADCAST).mkdir(parents=True, exist_ok=True)
        at = self.clock.wall()
        name = job_id(broadcast, kind)
        await self.jobs.add(Job(name, KIND, broadcast, msgspec.json.encode(order).decode(), at, at))
        return name


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    engine = open_engine(URL.create("sqlite+aiosqlite", database=str(tmp_path / "hustings.db")))
    await upgrade(engine)
    yield Desk(engine, tmp_path)
    await engine.dispose()


async def test_a_job_is_done_once_and_everybody_hears_of_it(desk: Desk) -> None:
    folder = write_recording(desk.data, 6.0).folder
    write_index(folder)
    name = await desk.order()
    scribe = desk.scribe()
    assert await scribe.do_one()
    assert not await scribe.do_one()
    made = read_made(folder)["mp3"]
    assert (folder / "made" / "program.mp3").stat().st_size == made.bytes
    assert [said.state for said in desk.said] == ["making", "made"]
    assert desk.said[-1].progress == 1.0
    assert await desk.jobs.standing(KIND) == {name: (DONE, "")}


async def test_what_cannot_be_made_is_not_tried_on_and_on(desk: Desk) -> None:
    name = await desk.order()
    scribe = desk.program('print(\'{"problem": "Nothing was recorded."}\'); raise SystemExit(2)')
    assert await scribe.do_one()
    assert await desk.jobs.standing(KIND) == {name: (DEAD, "Nothing was recorded.")}
    assert (desk.said[-1].state, desk.said[-1].problem) == ("failed", "Nothing was recorded.")


async def test_a_full_disk_and_a_crash_are_tried_again_later_and_then_given_up(desk: Desk) -> None:
    name = await desk.order()
    scribe = desk.program("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    for number in range(1, TRIES + 1):
        assert await scribe.do_one()
        state, note = (await desk.jobs.standing(KIND))[name]
        assert "-11" in note
        assert state == (OPEN if number < TRIES else DEAD)
        assert not await scribe.do_one(), "not at once"
        desk.clock.advance(3600.0)
    assert [said.state for said in desk.said if said.state != "making"] == ["waiting"] * 5 + ["failed"]


async def test_a_job_from_a_bad_hand_reaches_no_other_folder(desk: Desk) -> None:
    await desk.order(broadcast="../../../etc")
    assert await desk.scribe().do_one()
    assert desk.said[-1].state == "failed"


async def test_progress_is_told_at_most_once_a_second(desk: Desk) -> None:
    await desk.order()
    lines = "import sys\nfor n in range(500): print('{\"progress\": %f}' % (n / 500))\nraise SystemExit(3)"
    assert await desk.program(lines).do_one()
    assert [said.state for said in desk.said] == ["making", "waiting"]  # the clock stood still


async def test_a_scribe_that_is_stopped_leaves_the_job_to_the_next_and_no_process(desk: Desk) -> None:
    name = await desk.order()
    pid = desk.data / "pid"
    scribe = desk.program(
        f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    working = asyncio.create_task(scribe.run())
    async with asyncio.timeout(40):
        while not pid.exists() or not pid.read_text():
            await asyncio.sleep(0.02)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert not Path(f"/proc/{pid.read_text()}").exists()
    assert (await desk.jobs.standing(KIND))[name][0] == OPEN
    assert [job.id for job in await desk.jobs.lease(KIND, desk.clock.wall(), 1.0, 1, {}, 1)] == [name]


async def test_a_scribe_that_was_killed_is_followed_by_another_after_its_lease(desk: Desk) -> None:
    folder = write_recording(desk.data, 6.0).folder
    write_index(folder)
    await desk.order()
    assert await desk.jobs.lease(KIND, desk.clock.wall(), Scribe.lease, 1, {}, 1)  # ... and died
    scribe = desk.scribe()
    assert not await scribe.do_one()
    desk.clock.advance(Scribe.lease)
    assert await scribe.do_one()
    assert "mp3" in read_made(folder)


async def test_the_process_ends_with_the_scribe(desk: Desk) -> None:
    """It ends when its stdin does, whatever it is doing."""
    folder = write_recording(desk.data, 120.0, turn=20.0).folder
    write_index(folder)
    order = Order(slug=SLUG, broadcast=BROADCAST, kind="m4a", episode=Episode(title="Rents"))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode({"folder": str(folder), "order": order}) + b"\n")
    await process.stdin.drain()
    assert b"progress" in await process.stdout.readline()
    process.stdin.close()
    async with asyncio.timeout(40):
        assert await process.wait() == 3
    assert read_made(folder) == {}


@pytest.mark.parametrize("kind", ["mp3", "m4a", "flac"])
async def test_a_disk_that_takes_no_more_leaves_nothing_that_counts(desk: Desk, kind: MadeKind) -> None:
    """The kernel refuses writes from some byte on, as a full disk does: whatever the muxer makes of that, no
    file is announced, and there is another try."""
    folder = write_recording(desk.data, 30.0, turn=5.0).folder
    write_index(folder)
    name = await desk.order(kind)
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from hustings.scribe.make import main; sys.exit(main())"
    )
    assert await desk.program(limited).do_one()
    assert desk.said[-1].state == "waiting"
    assert "cannot be written" in desk.said[-1].problem
    assert not [path for path in (folder / "made").iterdir() if path.name.endswith(".part")]
    assert read_made(folder) == {}
    assert (await desk.jobs.standing(KIND))[name][0] == OPEN
    desk.clock.advance(3600.0)
    assert await desk.scribe().do_one()
    assert kind in read_made(folder)
