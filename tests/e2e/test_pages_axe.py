"""No page, in none of its states, has what axe-core calls a violation; light and dark, wide and narrow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from harness import Room, Server, serve
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, desk_is
from screens import check, full, listen, mute, on_stage, show, voices

pytestmark = pytest.mark.e2e

type Arrange = Callable[[Page], None]
STATES = (
    *("rooms", "studio", "unknown room", "scheduled", "live", "playing", "full", "ended"),
    *("before", "ready", "heard", "muted", "no ticket"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Arrange]]:
    with serve(tmp_path_factory.mktemp("pages-axe")) as server:
        room = server.room("The new library", slug="library", speakers=["Ada Byron", "Ben Cole"])
        room.invite("Head of finance", public=True)
        ended = server.room("The old library", slug="ended", speakers=["Eve Old"])
        for step in (ended.open, ended.start, ended.stop, room.open, room.start):
            step()
        coming = server.room("The next library", slug="coming", speakers=["Ada Byron"])
        with voices(server, room, {"Ben Cole": "guest.opus"}):
            room.wait_for_state("live")
            yield arrangements(server, room, coming)


def arrangements(server: Server, room: Room, coming: Room) -> dict[str, Arrange]:
    def no_ticket(page: Page) -> None:
        page.goto(f"{server.studio_url}/s/library")
        desk_is(page, "ticket")

    return {
        "rooms": show(f"{server.audience_url}/"),
        "studio": show(f"{server.studio_url}/"),
        "unknown room": show(f"{server.studio_url}/s/nowhere"),
        "scheduled": show(coming.audience_url),
        "live": show(room.audience_url),
        "playing": listen(room.audience_url),
        "full": full(room.audience_url),
        "ended": show(f"{server.audience_url}/r/ended"),
        "before": show(coming.links["Ada Byron"]),
        "ready": check(coming.links["Ada Byron"], "ready"),
        "heard": on_stage(room.links["Ada Byron"]),
        "muted": on_stage(room.links["Ada Byron"], mute),
        "no ticket": no_ticket,
    }


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_no_violation(
    browser: Browser, states: dict[str, Arrange], state: str, scheme: Literal["light", "dark"], width: int
) -> None:
    size = {"width": width, "height": 800}
    context = browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB")  # type: ignore[arg-type]
    page = context.new_page()
    states[state](page)
    results = Axe().run(page)
    context.close()
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("state", ["live", "scheduled", "heard"])
def test_nothing_is_cut_off_when_text_is_twice_as_large(
    browser: Browser, states: dict[str, Arrange], state: str
) -> None:
    """At 360 px and 200 % text the page does not scroll sideways (WCAG 1.4.4 and 1.4.10)."""
    context = browser.new_context(viewport={"width": 360, "height": 780}, locale="de-DE")
    page = context.new_page()
    states[state](page)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert wide <= 360


@pytest.mark.parametrize("state", ["live", "heard", "rooms"])
def test_whatever_is_touched_is_at_least_44_px(
    browser: Browser, states: dict[str, Arrange], state: str
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 780}, locale="en-GB")
    page = context.new_page()
    states[state](page)
    small = page.evaluate(
        """[...document.querySelectorAll('a, button, select, summary, label.check')]
            .filter((element) => element.checkVisibility() && !element.classList.contains('skip'))
            .map((element) => [element.textContent.trim(), element.getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)"""
    )
    context.close()
    assert small == []
