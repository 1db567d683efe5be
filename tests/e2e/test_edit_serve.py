"""From the desk's list to the public page, in a whole running server: a recording is cut on the hosts' page,
made by the scribe, published, heard by everybody; then somebody's part is removed for good."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from desk_support import Door, log_in
from harness import Server, serve
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from edit_fake import cut
from pages_browser import chromium
from recording_folder import VOICES, write_recording

from hustings.archive.index import write_index

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SLUG, BROADCAST = "cuts", "20261101T190000-abc123"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("edit-serve")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def logged_in(browser: Browser, server: Server) -> Page:
    url = server.studio_url
    with httpx.Client(base_url=url, trust_env=False) as api:
        door = Door(url, server.data, log_in(url, server.data), api)
        return door.context(browser, viewport={"width": 1440, "height": 1000}).new_page()


def public(server: Server, path: str) -> httpx.Response:
    return httpx.get(
        f"{server.audience_url}/r/{SLUG}/{path}",
        headers={"Accept": "text/html", "Accept-Language": "en"},
        trust_env=False,
        follow_redirects=True,
        timeout=20,
    )


def until(condition: Callable[[], bool], within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_from_the_desk_to_everybodys_ears_and_taken_down(browser: Browser, server: Server) -> None:
    room = server.room("Rents & homes", slug=SLUG)
    write_index(write_recording(server.data, 60.0, slug=SLUG, broadcast=BROADCAST, turn=4.0).folder)
    page = logged_in(browser, server)
    page.goto(f"{server.studio_url}/rooms/{SLUG}")
    page.get_by_role("link", name="Edit: recording of").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    cut(page, "0:10", "0:30")
    page.get_by_role("button", name="Make this version").click()
    page.get_by_role("button", name="Make it public: Version 1").click(timeout=120_000)
    page.get_by_role("button", name="Make it public", exact=True).click()
    expect(page.locator("#which")).to_have_text("public: version 1")
    link = page.get_by_role("link", name="Its page: Version 1")
    edition = str(link.get_attribute("href")).rstrip("/").rpartition("/")[2]
    until(lambda: f"/{edition}/" in public(server, "replay/").text)
    text = public(server, "replay/").text
    assert "This is an edited version" in text
    assert "stretches cut out" in text or "cut out" in text
    assert public(server, f"replay/{BROADCAST}/").status_code == 410
    about = httpx.get(f"{server.audience_url}/r/{SLUG}/replay/{edition}/about.json", trust_env=False).json()
    assert about["seconds"] == pytest.approx(40, abs=0.2)
    listener = browser.new_context(locale="en-GB").new_page()
    listener.goto(f"{room.audience_url}/replay/{edition}/")
    listener.wait_for_selector("html[data-ready]", state="attached")
    listener.get_by_role("button", name="Play").click()
    end = time.monotonic() + 30
    while listener.evaluate("document.getElementById('audio').currentTime") < 0.5:
        assert time.monotonic() < end
        listener.wait_for_timeout(100)

    page.select_option("#remove-who", VOICES[1].participant_id)
    page.get_by_role("button", name="Remove this part").click()
    page.get_by_role("button", name="Remove for good").click()
    expect(page.locator(".version").first).to_contain_text("removed for good")
    until(lambda: public(server, f"replay/{edition}/").status_code == 410)
    # The server does the rest by itself; in the end the page says that there is nothing to edit any more.
    expect(page.locator("#problem")).to_contain_text("This recording is no more", timeout=180_000)
    until(
        lambda: (
            "Bertolt" not in public(server, "replay/").text
            and "Ada Example" in public(server, "replay/").text
        )
    )
    # The room's hosts read what became of it.
    page.goto(f"{server.studio_url}/rooms/{SLUG}")
    lines = page.locator("#recordings > li")
    expect(lines.filter(has_text="because somebody’s part was removed").first).to_be_visible()
    left = lines.filter(has_text="Version").first
    # With its original gone, the version is edited itself.
    left.get_by_role("link", name="Edit: recording of").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(page.locator(".edit-speaker")).to_have_count(1)
    expect(page.locator("#which")).to_have_text("public: the original")
    assert not (server.data / "rooms" / SLUG / BROADCAST / "program").exists()
