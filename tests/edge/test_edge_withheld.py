"""Recordings that are for their hosts only, at the audience's door: nothing of them, from the word on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from edge_memory import make_house, settle
from recording_folder import BROADCAST, SLUG
from test_edge_deleted import EARLIER, PATHS
from test_edge_replay import NAMED, REPLAY, Door

from hustings.archive.withheld import Withheld, withhold
from hustings.bus.messages import RecordingWithheld
from hustings.edge.channel import LAST_WORDS
from hustings.edge.replay import KEEP

EDITION = "20261128T200000-fedcba"
SINCE = "2026-11-28T21:00:00Z"


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    yield Door(house, tmp_path / "data")
    await house.end()


def place(door: Door, broadcast: str = BROADCAST) -> Path:
    return door.data / "rooms" / SLUG / broadcast


def hide(door: Door, withheld: Withheld, broadcast: str = BROADCAST) -> None:
    withhold(place(door, broadcast), withheld)
    door.house.edge.recording_gone(RecordingWithheld(broadcast_id=broadcast, slug=SLUG))


async def test_what_is_being_edited_is_nowhere_at_once(door: Door) -> None:
    door.record()
    for path in PATHS:
        assert (await door.ask(NAMED + path)).status == 200, path
    hide(door, Withheld(why="being_edited", since=SINCE))
    for path in PATHS:
        for base in (NAMED, REPLAY):  # the room has no other
            answer = await door.ask(base + path)
            assert answer.status == 410, path
            assert json.loads(answer.body)["title"] == "Being edited"


async def test_an_edge_that_was_not_told_knows_within_a_minute(door: Door) -> None:
    door.record()
    assert (await door.ask(f"{NAMED}index.m3u8")).status == 200
    withhold(place(door), Withheld(why="edited", since=SINCE, instead=EDITION))
    assert KEEP < 60
    door.house.clock.advance(KEEP + 1)
    assert (await door.ask(f"{NAMED}index.m3u8")).status == 410


async def test_the_edition_stands_in_its_place(door: Door) -> None:
    door.record()
    door.record(broadcast=EARLIER)
    door.record(broadcast=EDITION)
    hide(door, Withheld(why="edited", since=SINCE, instead=EDITION))
    answer = await door.ask(f"{NAMED}clip/0-200.json")
    assert answer.status == 410
    assert f"/r/{SLUG}/replay/{EDITION}/" in json.loads(answer.body)["detail"]
    page = await door.ask(f"/r/{SLUG}/clip/{BROADCAST}/0-200", "Accept: text/html", "Accept-Language: de")
    assert page.status == 410
    assert f'href="/r/{SLUG}/replay/{EDITION}/">Zur bearbeiteten Fassung' in page.body.decode()
    assert EDITION in (await door.ask(f"{REPLAY}index.m3u8")).body.decode()
    listed = json.loads((await door.ask(f"{REPLAY}recordings.json")).body)["recordings"]
    assert [each["broadcast"] for each in listed] == [EDITION, EARLIER]


async def test_of_a_draft_nobody_is_to_know(door: Door) -> None:
    door.record(broadcast=EDITION)
    hide(door, Withheld(why="draft", since=SINCE), EDITION)
    door.record()
    for path in PATHS:
        answer = await door.ask(f"{REPLAY}{EDITION}/{path}")
        assert answer.status == 404, path
    assert (await door.ask(f"{REPLAY}index.m3u8")).status == 200
    (place(door, EDITION) / "withheld.json").write_bytes(b"{torn")
    door.house.clock.advance(KEEP + 1)
    assert (await door.ask(f"{REPLAY}{EDITION}/peaks.json")).status == 404


async def test_what_was_being_read_is_not_kept(door: Door) -> None:
    door.record()
    door.disk.held = True
    client = door.house.client()
    client.get(f"{NAMED}peaks.json")
    door.disk.held = False
    hide(door, Withheld(why="being_edited", since=SINCE))
    door.disk.release()
    await settle()
    assert (await door.ask(f"{NAMED}peaks.json")).status == 410


async def test_a_download_that_goes_on_breaks_off(door: Door) -> None:
    door.record(seconds=60.0)
    door.record(seconds=60.0, broadcast=EARLIER)
    slow, other = door.house.client(room=1000), door.house.client(room=1000)
    slow.get(f"{NAMED}everything.zip")
    other.get(f"{REPLAY}{EARLIER}/everything.zip")
    await settle()
    assert [slow.transport.lost, other.transport.lost] == [False, False]
    hide(door, Withheld(why="being_edited", since=SINCE))
    await settle()
    assert [slow.transport.lost, other.transport.lost] == [True, False]  # the other is another recording


async def test_the_live_playlist_of_what_has_just_ended_goes_with_it(door: Door) -> None:
    house = door.house
    door.record()
    await house.room("live", slug=SLUG, broadcast_id=BROADCAST)
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    house.clock.advance(LAST_WORDS + 1)
    house.edge.tick()
    await settle()
    channel = house.edge.channels[SLUG]
    assert channel.hls is not None
    withhold(place(door), Withheld(why="being_edited", since=SINCE))  # nobody told this edge
    house.edge.resync()
    await settle()
    assert channel.hls is None
