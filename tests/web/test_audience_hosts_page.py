"""The page of who listened at the studio's door, in Chromium, with made-up figures: who can see it, and where
it gets what it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import console_fake
import listener_pages
import pytest
from audience_fake import (
    HOME,
    HOSTS_PATH,
    LIVE,
    SINCE,
    STATES,
    VIEW,
    Fake,
    audience,
    broadcast,
    door_of,
    entries,
    fake,
    minutes,
    ready,
)
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from pages_browser import chromium, complaints
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SEALED = replace(VIEW, figures="hosts", listeners=None, listeners_by_door=None)
SMALL = """[...document.querySelectorAll('main a, main button, main select, main summary, main input')]
    .filter((element) => element.checkVisibility())
    .map((element) => [element.id || element.textContent.trim(), element.getBoundingClientRect().height])
    .filter(([, height]) => height < 43.5)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1440, "height": 1000}, locale="en-GB", timezone_id="Europe/Berlin"
    )
    yield context.new_page()
    context.close()


def arrange(page: Page, door: Fake, lang: str = "en") -> Fake:
    fake(page, door)
    page.goto(f"{HOME}{HOSTS_PATH}?lang={lang}")
    ready(page)
    return door


def test_a_host_sees_all_of_what_nobody_else_does(page: Page) -> None:
    found = complaints(page)
    door = door_of("live")
    door.view, door.openings = SEALED, "{}\n"
    arrange(page, door)
    says = page.inner_text(".who-sees")
    assert says.startswith("Only hosts see this.")
    assert "sealed" in page.inner_text("#method-box")
    peak = STATES["live"]["broadcasts"][0]["totals"]["net"]["peak"]  # type: ignore[index]
    assert page.inner_text('[data-figure="peak"] dd') == f"{peak:,}"
    assert page.locator("#voices").is_visible(), "who spoke is told at the audience's door"
    assert "/api/rooms/library/audience" in door.requests
    assert "/r/library/audience.json" not in door.requests
    proof = page.get_by_role("link", name="Proof of the sealed figures")
    assert proof.get_attribute("href") == "/api/rooms/library/audience/openings"
    as_json = page.get_by_role("link", name="Everything as JSON")
    assert as_json.get_attribute("href") == "/api/rooms/library/audience"
    assert page.locator('a[href$="/r/library/audience"]').count() == 0, "there is no public page"
    assert page.get_by_role("link", name="To the room’s page").get_attribute("href") == "/rooms/library"
    assert found == []


def test_where_everybody_may_see_it_there_is_the_way_to_the_public_page(page: Page) -> None:
    arrange(page, door_of("ended"))
    assert page.inner_text(".who-sees").startswith("Everybody can see this.")
    link = page.get_by_role("link", name="To the public page")
    assert link.get_attribute("href") == f"{HOME}/r/library/audience?lang=en"
    assert page.get_by_role("link", name="Proof of the sealed figures").count() == 0


def test_it_keeps_up_by_itself(page: Page) -> None:
    door = door_of("live")
    door.view = SEALED
    arrange(page, door)
    door.figures = deepcopy(STATES["ended"])
    with page.expect_response("**/api/rooms/library/audience"):
        page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_selector("#counted[data-state=ended]")


def test_earlier_minutes_come_out_of_what_was_sealed(page: Page) -> None:
    rows = minutes(SINCE, 90, 500)
    shown = broadcast(LIVE, SINCE, rows[30:], ended=True, minutes_left_out=30)
    door = Fake(audience(shown), view=SEALED)
    openings: list[dict[str, Any]] = []
    for seq, entry in enumerate(entries(LIVE, rows)):
        if entry["kind"] == "audience":
            openings.append({"data": entry["data"], "nonce": "00" * 32, "seq": seq})
            entry["data"] = {"broadcast": LIVE, "minute": entry["data"]["minute"], "sealed": "5a" * 32}
        door.record.append(entry)
    door.openings = "".join(json.dumps(each) + "\n" for each in openings)
    arrange(page, door)
    page.get_by_role("button", name="Fetch them from the public record").click()
    page.wait_for_selector("#left-out-box", state="hidden")
    page.click("#minutes-box summary")
    page.wait_for_selector("#minutes tbody tr")
    assert page.locator("#minutes tbody tr").count() == 90
    assert page.locator("#parts tbody tr").count() == 3, "chapters are public"


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize(("lang", "scheme"), [("en", "light"), ("de", "dark")])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    browser: Browser, width: int, lang: str, scheme: Any
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id="Europe/Berlin"
    )
    page = context.new_page()
    door = door_of("live")
    door.view, door.openings = SEALED, "{}\n"
    if scheme == "light":
        door.view = VIEW
    arrange(page, door, lang)
    if lang == "de":
        assert page.inner_text(".who-sees").startswith("Das sehen nur Gastgeber.")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


# --- elsewhere ---------------------------------------------------------------------------------------------


def test_the_rooms_page_tells_listeners_no_number(page: Page) -> None:
    live = listener_pages.VIEWS["live"]
    links = replace(live.links, audience="")
    view = replace(live, figures="hosts", listeners=None, listeners_by_door=None, links=links)
    found = complaints(page)
    listener_pages.fake(page, view)
    page.goto(f"{HOME}/r/library")
    page.wait_for_selector("#show-keys:not([hidden])")
    assert page.locator("#listening").is_hidden()
    assert page.locator('a[href*="/audience"]').count() == 0
    page.click("#play")
    page.wait_for_timeout(300)
    assert page.locator("#listening").is_hidden(), "nor that oneself is one"
    assert found == []


@pytest.mark.parametrize("conducts", [True, False])
def test_the_console_tells_the_number_to_those_who_conduct(browser: Browser, conducts: bool) -> None:
    context = console_fake.context_of(browser)
    room = console_fake.live_room(listeners=None, listeners_by_door=None)
    host = console_fake.desk(listeners=1204) if conducts else None
    me = console_fake.host_me() if conducts else console_fake.invited(invitation="accepted")
    page = console_fake.FakeStudio(room, me, host).open(context)
    page.wait_for_selector("#end:not([hidden])" if conducts else "#check")
    assert page.inner_text("#audience") == ("1,204 listening" if conducts else "")
    assert page.locator("#air-figures a").count() == 0
    if conducts:
        page.click("#air-figures summary")
        assert "Only hosts see this number." in page.inner_text("#air-figures")
        page.click("#end")
        assert "1,204" in page.inner_text("dialog[open]")
    context.close()
