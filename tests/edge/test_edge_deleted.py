"""A deleted recording at the audience's door: gone at once when told, within a minute when not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from edge_memory import make_house, settle
from recording_folder import BROADCAST, SLUG
from test_edge_replay import NAMED, REPLAY, Door

from hustings.archive.orders import Deletion
from hustings.archive.signatures import holds
from hustings.archive.tombstone import decode_tombstone
from hustings.bus.messages import RecordingDeleted
from hustings.edge.channel import LAST_WORDS, LOOK_AGAIN
from hustings.edge.replay import KEEP
from hustings.scribe.remove import Remover

KEY = Ed25519PrivateKey.generate()
AT = 1_790_100_000.0
PATHS = (
    *("index.m3u8", "aac.m3u8", "aac/init.mp4", "program.m4a", "program.opus", "peaks.json", "timeline.json"),
    *("downloads.json", "everything.zip", "tracks/a1b2c3d4e5f6a7b8c9.0.opus"),
    "clip/0-200.json",
)
EARLIER = "20261127T200000-abc123"


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    yield Door(house, tmp_path / "data")
    await house.end()


def delete(door: Door, broadcast: str = BROADCAST, *, told: bool = True) -> None:
    order = Deletion(slug=SLUG, broadcast=broadcast, why="host")
    Remover(door.data, None, KEY).delete(order, AT)
    if told:
        door.house.edge.recording_gone(RecordingDeleted(broadcast_id=broadcast, slug=SLUG))


async def test_every_address_answers_410_and_says_when(door: Door) -> None:
    door.record()
    for path in PATHS:
        assert (await door.ask(NAMED + path)).status == 200, path
    delete(door)
    for path in PATHS:
        for base in (NAMED, REPLAY):
            answer = await door.ask(base + path)
            assert answer.status == 410, path
            assert answer.headers["content-type"] == "application/problem+json"
            said = json.loads(answer.body)
            assert said["title"] == "Deleted"
            assert "2026-09-22T18:00:00.000Z" in said["detail"]


async def test_an_edge_that_was_not_told_knows_within_a_minute(door: Door) -> None:
    door.record()
    assert (await door.ask(f"{NAMED}index.m3u8")).status == 200
    delete(door, told=False)
    assert (await door.ask(f"{NAMED}index.m3u8")).status == 200
    assert KEEP < 60
    door.house.clock.advance(KEEP + 1)
    assert (await door.ask(f"{NAMED}index.m3u8")).status == 410


async def test_the_tombstone_is_there_for_everybody(door: Door) -> None:
    door.record()
    assert (await door.ask(f"{NAMED}deleted.json")).status == 404
    delete(door)
    answer = await door.ask(f"{NAMED}deleted.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert holds(decode_tombstone(answer.body), KEY.public_key().public_bytes_raw())


async def test_who_follows_an_old_link_reads_a_page(door: Door) -> None:
    door.record()
    assert (await door.ask(REPLAY, "Accept: text/html")).status == 404  # the studio has not said so yet
    delete(door)
    for lang, words in (("en", "This recording was deleted"), ("de", "Diese Aufzeichnung wurde gelöscht")):
        answer = await door.ask(REPLAY, "Accept: text/html", f"Accept-Language: {lang}")
        assert (answer.status, answer.headers["content-type"]) == (410, "text/html; charset=utf-8")
        assert words in answer.body.decode()


async def test_the_one_before_is_the_last_then(door: Door) -> None:
    door.record(broadcast=EARLIER)
    door.record()
    delete(door)
    assert (await door.ask(f"{NAMED}index.m3u8")).status == 410
    answer = await door.ask(f"{REPLAY}index.m3u8")
    assert answer.status == 200
    assert EARLIER in answer.body.decode()


async def test_a_download_that_goes_on_breaks_off(door: Door) -> None:
    """What is being sent comes from files that are not there any more: no more of it, and nothing wrong."""
    recording = door.record()
    (recording.folder / "made").mkdir()
    client = door.house.client()
    door.disk.held = True
    client.get(f"{NAMED}everything.zip")
    delete(door)
    door.disk.held = False
    door.disk.release()
    assert (await door.ask(f"{NAMED}everything.zip")).status == 410


@pytest.mark.parametrize("told", [True, False])
async def test_the_live_playlist_of_what_has_just_ended_goes_with_it(door: Door, told: bool) -> None:
    house = door.house
    door.record()
    await house.room("live", slug=SLUG, broadcast_id=BROADCAST)
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    house.clock.advance(LAST_WORDS + 1)
    house.edge.tick()
    await settle()
    channel = house.edge.channels[SLUG]
    assert channel.hls is not None
    house.edge.resync()
    await settle()
    assert channel.hls is not None
    delete(door, told=told)
    house.edge.resync()
    await settle()
    assert channel.hls is None


async def test_an_edge_that_missed_the_message_and_nothing_else_looks_by_itself(door: Door) -> None:
    house = door.house
    door.record()
    await house.room("live", slug=SLUG, broadcast_id=BROADCAST)
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    house.clock.advance(LAST_WORDS + 1)
    house.edge.tick()
    await settle()
    delete(door, told=False)
    channel = house.edge.channels[SLUG]
    house.edge.tick()
    await settle()
    assert channel.hls is not None, "not at each tick"
    assert LOOK_AGAIN <= 30
    house.clock.advance(LOOK_AGAIN + 1)
    house.edge.tick()
    await settle()
    assert channel.hls is None


async def test_deleted_before_its_last_words_are_out(door: Door) -> None:
    house = door.house
    door.record()
    await house.room("live", slug=SLUG, broadcast_id=BROADCAST)
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    channel = house.edge.channels[SLUG]
    assert channel.tracks
    delete(door)
    assert channel.hls is None
    house.clock.advance(LAST_WORDS + 1)
    house.edge.tick()
    await settle()
    assert channel.hls is None
