"""Plays at an edge: what went out of recordings, in time, whoever asked how."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from edge_memory import Client, House, make_house, settle
from recording_folder import BROADCAST, SLUG
from test_edge_replay import Door

from hustings.audience.bots import Bots
from hustings.audience.sketch import Unique
from hustings.bus.audience_messages import Played

NAMED = f"/r/{SLUG}/replay/{BROADCAST}/"
BROWSER = "User-Agent: Mozilla/5.0 Firefox/146.0"
SECONDS = 10
"""From which on a play counts here; the recording has twenty."""


@pytest.fixture
async def house(web: Path, tmp_path: Path) -> AsyncIterator[House]:
    made = make_house(web, data=tmp_path / "data", audience_seconds=SECONDS)
    Door(made, tmp_path / "data").record(20.0)
    await made.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    made.edge.counting.replays._bots = Bots("bot\n")
    await ask(made.client("192.0.2.99"), "opus.m3u8")
    await ask(made.client("192.0.2.99"), "opus/0.m4s")
    (day,) = made.edge.counting.unsalted()  # it is asked for when somebody replays
    made.edge.counting.salted(day, b"0123456789abcdef")
    yield made
    await made.end()


async def ask(client: Client, name: str, *lines: str, method: str = "GET") -> int:
    client.get(NAMED + name, *(lines or (BROWSER,)), method=method)
    for _ in range(40):
        await settle()
        if data := bytes(client.transport.taken):
            return int(data.split(b" ")[1])
    raise AssertionError("no answer")


def plays(house: House) -> tuple[int, float]:
    """(plays, seconds) so far."""
    unique, milliseconds = Unique(), 0
    for message in house.edge.counting.report(everything=True):
        if isinstance(message, Played):
            unique.merge(message.sketch)
            milliseconds += message.milliseconds
    return unique.count(), milliseconds / 1000


async def test_segments_and_ranges_meet_in_time(house: House) -> None:
    for number in (0, 0, 0):
        await ask(house.client("192.0.2.1"), f"opus/{number}.m4s")
    assert plays(house) == (0, 0)  # six seconds, three times
    await ask(house.client("192.0.2.1"), "aac/1.m4s")
    assert plays(house) == (1, 12)
    await ask(house.client("192.0.2.1"), "program.opus")  # the whole of it
    count, seconds = plays(house)
    assert count == 1
    assert seconds == pytest.approx(20, abs=0.5)


async def test_a_probe_a_head_and_a_program_are_no_play(house: House) -> None:
    await ask(house.client("192.0.2.2"), "program.m4a", BROWSER, "Range: bytes=0-1")
    await ask(house.client("192.0.2.3"), "program.m4a", method="HEAD")
    await ask(house.client("192.0.2.4"), "program.m4a", "User-Agent: Podbot/1")
    await ask(house.client("192.0.2.5"), "peaks.json")
    assert plays(house) == (0, 0)
    await ask(house.client("192.0.2.6"), "program.m4a")
    assert plays(house)[0] == 1
