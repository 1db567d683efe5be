"""The room's page in its states, without ever being loaded again: planned, open, live, ended, cancelled."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import Room, Server, serve
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints

pytestmark = pytest.mark.e2e

AT = "2031-07-24T18:00:00Z"
ABOUT: dict[str, Any] = {
    "description": "The town asks.\nThe council answers.",
    "topics": [{"title": "Why a new library"}, {"title": "What it costs", "minutes": 20}],
    "links": [{"label": "The plans", "url": "https://example.org/plans"}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("listener-states")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def reader(browser: Browser, **options: Any) -> Page:
    return browser.new_context(**({"locale": "en-GB", "timezone_id": "Asia/Tokyo"} | options)).new_page()


def host(room: Room, path: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
    """A host's command."""
    answer = httpx.request(
        method,
        f"{room.server.studio_url}/api/rooms/{room.slug}{path}",
        json=body,
        headers={"Authorization": f"Bearer {room.server.token}"},
        trust_env=False,
        timeout=20,
    )
    answer.raise_for_status()
    done: dict[str, Any] = answer.json()
    return done


def planned(server: Server, slug: str) -> Room:
    room = Room(server, server.api.create_room("The new library", slug=slug)["slug"])
    host(room, "", ABOUT, "PATCH")
    host(room, "/schedule", {"at": AT, "time_zone": "Europe/Berlin", "weekly": True})
    room.invite("Head of finance", public=True)
    # A page without script shows what the edge had when it was asked for.
    end = time.monotonic() + 20
    while "Head of finance" not in httpx.get(room.audience_url, trust_env=False).text:
        assert time.monotonic() < end, "the edge has the room's page"
        time.sleep(0.1)
    return room


def test_before_it_begins_the_page_says_when_and_who_is_asked(server: Server, browser: Browser) -> None:
    room = planned(server, "planned")
    page = reader(browser)
    found = complaints(page)
    page.goto(room.audience_url)
    page.wait_for_selector("#plan-left:not([hidden])")
    assert page.inner_text("#plan-date").replace(",", "") == "Friday 25 July 2031 03:00"
    assert "Europe/Berlin" in page.inner_text("#plan-zone")
    assert "20:00" in page.inner_text("#plan-zone")
    assert page.get_attribute("#plan-left", "aria-live") == "off"
    assert page.get_attribute("#plan a", "href") == "/r/planned/calendar.ics"
    assert httpx.get(f"{room.audience_url}/calendar.ics", trust_env=False).text.startswith("BEGIN:VCALENDAR")
    assert "Every week" in page.inner_text("#plan")
    invited = page.inner_text(".seat.invited")
    assert "Head of finance" in invited
    assert "no answer yet" in invited
    assert [each.strip() for each in page.locator(".topic-title").all_inner_texts()] == [
        "Why a new library",
        "What it costs",
    ]
    assert page.get_attribute("#pinned a", "rel") == "noopener nofollow ugc"
    assert "The town asks.\nThe council answers." in page.inner_text("#about")
    assert page.locator("#hand").is_hidden()
    assert found == []
    same = reader(browser, timezone_id="Europe/Berlin")
    same.goto(room.audience_url)
    same.wait_for_selector("#plan-left:not([hidden])")
    assert same.locator("#plan-zone").is_hidden()


def test_an_answer_a_word_and_another_time_are_seen_at_once(server: Server, browser: Browser) -> None:
    room = planned(server, "answers")
    page = reader(browser)
    page.goto(room.audience_url)
    word = {"word": "I am away that day <b>", "proposed_at": "2031-07-26T18:00:00Z"}
    for path, body in (("/me/answer", {"answer": "declined"}), ("/me/word", word)):
        httpx.post(
            f"{server.studio_url}/api/rooms/answers{path}",
            json=body,
            headers={"Authorization": f"Bearer {room.tickets['Head of finance']}"},
            trust_env=False,
        ).raise_for_status()
    page.wait_for_selector(
        ".seat.invited[data-answer=declined] [data-part=proposed]:not([hidden])", timeout=30_000
    )
    said = page.inner_text(".seat.invited")
    assert "I am away that day <b>" in said
    assert "proposes 27 Jul 2031, 03:00" in said


def test_a_cancelled_room_says_so_plainly(server: Server, browser: Browser) -> None:
    room = planned(server, "off")
    page = reader(browser)
    page.goto(room.audience_url)
    host(room, "/cancel", {})
    page.wait_for_selector("#badge[data-status=cancelled]", timeout=30_000)
    assert "will not take place" in page.inner_text("#lead")
    assert page.locator("#player").is_hidden()
    page.wait_for_selector("#plan-date.off", timeout=10_000)
    plain = reader(browser, java_script_enabled=False)
    plain.goto(room.audience_url)
    assert "will not take place" in plain.inner_text("#lead")


def test_one_page_from_open_doors_to_what_happened(server: Server, browser: Browser) -> None:
    room = planned(server, "whole")
    page = reader(browser)
    found = complaints(page)
    page.goto(room.audience_url)
    room.open()
    page.wait_for_selector("#badge[data-status=open]", timeout=30_000)
    page.wait_for_selector("#plan[hidden]", state="attached", timeout=15_000)
    room.start()
    page.wait_for_selector("#badge[data-status=live]", timeout=30_000)
    page.wait_for_selector("#reactions:not([hidden])")
    first, second = (topic["id"] for topic in room.state()["topics"])
    host(room, "/topic", {"topic_id": first})
    page.wait_for_selector(f"#agenda li[data-id='{first}'][aria-current=step]", timeout=30_000)
    host(room, "/topic", {"topic_id": second})
    page.wait_for_selector(f"#agenda li[data-id='{first}'][data-done]", timeout=30_000)
    host(room, "", {"description": "Another word."}, "PATCH")
    page.wait_for_function(
        "() => document.getElementById('about').innerText.includes('Another word')", timeout=30_000
    )
    room.stop()
    page.wait_for_selector("#badge[data-status=ended]", timeout=30_000)
    page.wait_for_selector("#after .chapters", timeout=15_000)
    after = page.inner_text("#after")
    assert "What it costs" in after
    page.wait_for_selector("#again a:visible", timeout=30_000)
    assert "There is no recording" not in page.inner_text("#after")
    assert page.locator("#player").is_hidden()
    assert found == []


def test_without_script_the_plan_stands_in_the_rooms_own_zone(server: Server, browser: Browser) -> None:
    room = planned(server, "plain")
    page = reader(browser, java_script_enabled=False, locale="de-DE")
    page.goto(room.audience_url)
    assert page.inner_text("#plan-date") == "Donnerstag, 24. Juli 2031, 20:00 (Europe/Berlin)"
    assert page.inner_text("#badge").casefold() == "angekündigt"
    assert "Head of finance" in page.inner_text("#seats")
    assert page.locator("#agenda li").count() == 2
    for dead in ("#hand", "#ask", "#back", "#reactions"):
        assert page.locator(dead).is_hidden()


def test_a_room_that_is_not_there_is_a_page_too(server: Server, browser: Browser) -> None:
    page = reader(browser)
    answer = page.goto(f"{server.audience_url}/r/nowhere")
    assert answer is not None
    assert answer.status == 404
    assert page.inner_text("h1") == "No such room"
