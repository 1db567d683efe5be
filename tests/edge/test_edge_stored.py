"""Recordings whose large files only the store has: the same answers as before, quick ones when it fails."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from edge_memory import make_house, settle
from faulty_store import FaultyStore
from obstore.exceptions import GenericError
from recording_folder import BROADCAST, SLUG
from test_edge_replay import NAMED, Door

from hustings.archive.blocks import Blocks
from hustings.archive.model import read_index
from hustings.archive.objects import RESTS, Objects
from hustings.archive.stored import free, freed, store_recording
from hustings.archive.virtual import program_m4a, program_opus
from hustings.edge.replay import KEEP

NOW = 1_795_000_000.0
EARLIER = "20261127T200000-abc123"


class StoredDoor(Door):
    """An edge, a store, and one recording that was freed."""

    store: FaultyStore

    def move(self) -> dict[str, bytes]:
        """Records, stores and frees; what was to be had before, by address."""
        folder = self.record(20.0).folder
        index = read_index(folder)
        media = [f"{codec}/{each.number}.m4s" for codec, of in index.codecs.items() for each in of.segments]
        before = {f"{NAMED}{name}": (folder / "program" / name).read_bytes() for name in media}
        before |= {f"{NAMED}{track.file}": (folder / track.file).read_bytes() for track in index.tracks}
        for name, file in (("m4a", program_m4a(folder, index)), ("opus", program_opus(folder, index))):
            before[f"{NAMED}program.{name}"] = file.read(0, file.size)
        self.store = FaultyStore()
        store_recording(folder, Objects(self.store), lambda: NOW)
        assert free(folder, Objects(self.store), 0.0, NOW) > 0
        assert len(freed(folder)) == len(media) + len(index.tracks)
        now = self.house.clock.monotonic
        self.house.edge.replay._library._blocks = Blocks(Objects(self.store, hasty=True, now=now))
        self.store.calls.clear()
        return before

    def broken(self) -> None:
        def fail(_call: str, _path: str, _number: int) -> None:
            raise GenericError("error sending request")

        self.store.fail = fail


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[StoredDoor]:
    house = make_house(web, data=tmp_path / "data")
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    yield StoredDoor(house, tmp_path / "data")
    await house.end()


async def test_everything_is_as_it_was(door: StoredDoor) -> None:
    before = door.move()
    dice = random.Random(5)
    for path, data in before.items():
        assert (await door.ask(path)).body == data, path
        for _ in range(10):
            first = dice.randrange(len(data))
            end = min(len(data), first + dice.choice((1, 100, 60_000)))
            client = door.house.client(f"192.0.2.{dice.randrange(250)}")  # one address has a limit
            answer = await door.ask(path, f"Range: bytes={first}-{end - 1}", client=client)
            if answer.status == 206:  # segments are small and come whole
                assert answer.body == data[first:end]
    # The pages' own files are here: nobody is asked for them.
    door.store.calls.clear()
    for name in ("index.m3u8", "opus.m3u8", "peaks.json", "timeline.json", "opus/init.mp4"):
        assert (await door.ask(NAMED + name)).status == 200
    assert door.store.calls == []


async def test_only_what_is_asked_for_is_read_and_what_was_read_last_is_kept(door: StoredDoor) -> None:
    before = door.move()
    path = f"{NAMED}program.m4a"
    await door.ask(path, "Range: bytes=0-9")
    assert door.store.calls == []  # the head is here
    size = len(before[path])
    assert (await door.ask(path, f"Range: bytes={size - 10}-{size - 1}")).body == before[path][-10:]
    assert [call for call, _ in door.store.calls] == ["get_range"]
    segment = next(each for each in before if "/aac/" in each)
    door.store.calls.clear()
    for _ in range(3):
        assert (await door.ask(segment)).body == before[segment]
    assert len(door.store.calls) == 1


async def test_a_dead_store_is_503_at_once_and_right_again_when_it_is_back(door: StoredDoor) -> None:
    before = door.move()
    door.record(8.0, broadcast=EARLIER)
    door.broken()
    whole = await door.ask(
        f"{NAMED}program.opus"
    )  # long, so sent in pieces: nothing is promised before one is
    assert (whole.status, whole.headers["content-type"]) == (503, "application/problem+json")
    assert door.house.edge.metrics.replay_sending() == 0
    for path in before:
        answer = await door.ask(path, "Range: bytes=100000-100009")
        if answer.status in (206, 416):
            assert "program.m4a" in path or len(before[path]) <= 100_000
            continue
        assert answer.status == 503, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert b"in a store" in answer.body
    assert len(door.store.calls) == 1  # all the others were answered without asking again
    assert door.house.edge.metrics.replay_reads["failed"] > 1
    assert (await door.ask(f"{NAMED}timeline.json")).status == 200
    assert (await door.ask(NAMED.replace(BROADCAST, EARLIER) + "program.opus")).status == 200
    door.store.fail = FaultyStore().fail
    door.house.clock.advance(RESTS + KEEP)
    for path, data in before.items():
        assert (await door.ask(path)).body == data


async def test_a_store_that_breaks_in_the_middle_cuts_the_transfer(door: StoredDoor) -> None:
    before = door.move()
    path = f"{NAMED}program.opus"
    assert len(before[path]) > 128 * 1024

    def fail(_call: str, _path: str, number: int) -> None:
        if number > 3:  # a block holds what is in the first piece, whole segments are read for it
            raise GenericError("error sending request")

    door.store.fail = fail
    client = door.house.client()
    client.get(path)
    await settle()
    assert client.is_closed()
    sent = bytes(client.transport.taken)
    assert b"Content-Length: %d\r\n" % len(before[path]) in sent
    assert len(sent) < len(before[path])
