"""Marking a clip with own points while a broadcast goes on: live, further back, by keyboard alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from harness import Room, Server, serve
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, player, player_is
from screens import voices

pytestmark = pytest.mark.e2e
_CLIPBOARD = (
    "Object.defineProperty(navigator, 'clipboard',"
    " {value: {writeText: async (text) => { window.copied = text; }}})"
)
LOOSE = 1.0
"""The page says what is heard twice a second."""
MUTED = "document.getElementById('audio').muted"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("clip-live")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[Room]:
    """A room on the air, recorded, in which somebody talks. Its name must not be taken for a path."""
    room = server.room("Clips and replays", slug="clip", speakers=["Ada Byron"])
    room.open()
    with voices(server, room, {"Ada Byron": "host.opus"}):
        room.start()
        room.wait_for_state("live")
        yield room


def listen(browser: Browser, room: Room, lang: str = "en-GB", **options: object) -> Page:
    page = browser.new_context(locale=lang, **options).new_page()  # type: ignore[arg-type]
    page.goto(room.audience_url)
    page.click("#play")
    player_is(page, "playing")
    page.wait_for_selector("#clip:not([hidden])", timeout=20_000)
    page.evaluate(_CLIPBOARD)
    return page


def heard(page: Page) -> float:
    """What is heard now, s since the broadcast began."""
    return int(player(page)["mediaTime"]) / 48_000


def until_heard(page: Page, at: float) -> None:
    end = time.monotonic() + 60
    while heard(page) < at:
        assert time.monotonic() < end, f"{heard(page)} s is all that is heard"
        page.wait_for_timeout(100)


def until(page: Page, expression: str, within: float = 40.0) -> None:
    end = time.monotonic() + within
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never: {expression}"
        page.wait_for_timeout(50)


def clip(page: Page) -> tuple[int, int]:
    """The clip whose link was copied, ms; there is such a page, and a file of that length."""
    until(page, "window.copied")
    link = str(page.evaluate("window.copied"))
    answer = httpx.get(link, headers={"Accept": "text/html"}, trust_env=False)
    assert answer.status_code == 200, link
    broadcast, name = link.split("/")[-2:]
    file = httpx.get(
        f"{link.split('/clip/' + broadcast)[0]}/replay/{broadcast}/clip/{name}.json", trust_env=False
    )
    begin, end = (int(part) for part in name.split("-"))
    assert file.json()["seconds"] == (end - begin) / 1000
    return begin, end


def test_by_keyboard_at_the_live_edge(browser: Browser, live: Room) -> None:
    page = listen(browser, live)
    found = complaints(page)
    until_heard(page, 4)
    begin = heard(page)
    page.keyboard.press("i")
    page.wait_for_selector("#clip-from:not(:text('not set'))")
    begun = heard(page)
    assert "The clip begins at" in page.inner_text("#tell")
    until_heard(page, begun + 4)
    end = heard(page)
    page.keyboard.press("o")
    page.wait_for_selector("#clip-is:not(:empty)")
    ended = heard(page)
    # The link comes when the recording has got there.
    page.wait_for_selector("#clip-link:not([disabled])", timeout=40_000)
    page.keyboard.press("c")
    marked = clip(page)
    assert begin - LOOSE < marked[0] / 1000 < begun + LOOSE
    assert end - LOOSE < marked[1] / 1000 < ended + LOOSE
    page.keyboard.press("h")
    until(page, MUTED)
    until(page, f"!{MUTED}")
    page.keyboard.press("Escape")
    assert page.locator(".panel.clip").count() == 0
    # Closed again, H raises a hand.
    page.keyboard.press("h")
    page.wait_for_selector("#panel[data-step=wish]")
    assert found == []
    page.context.close()


def test_with_the_mouse_further_back(browser: Browser, live: Room) -> None:
    page = listen(browser, live)
    until_heard(page, 25)
    page.get_by_role("button", name="Back 15 seconds").or_(page.locator("#back")).first.click()
    until(page, "Number(document.getElementById('player').dataset.behind) > 5")
    page.get_by_role("button", name="Clip").click()
    panel = page.get_by_role("region", name="Mark a clip")
    begin = heard(page)
    panel.get_by_role("button", name="Begin here").click()
    begun = heard(page)
    panel.get_by_role("button", name="Begin half a second earlier").click()
    until_heard(page, begun + 2)
    panel.get_by_role("button", name="End here").click()
    page.wait_for_selector("#clip-link:not([disabled])", timeout=40_000)
    panel.get_by_role("button", name="Copy the link").click()
    marked = clip(page)
    assert begin - 0.5 - LOOSE < marked[0] / 1000 < begun - 0.5 + LOOSE
    panel.get_by_role("button", name="Close").click()
    until(page, "document.activeElement.id === 'clip'")
    page.context.close()


@pytest.mark.parametrize(("width", "scheme", "lang"), [(360, "dark", "de-DE"), (1440, "light", "en-GB")])
def test_axe_and_no_sideways_scrolling(
    browser: Browser, live: Room, width: int, scheme: str, lang: str
) -> None:
    page = listen(browser, live, lang, viewport={"width": width, "height": 800}, color_scheme=scheme)
    until_heard(page, 8)
    page.keyboard.press("i")
    until_heard(page, heard(page) + 2)
    page.keyboard.press("o")
    page.wait_for_selector("#clip-link:not([disabled])", timeout=40_000)
    results = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#play").is_visible()
    page.context.close()


def test_what_is_not_recorded_has_no_clips(browser: Browser, server: Server) -> None:
    room = server.room("Unrecorded", slug="unrecorded", speakers=["Ada Byron"])
    httpx.patch(
        f"{server.studio_url}/api/rooms/unrecorded",
        json={"recording": False},
        headers={"Authorization": f"Bearer {server.token}"},
        trust_env=False,
    ).raise_for_status()
    room.open()
    with voices(server, room, {"Ada Byron": "host.opus"}):
        room.start()
        room.wait_for_state("live")
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(room.audience_url)
        page.click("#play")
        player_is(page, "playing")
        page.wait_for_selector("#back:not([hidden])")
        page.keyboard.press("i")
        assert page.locator("#clip").is_hidden()
        assert page.locator(".panel.clip").count() == 0
        page.context.close()
