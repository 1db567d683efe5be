"""Statements and corrections on a room's page for its hosts: asked once, published once, told where."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from desk_support import Door, studio_door
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with studio_door(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def opened(door: Door, browser: Browser, slug: str, lang: str = "en", **options: Any) -> Page:
    page = door.context(browser, **options).new_page()
    page.goto(f"{door.url}/rooms/{slug}?lang={lang}")
    expect(page.locator("#statement button[type=submit]")).to_be_enabled()
    return page


def published(door: Door, slug: str) -> list[dict[str, Any]]:
    return list(door.api.get(f"/api/rooms/{slug}/published").json()["published"])


def photographed(page: Page, name: str) -> None:
    """For whoever wants to see it: HUSTINGS is no setting here, a folder is."""
    if folder := os.environ.get("DESK_PICTURES"):
        page.locator("#said-card").screenshot(path=Path(folder) / f"{name}.png")


def test_a_statement_and_its_correction(browser: Browser, door: Door) -> None:
    door.room("Rents & homes", slug="rents")
    page = opened(door, browser, "rents")
    found = complaints(page)
    page.locator("#correction-box summary").click()
    expect(page.locator("#nothing-said")).to_be_visible()
    page.locator("#statement-box summary").click()
    page.locator("#statement button[type=submit]").click()
    expect(page.locator("#said-who-fault")).to_have_text("Please fill this in.")
    page.locator("#said-who").fill("Clara Weiss")
    page.locator("#said-text").fill("I said 400 flats.\n\nNot 40.")
    page.locator("#said-link").fill("http://example.org/")
    photographed(page, "said-form")
    page.locator("#statement button[type=submit]").click()
    expect(page.locator("#ask")).to_contain_text("cannot be taken back")
    page.locator("#ask").get_by_role("button", name="Publish").click()
    expect(page.locator("#said-link-fault")).to_contain_text("https://")
    assert published(door, "rents") == []
    page.locator("#said-link").fill("https://example.org/")
    page.locator("#statement button[type=submit]").click()
    page.locator("#ask").get_by_role("button", name="No").click()
    assert published(door, "rents") == [], "asked, and not meant"
    page.locator("#statement button[type=submit]").click()
    page.locator("#ask").get_by_role("button", name="Publish").click()
    expect(page.locator("#said-says")).to_contain_text("Published as entry")
    (said,) = published(door, "rents")
    assert (said["who"], said["text"], said["link"]) == (
        "Clara Weiss",
        "I said 400 flats.\n\nNot 40.",
        "https://example.org/",
    )
    if not page.locator("#correction-box").evaluate("box => box.open"):
        page.locator("#correction-box summary").click()
    expect(page.locator("#said-of option")).to_have_count(1)
    expect(page.locator("#said-position-box")).to_be_hidden()
    page.locator("#said-was").fill("40")
    page.locator("#said-now").fill("400")
    page.locator("#correction").get_by_role("button", name="Publish").click()
    page.locator("#ask").get_by_role("button", name="Publish").click()
    expect(page.locator("#said-of option")).to_have_count(2)
    assert published(door, "rents")[1]["entry"] == said["seq"]
    assert found == []
    page.context.close()


@pytest.mark.parametrize(("lang", "scheme"), [("en", "light"), ("de", "dark")])
def test_on_a_phone_and_for_screen_readers(browser: Browser, door: Door, lang: str, scheme: str) -> None:
    slug = f"phone-{lang}"
    door.room("Rents & homes", slug=slug)
    door.api.post(f"/api/rooms/{slug}/statements", json={"who": "Clara Weiss", "text": "x" * 200})
    size = {"width": 360, "height": 780}
    page = opened(door, browser, slug, lang, viewport=size, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('#said-card details').forEach((one) => { one.open = true; })")
    expect(page.locator("#said-of option")).to_have_count(1)
    photographed(page, f"said-{lang}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.context.close()
