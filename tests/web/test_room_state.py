"""room_state.js where it runs: the same lives of a room as in tests/studio/test_feed.py come out the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages_browser import chromium
from playwright.sync_api import Page, Route

import hustings

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))

from feed_walks import World, walk

WEB = Path(hustings.__file__).parent / "web"
TESTS = Path(__file__).with_name("room_state_tests.js")
NAMES = re.findall(r'^  "(.+)"\(\) \{$', TESTS.read_text(), re.M)

pytestmark = pytest.mark.e2e


def _files(route: Route) -> None:
    path = route.request.url.removeprefix("http://hustings.test")
    if path == "/":
        route.fulfill(body="<!doctype html><title>tests</title>", content_type="text/html")
    else:
        file = TESTS if path == "/tests.js" else WEB / path.removeprefix("/")
        route.fulfill(body=file.read_bytes(), content_type="text/javascript")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.route("http://hustings.test/**", _files)
        page.goto("http://hustings.test/")
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_pure(page: Page, name: str) -> None:
    error = page.evaluate(
        "async (name) => { const { tests } = await import('/tests.js');"
        " try { tests[name](); return ''; } catch (error) { return String(error.stack ?? error); } }",
        name,
    )
    assert not error, error


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
