"""Marking a clip on the recording's page, and the clip's own page, in Chromium at a real edge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "archive", HERE.parent / "edge"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # noqa: E402
from pages_browser import chromium, complaints  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402
from recording_folder import BROADCAST, SLUG, write_recording  # noqa: E402
from replay_door import open_replay, replay_door, until  # noqa: E402

from hustings.archive.index import write_index  # noqa: E402

pytestmark = pytest.mark.e2e
BEGIN = 6.0
AUDIO = "document.getElementById('audio')"
_CLIPBOARD = (
    "Object.defineProperty(navigator, 'clipboard',"
    " {value: {writeText: async (text) => { window.copied = text; }}})"
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    write_index(write_recording(data, 120.0, begin=BEGIN).folder)
    with replay_door(data) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def open_clip(browser: Browser, room: str, name: str, *, lang: str = "en", **options: object) -> Page:
    """A clip's page, its script ready."""
    context = browser.new_context(locale="de-DE" if lang == "de" else "en-GB", **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{room}/clip/{BROADCAST}/{name}?lang={lang}")
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def seek(page: Page, at: float) -> None:
    """As a link to a moment does."""
    page.evaluate(f"location.hash = '#t={at}'")
    until(page, f"Math.abs({AUDIO}.currentTime - {at}) < 0.01 && !{AUDIO}.seeking")


def test_marked_heard_and_passed_on_with_the_mouse(browser: Browser, room: str) -> None:
    page = open_replay(browser, room)
    found = complaints(page)
    page.evaluate(_CLIPBOARD)
    hear = page.get_by_role("button", name="Hear it")
    assert hear.is_disabled()
    seek(page, 10)
    page.get_by_role("button", name="Begin here").click()
    assert page.locator("#clip-from").text_content() == "0:10.0"
    seek(page, 12.5)
    page.get_by_role("button", name="End here").click()
    page.get_by_role("button", name="End half a second earlier").click()
    assert page.locator("#clip-to").text_content() == "0:12.0"
    assert page.locator("#clip-is").text_content() == "Clip from 0:10 to 0:12, 2.0 s"
    hear.click()
    until(page, f"!{AUDIO}.paused && {AUDIO}.currentTime > 10")
    until(page, f"{AUDIO}.paused")
    assert 11.9 < page.evaluate(f"{AUDIO}.currentTime") < 12.6
    page.get_by_role("button", name="Copy the link").click()
    until(page, "window.copied")
    assert page.evaluate("window.copied") == f"{room}/clip/{BROADCAST}/16000-18000"
    page.get_by_role("link", name="Open its page").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.url == f"{room}/clip/{BROADCAST}/16000-18000"
    assert found == []
    page.context.close()


def test_marked_by_keyboard_alone_and_said_aloud(browser: Browser, room: str) -> None:
    page = open_replay(browser, room)
    page.evaluate(_CLIPBOARD)
    page.locator("body").press("c")
    assert page.locator("#tell").text_content() == "Mark first where the clip begins and ends."
    page.keyboard.press("l")
    until(page, f"Math.abs({AUDIO}.currentTime - 15) < 0.01")
    page.keyboard.press("i")
    assert page.locator("#tell").text_content() == "The clip begins at 0:15."
    page.keyboard.press("l")
    until(page, f"Math.abs({AUDIO}.currentTime - 30) < 0.01")
    page.keyboard.press("o")
    assert page.locator("#tell").text_content() == "The clip ends at 0:30."
    page.keyboard.press("c")
    until(page, "window.copied")
    assert page.evaluate("window.copied").endswith(f"/clip/{BROADCAST}/21000-36000")
    page.keyboard.press("h")
    until(page, f"!{AUDIO}.paused && Math.abs({AUDIO}.currentTime - 15) < 3")
    page.context.close()


def test_the_other_end_moves_along_and_it_is_said(browser: Browser, room: str) -> None:
    page = open_replay(browser, room, lang="de")
    page.locator("body").press("i")
    seek(page, 110)
    page.locator("body").press("o")
    assert page.locator("#clip-from").text_content() == "0:20,0"
    assert "höchstens 90 Sekunden" in str(page.locator("#tell").text_content())
    page.context.close()


def test_the_clips_page_plays_exactly_the_stretch(browser: Browser, room: str) -> None:
    page = open_clip(browser, room, "16000-19000")
    found = complaints(page)
    until(page, f"{AUDIO}.readyState > 0")
    assert page.evaluate(f"{AUDIO}.duration") == pytest.approx(3, abs=0.05)
    page.evaluate(f"{AUDIO}.play()")
    until(page, f"{AUDIO}.currentTime > 0.2")
    until(page, "Number(document.querySelector('#heard rect').getAttribute('width')) > 1")
    until(page, f"{AUDIO}.ended")
    # 10 to 13 s of turns of 4 s.
    assert page.locator("#who").text_content() == "Ada Example, Bertolt Müller"
    page.evaluate(_CLIPBOARD)
    page.get_by_role("button", name="Copy link").or_(page.locator("[data-copy=link]")).first.click()
    until(page, "window.copied")
    assert page.evaluate("window.copied") == f"{room}/clip/{BROADCAST}/16000-19000"
    page.locator("[data-copy=embed]").click()
    until(page, "window.copied.startsWith('<audio')")
    assert f'src="{room}/replay/{BROADCAST}/clip/16000-19000.m4a"' in page.evaluate("window.copied")
    page.get_by_role("link", name="Hear it in context").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    until(page, f"Math.abs({AUDIO}.currentTime - 10) < 0.1")
    assert found == []
    page.context.close()


def test_opus_is_the_same_stretch_in_a_browser(browser: Browser, room: str) -> None:
    """Decoded by Chromium, pre-skip and end left out."""
    page = open_clip(browser, room, "16000-19000")
    seconds = page.evaluate(
        "async (url) => { const context = new OfflineAudioContext(1, 48000, 48000);"
        " const data = await (await fetch(url)).arrayBuffer();"
        " return (await context.decodeAudioData(data)).length / 48000; }",
        f"/r/{SLUG}/replay/{BROADCAST}/clip/16000-19000.opus",
    )
    assert seconds == pytest.approx(3, abs=0.001)
    page.context.close()


def test_without_a_script_all_is_there(browser: Browser, room: str) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{room}/clip/{BROADCAST}/16000-19000?lang=en")
    assert page.locator("audio[controls] source").count() == 2
    assert page.locator("#wave path").get_attribute("d")
    assert page.locator("#copying").is_hidden()
    assert page.locator("#link").input_value().endswith(f"/clip/{BROADCAST}/16000-19000")
    page.get_by_text("Segments of the recording").click()
    assert page.locator(".sums li").count() == 2 * 2
    data = page.request.get(f"{room}/replay/{BROADCAST}/clip/16000-19000.json").json()
    assert data["files"][0]["sha256"] in page.content()
    context.close()


def test_while_it_goes_on_the_last_minute_can_be_passed_on(browser: Browser, tmp_path: Path) -> None:
    write_recording(tmp_path, 72.0, begin=BEGIN)
    with replay_door(tmp_path) as room:
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(f"{room}?lang=en")
        page.get_by_role("button", name="Share").click()
        link = page.get_by_role("link", name="Clip of the last minute")
        link.wait_for()
        assert link.get_attribute("href") == f"{room}/clip/{BROADCAST}/18000-78000"
        link.click()
        page.wait_for_selector("html[data-ready]", state="attached")
        until(page, f"{AUDIO}.readyState > 0")
        assert page.evaluate(f"{AUDIO}.duration") == pytest.approx(60, abs=0.05)
        page.context.close()


def test_what_is_over_is_clipped_on_its_own_page(browser: Browser, room: str) -> None:
    page = browser.new_context(locale="en-GB").new_page()
    page.goto(f"{room}?lang=en")
    with page.expect_response("**/timeline.json"):
        page.get_by_role("button", name="Share").click()
    page.wait_for_timeout(100)
    assert page.locator('[data-part="clip"]').is_hidden()
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_axe_and_no_sideways_scrolling(browser: Browser, room: str, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    page = open_clip(browser, room, "16000-45000", viewport=size, color_scheme=scheme)
    page.locator("summary").click()
    results = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
    page = open_replay(browser, room, viewport=size, color_scheme=scheme)
    seek(page, 30)
    page.locator("body").press("i")
    seek(page, 60)
    page.locator("body").press("o")
    results = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
