"""Countries of real listeners at a real server with two edges, whose addresses a database knows."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from audience_crowd import By, Crowd, Person
from harness import HUSTINGS, Room, Server, serve, until

import mmdb

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "recompute.py"
LENGTH = 12.0
"""Seconds each listens."""
ROOM = 28.0
"""Seconds a busy machine may take to let them all in and out."""
LEAST = {"DE": 12, "FR": 11, "CH": 10, "other": 9, "unknown": 3}
"""Listeners of each: nine Austrians are not named."""
WHERE = {"DE": 21, "FR": 22, "CH": 23, "other": 24, "unknown": 25}
"""127.0.X.0/24 of each."""
DOORS: dict[str, tuple[By, ...]] = {
    "DE": ("push", "hls", "stream"),
    "FR": ("hls",),
    "CH": ("push", "push", "whep"),
    "other": ("push", "stream"),
    "unknown": ("push",),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, data = tmp_path_factory.mktemp("countries"), tmp_path_factory.mktemp("countries-data")
    known = {"DE": "DE", "FR": "FR", "CH": "CH", "other": "AT"}
    networks = {f"127.0.{WHERE[name]}.0/24": code for name, code in known.items()}
    database = mmdb.write(folder / "some.mmdb", networks, kind="DBIP-Country-Lite")
    environment = {"HUSTINGS_AUDIENCE_SECONDS": "5", "HUSTINGS_AUDIENCE_COUNTRIES": str(database)}
    with serve(data, edges=2, environment=environment) as running:
        yield running


def entries(room: Room, kind: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{room.audience_url}/record.jsonl", trust_env=False, timeout=30)
    lines = [json.loads(line) for line in answer.text.splitlines()] if answer.status_code == 200 else []
    return [line["data"] for line in lines if line["kind"] == kind]


def totals(room: Room, seconds: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Net and method of audience.json, once all of it is there."""
    content = httpx.get(f"{room.audience_url}/audience.json", trust_env=False, timeout=30).json()
    net = content["broadcasts"][0]["totals"]["net"]
    return (net, content["method"]) if net["listening_seconds"] == seconds else None


def test_countries_of_all_doors_and_edges_are_published_and_few_are_not_named(server: Server) -> None:
    room = server.room("Town hall", slug="countries")
    room.open()
    room.start()
    room.wait_for_state("live", 30)
    while not 2 < time.time() % 60 < 60 - LENGTH - ROOM:  # who listens over the end of a minute is in both
        time.sleep(0.2)
    people = {
        name: [
            Person(
                DOORS[name][n % len(DOORS[name])],
                n / 10,
                LENGTH,
                f"127.0.{WHERE[name]}.{1 + n}",
                "Mozilla/5.0",
            )
            for n in range(count)
        ]
        for name, count in LEAST.items()
    }
    bots = [Person("push", 0.5, LENGTH, f"127.0.21.{200 + n}", "Newsbot/1.0") for n in range(3)]
    everybody = [*(person for group in people.values() for person in group), *bots]
    asyncio.run(Crowd(room.audience_url, room.whep_url, room.state()["broadcast"], everybody).run())
    room.stop()
    until(lambda: entries(room, "audience_total") or None)
    (total,) = entries(room, "audience_total")
    net, method = until(lambda: totals(room, total["net"]["seconds"]))

    assert {name: each["listeners"] for name, each in net["countries"].items()} == LEAST
    for name, group in people.items():
        heard = sum(end - begin for person in group for begin, end in person.heard)
        said = net["countries"][name]["listening_seconds"]
        # How near it is on a quiet machine, benchmarks/audience_truth.py shows.
        assert abs(said - heard) <= 2 * len(group) + 0.02 * heard, (name, said, heard)
    assert sum(each["listening_seconds"] for each in net["countries"].values()) == net["listening_seconds"]
    assert (method["countries"]["database"], method["countries"]["at_least"]) == ("DBIP-Country-Lite", 10)
    for minute in entries(room, "audience"):
        assert sum(each["seconds"] for each in minute["countries"].values()) == minute["net"]["seconds"]

    record = f"{room.audience_url}/record.jsonl"
    done = subprocess.run([sys.executable, "-I", str(EXAMPLE), record], capture_output=True, check=True)
    (computed,) = json.loads(done.stdout)["broadcasts"].values()
    assert computed["audience"]["countries"] == net["countries"]
    assert subprocess.run([*HUSTINGS, "verify", room.audience_url], check=False).returncode == 0
    assert "127.0.2" not in server.log.read_text()
    assert "127.0.2" not in httpx.get(record, trust_env=False, timeout=30).text
