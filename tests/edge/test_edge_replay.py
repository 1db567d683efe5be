"""Replay at the door: playlists and media out of a recording's files, ranges, what grows, what is refused."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from edge_fakes import BROADCAST as EDGE_BROADCAST
from edge_memory import Answer, Client, House, make_house, settle
from hls_rules import validate
from recording_folder import BROADCAST, SLUG, VOICES, Recording, write_recording

from hustings.archive.index import write_index
from hustings.archive.library import AGAIN
from hustings.archive.live_segment import live_segment
from hustings.archive.segment_file import read_segment
from hustings.archive.virtual import program_m4a, program_opus
from hustings.bus.messages import RecordingReport, RecordingState
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE, Codec
from hustings.edge import replay_sender
from hustings.edge.replay import KEEP, KEEP_GROWING, PENDING

REPLAY = f"/r/{SLUG}/replay/"
NAMED = f"{REPLAY}{BROADCAST}/"


class HeldExecutor(Executor):
    """Reads when told to: at once, unless `held`."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Callable[[], None]] = []
        self.reads = 0

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            self.reads += 1
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        if self.held:
            self.waiting.append(run)
        else:
            run()
        return future

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for run in waiting:
            run()


class Door:
    """An edge with one recording in its folder."""

    def __init__(self, house: House, data: Path) -> None:
        self.house = house
        self.data = data
        self.disk = HeldExecutor()
        house.edge.replay._executor = self.disk
        house.edge.replay._library._now = house.clock.monotonic

    def record(self, seconds: float = 20.0, *, over: bool = True, **how: Any) -> Recording:
        recording = write_recording(self.data, seconds, **how)
        if over:
            write_index(recording.folder)
        return recording

    async def ask(self, path: str, *lines: str, method: str = "GET", client: Client | None = None) -> Answer:
        client = client or self.house.client()
        client.get(path, *lines, method=method)
        await settle()
        (answer,) = client.answers(heads=method == "HEAD")
        return answer


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    yield Door(house, tmp_path / "data")
    await house.end()


async def test_everything_in_the_playlists_is_there(door: Door) -> None:
    missing = range(40, 52)
    recording = door.record(missing=missing, epochs=lambda seq: int(seq >= 52))
    index = await door.ask(REPLAY + "index.m3u8")
    assert index.headers["content-type"] == "application/vnd.apple.mpegurl"
    variants = [line for line in index.body.decode().splitlines() if not line.startswith("#")]
    assert variants == [f"{BROADCAST}/aac.m3u8", f"{BROADCAST}/opus.m3u8"]
    for codec in CODECS:
        text = (await door.ask(f"{NAMED}{codec}.m3u8")).body.decode()
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
        assert text.endswith("#EXT-X-ENDLIST\n")
        place = recording.folder / "program" / codec
        init = re.findall(r'MAP:URI="([^"]+)"', text)[0]
        assert (await door.ask(NAMED + init)).body == (place / "init.mp4").read_bytes()
        media = [line for line in text.splitlines() if not line.startswith("#")]
        assert sum("silence" in name for name in media) == 1
        for name in media:
            answer = await door.ask(NAMED + name)
            assert answer.status == 200
            if "silence" not in name:
                assert answer.body == (recording.folder / "program" / name).read_bytes()


async def test_the_playlists_keep_the_rules_of_rfc_8216bis(door: Door) -> None:
    growing: dict[Codec, list[str]] = {codec: [] for codec in CODECS}
    for seconds, over in ((20.0, False), (30.0, False), (30.0, True)):
        door.record(seconds, over=over, missing=range(40, 52), epochs=lambda seq: int(seq >= 52))
        door.house.step(KEEP_GROWING + AGAIN)
        index = (await door.ask(REPLAY + "index.m3u8")).body.decode()
        assert validate([index]) == []
        for codec in CODECS:
            growing[codec].append((await door.ask(f"{NAMED}{codec}.m3u8")).body.decode())
    for texts in growing.values():
        # The rules were written for live playlists, from which segments leave: those may have no type.
        untyped = [re.sub("#EXT-X-PLAYLIST-TYPE:[A-Z]+\n", "", text) for text in texts]
        assert validate(untyped) == []
        assert validate(texts[-1:]) == []


