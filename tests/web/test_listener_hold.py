"""Hold music on the listener's page: heard by who waits, gone when it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from listener_pages import HOME, LINKS, VIEWS, Fake, fake, look, opened
from pages_browser import chromium, complaints
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

WATCH = """
window.sounds = [];
const Plain = window.Audio;
window.Audio = function (...given) {
  const made = new Plain(...given);
  window.sounds.push(made);
  return made;
};
"""
PLAYS = "() => window.sounds.length === 1 && !window.sounds[0].paused && window.sounds[0].currentTime > 0.2"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def waiting(page: Page, hold: str) -> Fake:
    """Doors are open, and Play was pressed."""
    page.add_init_script(WATCH)
    view = replace(VIEWS["open"], links=replace(LINKS, hold=hold))
    door = fake(page, view)
    page.goto(f"{HOME}/r/library")
    page.wait_for_function("() => performance.getEntriesByName('play-ready').length")
    page.click("#play")
    page.wait_for_selector("#player[data-state=scheduled]")
    return door


def test_who_waits_hears_the_loop_until_it_begins(browser: Browser) -> None:
    page = opened(browser, "light", 1440)
    found = complaints(page)
    door = waiting(page, "/static/audio/hold.m4a?v=1")
    page.wait_for_function(PLAYS)
    page.wait_for_function("() => window.sounds[0].volume > 0.5")
    assert page.evaluate("() => window.sounds[0].loop")
    # It ends near its end to see that it goes round.
    page.evaluate("() => { window.sounds[0].currentTime = window.sounds[0].duration - 0.3; }")
    page.wait_for_function("() => window.sounds[0].currentTime < 5 && !window.sounds[0].paused")
    page.fill("#volume", "50")
    page.wait_for_function("() => window.sounds[0].volume < 0.4")
    door.change(status="live", links={k: v for k, v in door.room["links"].items() if k != "hold"})
    look(page)
    page.wait_for_function("() => window.sounds[0].paused")
    assert page.evaluate("() => window.sounds[0].volume") == 0, "faded, not cut"
    assert found == []
    page.context.close()


def test_silence_is_silence_and_costs_nothing(browser: Browser) -> None:
    page = opened(browser, "light", 1440)
    door = waiting(page, "")
    page.wait_for_timeout(0)
    look(page)
    assert page.evaluate("() => window.sounds.length") == 0
    assert not [path for path in door.requests if "hold" in path]
    page.context.close()


def test_without_the_file_the_page_waits_on_in_silence(browser: Browser) -> None:
    page = opened(browser, "light", 1440)
    door = waiting(page, "/r/library/hold.m4a?v=2")
    for _ in range(50):
        if "/r/library/hold.m4a" in door.requests:
            break
        page.wait_for_timeout(100)
    assert "/r/library/hold.m4a" in door.requests
    assert page.get_attribute("#player", "data-state") == "scheduled"
    page.context.close()
