"""Rooms link to their last recording: found at the start, told of by the stage after."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "archive"))
import msgspec
from recording_folder import write_recording
from studio_support import House, running_studio

from hustings.archive.about import About, OfRoom
from hustings.archive.index import write_index
from hustings.bus import subjects
from hustings.bus.messages import RecordingReady, RoomPublic
from hustings.studio.board import Board
from hustings.studio.publisher import Publisher

EARLIER, LATER = "20261127T200000-abc123", "20261128T200000-abc123"


async def published(house: House) -> RoomPublic:
    found = house.app.state.publisher
    assert isinstance(found, Publisher)
    house.clock.advance(2.5)
    found.feeds.advance()
    await found.publish_due()
    return found._done["town-hall"].public


def _record(data: Path, broadcast: str, *, over: bool = True) -> None:
    folder = write_recording(data, 8.0, broadcast=broadcast).folder
    if over:
        write_index(folder)


async def test_a_room_links_to_its_recording_once_it_is_whole(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        data = house.studio.settings.data
        room = await published(house)
        assert "replay" not in json.loads(room.pages["state.json"].body)["links"]
        assert "replay.en" not in room.pages
        # On air it is growing: nothing to link to yet.
        _record(data, LATER, over=False)
        await house.bus.publish(
            subjects.RECORDING_READY, RecordingReady(broadcast_id=LATER, slug="town-hall")
        )
        assert "replay.en" not in (await published(house)).pages
        _record(data, LATER)
        await house.bus.publish(
            subjects.RECORDING_READY, RecordingReady(broadcast_id=LATER, slug="town-hall")
        )
        room = await published(house)
        assert json.loads(room.pages["state.json"].body)["links"]["replay"] == "/r/town-hall/replay/"
        of_room = msgspec.json.decode(room.pages["replay.json"].body, type=OfRoom)
        assert of_room.last is not None
        assert (of_room.last.broadcast, of_room.last.seconds) == (LATER, 8.0)
        assert [track.name for track in of_room.last.tracks] == ["Ada Example", "Bertolt Müller"]
        assert {"replay.en", "replay.de", "recordings.en", "recordings.de"} <= room.pages.keys()
        assert f"/r/town-hall/replay/{LATER}/?lang=de" in room.pages["page.de"].body.decode()
        # For a room that nobody knows, nothing is looked for.
        await house.bus.publish(subjects.RECORDING_READY, RecordingReady(broadcast_id=LATER, slug="unknown"))


async def test_at_the_start_the_last_recording_is_found(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        data = house.studio.settings.data
    _record(data, EARLIER)
    _record(data, LATER, over=False)
    async with running_studio(tmp_path) as house:
        found = await _found(house.studio.board)
        assert found.broadcast == EARLIER
        assert "replay.de" in (await published(house)).pages


async def test_the_rooms_page_names_others_a_few_of_them_whatever_there_are(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        data = house.studio.settings.data
        for day in range(1, 8):
            _record(data, f"2026110{day}T200000-abc123")
        named = RecordingReady(broadcast_id="20261107T200000-abc123", slug="town-hall")
        await house.bus.publish(subjects.RECORDING_READY, named)
        room = await published(house)
        weights = _weights(room)
        text = room.pages["page.en"].body.decode()
        listed = re.findall(r'<li><a href="/r/town-hall/replay/(\d{8})T', text)
        assert listed == ["20261106", "20261105", "20261104", "20261103"]
        assert 'href="/r/town-hall/recordings?lang=en"' in text
        for day in range(10, 25):
            shutil.copytree(
                data / "rooms" / "town-hall" / "20261101T200000-abc123",
                data / "rooms" / "town-hall" / f"202610{day}T200000-abc123",
            )
        await house.bus.publish(subjects.RECORDING_READY, named)
        room = await published(house)
        assert _weights(room) == weights


def _weights(room: RoomPublic) -> dict[str, int]:
    """Bytes of each page; the record's head comes when the record has been written."""
    return {name: len(page.body) for name, page in room.pages.items() if name != "record.head"}


async def _found(board: Board) -> About:
    for _ in range(500):
        found = board.replay("town-hall")
        if found is not None:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("never found")
