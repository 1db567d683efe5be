"""The operator's page in Chromium, at a real studio's door: every state, by eye, by ear and by keyboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # noqa: E402
from desk_support import Door, studio_door  # noqa: E402
from operator_fake import KINDS, shown  # noqa: E402
from pages_browser import chromium, complaints  # noqa: E402
from playwright.sync_api import Browser, Page, expect  # noqa: E402

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with studio_door(tmp_path_factory.mktemp("operator")) as running:
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_no_violation_in_any_state(
    browser: Browser, door: Door, kind: str, scheme: Literal["light", "dark"], width: int
) -> None:
    context = door.context(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    found = complaints(page)
    shown(page, door.url, kind)
    results = Axe().run(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    small = page.evaluate(
        """[...document.querySelectorAll('main a, main button, .bar a')]
            .filter((element) => element.checkVisibility())
            .map((element) => [element.textContent.trim(), element.getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)"""
    )
    context.close()
    assert results.violations_count == 0, results.generate_report()
    assert wide <= width
    assert found == []
    assert small == []


def test_nothing_is_cut_off_when_text_is_twice_as_large(browser: Browser, door: Door) -> None:
    context = door.context(browser, viewport={"width": 360, "height": 780}, locale="de-DE")
    page = context.new_page()
    shown(page, door.url, "trouble", "de")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert wide <= 360


def test_it_says_what_is_wrong_and_what_to_do(page: Page, door: Door) -> None:
    shown(page, door.url, "trouble")
    expect(page.locator("#summary")).to_have_text("Something is wrong")
    findings = page.locator("#findings li")
    expect(findings.first).to_contain_text("not alive: edge-1")
    expect(findings.first).to_contain_text("Look at their lines in the server's log.")
    expect(page.locator("#findings")).to_contain_text("The recording fails: The new library")
    expect(page.locator('[data-tile="gate"] [data-part="value"]')).to_have_text("lobby")
    expect(page.locator('[data-key="edge-1"] .role-state')).to_have_text("away")
    expect(page.locator("#incidents")).to_contain_text("stage died and was started again")
    expect(page.locator("#incidents")).to_contain_text("still so")
    assert page.locator("#hour rect").count() == page.locator("#incidents li").count() >= 6


def test_what_changes_is_changed_in_place_and_said_once(page: Page, door: Door) -> None:
    server = shown(page, door.url, "live")
    expect(page.locator("#summary")).to_have_text("All is well")
    page.evaluate(
        """() => {
            window.said = [];
            new MutationObserver(() => window.said.push(document.querySelector('#summary').textContent))
                .observe(document.querySelector('[role=status]'),
                         { childList: true, subtree: true, characterData: true });
            window.kept = document.querySelector('[data-key="library"]');
        }"""
    )
    page.locator('[data-key="harbour"] a').focus()
    server.kind = "trouble"
    expect(page.locator("#summary")).to_have_text("Something is wrong", timeout=15_000)
    assert page.evaluate("window.kept === document.querySelector('[data-key=\"library\"]')")
    assert page.evaluate("document.activeElement.textContent") == "Harbour nights, part two"
    assert page.evaluate("new Set(window.said).size") == 1, "only the change is announced"
    server.kind = "live"
    expect(page.locator("#findings")).to_be_hidden(timeout=15_000)
    expect(page.locator("#summary")).to_have_text("All is well")


def test_a_studio_that_is_away_leaves_what_was_known(page: Page, door: Door) -> None:
    server = shown(page, door.url, "lost")
    expect(page.locator("#summary")).to_have_text("The studio does not answer")
    expect(page.locator("#summary-hint")).to_contain_text("What stands below is from")
    expect(page.locator("#rooms li").first).to_be_visible()
    server.kind = "live"
    expect(page.locator("#summary")).to_have_text("All is well", timeout=15_000)


def test_it_can_be_stopped_by_keyboard_and_asks_no_more(page: Page, door: Door) -> None:
    page.clock.install()
    server = shown(page, door.url, "live")
    with page.expect_response("**/api/operator/health**"):
        page.clock.run_for(3100)
    page.locator("#pause").focus()
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    asked = server.asked
    page.clock.run_for(60_000)
    page.evaluate("fetch('/healthz')")  # a round trip: what was to go out before has gone out
    assert server.asked == asked
    with page.expect_response("**/api/operator/health**"):
        page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "false")
    with page.expect_response("**/api/operator/health**"):
        page.clock.run_for(3100)


def test_nobody_who_looks_elsewhere_asks(page: Page, door: Door) -> None:
    page.clock.install()
    server = shown(page, door.url, "live")
    page.evaluate(
        """() => {
            Object.defineProperty(document, 'hidden', { get: () => window.away ?? true, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    page.evaluate("fetch('/healthz')")
    asked = server.asked
    page.clock.run_for(60_000)
    page.evaluate("fetch('/healthz')")
    assert server.asked == asked
    with page.expect_response("**/api/operator/health**"):
        page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")


def test_who_is_no_operator_any_more_is_led_away(page: Page, door: Door) -> None:
    server = shown(page, door.url, "live")
    server.kind = "refused"
    page.wait_for_url(f"{door.url}/", timeout=15_000)


def test_german_numbers_and_words(page: Page, door: Door) -> None:
    shown(page, door.url, "trouble", "de")
    expect(page.locator("#summary")).to_have_text("Etwas stimmt nicht")
    expect(page.locator("#findings")).to_contain_text("nicht am Leben: edge-1")
    expect(page.locator("#findings")).to_contain_text("3,4 GB frei")
    expect(page.locator('[data-tile="late"] [data-part="value"]')).to_have_text("3,1 %")


def test_curves_are_told_to_those_who_do_not_see_them(page: Page, door: Door) -> None:
    shown(page, door.url, "live")
    label = page.locator('[data-tile="listeners"] svg').get_attribute("aria-label") or ""
    assert label.startswith("Listening, over the last hour: from ")
    assert ", now 4," in label


def test_the_real_answer_fills_the_page(page: Page, door: Door) -> None:
    """No fake: a studio that nobody has told anything, and which says so."""
    page.goto(f"{door.url}/operator")
    expect(page.locator("#summary")).to_have_text("All is well")
    expect(page.locator("#roles-none")).to_be_visible()
    expect(page.locator("#rooms-none")).to_be_visible()
