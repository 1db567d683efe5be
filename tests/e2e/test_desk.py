"""The hosts' pages in Chromium, as a host uses them: with the mouse, with the keyboard, on a phone."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from desk_support import Door, studio_door
from PIL import Image
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints

pytestmark = pytest.mark.e2e
TITLE = "One building, fifteen million questions: the new library"
WEEKLY: dict[str, Any] = {"at": "2027-03-03T20:00:00+01:00", "time_zone": "Europe/Berlin", "weekly": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with studio_door(tmp_path_factory.mktemp("desk")) as door:
        yield door


@pytest.fixture
def page(browser: Browser, door: Door) -> Iterator[Page]:
    """Logged in, on a desk; nothing may be thrown or forbidden."""
    context = door.context(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong = complaints(page)
    yield page
    context.close()
    assert wrong == []


def manage(page: Page, door: Door, slug: str) -> None:
    page.goto(f"{door.url}/rooms/{slug}")
    expect(page.locator("#invite-button")).to_be_enabled()


def saved(page: Page) -> None:
    page.click("#save")
    expect(page.locator("#save-says")).to_have_text("Saved.")


def test_start_now_leads_into_the_studio(page: Page, door: Door) -> None:
    page.goto(door.url)
    expect(page.locator("#now")).to_be_enabled()
    page.click("#now")
    expect(page.locator("#now-fault")).to_have_text("Please write a title first.")
    page.fill("#now-title", "Right now")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/s/right-now#t_"))
    state = door.state("right-now")
    assert state["status"] == "open"
    assert state["details"]["green_room"] is True


def test_a_room_is_planned_with_everything(page: Page, door: Door) -> None:
    page.goto(f"{door.url}/rooms/new")
    expect(page.locator("#when-says")).to_have_text("No date yet.")
    expect(page.locator("#zone")).to_have_value("Europe/Berlin")
    page.fill("#title", TITLE)
    page.fill("#description", "The town asks.\n\nThe council answers.")
    page.select_option("#language", "de")
    page.fill("#slug", "planned")
    page.fill("#date", "2027-10-31")
    page.fill("#time", "20:15")
    expect(page.locator("#when-says")).to_contain_text("Sunday")
    page.check("#weekly")
    for title, minutes in (("Why", "20"), ("How much", "30")):
        page.click("#add-topic")
        page.keyboard.type(title)
        page.locator("#topics .line").last.locator("[data-part=minutes]").fill(minutes)
    expect(page.locator("#agenda-sum")).to_have_text("50 min in all")
    page.click("#add-link")
    page.keyboard.type("The plans")
    page.locator("#links [data-part=url]").fill("https://example.org/plans")
    page.uncheck("input[name=hands]")
    page.select_option("#turn_seconds", "120")
    picture = io.BytesIO()
    Image.new("RGB", (1600, 900), (12, 95, 89)).save(picture, "PNG")
    page.set_input_files(
        "#cover-file", {"name": "cover.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    expect(page.locator("#cover-image")).to_have_attribute("src", re.compile("^data:image/png"))
    page.click("#save")
    page.wait_for_url(f"{door.url}/rooms/planned", timeout=30_000)
    details = door.state("planned")["details"]
    assert details["at"] == "2027-10-31T19:15:00Z", "that very night the clocks have just changed"
    assert (details["time_zone"], details["weekly"], details["language"]) == ("Europe/Berlin", True, "de")
    assert [(t["title"], t["minutes"]) for t in details["topics"]] == [("Why", 20), ("How much", 30)]
    assert details["links"] == [{"label": "The plans", "url": "https://example.org/plans"}]
    assert (details["hands"], details["green_room"], details["turn_seconds"]) == (False, True, 120)
    assert details["description"] == "The town asks.\n\nThe council answers."
    shown = page.locator("#cover-image")
    expect(shown).to_have_attribute("src", f"/covers/{details['cover']}-small.webp")
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 400
    page.click("#cover-drop")
    expect(page.locator("#cover-says")).to_have_text("The picture is removed.")
    assert door.state("planned")["details"]["cover"] == ""


def test_who_sees_the_figures_is_chosen_while_the_room_is_not_on(page: Page, door: Door) -> None:
    door.room("Council", slug="figures")
    manage(page, door, "figures")
    choice = page.get_by_label("Who sees the audience figures")
    expect(choice).to_have_value("all")
    choice.select_option(label="hosts only")
    saved(page)
    assert door.state("figures")["details"]["figures"] == "hosts"
    door.api.post("/api/rooms/figures/open")
    manage(page, door, "figures")
    expect(choice).to_be_disabled()
    expect(page.locator("#figures-hint")).to_contain_text("a broadcast keeps what it began with")
    page.fill("#title", "Council, changed")
    saved(page)
    details = door.state("figures")["details"]
    assert (details["title"], details["figures"]) == ("Council, changed", "hosts")


def test_a_time_the_clocks_skip_is_said(page: Page, door: Door) -> None:
    page.goto(f"{door.url}/rooms/new")
    page.fill("#date", "2027-03-28")
    expect(page.locator("#when-says")).to_have_text("Date and time belong together; one is missing.")
    page.fill("#time", "02:30")
    expect(page.locator("#when-says")).to_contain_text("skip that time; it will be 03:30 there")
    page.select_option("#zone", "America/New_York")
    expect(page.locator("#when-says")).not_to_contain_text("skip")
    expect(page.locator("#when-says")).to_contain_text("08:30")


def test_the_agenda_is_reordered_by_keyboard(page: Page, door: Door) -> None:
    slug = door.room("Order", topics=[{"title": t} for t in ("A", "B", "C")])["slug"]
    before = {t["title"]: t["id"] for t in door.state(slug)["details"]["topics"]}
    manage(page, door, slug)
    page.locator("#topics input[data-part=title]").nth(2).focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#moved")).to_have_text("Now in place 2 of 3.")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")  # already first
    expect(page.locator(":focus")).to_have_value("C")
    # The button that moved the line up as far as it goes gives its focus to the line.
    page.locator("#topics .line").nth(1).locator("[data-do=down]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_value("A")
    page.locator("#topics .line").nth(1).locator("[data-do=drop]").focus()
    page.keyboard.press("Enter")
    saved(page)
    topics = door.state(slug)["details"]["topics"]
    assert [(t["title"], t["id"]) for t in topics] == [("C", before["C"]), ("A", before["A"])]


def test_saving_twice_keeps_a_new_topic_the_same(page: Page, door: Door) -> None:
    slug = door.room("Twice")["slug"]
    manage(page, door, slug)
    page.click("#add-topic")
    page.keyboard.type("New")
    saved(page)
    first = door.state(slug)["details"]["topics"]
    page.fill("#title", "Twice as good")
    saved(page)
    assert door.state(slug)["details"]["topics"] == first
    expect(page.locator("#heading")).to_have_text("Twice as good")


def test_faults_stand_where_they_are(page: Page, door: Door) -> None:
    slug = door.room("Faults", links=[{"label": "Good", "url": "https://example.org/"}])["slug"]
    manage(page, door, slug)
    page.fill("#title", " ")
    page.click("#save")
    expect(page.locator("#title-fault")).to_have_text("Please write a title first.")
    expect(page.locator("#title")).to_be_focused()
    page.fill("#title", "Faults")
    page.click("#add-link")
    page.keyboard.type("Evil")
    page.locator("#links [data-part=url]").last.fill("javascript:alert(1)")
    page.click("#save")
    expect(page.locator("#links-fault")).to_be_visible()
    expect(page.locator("#links [data-part=url]").last).to_be_focused()
    expect(page.locator("#save-says")).to_have_text("Not saved.")
    assert len(door.state(slug)["details"]["links"]) == 1
    page.set_input_files(
        "#cover-file", {"name": "x.png", "mimeType": "image/png", "buffer": b"<script>alert(1)</script>"}
    )
    expect(page.locator("#cover-says")).to_contain_text("no picture we can read")


def test_invited_link_answer_withdrawn(page: Page, door: Door) -> None:
    slug = door.room("Invitations", **WEEKLY)["slug"]
    manage(page, door, slug)
    expect(page.locator("#nobody")).to_be_visible()
    page.click("#invite-button")
    expect(page.locator("#name-fault")).to_be_visible()
    page.fill("#invite-name", "Ada <b>Byron</b>")
    page.select_option("#invite-role", "cohost")
    page.select_option("#invite-until", "7")
    page.check("#invite-public")
    page.click("#invite-button")
    expect(page.locator("#secret")).to_be_focused()
    expect(page.locator("#secret-title")).to_have_text("The link for Ada <b>Byron</b>")
    link = page.input_value("#secret-link")
    assert link.startswith(f"{door.url}/s/{slug}#l_")
    qr = page.locator("#secret-qr")
    expect(qr).to_be_visible()
    assert qr.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    with page.expect_download() as download:
        page.click("#secret-calendar")
    assert download.value.suggested_filename == f"{slug}.ics"
    assert b"METHOD:REQUEST" in Path(download.value.path()).read_bytes()

    (made,) = door.state(slug)["invitations"]
    assert (made["role"], made["public"]) == ("cohost", True)
    ticket = door.api.post(f"/api/rooms/{slug}/redeem", json={"link": link.partition("#")[2]}).json()[
        "ticket"
    ]
    bearer = {"Authorization": f"Bearer {ticket}"}
    door.api.post(f"/api/rooms/{slug}/me/answer", json={"answer": "declined"}, headers=bearer)
    word = {"word": "Not on a Wednesday.", "proposed_at": "2027-03-04T20:00:00+01:00"}
    door.api.post(f"/api/rooms/{slug}/me/word", json=word, headers=bearer)
    line = page.locator(".invitation")
    expect(line.locator("[data-part=answer]")).to_contain_text("declined", timeout=20_000)
    expect(line.locator("[data-part=word]")).to_have_text("Not on a Wednesday.")
    expect(line.locator("[data-part=proposed]")).to_have_text("proposes another time: 4 Mar 2027, 20:00")

    line.get_by_role("button", name="New link").click()
    expect(page.locator("#secret-link")).not_to_have_value(link)
    page.click("#secret-done")
    expect(page.locator("#secret")).to_be_hidden()
    assert page.input_value("#secret-link") == ""
    line.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("button", name="No, go back")).to_be_focused()
    page.keyboard.press("Escape")
    assert door.state(slug)["invitations"][0]["state"] == "declined"
    line.get_by_role("button", name="Withdraw").click()
    page.click("#ask-yes")
    expect(page.locator("#people-says")).to_contain_text("is withdrawn")
    expect(line.locator("[data-part=actions]")).to_be_hidden()
    assert door.state(slug)["invitations"][0]["state"] == "withdrawn"


def test_cancelled_and_planned_again(page: Page, door: Door) -> None:
    slug = door.room("Called off", **WEEKLY)["slug"]
    manage(page, door, slug)
    page.click("#cancel")
    page.click("#ask-yes")
    expect(page.locator("#badge")).to_have_text("Cancelled")
    expect(page.locator("[data-enter]")).to_be_hidden()
    page.fill("#date", "2027-04-07")
    saved(page)
    expect(page.locator("#badge")).to_have_text("Scheduled")
    state = door.state(slug)
    assert (state["status"], state["details"]["at"]) == ("scheduled", "2027-04-07T18:00:00Z")
    assert state["details"]["weekly"] is True


def test_the_address_for_everybody(page: Page, door: Door) -> None:
    slug = door.room("Shared", **WEEKLY)["slug"]
    manage(page, door, slug)
    expect(page.locator("#share-link")).to_have_value(re.compile(rf"/r/{slug}$"))
    expect(page.locator("#share-calendar")).to_have_attribute("href", re.compile(r"/calendar\.ics$"))
    page.click("#share-qr")
    expect(page.locator("#share-image")).to_be_visible()
    expect(page.locator("#share-qr")).to_have_attribute("aria-expanded", "true")
    page.click("#share-qr")
    expect(page.locator("#share-image")).to_be_hidden()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.click("#share-copy")
    expect(page.locator("#share-says")).to_contain_text("Ctrl+C")


def test_a_session_that_ended_leads_to_the_log_in(browser: Browser, door: Door) -> None:
    slug = door.room("Later")["slug"]
    context = door.context(browser)
    page = context.new_page()
    manage(page, door, slug)
    context.clear_cookies()
    page.fill("#title", "Too late")
    page.on("dialog", lambda dialog: dialog.accept())  # the question about what is not saved
    page.click("#save")
    page.wait_for_url(f"{door.url}/login")
    context.close()
    assert door.state(slug)["title"] == "Later"


def everything(door: Door) -> str:
    """A room in which each part of the page has something to say."""
    slug = "everything"
    if door.api.get(f"/api/rooms/{slug}").status_code == 200:
        return slug
    topics = [{"title": "A long topic, longer than a phone is wide, and then some", "minutes": 90}]
    links = [{"label": "Plans", "url": f"https://example.org/{'x' * 200}"}]
    door.room(TITLE, slug=slug, **WEEKLY, topics=topics, links=links)
    for name, role in (("Ada Byron", "cohost"), ("Donaudampfschifffahrtsgesellschaftskapitän", "speaker")):
        door.api.post(f"/api/rooms/{slug}/invitations", json={"name": name, "role": role, "public": True})
    return slug


def arranged(page: Page, door: Door, state: str) -> None:
    slug = everything(door)
    if state == "rooms":
        page.goto(door.url)
        expect(page.locator("#now")).to_be_enabled()
        return
    if state == "new":
        page.goto(f"{door.url}/rooms/new")
        page.click("#add-topic")
        page.click("#add-link")
        return
    manage(page, door, slug)
    if state == "link shown":
        page.fill("#invite-name", "Elmstead Radio")
        page.click("#invite-button")
        expect(page.locator("#secret-qr")).to_be_visible()
    elif state == "asked":
        page.click("#cancel")


@pytest.mark.parametrize("state", ["rooms", "new", "room", "link shown", "asked"])
@pytest.mark.parametrize(
    ("scheme", "width", "locale"), [("light", 1440, "en-GB"), ("dark", 360, "de-DE"), ("light", 360, "en-GB")]
)
def test_axe_width_targets_and_large_text(
    browser: Browser, door: Door, state: str, scheme: Literal["light", "dark"], width: int, locale: str
) -> None:
    context = door.context(
        browser, viewport={"width": width, "height": 800}, color_scheme=scheme, locale=locale
    )
    page = context.new_page()
    arranged(page, door, state)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """[...document.querySelectorAll('a, button, select, input:not([type=checkbox]), label.check')]
            .filter((one) => one.checkVisibility() && !one.matches('.skip, .only-reader'))
            .map((one) => [one.id || one.textContent.trim(), one.getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)"""
    )
    assert small == []
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
