"""The hosts' page for edits in Chromium: a real studio with a recording of two tones in turns of 4 s, its
answers about versions made up; at the end its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # noqa: E402
from desk_support import Door, studio_door  # noqa: E402
from edit_fake import ADA, BERT, BROADCAST, STATES, FakeEdits, arrange, cut, opened, record  # noqa: E402
from pages_browser import chromium, complaints  # noqa: E402
from playwright.sync_api import Browser, Page, expect  # noqa: E402
from replay_door import until  # noqa: E402

pytestmark = pytest.mark.e2e
AT = "document.getElementById('audio').currentTime"
SECONDS = 120.0


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with studio_door(tmp_path_factory.mktemp("edit")) as running:
        record(running, SECONDS, turn=4.0)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, door: Door) -> Iterator[Page]:
    context = door.context(browser, viewport={"width": 1440, "height": 1000})
    made = context.new_page()
    yield made
    context.close()


@pytest.fixture
def fake(page: Page, door: Door) -> FakeEdits:
    made = FakeEdits(page, seconds=SECONDS)
    opened(page, door)
    return made


def seek(page: Page, at: float) -> None:
    page.evaluate(f"{AT} = {at}")
    until(page, f"Math.abs({AT} - {at}) < 0.05 && !document.getElementById('audio').seeking")


def test_cut_by_typing_said_in_words_and_ordered(page: Page, fake: FakeEdits) -> None:
    found = complaints(page)
    expect(page.locator("#sum")).to_have_text("Nothing is changed yet.")
    expect(page.locator("#make")).to_be_disabled()
    cut(page, "0:10", "0:34")
    cut(page, "1:00", "1:10.5")
    expect(page.locator("#sum")).to_have_text("2 stretches, 34.5 s in all")
    expect(page.locator("#left")).to_have_text("1:25 of 2:00 remain")
    page.fill("#whole-from", "0:02.5")
    page.press("#whole-from", "Tab")
    page.locator("#cuts li").nth(1).get_by_label("Cut 2 ends").fill("1:09")
    page.keyboard.press("Tab")
    expect(page.locator("#sum")).to_have_text("2.5 s off the beginning · 2 stretches, 33 s in all")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#sum")).to_have_text("2.5 s off the beginning · 2 stretches, 34.5 s in all")
    page.get_by_role("button", name="Keep it after all: cut 1, 0:10.00").click()
    page.get_by_role("button", name="Make this version").click()
    expect(page.locator(".version").first).to_contain_text("waits for its turn")
    order: dict[str, object] = {
        "from": 2.5,
        "to": None,
        "cuts": [[60, 70.5]],
        "gains": {},
        "without": [],
        "take_down": False,
    }
    assert fake.orders == [order]
    expect(page.locator("#versions-card")).to_be_focused()
    assert found == []


def test_what_is_no_time_is_said(page: Page, fake: FakeEdits) -> None:
    page.fill("#mark-from", "soon")
    page.press("#mark-from", "Enter")
    expect(page.locator("#mark-fault")).to_contain_text("“soon” is no time")
    assert page.get_attribute("#mark-from", "aria-invalid") == "true"
    page.fill("#mark-from", "0:05")
    page.press("#mark-from", "Tab")
    expect(page.locator("#mark-fault")).to_be_hidden()
    assert page.get_attribute("#mark-from", "aria-invalid") is None
    assert fake.orders == []


def test_all_by_keyboard(page: Page, fake: FakeEdits) -> None:
    body = page.locator("body")
    seek(page, 20)
    body.press("i")
    expect(page.locator("#tell")).to_have_text("Marked from 0:20.00.")
    page.keyboard.press("ArrowRight")
    until(page, f"Math.abs({AT} - 35) < 0.05")
    page.keyboard.press("o")
    page.keyboard.press("x")
    expect(page.locator("#tell")).to_have_text("Cut out: 0:20.00 to 0:35.00, 15 s.")
    seek(page, 5)
    page.keyboard.press("b")
    seek(page, 110)
    page.keyboard.press("e")
    expect(page.locator("#sum")).to_have_text("5 s off the beginning · 10 s off the end · 1 stretch, 15 s")
    page.keyboard.press("u")
    expect(page.locator("#sum")).to_have_text("5 s off the beginning · 1 stretch, 15 s")
    page.keyboard.press("v")
    assert page.get_attribute("#edited", "aria-pressed") == "false"
    gain = page.get_by_role("slider", name="How loud Bertolt Müller is")
    gain.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert gain.get_attribute("aria-valuetext") == "+1.5 dB"
    page.keyboard.press("Tab")
    page.keyboard.press(" ")
    expect(page.get_by_label("Leave out of this version").nth(1)).to_be_checked()
    page.keyboard.press(" ")
    make = page.get_by_role("button", name="Make this version")
    while not make.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".version").first).to_contain_text("Bertolt Müller +1.5 dB")
    assert fake.orders[0]["gains"] == {BERT: 1.5}


def test_marked_and_moved_by_dragging(page: Page, fake: FakeEdits) -> None:
    lanes = page.locator("#lane-scroll")
    px = page.evaluate("document.getElementById('lane-width').clientWidth") / SECONDS

    def place(at: float) -> tuple[float, float]:
        """Where a moment lies in the window."""
        box = lanes.bounding_box()
        assert box is not None
        return box["x"] + at * px - float(lanes.evaluate("lanes => lanes.scrollLeft")), box["y"] + 60

    def drag(begin: float, end: float) -> None:
        lanes.scroll_into_view_if_needed()
        page.mouse.move(*place(begin))
        page.mouse.down()
        page.mouse.move(*place((begin + end) / 2), steps=4)
        page.mouse.move(*place(end), steps=4)
        page.mouse.up()

    drag(10, 20)
    page.get_by_role("button", name="Cut it out").click()
    lengths = page.locator("#cuts [data-part=length]")
    expect(lengths).to_have_count(1)
    assert lengths.first.inner_text() in ("9.9 s", "10 s", "10.1 s")
    # Dragging is no click: nothing plays.
    assert page.evaluate("document.getElementById('audio').paused")
    drag(20, 30)
    assert 19.5 < float(lengths.first.inner_text().split()[0]) < 20.5
    page.keyboard.press("u")
    assert 9.5 < float(lengths.first.inner_text().split()[0]) < 10.5
    page.mouse.click(*place(25))
    until(page, f"!document.getElementById('audio').paused && {AT} > 24")
    assert fake.orders == []


def test_what_is_cut_is_passed_over(page: Page, fake: FakeEdits) -> None:
    cut(page, "0:20", "1:40")
    page.evaluate(
        "() => { window.places = []; const look = () => {"
        f" const audio = document.getElementById('audio'); if (!audio.seeking) window.places.push({AT});"
        " requestAnimationFrame(look); }; look(); }"
    )
    page.get_by_role("button", name="Hear the join: cut 1").click()
    until(page, f"{AT} > 102.5")
    until(page, "document.getElementById('audio').paused")
    inside = page.evaluate("window.places.filter((at) => at > 21 && at < 99.9).length")
    heard = page.evaluate("window.places.filter((at) => at > 17.1 && at < 19.9).length")
    assert heard > 20
    assert inside <= 2  # a frame may be late on a busy machine
    # As it was, it is heard through.
    page.keyboard.press("v")
    seek(page, 19.5)
    page.keyboard.press(" ")
    until(page, f"{AT} > 21 && {AT} < 40")
    assert fake.orders == []


def test_who_goes_elsewhere_while_a_stretch_is_heard_is_not_held_back(page: Page, fake: FakeEdits) -> None:
    page.fill("#mark-from", "0:10")
    page.fill("#mark-to", "0:14")
    page.press("#mark-to", "Tab")
    page.get_by_role("button", name="Hear it", exact=True).click()
    until(page, f"{AT} > 10.2 && !document.getElementById('audio').paused")
    for _ in range(2):
        page.locator("body").press("ArrowRight")
    until(page, f"{AT} > 41")
    assert not page.evaluate("document.getElementById('audio').paused")
    assert fake.orders == []


def test_the_version_ends_where_it_is_to_end(page: Page, fake: FakeEdits) -> None:
    page.fill("#whole-to", "0:30")
    page.press("#whole-to", "Tab")
    seek(page, 29)
    page.locator("#play").click()
    until(page, f"{AT} > 29.5 && document.getElementById('audio').paused")
    assert page.evaluate(AT) < 33
    assert fake.orders == []


def test_loudness_and_leaving_out(page: Page, fake: FakeEdits) -> None:
    boxes = page.get_by_label("Leave out of this version")
    boxes.nth(0).check()
    expect(page.locator("#sum")).to_have_text("without Ada Example")
    boxes.nth(1).check()
    expect(page.locator("#why")).to_have_text("Somebody must be left to be heard.")
    expect(page.locator("#make")).to_be_disabled()
    boxes.nth(0).uncheck()
    page.get_by_role("button", name="Make this version").click()
    expect(page.locator(".version").first).to_contain_text("without Bertolt Müller")
    assert fake.orders[0]["without"] == [BERT]
    # Both are tones of the same loudness.
    boxes.nth(1).uncheck()
    page.get_by_role("button", name="Make all equally loud").click()
    expect(page.locator("#sum")).to_have_text("Nothing is changed yet.")


def test_versions_are_made_published_taken_up_again_and_deleted(page: Page, fake: FakeEdits) -> None:
    cut(page, "0:10", "0:20")
    page.get_by_role("button", name="Make this version").click()
    version = page.locator(".version").first
    bar = page.get_by_role("progressbar", name="Version 1")
    fake.edits[0].update(state="making", progress=0.4)
    expect(version).to_contain_text("being made, 40 %")
    assert bar.evaluate("bar => bar.value") == 0.4
    base = f"/api/rooms/library/recordings/{BROADCAST}/edits/0/program.m4a"
    fake.edits[0].update(state="made", progress=1, preview=base, seconds=110)
    expect(page.locator("#tell")).to_contain_text("Version 1 is ready")
    page.get_by_role("button", name="Listen: Version 1").click()
    until(page, "document.querySelector('.version audio').currentTime > 0.1")
    page.get_by_role("button", name="Make it public: Version 1").click()
    expect(page.get_by_role("dialog")).to_contain_text("Make public: Version 1?")
    page.get_by_role("button", name="Make it public", exact=True).click()
    expect(page.locator("#versions-says")).to_have_text("Public now: Version 1.")
    expect(page.locator("#which")).to_have_text("public: version 1")
    expect(page.get_by_role("link", name="Its page: Version 1")).to_have_attribute(
        "href", f"http://room.test/r/library/replay/{fake.edits[0]['edition']}/"
    )
    expect(page.get_by_role("button", name="Delete: Version 1")).to_be_hidden()
    page.get_by_role("button", name="Make it public: The original").click()
    page.get_by_role("button", name="Make it public", exact=True).click()
    expect(page.locator("#which")).to_have_text("public: the original")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Go on from this: Version 1").click()
    expect(page.locator("#sum")).to_have_text("1 stretch, 10 s")
    page.get_by_role("button", name="Delete: Version 1").click()
    expect(page.get_by_role("button", name="No, go back")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#versions-says")).to_have_text("Deleted: Version 1.")
    expect(page.locator(".version")).to_have_count(1)
    expect(page.locator("#versions-card")).to_be_focused()


def test_removing_somebodys_part_is_asked_in_words(page: Page, fake: FakeEdits) -> None:
    page.select_option("#remove-who", BERT)
    page.get_by_role("button", name="Remove this part").click()
    dialog = page.get_by_role("dialog", name="Remove the part of Bertolt Müller for good?")
    for words in ("nobody hears this recording any more", "deleted for good", "cannot be undone"):
        expect(dialog).to_contain_text(words)
    expect(page.get_by_role("button", name="No, go back")).to_be_focused()
    page.keyboard.press("Enter")
    assert fake.orders == []
    page.get_by_role("button", name="Remove this part").click()
    page.get_by_role("button", name="Remove for good").click()
    expect(page.locator("#which")).to_have_text("nobody hears this recording at the moment")
    assert fake.orders == [{"without": [BERT], "take_down": True}]
    expect(page.locator(".version").first).to_contain_text("without Bertolt Müller · removed for good")
    expect(page.get_by_role("button", name="Remove this part")).to_be_disabled()
    cut(page, "0:10", "0:20")
    expect(page.locator("#why")).to_contain_text("editing goes on when that is done")
    expect(page.locator("#make")).to_be_disabled()


def test_what_the_server_refuses_is_shown(page: Page, fake: FakeEdits) -> None:
    fake.refuses = {"status": 409, "title": "Too many editions", "detail": "At most 20: delete some."}
    cut(page, "0:10", "0:20")
    page.get_by_role("button", name="Make this version").click()
    expect(page.locator("#problem")).to_contain_text("Too many editions")
    expect(page.locator("#problem")).to_contain_text("At most 20: delete some.")
    expect(page.locator("#make")).to_be_enabled()


def test_against_the_studios_own_answers(page: Page, door: Door) -> None:
    opened(page, door)
    expect(page.locator("#which")).to_have_text("public: the original")
    expect(page.locator(".edit-speaker")).to_have_count(2)
    cut(page, "0:10", "0:20")
    gain = page.get_by_role("slider", name="How loud Ada Example is")
    gain.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Make this version").click()
    version = page.locator(".version").first
    expect(version).to_contain_text("waits for its turn")
    expect(version).to_contain_text("1 stretch, 10 s · Ada Example −0.5 dB")
    listed = door.api.get(f"/api/rooms/library/recordings/{BROADCAST}/edits").json()["edits"]
    assert [(each["cuts"], each["gains"]) for each in listed] == [([[10.0, 20.0]], {ADA: -0.5})]
    page.get_by_role("button", name="Delete: Version 1").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".version")).to_have_count(1)
    assert door.api.get(f"/api/rooms/library/recordings/{BROADCAST}/edits").json()["edits"] == []


def test_a_recording_that_is_not_there(page: Page, door: Door) -> None:
    page.goto(f"{door.url}/rooms/library/recordings/20260101T190000-abc123")
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#editor")).to_be_hidden()
    assert page.goto(f"{door.url}/rooms/library/recordings/nothing").status == 404  # type: ignore[union-attr]
    assert page.goto(f"{door.url}/rooms/other/recordings/{BROADCAST}").status == 404  # type: ignore[union-attr]


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
@pytest.mark.parametrize("state", STATES)
def test_axe_width_and_targets(browser: Browser, door: Door, state: str, width: int, scheme: str) -> None:
    context = door.context(
        browser, locale="de-DE", viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    arrange(page, door, state)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.eval_on_selector_all(
        "#editor .button", "(all) => all.map((one) => one.getBoundingClientRect().height).filter(Boolean)"
    )
    assert min(heights) >= 43.5
    context.close()
