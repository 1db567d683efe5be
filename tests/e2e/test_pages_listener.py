"""The listener's page in Chromium, against a real server with a voice on the stage."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import httpx
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


def seconds(page: Page) -> float:
    """What is heard now, since the broadcast began."""
    return int(player(page)["mediaTime"]) / 48000


def test_what_was_said_can_be_heard_again_also_from_before_one_came(page: Page, live: Room) -> None:
    found = complaints(page)
    started = datetime.fromisoformat(live.state()["started_at"]).timestamp()
    while time.time() - started < 25:
        time.sleep(0.5)
    listen(page, live)
    page.wait_for_timeout(1500)
    before = seconds(page)
    assert before > 20
    page.click("#back")
    page.wait_for_selector("#to-live:not([hidden])")
    player_is(page, "playing")
    assert 12 < before + 1 - seconds(page) < 18
    page.wait_for_timeout(2500)
    behind = float(player(page)["behind"])
    assert 12 < behind < 20
    assert "ahead" in page.inner_text("#to-live")
    page.wait_for_timeout(2500)
    assert float(player(page)["behind"]) == pytest.approx(behind, abs=0.6), "one who is behind is not hurried"
    page.locator("#wave-at").evaluate("e => { e.value = 3; e.dispatchEvent(new Event('change')) }")
    player_is(page, "playing")
    assert 2.5 < seconds(page) < 6
    page.wait_for_timeout(9000)
    assert 11 < seconds(page) < 16, "over a segment's end without a stop"
    assert player(page)["stalls"] == "0"
    page.keyboard.press("l")
    page.wait_for_function("() => document.getElementById('player').dataset.behind === '0.0'")
    player_is(page, "playing")
    page.wait_for_timeout(1000)
    assert float(player(page)["latencyMs"]) < 2500
    assert found == []


def test_hls_goes_back_and_to_live_too(page: Page, live: Room) -> None:
    listen(page, live, "hls")
    page.wait_for_timeout(2500)
    before = seconds(page)
    page.keyboard.press("b")
    page.wait_for_timeout(3000)
    assert 8 < float(player(page)["behind"]) < 30
    assert seconds(page) < before - 5
    page.click("#to-live")
    page.wait_for_timeout(2500)
    assert player(page)["behind"] == "0.0"
    assert seconds(page) > before


def test_the_whole_page_works_by_keyboard(page: Page, live: Room) -> None:
    page.goto(f"{live.audience_url}?door=push")
    page.wait_for_selector("#show-keys:not([hidden])")
    page.keyboard.press("Space")
    player_is(page, "playing")
    page.keyboard.press("m")
    assert page.evaluate("document.getElementById('audio').muted")
    page.keyboard.press("m")
    assert not page.evaluate("document.getElementById('audio').muted")
    page.keyboard.press("?")
    page.wait_for_selector("dialog.sheet[open]")  # its script is loaded only now
    assert page.locator("dialog.sheet kbd").count() >= 6
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.sheet", state="detached")
    page.wait_for_selector("#back:not([hidden])")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.kind || ''"))
    assert {
        "play",
        "wave-at",
        "back",
        "hand",
        "volume",
        "applause",
        "disagree",
        "ask",
        "show-keys",
    } <= reached
    # Numbers: as texts "12.0" comes before "5", and a page that took long to walk would never be behind.
    page.wait_for_function("() => Number(document.getElementById('player').dataset.mediaTime) > 7 * 48000")
    page.focus("#wave-at")
    page.keyboard.press("Home")
    page.wait_for_function("() => Number(document.getElementById('player').dataset.behind) > 5")
    page.focus("#play")
    page.keyboard.press("Space")
    player_is(page, "idle")


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
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ready = page.evaluate("performance.getEntriesByName('play-ready')[0].startTime")
    print(f"before Play: {total} B, {len(requests)} requests; painted {paint:.0f} ms, ready {ready:.0f} ms")
    assert total <= 60_000


def test_headings_are_in_order_and_nothing_is_named_twice(page: Page, live: Room) -> None:
    page.goto(live.audience_url)
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_other_sites_may_embed_the_small_player_only(browser: Browser, live: Room) -> None:
    answer = httpx.get(f"{live.audience_url}/embed", trust_env=False)
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in answer.headers
    page_itself = httpx.get(live.audience_url, trust_env=False)
    assert "frame-ancestors *" not in page_itself.headers["Content-Security-Policy"]
    found = re.search(
        r'<link rel="alternate" type="application/json\+oembed"[^>]*href="([^"]+)"', page_itself.text
    )
    assert found
    oembed = httpx.get(found[1], trust_env=False).json()
    assert (oembed["version"], oembed["type"], oembed["title"]) == ("1.0", "rich", "The new library")
    with newspaper(oembed["html"]) as address:
        embedded(browser, address)


@contextlib.contextmanager
def newspaper(body: str) -> Iterator[str]:
    """Another site. A real one: browsers do not let just any page frame one of this machine's."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def embedded(browser: Browser, address: str) -> None:
    """The room plays in another site's page."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    frame = page.frame_locator("iframe")
    frame.locator("#play").click()
    frame.locator("#player[data-state=playing]").wait_for(timeout=20_000)
    assert frame.locator("h1").inner_text() == "The new library"
    context.close()


def test_the_page_can_be_installed_and_shared(page: Page, live: Room) -> None:
    page.goto(live.audience_url)
    manifest = httpx.get(page.evaluate("document.querySelector('link[rel=manifest]').href"), trust_env=False)
    assert manifest.headers["Content-Type"] == "application/manifest+json"
    home = live.audience_url.removesuffix("/r/library")
    for icon in manifest.json()["icons"]:
        answer = httpx.get(home + icon["src"], trust_env=False)
        assert answer.headers["Content-Type"] == icon["type"]
        if icon["type"] == "image/png":
            width = int.from_bytes(answer.content[16:20])
            assert f"{width}x{width}" == icon["sizes"]
    session = page.context.new_cdp_session(page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # Chromium installs from secure addresses only and not in private windows, as this one is.
    assert [
        each["errorId"]
        for each in errors
        if each["errorId"] not in ("in-incognito", "not-from-secure-origin")
    ] == []
    picture = page.get_attribute('meta[property="og:image"]', "content")
    assert picture is not None
    assert httpx.get(picture, trust_env=False).headers["Content-Type"] == "image/png"
    page.click("#show-share")
    assert page.input_value("dialog [data-part=link]") == live.audience_url
    assert "/r/library/embed" in page.input_value("dialog [data-part=embed]")


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
