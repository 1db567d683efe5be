"""Newcomers to a full server, in Chromium: they wait, do the effort test, go in by themselves."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import Room, Server, serve, until
from playwright.sync_api import Browser
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, player_is
from screens import voices

pytestmark = pytest.mark.e2e

PATIENCE = 90_000
CONNECTIONS = 100
"""So many the edge may hold; 50 of them may be listeners'."""
ASK = b"GET /healthz HTTP/1.1\r\nHost: crowd\r\n\r\n"


class Crowd:
    """Connections that are kept busy, so that nobody else has them."""

    def __init__(self, url: str) -> None:
        parts = httpx.URL(url)
        self._door = parts.host, parts.port or 80
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def hold(self, count: int) -> None:
        """So many and no more."""
        with self._lock:
            while len(self._held) > count:
                self._held.pop().close()
            while len(self._held) < count:
                sock = socket.create_connection(self._door, 30, source_address=("127.0.9.9", 0))
                if _asked(sock):
                    self._held.append(sock)
                else:
                    # Somebody else's connection is still there.
                    sock.close()

    def _run(self) -> None:
        while not self._stop.wait(3.0):
            with self._lock:
                self._held = [sock for sock in self._held if _asked(sock)]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.hold(0)


def _asked(sock: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        sock.sendall(ASK)
        return sock.recv(4096).startswith(b"HTTP/1.1 200")
    return False


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    environment = {"HUSTINGS_LISTENERS": str(CONNECTIONS)}
    with serve(tmp_path_factory.mktemp("lobby"), environment=environment) as server:
        room = server.room("The new library", slug="library", speakers=["Ada Byron", "Ben Cole"])
        room.open()
        with voices(server, room, {"Ada Byron": "host.opus"}):
            room.start()
            room.wait_for_state("live", within=30)
            yield room


@pytest.fixture
def crowd(room: Room) -> Iterator[Crowd]:
    crowd = Crowd(room.server.audience_url)
    yield crowd
    crowd.close()
    until(lambda: counted(room.server, "hustings_edge_places_free") > 20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def counted(server: Server, name: str, **labels: str) -> float:
    """Of one metric of the edge."""
    text = httpx.get(server.metrics_url, trust_env=False, timeout=30).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_a_page_that_was_refused_waits_and_becomes_the_room(
    room: Room, crowd: Crowd, browser: Browser
) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    found = complaints(page)
    crowd.hold(CONNECTIONS)
    answer = page.goto(room.audience_url)
    assert answer is not None
    assert answer.status == 503
    page.wait_for_selector("#next:not(:empty)", timeout=PATIENCE)
    place = page.url.partition("place=")[2]
    assert place
    page.reload()
    page.wait_for_selector("#next:not(:empty)", timeout=PATIENCE)
    assert page.url.partition("place=")[2] == place, "loading it again keeps the place"
    crowd.hold(20)
    page.wait_for_selector("#play", timeout=PATIENCE)
    assert "place=" not in page.url, "nobody shares a place by mistake"
    page.click("#play")
    player_is(page, "playing", within=60)
    assert not [each for each in found if "503" not in each]
    context.close()


def test_a_player_that_was_refused_does_its_effort_and_plays_on(
    room: Room, crowd: Crowd, browser: Browser
) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(room.audience_url)
    page.wait_for_selector("#play", timeout=PATIENCE)
    before = counted(room.server, "hustings_edge_lobby_total", outcome="tested")
    crowd.hold(CONNECTIONS - 8)
    until(lambda: counted(room.server, "hustings_edge_places_free") < 1)
    page.click("#play")
    player_is(page, "full", within=60)
    until(lambda: counted(room.server, "hustings_edge_lobby_total", outcome="tested") > before)
    player_is(page, "full", within=60)
    crowd.hold(20)
    player_is(page, "playing", within=90)
    context.close()


def test_an_invited_guest_goes_past_all_of_them(room: Room, crowd: Crowd, browser: Browser) -> None:
    context = browser.new_context(locale="en-GB", permissions=["microphone"])
    console = context.new_page()
    console.goto(room.links["Ben Cole"])
    console.wait_for_selector("#public[href*='place=']", timeout=PATIENCE)
    crowd.hold(CONNECTIONS)
    stranger = browser.new_context().new_page()
    answer = stranger.goto(room.audience_url)
    assert answer is not None
    assert answer.status == 503
    stranger.context.close()
    with context.expect_page() as opened:
        console.click("#public")
    page = opened.value
    page.wait_for_selector("#play", timeout=PATIENCE)
    page.click("#play")
    player_is(page, "playing", within=60)
    context.close()
