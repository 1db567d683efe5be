"""The index of a recording: whole, cut short, damaged, continued."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_folder import BROADCAST, FRAME, LIVE_SINCE, SLOT, SLUG, VOICES, write_lines, write_recording

from hustings.archive.index import build, write_index
from hustings.archive.model import decode_index, encode_index, read_index
from hustings.cmaf.chunker import read_chunks
from hustings.cmaf.init_segment import read_init
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE
from hustings.errors import Corrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("whole")).folder


def test_a_whole_recording_is_listed_as_it_is(whole: Path) -> None:
    index = build(whole)
    assert (index.slug, index.broadcast, index.whole) == (SLUG, BROADCAST, True)
    assert index.live_since == pytest.approx(LIVE_SINCE, abs=0.002)
    assert index.duration == 20 * SAMPLE_RATE
    assert index.ended_at == pytest.approx(LIVE_SINCE + 20, abs=0.01)
    for codec in CODECS:
        listed = index.codecs[codec].segments
        assert [segment.number for segment in listed] == [0, 1, 2, 3]
        for segment in listed:
            data = (whole / "program" / codec / f"{segment.number}.m4s").read_bytes()
            chunks = read_chunks(data)
            assert segment.bytes == len(data)
            assert segment.media_time == chunks[0].base_decode_time
            assert segment.duration == sum(chunk.duration for chunk in chunks)
            assert segment.sha256 == hashlib.sha256(data).hexdigest()
    assert index.gaps == []
    assert index.names == {voice.participant_id: voice.name for voice in VOICES}
    assert index.chapters == [(0, "Welcome"), (9 * SAMPLE_RATE, "Housing & rents")]
    ada = index.speaking[VOICES[0].participant_id]
    assert ada[:2] == [(0, round(3.8 * SAMPLE_RATE)), (8 * SAMPLE_RATE, round(11.8 * SAMPLE_RATE))]


def test_tracks_have_their_beginning_length_and_counts(tmp_path: Path) -> None:
    index = build(write_recording(tmp_path, begin=12.0).folder)
    assert [track.name for track in index.tracks] == [voice.name for voice in VOICES]
    for track in index.tracks:
        assert track.begins == 12 * SAMPLE_RATE
        assert track.samples == 20 * SAMPLE_RATE - 312
        assert (track.received, track.written, track.declared) == (998, 995, 3)
        assert track.received == (track.written or 0) + (track.declared or 0)


def test_written_and_read_back(tmp_path: Path) -> None:
    folder = write_recording(tmp_path).folder
    index = write_index(folder, live_since=LIVE_SINCE, ended_at=LIVE_SINCE + 21)
    assert read_index(folder) == index == decode_index(encode_index(index))
    raw = json.loads((folder / "recording.json").read_text())
    assert raw["version"] == 1
    assert raw["codecs"]["opus"]["segments"][1][:2] == [1, 6 * SAMPLE_RATE]
    assert raw["ended_at"] == LIVE_SINCE + 21
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_nothing_recorded_is_said_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(Corrupt):
            build(folder)
    with pytest.raises(OSError):
        read_index(tmp_path)


def test_after_a_crash_the_last_whole_chunk_is_the_end(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, totals=False).folder
    path = folder / "program" / "opus" / "3.m4s"
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    (segment,) = (s for s in build(folder).codecs["opus"].segments if s.number == 3)
    assert segment.duration == 2 * SAMPLE_RATE - SLOT
    assert read_chunks(data[: segment.bytes])[-1].base_decode_time == 20 * SAMPLE_RATE - 2 * SLOT
    assert not build(folder).whole


def test_a_restarted_stage_leaves_a_declared_gap(tmp_path: Path) -> None:
    # Killed after chunk 39, back with chunk 52.
    missing = range(40, 52)
    epochs = lambda seq: 0 if seq < 52 else 1  # noqa: E731
    index = build(write_recording(tmp_path, missing=missing, epochs=epochs).folder)
    segments = index.codecs["opus"].segments
    assert [s.number for s in segments] == [0, 1, 2, 3, 4]
    assert [s.media_time for s in segments] == [0, 30 * SLOT, 52 * SLOT, 60 * SLOT, 90 * SLOT]
    assert segments[1].duration == 10 * SLOT
    assert [(gap.begins, gap.samples, gap.cause) for gap in index.gaps] == [(40 * SLOT, 12 * SLOT, "lost")]
    assert not index.whole


def test_a_declared_gap_is_not_declared_twice(tmp_path: Path) -> None:
    epochs = lambda seq: 0 if seq < 52 else 1  # noqa: E731
    folder = write_recording(tmp_path, missing=range(40, 52), epochs=epochs).folder
    line: dict[str, object] = {"from": 40 * SLOT, "samples": 12 * SLOT, "packets": 0, "cause": "lost"}
    silent: dict[str, object] = {"from": 10 * SLOT, "samples": SLOT, "packets": 0, "cause": "off_record"}
    write_lines(folder / "program" / "gaps.jsonl", [line, silent])
    assert [gap.cause for gap in build(folder).gaps] == ["off_record", "lost"]


def test_a_hole_within_a_segment_is_found(tmp_path: Path) -> None:
    index = build(write_recording(tmp_path, missing={40, 41, 42}).folder)
    (gap,) = index.gaps
    assert (gap.begins, gap.samples, gap.cause) == (40 * SLOT, 3 * SLOT, "lost")


def test_speech_that_nothing_ends_ends_with_the_recording(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, 8.0).folder
    who = {"participant_id": "x", "name": "X"}
    lines: list[dict[str, object]] = [
        {"media_time": SLOT, "kind": "speaking", "data": {**who, "speaking": True}},
        {"media_time": 3 * SLOT, "kind": "muted", "data": {**who, "muted": True}},
        {"media_time": 5 * SLOT, "kind": "speaking", "data": {**who, "speaking": True}},
    ]
    write_lines(folder / "events.jsonl", lines)
    assert build(folder).speaking == {"x": [(SLOT, 3 * SLOT), (5 * SLOT, 8 * SAMPLE_RATE)]}


def _copy(whole: Path, tmp_path: Path) -> Path:
    folder = tmp_path / SLUG / BROADCAST
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    return folder


_FILES = (
    *(f"program/{codec}/{name}" for codec in CODECS for name in ("init.mp4", "0.m4s", "3.m4s")),
    *(f"tracks/{VOICES[0].participant_id}.0.{kind}" for kind in ("opus", "jsonl", "levels")),
    "events.jsonl",
    "program/levels.0",
)


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(_FILES), part=st.floats(0, 1))
def test_cut_anywhere_what_is_listed_is_a_prefix(whole: Path, tmp_path: Path, name: str, part: float) -> None:
    folder = _copy(whole, tmp_path)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * part)])
    before, after = build(whole), build(folder)
    for codec, index in after.codecs.items():
        known = {segment.number: segment for segment in before.codecs[codec].segments}
        for segment in index.segments:
            was = known[segment.number]
            assert segment.media_time == was.media_time
            assert segment.bytes <= was.bytes
            assert segment.duration <= was.duration
            cut = (folder / "program" / codec / f"{segment.number}.m4s").read_bytes()[: segment.bytes]
            assert read_chunks(cut)
            assert hashlib.sha256(cut).hexdigest() == segment.sha256
    if part < 1 and name.endswith((".m4s", ".opus")):
        assert not after.whole or len(data) == int(len(data) * part) or name.endswith(".opus")
    for track in after.tracks:
        assert track.samples <= 20 * SAMPLE_RATE - 312
        assert (track.samples + 312) % FRAME in (0, 312)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(_FILES),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=12)), min_size=1, max_size=6),
)
def test_damaged_files_make_an_index_or_a_documented_error(
    whole: Path, tmp_path: Path, name: str, damage: list[tuple[float, bytes]]
) -> None:
    folder = _copy(whole, tmp_path)
    data = bytearray((folder / name).read_bytes())
    for part, piece in damage:
        at = int(part * max(0, len(data) - len(piece)))
        data[at : at + len(piece)] = piece
    (folder / name).write_bytes(bytes(data))
    try:
        index = write_index(folder)
    except Corrupt:
        return
    assert read_index(folder) == index
    for codec in index.codecs.values():
        ends = [0, *(segment.end for segment in codec.segments)]
        assert all(s.media_time >= end for s, end in zip(codec.segments, ends, strict=False))


def test_a_lost_init_segment_is_made_anew(tmp_path: Path) -> None:
    folder = write_recording(tmp_path).folder
    before = {codec: read_init((folder / "program" / codec / "init.mp4").read_bytes()) for codec in CODECS}
    (folder / "program" / "opus" / "init.mp4").unlink()
    (folder / "program" / "aac" / "init.mp4").write_bytes(b"\0" * 600)
    assert not write_index(folder).whole
    after = {codec: read_init((folder / "program" / codec / "init.mp4").read_bytes()) for codec in CODECS}
    assert after["opus"] == before["opus"]
    assert after["aac"].audio_specific_config[:2] == before["aac"].audio_specific_config[:2]


def test_strange_files_beside_are_passed_over(tmp_path: Path) -> None:
    folder = write_recording(tmp_path).folder
    before = build(folder)
    for name in ("program/opus/4.m4s.tmp", "program/opus/x.m4s", "tracks/..opus", "tracks/a.b.opus", "notes"):
        (folder / name).write_bytes(b"OggS")
    (folder / "program" / "opus" / "9").mkdir()
    assert build(folder) == before
