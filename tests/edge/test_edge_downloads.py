"""What was made of a recording, and everything as one archive, at the audience's door."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from edge_memory import make_house
from recording_folder import BROADCAST, SLUG, Recording
from test_edge_replay import NAMED, REPLAY, Door

from hustings.archive.made import Episode, Made, MadeKind, MakingState, write_state
from hustings.archive.virtual import program_opus


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    yield Door(house, tmp_path / "data")
    await house.end()


def put_made(recording: Recording, kind: MadeKind, data: bytes) -> None:
    folder = recording.folder / "made"
    folder.mkdir(exist_ok=True)
    (folder / f"program.{kind}").write_bytes(data)
    made = Made(
        kind=kind,
        bytes=len(data),
        seconds=20.0,
        sha256="ab" * 32,
        recorded_at=0.0,
        made_at=0.0,
        lufs=-20.0,
        true_peak=-3.0,
        gain=4.0,
        episode=Episode(title="Rents"),
    )
    (folder / f"{kind}.json").write_bytes(msgspec.json.encode(made))


async def test_a_made_file_is_served_whole_and_in_ranges(door: Door) -> None:
    data = bytes(range(256)) * 1000
    put_made(door.record(), "mp3", data)
    answer = await door.ask(f"{NAMED}made/program.mp3")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "audio/mpeg", data)
    part = await door.ask(f"{NAMED}made/program.mp3", "Range: bytes=1000-1099")
    assert (part.status, part.body) == (206, data[1000:1100])


async def test_a_file_that_is_not_finished_is_not_there(door: Door) -> None:
    recording = door.record()
    put_made(recording, "mp3", b"whole")
    (recording.folder / "made" / "program.mp3").write_bytes(b"hal")
    assert (await door.ask(f"{NAMED}made/program.mp3")).status == 404
    assert json.loads((await door.ask(f"{NAMED}downloads.json")).body)["downloads"] == []
    assert (await door.ask(f"{NAMED}made/chapters.json")).status == 404


async def test_the_page_can_follow_what_is_being_made(door: Door) -> None:
    recording = door.record()
    write_state(recording.folder, "m4a", MakingState(state="making", progress=0.25))

    async def listed() -> dict[str, object]:
        answer = json.loads((await door.ask(f"{REPLAY}downloads.json")).body)
        assert isinstance(answer, dict)
        return answer

    first = await listed()
    assert first["making"] == [{"kind": "m4a", "state": "making", "progress": 0.25}]
    put_made(recording, "m4a", b"whole")
    write_state(recording.folder, "m4a", None)
    door.house.clock.advance(1.1)
    second = await listed()
    assert second["making"] == []
    assert second["downloads"] == [
        {
            "kind": "m4a",
            "url": "made/program.m4a",
            "type": "audio/mp4",
            "bytes": 5,
            "seconds": 20.0,
            "sha256": "ab" * 32,
        }
    ]


async def test_everything_is_one_archive_whose_length_is_known(door: Door) -> None:
    recording = door.record()
    put_made(recording, "mp3", b"an mp3")
    answer = await door.ask(f"{NAMED}everything.zip")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{SLUG}-20261128.zip"'
    assert int(answer.headers["content-length"]) == len(answer.body)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as opened:
        assert opened.testzip() is None
        top = f"{SLUG}-20261128"
        assert set(opened.namelist()) == {
            f"{top}/{name}"
            for name in (
                *("program.m4a", "program.opus", "made/program.mp3", "recording.json", "events.jsonl"),
                *("tracks/01 Ada Example.opus", "tracks/01 Ada Example.jsonl"),
                *("tracks/02 Bertolt Müller.opus", "tracks/02 Bertolt Müller.jsonl"),
            )
        }
        (track,) = recording.folder.glob("tracks/a1*.opus")
        assert opened.read(f"{top}/tracks/01 Ada Example.opus") == track.read_bytes()
        assert opened.read(f"{top}/made/program.mp3") == b"an mp3"
        index = door.house.edge.replay._library.open(recording.folder).index
        program = program_opus(recording.folder, index)
        assert opened.read(f"{top}/program.opus") == program.read(0, program.size)


async def test_a_broken_download_is_resumed_and_another_archive_is_not_mixed_in(door: Door) -> None:
    recording = door.record()
    whole = await door.ask(f"{NAMED}everything.zip")
    tag = whole.headers["etag"]
    rest = await door.ask(f"{NAMED}everything.zip", "Range: bytes=5000-", f"If-Range: {tag}")
    assert (rest.status, rest.body) == (206, whole.body[5000:])
    put_made(recording, "mp3", b"an mp3")
    door.house.clock.advance(1.1)
    other = await door.ask(f"{NAMED}everything.zip", "Range: bytes=5000-", f"If-Range: {tag}")
    assert other.status == 200
    assert other.headers["etag"] != tag


async def test_everything_waits_for_the_end(door: Door) -> None:
    door.record(over=False)
    assert (await door.ask(f"{NAMED}everything.zip")).status == 409
