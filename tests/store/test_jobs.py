"""Jobs: written with their cause, leased by one at a time, tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from store_support import AT, sqlite

from hustings.store.connection import writing
from hustings.store.jobs import DEAD, DONE, OPEN, Job, Jobs, count_open, enqueue
from hustings.store.migrations import upgrade


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    yield engine
    await engine.dispose()


async def put(engine: AsyncEngine, *jobs: Job) -> None:
    async with writing(engine) as connection:
        for job in jobs:
            await enqueue(connection, job)


def job(number: int, subject: str = "a", due: float = AT) -> Job:
    return Job(f"j{number}", "webhook", subject, "{}", AT + number, due)


async def lease(jobs: Jobs, at: float = AT, places: int = 8, per_subject: int = 8) -> list[str]:
    return [job.id for job in await jobs.lease("webhook", at, 30.0, places, {}, per_subject)]


async def test_a_job_is_there_only_if_its_cause_is(engine: AsyncEngine) -> None:
    async def cause() -> None:
        async with writing(engine) as connection:
            await enqueue(connection, job(1))
            raise RuntimeError("the cause failed")

    with pytest.raises(RuntimeError):
        await cause()
    assert await lease(Jobs(engine)) == []


async def test_each_job_is_leased_once_until_the_lease_runs_out(engine: AsyncEngine) -> None:
    jobs = Jobs(engine)
    await put(engine, *(job(number) for number in range(20)))
    taken = await asyncio.gather(*(lease(jobs) for _ in range(6)))
    everything = [name for some in taken for name in some]
    assert len(everything) == len(set(everything)) <= 20
    assert len(everything) + len(await lease(jobs, places=20, per_subject=20)) == 20
    assert await lease(jobs, AT + 29.0) == []
    assert len(await lease(jobs, AT + 30.0, places=20, per_subject=20)) == 20


async def test_no_subject_starves_the_others_however_much_it_has(engine: AsyncEngine) -> None:
    jobs = Jobs(engine)
    await put(engine, *(job(number) for number in range(300)), job(1000, "b"), job(1001, "c"))
    assert await lease(jobs, places=4, per_subject=2) == ["j0", "j1", "j1000", "j1001"]
    busy = {"a": 2}
    assert [one.id for one in await jobs.lease("webhook", AT + 31, 30.0, 4, busy, 2)] == ["j1000", "j1001"]


async def test_a_job_is_done_or_tried_again_or_buried(engine: AsyncEngine) -> None:
    jobs = Jobs(engine)
    await put(engine, job(1), job(2), job(3), job(4, due=AT + 100))
    one, two, three = await jobs.lease("webhook", AT, 30.0, 8, {}, 8)
    await jobs.done(one, AT, "HTTP 200")
    await jobs.again(two, AT + 5.0, "HTTP 500 " + "x" * 500)
    await jobs.bury(three, AT, "too late")
    assert await jobs.counts() == {"a": {OPEN: 2, DONE: 1, DEAD: 1}}
    assert await lease(jobs, AT + 4.9) == []
    (again,) = await jobs.lease("webhook", AT + 5.0, 30.0, 8, {}, 8)
    assert (again.id, again.attempts) == (two.id, 1)
    assert await lease(jobs, AT + 100.0) == ["j2", "j4"]
    await jobs.purge(AT, AT - 1)
    assert await jobs.counts() == {"a": {OPEN: 2, DEAD: 1}}
    async with writing(engine) as connection:
        assert await count_open(connection, "a") == 2
    await jobs.drop("a")
    assert await jobs.counts() == {}


async def test_a_job_of_a_known_name_is_written_down_once_and_again_when_it_is_over(
    engine: AsyncEngine,
) -> None:
    jobs = Jobs(engine)
    assert await jobs.add(job(1))
    assert not await jobs.add(job(1))
    (taken,) = await jobs.lease("webhook", AT, 30.0, 8, {}, 8)
    assert not await jobs.add(job(1))  # under way: nothing to add
    assert await lease(jobs) == [], "and nobody else may begin it"
    await jobs.bury(taken, AT, "the disk is full")
    assert await jobs.standing("webhook") == {"j1": (DEAD, "the disk is full")}
    assert await jobs.standing("another") == {}
    assert await jobs.add(job(1))
    assert await jobs.standing("webhook") == {"j1": (OPEN, "")}
    (once_more,) = await jobs.lease("webhook", AT, 30.0, 8, {}, 8)
    assert once_more.attempts == 0


async def test_a_lease_is_kept_as_long_as_it_is_renewed(engine: AsyncEngine) -> None:
    jobs = Jobs(engine)
    await put(engine, job(1))
    (taken,) = await jobs.lease("webhook", AT, 30.0, 8, {}, 8)
    assert await jobs.renew(taken, AT + 100.0)
    assert await lease(jobs, AT + 99.0) == []
    assert await lease(jobs, AT + 100.0) == ["j1"]
    await jobs.done(taken, AT + 101.0, "")
    assert not await jobs.renew(taken, AT + 200.0)
