"""Plays: 60 seconds within a day, however they were fetched."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audience.replays import MAX_RANGES, Replays, Stretches
from hustings.audience.sketch import Unique

OF = ("hall", "20261128T200000-abc123")


def plays(replays: Replays) -> tuple[int, int]:
    count, milliseconds = 0, 0
    for told in replays.drain(everything=True):
        unique = Unique()
        unique.merge(told.sketch)
        count += unique.count()
        milliseconds += told.milliseconds
    return count, milliseconds


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), max_size=60))
def test_stretches_are_what_a_set_of_seconds_is(spans: list[tuple[int, int]]) -> None:
    stretches = Stretches()
    known: set[int] = set()
    for begin, length in spans:
        fresh = set(range(begin, begin + length)) - known
        assert stretches.add(begin, begin + length) == len(fresh)
        known |= fresh
    assert stretches.total == len(known)
    assert len(stretches) <= MAX_RANGES


def test_many_stretches_are_bounded_and_never_count_too_much() -> None:
    stretches = Stretches()
    for number in range(1000):
        stretches.add(number * 10, number * 10 + 1)
    assert len(stretches) == MAX_RANGES
    assert stretches.total <= 1000


def test_sixty_different_seconds_in_a_day_are_a_play() -> None:
    replays = Replays()
    for _ in range(100):
        replays.took("2026-11-28", OF, 1, 0.0, 50.0)  # the same again and again
    assert plays(replays) == (0, 0)
    replays.took("2026-11-28", OF, 1, 100.0, 110.0)
    assert plays(replays) == (1, 60_000)
    replays.took("2026-11-28", OF, 1, 3000.0, 3030.0)
    replays.took("2026-11-28", OF, 2, 0.0, 61.0)
    assert plays(replays) == (2, 151_000)


def test_a_new_day_begins_anew_and_the_one_before_is_told_once_more() -> None:
    replays = Replays()
    replays.took("2026-11-28", OF, 1, 0.0, 100.0)
    replays.took("2026-11-29", OF, 1, 0.0, 50.0)
    assert [told.day for told in replays.drain()] == ["2026-11-28"]
    assert replays.drain(everything=True) == []
    replays.took("2026-11-29", OF, 1, 50.0, 70.0)
    assert [(told.day, told.milliseconds) for told in replays.drain()] == [("2026-11-29", 70_000)]
