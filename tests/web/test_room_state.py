"""room_state.js where it runs: the same lives of a room as in tests/studio/test_feed.py come out the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page
from pure_page import names, passes, pure_page

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))

from feed_walks import World, walk

TESTS = Path(__file__).with_name("room_state_tests.js")
NAMES = names(TESTS)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with pure_page(TESTS) as page:
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_pure(page: Page, name: str) -> None:
    passes(page, name)


def test_all_tests_are_found() -> None:
    assert len(NAMES) >= 10


def quiet(state: dict[str, Any]) -> dict[str, Any]:
    """Who is speaking is not in events."""
    people = [{**person, "speaking": False} for person in state["participants"]]
    return {**state, "participants": people}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=walk, data=st.data())
def test_the_page_comes_to_the_same_state_as_the_studio(
    page: Page, steps: list[object], data: st.DataObject
) -> None:
    world = World()
    after = data.draw(st.integers(0, len(steps)))
    for step in steps[:after]:
        world.take(step)
    first = world.snapshot()
    for step in steps[after:]:
        world.take(step)
        world.feeds.advance()
    world.settle()
    kept = world.feed.since(first["stream"], first["seq"])
    assert kept is not None
    found = page.evaluate(
        "async ([first, events]) => (await import('/tests.js')).run(first, events)",
        [first, [msgspec.to_builtins(each.event) for each in kept]],
    )
    assert set(found["taken"]) <= {"applied"}
    assert quiet(found["state"]) == quiet(world.snapshot())