async def test_unnamed_addresses_are_those_of_the_last_recording(door: Door) -> None:
    door.record()
    later = "20261129T200000-abc123"
    write_index(write_recording(door.data, broadcast=later, begin=6.0).folder)
    text = (await door.ask(REPLAY + "opus.m3u8")).body.decode()
    assert "opus/1.m4s" in text
    assert "opus/0.m4s" not in text
    assert "opus/0.m4s" in (await door.ask(NAMED + "opus.m3u8")).body.decode()
    named = await door.ask(NAMED + "opus/1.m4s")
    assert named.headers["cache-control"] == "public, max-age=86400"
    assert (await door.ask(REPLAY + "opus/1.m4s")).headers["cache-control"] == "public, max-age=2"


async def test_500_random_ranges_over_http(door: Door) -> None:
    recording = door.record()
    index = write_index(recording.folder)
    chance = random.Random(7)
    whole = {
        "program.m4a": program_m4a(recording.folder, index),
        "program.opus": program_opus(recording.folder, index),
    }
    for name, file in whole.items():
        data = file.read(0, file.size)
        etag = (await door.ask(NAMED + name, method="HEAD")).headers["etag"]
        client = door.house.client()
        for _ in range(250):
            first = chance.randrange(len(data))
            last = min(len(data) - 1, first + chance.randrange(60_000))
            form = chance.randrange(3)
            if form == 0:
                field, expected = f"bytes={first}-{last}", data[first : last + 1]
            elif form == 1:
                count = min(len(data), 1 + chance.randrange(60_000))
                first = len(data) - count
                field, expected = f"bytes=-{count}", data[first:]
            else:
                first = len(data) - 1 - chance.randrange(60_000)
                field, expected = f"bytes={first}-", data[first:]
            answer = await door.ask(NAMED + name, f"Range: {field}", f"If-Range: {etag}", client=client)
            assert answer.status == 206
            assert answer.body == expected
            shown = f"bytes {first}-{first + len(expected) - 1}/{len(data)}"
            assert answer.headers["content-range"] == shown


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("bytes=0-0,2-3", 416),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(1000)), 416),
        ("bytes=99999999999-", 416),
        ("bytes=-0", 416),
        ("bytes=5-2", 200),
        ("bytes=" + "9" * 200 + "-", 200),
        ("octets=0-1", 200),
        ("bytes=a-b", 200),
        ("bytes=--1", 200),
        ("bytes", 200),
    ],
)
async def test_hostile_ranges_cost_no_read(door: Door, field: str, status: int) -> None:
    door.record()
    await door.ask(NAMED + "program.m4a", method="HEAD")
    before = door.disk.reads
    client = door.house.client(room=0)
    client.get(NAMED + "program.m4a", f"Range: {field}")
    await settle()
    client.transport.take(600)
    head = bytes(client.transport.taken)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    # All of it when the field is no range: one piece is read, and no more until that is taken.
    assert door.disk.reads - before == (1 if status == 200 else 0)


async def test_a_long_file_goes_out_as_fast_as_it_is_taken(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_sender, "PIECE", 100_000)
    recording = door.record(60.0)
    file = program_m4a(recording.folder, write_index(recording.folder))
    data = file.read(0, file.size)
    assert len(data) > 300_000
    client = door.house.client(room=10_000)
    client.get(NAMED + "program.m4a")
    await settle()
    assert door.house.edge.metrics.replay_sending() == 1
    assert len(client.transport.buffered) <= 100_000
    for _ in range(80):
        client.transport.take(10_000)
        await settle()
        assert len(client.transport.buffered) <= 100_000 + 16_384
    (answer,) = client.answers()
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["connection"] == "close"
    assert answer.body == data
    assert client.is_closed()
    assert door.house.edge.metrics.replay_sending() == 0


