"""Questions and votes in the database: what is written comes back, batches may be repeated."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from store_support import AT, sqlite

from hustings.errors import Unavailable
from hustings.rooms.commands import OpenDoors
from hustings.rooms.model import Details
from hustings.rooms.questions import MAX_VOTES_BY_ADDRESS, Question, QuestionState, Sheet, Vote, Why
from hustings.store.migrations import upgrade
from hustings.store.questions import QuestionStore
from hustings.store.store import Store
from hustings.store.tables_questions import question_votes, questions

BROADCASTS = ("20260917T000000-aaaaaa", "20260917T000000-bbbbbb")


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[AsyncEngine, QuestionStore]]:
    """A database with two open rooms."""
    engine = sqlite(folder)
    try:
        await upgrade(engine)
        store = Store(engine)
        if not await store.all_rooms():
            for slug, broadcast_id in zip(("one", "two"), BROADCASTS, strict=True):
                await store.create_room(slug, Details(title=slug), "", AT)
                await store.execute(slug, OpenDoors(broadcast_id, AT))
        yield engine, QuestionStore(engine)
    finally:
        await engine.dispose()


def question(number: int, **changes: object) -> Question:
    made = Question(
        id=f"{number:08x}",
        text=f"Frage {number}: 😀 <b>?",
        name="Ada",
        state=QuestionState.OPEN,
        asked_at=AT + number,
        changed_at=AT + number,
        device=f"d{number}",
        address=f"a{number}",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_questions_come_back_as_they_were(tmp_path: Path) -> None:
    first, second, third = question(1), question(2, state=QuestionState.PENDING, name=""), question(3)
    async with opened(tmp_path) as (_, store):
        await store.take([(BROADCASTS[0], second), (BROADCASTS[0], first), (BROADCASTS[1], third)], [])
        chosen = replace(first, state=QuestionState.CHOSEN, chosen_at=AT + 9, changed_at=AT + 9)
        await store.change(chosen)
    async with opened(tmp_path) as (_, store):
        assert await store.load(BROADCASTS) == {BROADCASTS[0]: [chosen, second], BROADCASTS[1]: [third]}
        assert await store.load(BROADCASTS[1:]) == {BROADCASTS[1]: [third]}
        assert await store.load([]) == {}


async def test_votes_are_counted_once_whatever_is_repeated(tmp_path: Path) -> None:
    votes = [Vote("00000001", f"d{n}", f"a{n}") for n in range(5)] + [Vote("00000002", "d0", "a0")]
    async with opened(tmp_path) as (engine, store):
        taken = await store.take([(BROADCASTS[0], question(1)), (BROADCASTS[0], question(2))], votes)
        assert taken.votes == Counter({"00000001": 5, "00000002": 1})
        again = await store.take([], [*votes, Vote("00000001", "d9", "a9")])
        assert again.votes == Counter({"00000001": 1})
        assert again.left_out == Counter({Why.REPEATED: 6})
        loaded = (await store.load(BROADCASTS))[BROADCASTS[0]]
        assert [(each.id, each.votes) for each in loaded] == [("00000001", 6), ("00000002", 1)]
        async with engine.connect() as connection:
            assert await connection.scalar(select(func.count()).select_from(question_votes)) == 7


async def test_votes_of_one_address_are_bounded_over_batches(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, store):
        await store.take([(BROADCASTS[0], question(1))], [])
        for start in (0, 15):
            taken = await store.take([], [Vote("00000001", f"d{n}", "a") for n in range(start, start + 15)])
        assert taken.votes == Counter({"00000001": MAX_VOTES_BY_ADDRESS - 15})
        assert taken.left_out == Counter({Why.LIMIT: 30 - MAX_VOTES_BY_ADDRESS})


async def test_a_large_batch(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, store):
        many = [(BROADCASTS[0], question(n)) for n in range(300)]
        votes = [Vote(f"{n % 300:08x}", f"d{n}", f"a{n}") for n in range(2000)]
        taken = await store.take(many, votes)
        assert taken.votes.total() == 2000
        assert (await store.take([], votes)).left_out == Counter({Why.REPEATED: 2000})


async def test_a_batch_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as (engine, store):
        with pytest.raises(Exception, match="FOREIGN KEY"):
            await store.take([(BROADCASTS[0], question(1)), ("20260917T000000-cccccc", question(2))], [])
        assert await store.load(BROADCASTS) == {}
        async with engine.begin() as connection:
            await connection.run_sync(questions.drop, checkfirst=False)
        with pytest.raises(Unavailable):
            await store.take([(BROADCASTS[0], question(1))], [])


async def test_who_asked_and_voted_is_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path) as (engine, store):
        asked = [(BROADCASTS[0], question(1)), (BROADCASTS[1], question(2))]
        await store.take(asked, [Vote("00000001", "d9", "a9"), Vote("00000002", "d9", "a9")])
        await store.forget([BROADCASTS[0], "20260917T000000-cccccc"])
        loaded = await store.load(BROADCASTS)
        assert loaded[BROADCASTS[0]] == [question(1, votes=1, device="", address="")]
        assert loaded[BROADCASTS[1]] == [question(2, votes=1)]
        async with engine.connect() as connection:
            rows = (await connection.execute(select(question_votes.c.question_id))).scalars().all()
        assert rows == ["00000002"]


async def test_a_sheet_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, store):
        asked = [question(n) for n in range(5)]
        await store.take([(BROADCASTS[0], each) for each in asked], [])
        await store.take([], [Vote("00000003", "x", "y")])
        sheet = Sheet(BROADCASTS[0], asked)
        sheet.voted({"00000003": 1})
        fresh = Sheet(BROADCASTS[0], (await store.load(BROADCASTS))[BROADCASTS[0]])
        assert fresh.ranked() == sheet.ranked()
