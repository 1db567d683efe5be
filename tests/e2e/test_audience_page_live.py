"""The page of who listened beside a real server: it fills while somebody listens, without being loaded again,
and says in the end what the record says."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import HUSTINGS, Room, Server, serve
from playwright.sync_api import Page

import hustings

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints

DEMO = Path(hustings.__file__).parent / "web" / "demo"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.{}"
SECONDS = 5
"""From which on a listener counts here; the page says so."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("audience-page")
    with serve(folder, environment={"HUSTINGS_AUDIENCE_SECONDS": str(SECONDS)}) as running:
        yield running


@contextmanager
def speaking(room: Room, name: str) -> Iterator[None]:
    command = [
        *HUSTINGS,
        "speak",
        room.slug,
        f"--ticket={room.tickets[name]}",
        f"--file={DEMO / 'host.opus'}",
    ]
    speaker = subprocess.Popen(
        [*command, "--loop"],
        env={"HUSTINGS_STUDIO": room.server.studio_url, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: any(person["connected"] for person in room.state()["participants"]))
        yield
    finally:
        speaker.terminate()
        speaker.wait(10)


@contextmanager
def listening(room: Room, agents: list[str]) -> Iterator[None]:
    """Players that take what they are sent, until the block ends."""
    over = threading.Event()

    def listen(agent: str) -> None:
        headers = {"User-Agent": agent}
        with (
            httpx.Client(trust_env=False, timeout=20) as client,
            client.stream("GET", f"{room.audience_url}/live", headers=headers) as answer,
        ):
            for _ in answer.iter_raw():
                if over.is_set():
                    return

    threads = [threading.Thread(target=listen, args=(agent,), daemon=True) for agent in agents]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(20)


def until(what: Any, within: float = 120.0) -> None:
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "never"
        time.sleep(0.1)


def shows(page: Page, expression: str, within: float) -> None:
    """Waits until the script has come so far. (The policy forbids what `wait_for_function` does.)"""
    end = time.monotonic() + within
    while not page.evaluate(expression):
        says = page.inner_text("main")[:600] if time.monotonic() > end else ""
        assert not says, f"never {expression}; instead: {says}"
        page.wait_for_timeout(100)


def saved(page: Page) -> list[dict[str, str]]:
    """The minutes as the page saves them."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Minutes as CSV").click()
    return list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8"), newline="")))


def figures(room: Room) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(
        f"{room.audience_url}/audience.json", trust_env=False, timeout=10
    ).json()
    return answer


def test_it_fills_while_somebody_listens_and_ends_as_the_record_says(server: Server) -> None:
    room = server.room("Library", speakers=["Ada"], slug="library")
    with chromium() as browser:
        page = browser.new_context(locale="en-GB").new_page()
        found = complaints(page)
        page.goto(f"{room.audience_url}/audience?lang=en")
        shows(page, "document.getElementById('empty-says').innerText.includes('not been on air')", 30)
        room.open()
        with speaking(room, "Ada"):
            room.start()
            room.wait_for_state("live")
            until(lambda: bool(figures(room)["broadcasts"]))
            page.evaluate("window.dispatchEvent(new Event('online'))")
            shows(page, "document.getElementById('badge').dataset.status === 'live'", 90)
            with listening(room, [AGENT.format(n) for n in range(3)]):
                # From here on it comes by itself: the page is neither loaded again nor touched.
                shows(page, "document.getElementById('readout').innerText.includes('listening 3,')", 90)
                assert f"handed {SECONDS} seconds" in page.inner_text("#net-text")
                # Who speaks is told by the recording while it is made.
                shows(page, "!document.getElementById('voices').hidden", 120)
            room.stop()
        shows(page, "document.getElementById('counted').dataset.state === 'ended'", 120)
        shows(page, "document.querySelector('[data-figure=unique] dd').innerText === '3'", 240)
        # Who came is known before how many were there at a time: edges tell of both every few seconds.
        shows(page, "document.querySelector('[data-figure=peak] dd').innerText === '3'", 240)
        assert page.locator("#doors tbody tr").first.inner_text().startswith("Browser, at once (push)\t3\t3")
        until(lambda: all(minute["final"] for minute in figures(room)["broadcasts"][0]["minutes"]), 240)
        (evening,) = figures(room)["broadcasts"]
        wanted = [
            (minute["at"], minute["joined"], minute["by_door"]["push"]) for minute in evening["minutes"]
        ]
        read: list[dict[str, str]] = []

        def as_published() -> bool:
            page.evaluate("window.dispatchEvent(new Event('online'))")
            page.wait_for_timeout(1000)
            read[:] = saved(page)
            return [(row["minute"], int(row["joined"]), int(row["push"])) for row in read] == wanted

        until(as_published)
        assert sum(int(line["joined"]) for line in read) == 3
        assert read[0]["speakers"] == "Ada"
        assert found == []
