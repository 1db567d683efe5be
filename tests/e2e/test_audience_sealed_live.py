"""A room that keeps its audience figures to its hosts, beside a real server: nobody is told how many listen,
the host sees it live, and what he publishes afterwards is proved by the record."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from audience_crowd import Crowd, Person
from desk_support import log_in
from harness import HUSTINGS, Room, Server, serve, until
from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SECONDS = 5
"""From which on a listener counts here."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"HUSTINGS_AUDIENCE_SECONDS": str(SECONDS), "HUSTINGS_PER_ADDRESS": "1000"}
    with serve(tmp_path_factory.mktemp("sealed"), environment=environment) as running:
        yield running


def record(room: Room) -> list[dict[str, Any]]:
    answer = httpx.get(f"{room.audience_url}/record.jsonl", trust_env=False, timeout=30)
    return [json.loads(line) for line in answer.text.splitlines()] if answer.status_code == 200 else []


def verified(*arguments: str | Path) -> dict[str, Any]:
    command = [*HUSTINGS, "verify", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if answer["ok"] else 1)
    return answer


def shows(page: Page, expression: str, within: float = 90.0) -> None:
    """Waits until the script has come so far. (The policy forbids what `wait_for_function` does.)"""
    end = time.monotonic() + within
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never {expression}; instead: {page.inner_text('main')[:600]}"
        page.evaluate("window.dispatchEvent(new Event('online'))")
        page.wait_for_timeout(500)


def public_answers(room: Room) -> None:
    """Everybody is told that there are figures for the hosts, and none of them."""
    state = room.state()
    assert (state["listeners"], state["listeners_by_door"]) == (None, None)
    assert "audience" not in state["links"]
    for path in ("audience", "audience.json"):
        answer = httpx.get(f"{room.audience_url}/{path}", trust_env=False, timeout=30)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert "to its hosts" in answer.json()["detail"]
    page = httpx.get(room.audience_url, headers={"Accept": "text/html"}, trust_env=False, timeout=30)
    assert "/audience" not in page.text


def test_nobody_but_the_host_is_told_and_what_he_publishes_is_proved(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "HUSTINGS_STUDIO": server.studio_url, "HUSTINGS_TOKEN": server.token}
    made = subprocess.run(
        [*HUSTINGS, "room", "create", "Council", "--slug=council", "--figures=hosts", "--json"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    room = Room(server, json.loads(made.stdout)["slug"])
    room.open()
    room.start()
    room.wait_for_state("live", 30)
    people = [Person("push", n / 4, 60.0, f"127.0.0.{2 + n}", f"Mozilla/5.0 {n}") for n in range(4)]
    crowd = Crowd(room.audience_url, room.whep_url, room.state()["broadcast"], people)
    crowding = threading.Thread(target=lambda: asyncio.run(crowd.run()))
    crowding.start()
    host = {"Authorization": f"Bearer {server.token}"}

    with chromium() as browser, httpx.Client(headers=host, trust_env=False, timeout=30) as api:
        context = browser.new_context(locale="en-GB")
        name, _, value = log_in(server.studio_url, server.data).partition("=")
        context.add_cookies([{"name": name, "value": value, "url": server.studio_url}])
        page = context.new_page()
        found = complaints(page)
        page.goto(f"{server.studio_url}/rooms/council/audience?lang=en")
        shows(page, "document.getElementById('readout').innerText.includes('listening 4,')")
        assert page.inner_text(".who-sees").startswith("Only hosts see this.")
        public_answers(room)
        room_state = api.get(f"{server.studio_url}/api/rooms/council").json()
        assert (room_state["listeners"], room_state["host"]["listeners"]) == (4, 4)
        crowding.join(90)
        room.stop()
        until(lambda: any(entry["kind"] == "audience_total" for entry in record(room)) or None)
        shows(page, "document.getElementById('counted').dataset.state === 'ended'")
        shows(page, "document.querySelector('[data-figure=unique] dd').innerText === '4'")
        assert found == []
        address = f"{server.studio_url}/api/rooms/council/audience"
        openings = api.get(f"{address}/openings").content
        (evening,) = api.get(address).json()["broadcasts"]

    public_answers(room)
    assert evening["totals"]["net"]["peak"] == 4
    entries = [entry for entry in record(room) if entry["kind"] in ("audience", "audience_total")]
    assert entries
    for entry in entries:
        assert entry["data"].keys() <= {"broadcast", "minute", "sealed"}
    page_of_record = httpx.get(
        f"{room.audience_url}/record?lang=en", headers={"Accept": "text/html"}, trust_env=False, timeout=30
    )
    assert "this room keeps them to its hosts" in page_of_record.text

    file = tmp_path / "openings.jsonl"
    file.write_bytes(openings)
    answer = verified(room.audience_url, "--figures", file)
    assert (answer["ok"], answer["sealed"], answer["opened"]) == (True, len(entries), len(entries))
    file.write_bytes(openings.replace(b'"peak":4', b'"peak":40'))
    assert "not what was sealed" in verified(room.audience_url, "--figures", file)["reason"]
