"""The list of recordings on a room's page: read, deleted by keyboard, kept for as long as the form says."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from desk_support import Door, studio_door
from playwright.sync_api import Browser, Page, expect
from recording_folder import write_recording

from hustings.archive.index import write_index
from hustings.archive.model import encode_index, read_index
from hustings.archive.orders import STORE_KIND, Deletion, store_id
from hustings.scribe.remove import Remover
from hustings.studio.retention import began_at

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium

pytestmark = pytest.mark.e2e

FIRST, SECOND, GONE = "20261101T190000-abc123", "20261108T190000-abc123", "20261025T190000-abc123"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with studio_door(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def record(data: Path, slug: str, broadcast: str, seconds: float) -> None:
    folder = write_recording(data, 4.0, slug=slug, broadcast=broadcast).folder
    write_index(folder)
    at = began_at(broadcast)
    index = msgspec.structs.replace(
        read_index(folder), live_since=at, ended_at=at + seconds, duration=round(seconds * 48_000)
    )
    (folder / "recording.json").write_bytes(encode_index(index))


def room(door: Door, slug: str) -> None:
    door.room("Rents & homes", slug=slug, keep_days=365)
    for broadcast, seconds in ((GONE, 60.0), (FIRST, 3725.0), (SECOND, 5400.0)):
        record(door.data, slug, broadcast, seconds)
    order = Deletion(slug=slug, broadcast=GONE, why="host")
    Remover(door.data, None, Ed25519PrivateKey.generate()).delete(order, began_at(SECOND))


def opened(door: Door, browser: Browser, slug: str, **options: Any) -> Page:
    page = door.context(browser, **options).new_page()
    page.goto(f"{door.url}/rooms/{slug}")
    expect(page.locator("#recordings > li")).to_have_count(3)
    return page


def test_a_recording_is_deleted_by_keyboard(browser: Browser, door: Door) -> None:
    room(door, "keys")
    page = opened(door, browser, "keys")
    lines = page.locator("#recordings > li")
    expect(lines.nth(0)).to_contain_text("8 Nov 2026")
    expect(lines.nth(0)).to_contain_text("1 h 30 min")
    expect(lines.nth(0)).to_contain_text("kept until 8 Nov 2027")
    expect(lines.nth(2)).to_contain_text("deleted on 8 Nov 2026")
    expect(lines.nth(2).get_by_role("button")).to_have_count(0)
    first = page.get_by_role("button", name="Delete: recording of 8 Nov 2026, 20:00")
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ask")).to_contain_text("Delete the recording of 8 Nov 2026, 20:00?")
    expect(page.get_by_role("button", name="No, go back")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#ask")).to_be_hidden()
    expect(first).to_be_focused()
    assert door.api.get("/api/rooms/keys/recordings").json()["recordings"][0]["state"] == "kept"
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#recordings-says")).to_have_text("The recording of 8 Nov 2026, 20:00 is deleted.")
    expect(lines.nth(0)).to_contain_text("being deleted")
    expect(page.locator("#recordings-card")).to_be_focused()
    found = door.api.get("/api/rooms/keys/recordings").json()["recordings"]
    assert [each["state"] for each in found] == ["deleting", "kept", "deleted"]


@pytest.mark.parametrize(
    ("locale", "text"), [("en", "not in the object store yet"), ("de", "noch nicht im Obj")]
)
def test_a_host_reads_that_the_store_fails(browser: Browser, door: Door, locale: str, text: str) -> None:
    slug = f"store-{locale}"
    room(door, slug)
    with contextlib.closing(sqlite3.connect(door.data / "hustings.db")) as database, database:
        columns = "id, kind, subject, body, state, attempts, created_at, due_at, note"
        note = "The store does not answer."
        values = (store_id(SECOND), STORE_KIND, SECOND, "{}", "open", 1, 1.0, 4e9, note)
        database.execute(
            f"INSERT OR REPLACE INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
    page = opened(door, browser, slug, locale=locale)
    line = page.locator("#recordings > li").nth(0)
    expect(line).to_contain_text(text)
    expect(line).to_contain_text("The store does not answer.")
    expect(page.locator("#recordings > li").nth(1)).not_to_contain_text(text)


def test_how_long_is_said_in_the_form(browser: Browser, door: Door) -> None:
    room(door, "form")
    page = opened(door, browser, "form")
    expect(page.locator("#keep_days")).to_have_value("365")
    page.select_option("#keep_days", "0")
    page.click("#save")
    expect(page.locator("#save-says")).to_have_text("Saved.")
    assert door.state("form")["details"]["keep_days"] is None


@pytest.mark.parametrize(("scheme", "width"), [("dark", 360), ("light", 1440)])
@pytest.mark.parametrize("asked", [False, True], ids=["list", "asked"])
def test_axe_width_and_targets(
    browser: Browser, door: Door, scheme: Literal["light", "dark"], width: int, asked: bool
) -> None:
    slug = f"fits-{width}-{int(asked)}"
    room(door, slug)
    options = {"locale": "de-DE", "color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    page = opened(door, browser, slug, **options)
    expect(page.locator("#recordings > li").first).to_contain_text("aufbewahrt bis 8. Nov. 2027")
    if asked:
        page.locator("#recordings [data-part=delete]").first.click()
        expect(page.locator("#ask")).to_contain_text("Aufzeichnung vom 8. Nov. 2026, 20:00 löschen?")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.eval_on_selector_all(
        "#recordings .button", "(all) => all.map((one) => one.getBoundingClientRect().height).filter(Boolean)"
    )
    assert min(heights) >= 43.5
    page.context.close()
