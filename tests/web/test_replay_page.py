"""The recording's page in Chromium, at a real edge, with a recording of two tones in turns of 4 s."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
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
from hustings.archive.model import encode_index  # noqa: E402

pytestmark = pytest.mark.e2e
POSITION = "document.getElementById('audio').currentTime"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    write_index(write_recording(data, 60.0, begin=6.0).folder)
    with replay_door(data) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def position(page: Page) -> float:
    return float(page.evaluate(POSITION))


def wait_for_position(page: Page, above: float, within: float = 15.0) -> float:
    end = time.monotonic() + within
    while (at := position(page)) <= above:
        assert time.monotonic() < end, f"still at {at:.2f} s"
        page.wait_for_timeout(30)
    return at


def test_it_plays_says_who_speaks_and_goes_where_it_is_told(browser: Browser, room: str) -> None:
    page = open_replay(browser, room)
    found = complaints(page)
    assert page.locator("#audio").is_hidden()
    page.get_by_role("button", name="Play").click()
    wait_for_position(page, 0.3)
    assert page.locator("#who").text_content() == "Ada Example speaks"
    page.get_by_role("button", name="Next speaker").click()
    assert wait_for_position(page, 4.0) < 6
    until(page, "document.getElementById('who').textContent === 'Bertolt Müller speaks'")
    page.get_by_role("button", name="Forward 15 seconds").click()
    assert wait_for_position(page, 18.5) < 24
    page.get_by_role("button", name="Pause").click()
    until(page, "document.getElementById('audio').paused")
    slider = page.get_by_role("slider", name="Place in the recording")
    slider.focus()
    slider.press("Home")
    until(page, "document.getElementById('audio').currentTime < 0.5")
    assert slider.get_attribute("aria-valuetext") == "0:00 of 1:00, Ada Example speaks, chapter Welcome"
    assert page.evaluate("[document.getElementById('audio').duration]")[0] == pytest.approx(60, abs=0.05)
    assert found == []
    page.context.close()


def test_by_keyboard_alone(browser: Browser, room: str) -> None:
    page = open_replay(browser, room)
    page.locator("body").press(" ")
    wait_for_position(page, 0.1)
    page.keyboard.press("n")
    assert wait_for_position(page, 4.0) < 7
    page.keyboard.press("ArrowRight")
    at = wait_for_position(page, 18.0)
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    until(page, f"{POSITION} < {at - 10}")
    page.keyboard.press("+")
    assert page.evaluate("document.getElementById('audio').playbackRate") == 1.25
    page.keyboard.press("s")
    assert page.get_by_role("button", name="Skip silence").get_attribute("aria-pressed") == "true"
    page.context.close()


def test_a_link_leads_to_its_moment_and_a_chapter_to_its_own(browser: Browser, room: str) -> None:
    page = open_replay(browser, room, hash="#t=0:31")
    until(page, f"Math.abs({POSITION} - 31) < 0.1")
    assert page.evaluate("document.getElementById('audio').paused")
    page.get_by_role("link", name="Housing & rents").click()
    until(page, f"Math.abs({POSITION} - 29) < 0.1")
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: async (text) => { window.copied = text; }}})"
    )
    page.get_by_role("button", name="Link to this moment").click()
    until(page, "window.copied")
    assert page.evaluate("window.copied") == f"{room}/replay/{BROADCAST}/#t=29"
    page.context.close()


def test_a_click_into_a_lane_plays_from_there(browser: Browser, room: str) -> None:
    page = open_replay(browser, room, viewport={"width": 1440, "height": 1000})
    page.locator("#lane-scroll").click(position={"x": 300, "y": 60})
    first = wait_for_position(page, 0.5)
    assert first > 1
    width = "document.getElementById('lane-width').clientWidth"
    before = page.evaluate(width)
    page.locator("#wider").click()
    assert page.evaluate(width) < before
    page.locator("#closer").click()
    assert page.evaluate(width) == before
    page.context.close()


def test_turns_as_a_list_for_who_cannot_see_the_picture(browser: Browser, room: str) -> None:
    page = open_replay(browser, room, lang="de")
    page.get_by_text("Als Liste").click()
    lines = page.locator("#turns li")
    lines.first.wait_for()
    assert lines.count() == 15
    assert lines.first.inner_text().split("\n")[-1].endswith("Ada Example, 0:03")
    page.context.close()


def test_without_a_script_there_are_a_player_and_the_files(browser: Browser, room: str) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{room}/replay/?lang=en")
    assert page.locator("audio[controls] source").count() == 2
    assert page.locator(".plain p").is_visible()
    for name in ("The whole conversation, M4A", "Ada Example alone"):
        link = page.get_by_role("link", name=name)
        answer = page.request.get(f"{room[: -len(f'/r/{SLUG}')]}{link.get_attribute('href')}")
        assert answer.ok
        assert len(answer.body()) > 100_000
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_axe_and_no_sideways_scrolling(browser: Browser, room: str, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    page = open_replay(browser, room, viewport=size, color_scheme=scheme)
    results = Axe().run(page)
    assert results.response["violations"] == [], results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_the_rooms_page_leads_to_the_recording(browser: Browser, room: str) -> None:
    page = browser.new_context(locale="en-GB").new_page()
    page.goto(f"{room}?lang=en")
    page.get_by_role("link", name="Open the recording").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.url.startswith(f"{room}/replay/")
    page.context.close()


@pytest.mark.slow
def test_two_hours_open_at_once_and_scroll_smoothly(browser: Browser, tmp_path: Path) -> None:
    recording = write_recording(tmp_path, 60.0)
    # Two hours of levels and turns; the sound is not what is looked at here.
    _stretch(recording.folder)
    with replay_door(tmp_path) as room:
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        began = time.monotonic()
        page.goto(f"{room}/replay/")
        page.wait_for_selector("html[data-ready]", state="attached")
        opened = time.monotonic() - began
        frames = page.evaluate(_SCROLL)
        print(f"\n2 h: opened in {opened:.2f} s; frames while scrolling: p50, p95 {frames} ms")
        assert opened < 5
        assert frames[0] < 50
        page.context.close()


_SCROLL = """async () => {
  const scroll = document.getElementById("lane-scroll");
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; i < 120; i += 1) {
    scroll.scrollLeft += 37;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  times.sort((a, b) => a - b);
  return [times[60], times[114]];
}"""


def _stretch(folder: Path) -> None:
    index = write_index(folder)
    speaking = {
        who: [(at * 48_000, (at + 7) * 48_000) for at in range(9 * number, 7200, 18)]
        for number, who in enumerate(index.names)
    }
    longer = msgspec.structs.replace(index, duration=7200 * 48_000, speaking=speaking)
    (folder / "recording.json").write_bytes(encode_index(longer))
    for path in folder.rglob("*levels*"):
        data = path.read_bytes()
        head = data[:8] if path.name == "levels.0" else b""
        path.write_bytes(head + (data[len(head) :] * 120)[: 7200 * 5])
