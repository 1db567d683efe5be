"""A speaker whose network really lets no UDP through: heard and hearing all the same, and back on WebRTC once
it does. In Chromium, in a network namespace of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Room, Server, serve
from journey_support import browser_with_voice, ear, heard, program_becomes, voice_file
from playwright.sync_api import Browser, Page, expect
from udp_blocked import Network, own_network

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, desk_is, go_on_stage

pytestmark = pytest.mark.e2e

PATIENCE = 90.0
"""Seconds; the machine may be busy."""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with own_network() as network:
        yield network


@pytest.fixture(scope="module")
def server(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("socket"), levelling=False) as server:
        yield server


@pytest.fixture(scope="module")
def browser(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(voice=voice_file(tmp_path_factory.mktemp("voice"), "host")) as browser:
        yield browser


@pytest.fixture(scope="module")
def other(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    other = browser_with_voice(browser, voice_file(tmp_path_factory.mktemp("voice"), "guest"))
    yield other
    other.close()


def way_is(page: Page, way: str) -> None:
    page.wait_for_selector(f"#desk[data-way={way}]", state="attached", timeout=PATIENCE * 1000)


def seat_is(room: Room, name: str, **wanted: object) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        people: list[dict[str, object]] = room.state()["participants"]
        seat = next((person for person in people if person["name"] == name), {})
        if all(seat.get(field) == value for field, value in wanted.items()):
            return
        assert time.monotonic() < end, f"{name} is not {wanted} but {seat}"
        time.sleep(0.1)


def hears(page: Page, wanted: set[str]) -> None:
    """What arrives in the speaker's ear, once it has settled."""
    end = time.monotonic() + PATIENCE
    while True:
        levels = ear(page, "#sound")
        try:
            if heard(levels) == wanted:
                return
        except AssertionError:
            pass  # one that comes or goes in this moment
        assert time.monotonic() < end, f"wanted {wanted}, hears {levels}"


def test_without_udp_one_is_heard_and_hears_and_is_back_on_webrtc_with_it(
    network: Network, server: Server, browser: Browser, other: Browser, tmp_path: Path
) -> None:
    room = server.room("The new library", slug="blocked", speakers=["Ada Byron", "Ben Cole"])
    room.open()
    room.start()
    page = browser.new_page(locale="en-GB")
    found = complaints(page)
    ben = other.new_page(locale="en-GB")
    go_on_stage(ben, room.links["Ben Cole"].replace("#", "?way=socket#"))
    desk_is(ben, "heard", PATIENCE)

    network.shut()
    before = time.monotonic()
    go_on_stage(page, room.links["Ada Byron"])
    desk_is(page, "heard", PATIENCE)
    print(f"on the stage {time.monotonic() - before:.1f} s after the link was opened")
    way_is(page, "socket")
    expect(page.locator("#slow-says")).to_contain_text("Your network blocks the fast way")
    expect(ben.locator("#slow-says")).to_contain_text("You take the slow way")
    program_becomes(room.audience_url, tmp_path, {"host", "guest"})
    hears(page, {"guest"})
    hears(ben, {"host"})

    page.keyboard.press("m")
    desk_is(page, "muted", PATIENCE)
    seat_is(room, "Ada Byron", muted=True)
    hears(ben, set())
    for role in ("stage", "studio"):
        restarted(server, role)
        hears(page, {"guest"})
        desk_is(page, "muted", PATIENCE)
        seat_is(room, "Ada Byron", muted=True, connected=True)
        way_is(page, "socket")
    page.keyboard.press("m")
    desk_is(page, "heard", PATIENCE)
    hears(ben, {"host"})

    network.open()
    page.evaluate("window.dispatchEvent(new Event('online'))")
    way_is(page, "webrtc")
    desk_is(page, "heard", PATIENCE)
    expect(page.locator("#slow-says")).to_be_hidden()
    hears(page, {"guest"})
    hears(ben, {"host"})
    assert found == []
    page.close()
    ben.close()
    room.stop()


def test_a_listener_who_was_brought_up_may_speak_this_way_and_a_foreign_page_may_not(
    network: Network, server: Server, browser: Browser
) -> None:
    room = server.room("The old library", slug="brought-up", speakers=["Ada Byron"])
    room.open()
    page = browser.new_page(locale="en-GB")
    page.goto(room.audience_url)
    address = room.whip_url.replace("http", "ws", 1) + "/socket"
    opens = """(address) => new Promise((resolve) => {
      const socket = new WebSocket(address);
      socket.onopen = () => { socket.close(); resolve(true); };
      socket.onerror = () => resolve(false);
    })"""
    assert page.evaluate(opens, address) is True
    elsewhere = page.url.replace("127.0.0.1", "localhost")
    page.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(elsewhere)
    assert page.evaluate(opens, address) is False
    page.close()


def restarted(server: Server, role: str) -> None:
    """Kills a role; gives back once another process plays it."""
    before = server.pids(role)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while not (now := server.pids(role)) or set(now) & set(before):
        assert time.monotonic() < end, f"no new {role}"
        time.sleep(0.05)