async def test_who_takes_nothing_is_let_go(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_sender, "PIECE", 100_000)
    door.record(40.0)
    client = door.house.client(room=10_000)
    client.get(NAMED + "program.m4a")
    await settle()
    door.house.step(replay_sender.STALL - 10)
    assert not client.is_closed()
    door.house.step(20)
    assert client.is_closed()
    assert door.house.edge.metrics.cut["slow_reader"] == 1


async def test_a_file_that_breaks_off_cuts_the_connection(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_sender, "PIECE", 40_000)
    recording = door.record()
    client = door.house.client(room=10_000)
    client.get(NAMED + "program.m4a")
    await settle()
    path = recording.folder / "program" / "aac" / "2.m4s"
    path.write_bytes(path.read_bytes()[:50])
    for _ in range(40):
        client.transport.take(10_000)
        await settle()
    assert client.is_closed()
    assert door.house.edge.metrics.replay_reads["failed"] == 1


async def test_conditions(door: Door) -> None:
    door.record()
    for name in ("program.m4a", "opus/1.m4s", "timeline.json"):
        etag = (await door.ask(NAMED + name, method="HEAD")).headers["etag"]
        assert (await door.ask(NAMED + name, f"If-None-Match: {etag}")).status == 304
    stale = await door.ask(NAMED + "opus/1.m4s", "Range: bytes=0-9", 'If-Range: "another"')
    assert stale.status == 200


async def test_tracks_are_the_stages_files(door: Door) -> None:
    recording = door.record()
    for voice in VOICES:
        name = f"tracks/{voice.participant_id}.0.opus"
        answer = await door.ask(NAMED + name)
        assert answer.body == (recording.folder / name).read_bytes()
        assert answer.headers["content-type"] == "audio/ogg; codecs=opus"
        expected = f'inline; filename="{SLUG}-20261128-{voice.participant_id}.0.opus"'
        assert answer.headers["content-disposition"] == expected


async def test_peaks_and_timeline_are_what_was_said(door: Door) -> None:
    door.record(begin=12.0)
    peaks = (await door.ask(NAMED + "peaks.json")).json()
    assert peaks["samples_per_peak"] == 9600
    assert peaks["begins"] == 12 * SAMPLE_RATE
    ada, bertolt = (base64.b64decode(peaks["tracks"][voice.participant_id]) for voice in VOICES)
    assert len(ada) == len(bertolt) == len(base64.b64decode(peaks["program"])) == 100
    # Ada speaks for the first four seconds, Bertolt for the next.
    assert max(ada[:20]) < 30
    assert set(ada[20:40]) == {127}
    assert set(bertolt[:20]) == {127}
    timeline = (await door.ask(NAMED + "timeline.json")).json()
    assert (timeline["begins"], timeline["duration"], timeline["over"]) == (12.0, 32.0, True)
    assert timeline["speakers"][0]["name"] == VOICES[0].name
    assert timeline["speakers"][0]["speaking"][0] == [12.0, 15.8]
    assert [chapter["title"] for chapter in timeline["chapters"]] == ["Welcome", "Housing & rents"]
    assert {file["name"] for file in timeline["files"]} >= {"program.m4a", "program.opus"}


async def test_what_is_on_air_can_be_played_from_its_beginning(door: Door) -> None:
    door.record(20.0, over=False)
    text = (await door.ask(NAMED + "opus.m3u8")).body.decode()
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
    assert "#EXT-X-ENDLIST" not in text
    # The fourth segment is being written.
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        f"opus/{number}.m4s" for number in range(3)
    ]
    assert (await door.ask(NAMED + "opus/3.m4s")).status == 404
    refused = await door.ask(NAMED + "program.m4a")
    assert (refused.status, refused.headers["retry-after"].isdigit()) == (409, True)
    assert not (await door.ask(NAMED + "timeline.json")).json()["over"]
    door.record(30.0, over=False)
    door.house.step(KEEP_GROWING + AGAIN)
    grown = (await door.ask(NAMED + "opus.m3u8")).body.decode()
    assert grown.startswith(text)
    assert grown.endswith("opus/4.m4s\n")
    door.record(30.0)
    door.house.step(KEEP_GROWING + AGAIN)
    over = (await door.ask(NAMED + "opus.m3u8")).body.decode()
    assert over == grown + "#EXT-X-ENDLIST\n"


