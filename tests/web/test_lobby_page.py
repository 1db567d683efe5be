"""The lobby's page: waits, does the effort test, goes in by itself; keeps the place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from lobby_fake import AT, NUMBER, PLACE, STATES, TESTED, TOKENS, Door, arrange, sum_to_do, waiting
from pages_browser import chromium, complaints
from playwright.sync_api import Browser, Page

from hustings.edge import effort

pytestmark = pytest.mark.e2e
PATIENCE = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


def test_it_waits_and_goes_in_by_itself_with_its_place(page: Page) -> None:
    found = complaints(page)
    door = Door(page, waiting(0.3, 3), waiting(0.3, 1), waiting(0.3, 0), {"in": True, "place": PLACE})
    page.goto(f"{AT}/r/library?door=hls")
    page.wait_for_selector("h1:has-text('Inside')", timeout=PATIENCE)
    assert [asked["place"] for asked in door.asked] == [PLACE] * 3
    assert page.url == f"{AT}/r/library?door=hls&place={PLACE}"
    assert found == []


def test_it_says_what_is_known_and_that_the_rest_is_not(page: Page) -> None:
    Door(page, waiting(600, 1234), waiting(600, 1))
    page.goto(f"{AT}/r/library")
    page.wait_for_selector("#next:not(:empty)", timeout=PATIENCE)
    assert page.inner_text("#ahead") == "About 1,234 people here came before you."
    assert page.get_attribute("#next", "aria-live") == "off", "a countdown is not read out each second"
    assert "place=" in page.url, "loading it again keeps the place"
    Door(page, {"place": PLACE, "wait": 600.0}, waiting(600, 1))
    page.goto(f"{AT}/r/other")
    assert "not known" in page.inner_text("#ahead")


def test_the_effort_is_done_by_itself_and_the_answer_is_right(page: Page) -> None:
    found = complaints(page)

    def checked(asked: dict[str, str]) -> dict[str, object]:
        right = effort.solved(TOKENS, NUMBER, asked.get("effort", ""))
        return {"in": False, "place": TESTED, "wait": 0.3, "ahead": 0} if right else sum_to_do()

    door = Door(page, sum_to_do(), checked, {"in": True, "place": TESTED})
    page.goto(f"{AT}/r/library")
    page.wait_for_selector("h1:has-text('Inside')", timeout=PATIENCE)
    assert [asked["place"] for asked in door.asked] == [PLACE, TESTED], "done once"
    assert found == []


def test_a_server_that_is_away_does_not_end_it(page: Page) -> None:
    door = Door(page, waiting(0.2, 1), waiting(0.2, 0), {"in": True, "place": PLACE})
    failures = 2

    def fail(route):  # type: ignore[no-untyped-def]
        nonlocal failures
        failures -= 1
        route.abort() if failures >= 0 else route.fallback()

    page.route(f"{AT}/lobby*", fail)
    page.goto(f"{AT}/r/library")
    page.wait_for_selector("h1:has-text('Inside')", timeout=PATIENCE)
    assert failures < 0
    assert len(door.asked) == 2


def test_without_a_script_it_loads_itself_again_with_its_place(browser: Browser) -> None:
    context = browser.new_context(locale="de-DE", java_script_enabled=False)
    page = context.new_page()
    Door(page, {"place": PLACE, "wait": 1.0, "ahead": 2}, waiting(1, 1))
    page.goto(f"{AT}/r/library")
    assert page.inner_text("#ahead") == "Hier kamen etwa 2 Personen vor Ihnen."
    assert "Ohne Skripte" in page.inner_text("main")
    page.wait_for_url(f"{AT}/r/library?place={PLACE}&lang=de", timeout=PATIENCE)
    context.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("scheme", "width", "lang"), [("light", 1440, "en"), ("dark", 360, "de")])
def test_no_violation_and_nothing_cut_off(
    browser: Browser, state: str, scheme: Literal["light", "dark"], width: int, lang: str
) -> None:
    size = {"width": width, "height": 780}
    context = browser.new_context(viewport=size, color_scheme=scheme, locale=lang)  # type: ignore[arg-type]
    page = context.new_page()
    arrange(page, state, lang)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
