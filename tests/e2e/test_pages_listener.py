"""The listener's page in Chromium, against a real server with a voice on the stage."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Room, Server, serve
from playwright.sync_api import Browser, Page, Request, Route

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, player, player_is
from screens import voices

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("pages-listener")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[Room]:
    """A room on the air in which somebody talks."""
    room = server.room("The new library", slug="library", speakers=["Ada Byron"])
    room.open()
    with voices(server, room, {"Ada Byron": "host.opus"}):
        room.start()
        room.wait_for_state("live")
        yield room


def listen(page: Page, room: Room, door: str = "push") -> None:
    page.goto(f"{room.audience_url}?door={door}")
    page.click("#play")
    player_is(page, "playing")


def test_push_plays_within_a_second_and_a_moment_behind_the_stage(page: Page, live: Room) -> None:
    found = complaints(page)
    listen(page, live)
    page.wait_for_timeout(4000)
    figures = player(page)
    assert figures["door"] == "push"
    assert float(figures["firstAudio"]) < 1.5
    assert 50 < float(figures["latencyMs"]) < 2000
    assert int(figures["stalls"]) <= 1
    before = int(figures["mediaTime"])
    page.wait_for_timeout(2000)
    assert 1.7 < (int(player(page)["mediaTime"]) - before) / 48000 < 2.8
    assert "listening now" in page.inner_text("#count")
    assert page.get_attribute("#play", "aria-label") == "Stop"
    page.wait_for_selector(".seat[data-speaking]", timeout=20_000)
    assert found == []


def test_hls_plays_where_push_is_not_wanted(page: Page, live: Room) -> None:
    found = complaints(page)
    listen(page, live, "hls")
    page.wait_for_timeout(3000)
    figures = player(page)
    assert figures["door"] == "hls"
    assert 200 < float(figures["latencyMs"]) < 6000
    assert found == []


def test_push_that_a_proxy_swallows_becomes_hls_by_itself(page: Page, live: Room) -> None:
    page.route("**/live?*", lambda route: route.fulfill(status=200, body=b"\x63" * 50_000))
    page.goto(live.audience_url)
    page.click("#play")
    player_is(page, "playing", within=40)
    assert player(page)["door"] == "hls"


def test_stop_closes_the_line_and_play_begins_again_at_the_live_edge(page: Page, live: Room) -> None:
    listen(page, live)
    page.click("#play")
    player_is(page, "idle")
    assert page.evaluate("document.getElementById('audio').paused")
    page.wait_for_timeout(1500)
    page.click("#play")
    player_is(page, "playing")
    page.wait_for_timeout(1000)
    assert float(player(page)["latencyMs"]) < 2000


def test_a_full_house_says_so_and_lets_in_by_itself(page: Page, live: Room) -> None:
    turned_away: list[str] = []

    def full_once(route: Route) -> None:
        if turned_away:
            route.continue_()
        else:
            turned_away.append(route.request.url)
            route.fulfill(status=503, headers={"Retry-After": "2"})

    page.route("**/live?*", full_once)
    page.goto(f"{live.audience_url}?door=push")
    page.click("#play")
    player_is(page, "full")
    assert "taken" in page.inner_text("#says")
    player_is(page, "playing")


def test_a_killed_edge_is_found_again_without_a_click(page: Page, server: Server, live: Room) -> None:
    listen(page, live)
    page.wait_for_timeout(1000)
    for pid in server.pids("edge"):
        os.kill(pid, signal.SIGKILL)
    before = time.monotonic()
    page.wait_for_selector("#player:not([data-state=playing])", timeout=10_000)
    player_is(page, "playing", within=30)
    assert time.monotonic() - before < 25
    page.wait_for_timeout(1500)
    at = int(player(page)["mediaTime"])
    page.wait_for_timeout(1000)
    assert int(player(page)["mediaTime"]) > at


def test_play_before_the_doors_open_starts_with_the_broadcast(page: Page, server: Server) -> None:
    room = server.room("Early birds", slug="early", speakers=["Ben Cole"])
    page.goto(room.audience_url)
    page.click("#play")
    player_is(page, "scheduled")
    assert "Waiting" in page.inner_text("#says")
    room.open()
    player_is(page, "waiting")
    with voices(server, room, {"Ben Cole": "guest.opus"}):
        room.start()
        player_is(page, "playing")
        room.stop()
        player_is(page, "ended")
        page.wait_for_selector("#badge[data-status=ended]", timeout=20_000)
    assert page.inner_text("#says") == "The broadcast has ended."


def test_before_play_the_page_is_light_and_asks_nobody_else(page: Page, live: Room) -> None:
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))
    page.goto(live.audience_url, wait_until="networkidle")
    total = sum(
        sum(request.sizes()[part] for part in ("responseBodySize", "responseHeadersSize"))
        for request in requests
    )
    assert {request.url.split("/")[2] for request in requests} == {live.audience_url.split("/")[2]}
    assert not any("hls" in request.url for request in requests)
    assert total <= 60_000
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    assert timing < 1000


def test_without_script_everything_can_be_read_and_heard(browser: Browser, live: Room) -> None:
    context = browser.new_context(java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    page.goto(live.audience_url)
    assert page.locator("h1").inner_text() == "The new library"
    assert page.locator("#badge").inner_text().casefold() == "live"
    assert page.locator("#link-ogg").get_attribute("href") == "/r/library/stream.ogg"
    assert not page.locator(".player").is_visible()
    assert page.locator(".plain audio").is_visible()
    assert page.locator("html").get_attribute("lang") == "de"
    context.close()


@pytest.mark.parametrize("lang", ["de", "en"])
def test_the_page_speaks_the_readers_language(browser: Browser, live: Room, lang: str) -> None:
    context = browser.new_context(locale=lang)
    page = context.new_page()
    page.goto(live.audience_url)
    assert page.get_attribute("#play", "aria-label") == {"de": "Abspielen", "en": "Play"}[lang]
    other = {"de": "en", "en": "de"}[lang]
    page.click(f".langs a[hreflang={other}]")
    assert page.get_attribute("html", "lang") == other
    context.close()