async def test_all_who_ask_the_same_wait_for_one_read(door: Door) -> None:
    door.record()
    door.disk.held = True
    clients = [door.house.client(f"192.0.2.{n}") for n in range(50)]
    for client in clients:
        client.get(NAMED + "opus/1.m4s")
    gone = clients.pop()
    gone.transport.abort()
    door.disk.release()
    await settle()
    bodies = {client.answers()[0].body for client in clients}
    assert len(bodies) == 1
    assert door.disk.reads == 1
    await door.ask(NAMED + "opus/1.m4s")
    assert door.disk.reads == 1
    door.disk.held = False
    door.house.step(KEEP + 1)
    await door.ask(NAMED + "opus/1.m4s")
    assert door.disk.reads == 2


async def test_a_stuck_disk_refuses_instead_of_piling_up(door: Door) -> None:
    door.record()
    door.disk.held = True
    clients = [door.house.client(f"192.0.2.{n % 8}") for n in range(PENDING)]
    for number, client in enumerate(clients):
        client.get(f"{NAMED}opus/{number}.m4s")
    answer = await door.ask(NAMED + "aac/1.m4s")
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert door.house.edge.metrics.replay_reads["refused"] == 1
    # Live listeners never notice.
    assert (await door.ask("/healthz")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "opus/../../../hustings.db",
        "..%2f..%2fhustings.db",
        "tracks/../recording.json",
        "tracks/unknown.0.opus",
        "recording.json",
        "opus/99.m4s",
        "opus/silence-0.m4s",
        "made/program.mp3",
        "made/program.exe",
        "20261128T200000-ffffff/index.m3u8",
        "20261128T200000-abc123/../../x",
    ],
)
async def test_what_is_not_there(door: Door, path: str) -> None:
    door.record()
    answer = await door.ask(REPLAY + path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_room_without_a_recording(door: Door) -> None:
    for path in ("index.m3u8", "program.m4a", "peaks.json"):
        assert (await door.ask(REPLAY + path)).status == 404
    assert (await door.ask(REPLAY)).status == 404


async def test_a_damaged_recording_says_that_it_cannot_be_read(door: Door) -> None:
    recording = door.record()
    (recording.folder / "recording.json").write_bytes(b"{")
    answer = await door.ask(NAMED + "index.m3u8")
    assert answer.status in (404, 503)
    assert "retry-after" in answer.headers or answer.status == 404


async def test_texts_are_compressed(door: Door) -> None:
    door.record()
    answer = await door.ask(NAMED + "timeline.json", "Accept-Encoding: gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["over"]


HALL = "/r/hall/hls/"


async def _on_air(web: Path, data: Path, **how: Any) -> Door:
    """A broadcast on air whose first 12 s were recorded before this edge began."""
    write_recording(data, 12.0, slug="hall", broadcast=EDGE_BROADCAST, **how)
    house = make_house(web, data=data)
    door = Door(house, data)
    house.clock.advance(12.0)
    house.go_live(first_seq=30)
    house.produce(30, lost=True)
    await house.room("live")
    await settle(200)
    return door


async def test_an_edge_that_began_late_reaches_back_to_the_beginning(web: Path, tmp_path: Path) -> None:
    door = await _on_air(web, tmp_path / "data")
    house = door.house
    house.produce(6)
    place = tmp_path / "data" / "rooms" / "hall" / EDGE_BROADCAST / "program"
    for codec in CODECS:
        answer = await door.ask(f"{HALL}{EDGE_BROADCAST}/{codec}.m3u8")
        text = answer.body.decode()
        assert [line for line in text.splitlines() if not line.startswith("#")] == [
            f"{codec}/{number}.m4s" for number in range(2)
        ]
        assert "#EXT-X-MEDIA-SEQUENCE:0\n" in text
        assert validate([text]) == []
        media = await door.ask(f"{HALL}{EDGE_BROADCAST}/{codec}/0.m4s")
        assert media.body == (place / codec / "0.m4s").read_bytes()
    await house.end()


async def test_an_edge_that_began_late_lists_what_a_failing_disk_did_not_keep(
    web: Path, tmp_path: Path
) -> None:
    write_recording(
        tmp_path / "data", 36.0, slug="hall", broadcast=EDGE_BROADCAST, missing=set(range(40, 95))
    )
    spare = write_recording(tmp_path / "spare", 36.0, slug="hall", broadcast=EDGE_BROADCAST).folder
    for codec in CODECS:
        (spare / "program" / codec / "3.m4s").unlink()
    house = make_house(web, data=tmp_path / "data", record_spare=str(tmp_path / "spare"))
    door = Door(house, tmp_path / "data")
    house.clock.advance(36.0)
    house.go_live(first_seq=180)
    house.produce(30, lost=True)
    await house.room("live")
    await settle(200)
    house.produce(6)
    for codec in CODECS:
        text = (await door.ask(f"{HALL}{EDGE_BROADCAST}/{codec}.m3u8")).body.decode()
        assert [line for line in text.splitlines() if not line.startswith("#")][:6] == [
            f"{codec}/{number}.m4s" for number in range(6)
        ]
        assert "EXT-X-GAP" not in text
        assert validate([text]) == []
        for number in range(4):
            media = await door.ask(f"{HALL}{EDGE_BROADCAST}/{codec}/{number}.m4s")
            assert media.status == 200
            assert (media.headers["cache-control"] == "no-store") == (number == 3)
            assert len(read_segment(codec, media.body).chunks) == 30
            if number != 3:
                assert media.body == (spare / "program" / codec / f"{number}.m4s").read_bytes()
    await house.end()


def _report(state: RecordingState, since: float) -> RecordingReport:
    return RecordingReport(broadcast_id=EDGE_BROADCAST, slug="hall", state=state, since=since)


async def test_what_was_off_the_record_is_heard_live_and_never_again(web: Path, tmp_path: Path) -> None:
    house = make_house(web, data=tmp_path / "data")
    door = Door(house, tmp_path / "data")
    await house.room("open")
    house.go_live()
    await house.room("live")
    begin = house.clock.wall()
    house.edge.recording_reported(_report("on", begin))
    # Off the record from second 7 to second 10, in the second segment.
    for second in range(12):
        if second == 7:
            house.edge.recording_reported(_report("off_record", house.clock.wall()))
        if second == 10:
            house.edge.recording_reported(_report("on", house.clock.wall()))
        house.produce(5)
        house.step(1.0)
    named = f"{HALL}{EDGE_BROADCAST}/opus/"
    live = b"".join(chunk.data for chunk in house.bus.chunks["opus"][30:60])
    heard = await door.ask(named + "1.m4s")
    assert heard.body == live
    assert heard.headers["cache-control"] == "no-store"
    assert "immutable" in (await door.ask(named + "0.m4s")).headers["cache-control"]
    # Half a minute later it is past: there is the recording, or silence.
    for _ in range(30):
        house.produce(5)
        house.step(1.0)
    nothing = await door.ask(named + "1.m4s")
    assert nothing.body == live_segment([], "opus", 1, 30, 59)[0]
    assert nothing.headers["cache-control"] == "no-store"
    assert (await door.ask(named + "1.5.m4s")).status == 404
    write_recording(tmp_path / "data", 36.0, slug="hall", broadcast=EDGE_BROADCAST)
    house.step(KEEP_GROWING + AGAIN)
    place = tmp_path / "data" / "rooms" / "hall" / EDGE_BROADCAST / "program"
    past = await door.ask(named + "1.m4s")
    assert past.body == (place / "opus" / "1.m4s").read_bytes()
    # What was on the record is still what is in memory.
    first = b"".join(chunk.data for chunk in house.bus.chunks["opus"][:30])
    assert (await door.ask(named + "0.m4s")).body == first
    await house.end()


async def test_a_recorded_broadcast_longer_than_the_memory_is_listed_whole(web: Path, tmp_path: Path) -> None:
    house = make_house(web, data=tmp_path / "data")
    door = Door(house, tmp_path / "data")
    await house.room("open")
    house.go_live()
    await house.room("live")
    house.edge.recording_reported(_report("on", house.clock.wall()))
    write_recording(tmp_path / "data", 150.0, slug="hall", broadcast=EDGE_BROADCAST)
    texts = []
    for second in range(150):
        house.produce(5)
        house.step(1.0)
        if second % 10 == 9:
            texts.append((await door.ask(f"{HALL}{EDGE_BROADCAST}/opus.m3u8")).body.decode())
    assert validate(texts) == []
    assert [line for line in texts[-1].splitlines() if not line.startswith("#")] == [
        f"opus/{number}.m4s" for number in range(25)
    ]
    hls = house.edge.channels["hall"].hls
    assert hls is not None
    # 60 s of it are in memory (the window of these tests), the rest on the disk.
    assert len(hls.renditions["opus"]._chunks) <= 60 * 5 + 1
    place = tmp_path / "data" / "rooms" / "hall" / EDGE_BROADCAST / "program"
    answer = await door.ask(f"{HALL}{EDGE_BROADCAST}/opus/2.m4s")
    assert answer.body == (place / "opus" / "2.m4s").read_bytes()
    await house.end()


async def test_what_a_failing_disk_did_not_keep_is_silence_when_going_back(web: Path, tmp_path: Path) -> None:
    spare = tmp_path / "spare"
    house = make_house(web, data=tmp_path / "data", record_spare=str(spare))
    door = Door(house, tmp_path / "data")
    await house.room("open")
    house.go_live()
    await house.room("live")
    house.edge.recording_reported(_report("on", house.clock.wall()))
    recording = write_recording(tmp_path / "data", 150.0, slug="hall", broadcast=EDGE_BROADCAST)
    files = recording.folder / "program" / "opus"
    (files / "3.m4s").unlink()
    torn = (files / "4.m4s").read_bytes()
    (files / "4.m4s").write_bytes(torn[: len(torn) // 2])
    elsewhere = spare / "rooms" / "hall" / EDGE_BROADCAST / "program" / "opus"
    elsewhere.mkdir(parents=True)
    kept = (files / "5.m4s").rename(elsewhere / "5.m4s").read_bytes()
    for second in range(150):
        if second == 18:
            house.edge.recording_reported(_report("failing", house.clock.wall()))
        house.produce(5)
        house.step(1.0)
    named = f"{HALL}{EDGE_BROADCAST}/opus"
    listed = (await door.ask(f"{named}.m3u8")).body.decode()
    assert [line for line in listed.splitlines() if not line.startswith("#")][:6] == [
        f"opus/{number}.m4s" for number in range(6)
    ]
    at = 0
    for number in range(6):
        answer = await door.ask(f"{named}/{number}.m4s")
        assert answer.status == 200
        stored = read_segment("opus", answer.body)
        assert (stored.media_time, stored.torn) == (at, False), "one goes on where the other ends"
        at = stored.end
        lasting = answer.headers["cache-control"] != "no-store"
        assert lasting == (number not in (3, 4)), "more may be there when the disk is well"
        if number == 4:
            whole = read_segment("opus", torn[: len(torn) // 2])
            assert answer.body.startswith(torn[: whole.whole_bytes]), "what was kept is heard"
    assert (await door.ask(f"{named}/5.m4s")).body == kept, "what went to the spare folder is heard, too"
    assert (await door.ask(f"{named}/3.m4s")).body == live_segment([], "opus", 3, 90, 119)[0]
    await house.end()
