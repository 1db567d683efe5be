"""Frames to chunks: whole slots on the timeline, gaps as missing slots, both codecs aligned."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import replace

import av
import numpy as np
import pytest
from stage_engine_support import power_db, tone

from hustings.audio.opus import OpusEncoder
from hustings.bus.messages import Codec, MediaChunk
from hustings.cmaf.chunker import read_chunk
from hustings.stage.engine import ProgramFrame
from hustings.stage.packager import Packager, PackagerThread, completes_chunk, init_segments

WALL = 1_790_000_000.0


def frames(first: int, count: int, hertz: float = 1000.0) -> list[ProgramFrame]:
    """Program frames number `first` on."""
    encoder = OpusEncoder(64_000, application="audio", fec=False)
    return [
        ProgramFrame("b", n * 960, WALL + n * 0.02, frame := tone(hertz, 1, 0.3, n), encoder.encode(frame))
        for n in range(first, first + count)
    ]


def package(packager: Packager, program: list[ProgramFrame]) -> dict[str, list[MediaChunk]]:
    chunks = [chunk for frame in program for chunk in packager.push(frame)]
    return {codec: [c for c in chunks if c.codec == codec] for codec in ("opus", "aac")}


def test_chunks_follow_one_another_from_zero() -> None:
    chunks = package(Packager("b", 0, 96_000), frames(0, 100))
    assert [c.seq for c in chunks["opus"]] == list(range(10))
    assert [c.media_time for c in chunks["opus"]] == list(range(0, 96_000, 9600))
    assert {c.duration for c in chunks["opus"]} == {9600}
    assert [c.seq for c in chunks["aac"]] == list(range(len(chunks["aac"])))
    assert len(chunks["aac"]) >= 9  # the encoder holds one unit back
    assert chunks["aac"][0].media_time == 0
    for before, after in zip(chunks["aac"], chunks["aac"][1:], strict=False):
        assert after.media_time == before.media_time + before.duration
    for codec in ("opus", "aac"):
        for chunk in chunks[codec]:
            assert abs(chunk.wall_clock - WALL - chunk.media_time / 48000) < 1e-6
            info = read_chunk(chunk.data)
            assert (info.base_decode_time, info.duration) == (chunk.media_time, chunk.duration)


def test_a_restarted_stage_begins_with_the_next_whole_slot() -> None:
    chunks = package(Packager("b", 3, 96_000), frames(5007, 60))
    assert [c.seq for c in chunks["opus"]] == [501, 502, 503, 504, 505]
    assert [c.seq for c in chunks["aac"]][:4] == [501, 502, 503, 504]
    assert {c.epoch for c in chunks["opus"] + chunks["aac"]} == {3}
    assert chunks["opus"][0].media_time == 501 * 9600
    assert chunks["aac"][0].media_time == -(-501 * 9600 // 1024) * 1024


def test_a_gap_leaves_out_whole_slots() -> None:
    packager = Packager("b", 0, 96_000)
    first = package(packager, frames(0, 34))
    second = package(packager, frames(52, 40))
    assert [c.seq for c in first["opus"]] == [0, 1, 2]
    assert [c.seq for c in second["opus"]] == [6, 7, 8]
    assert [c.seq for c in first["aac"] + second["aac"]] == [0, 1, 2, 6, 7, 8][
        : len(first["aac"] + second["aac"])
    ]
    assert second["aac"][0].media_time == -(-6 * 9600 // 1024) * 1024


def test_the_end_comes_as_a_shorter_chunk() -> None:
    packager = Packager("b", 0, 96_000)
    package(packager, frames(0, 13))
    last = packager.finish()
    assert [(c.codec, c.seq) for c in last] == [("opus", 1), ("aac", 0), ("aac", 1)] or [
        (c.codec, c.seq) for c in last
    ] == [("opus", 1), ("aac", 1)]
    assert last[0].duration == 3 * 960
    end = max(c.media_time + c.duration for c in last if c.codec == "aac")
    assert 13 * 960 <= end < 13 * 960 + 2 * 1024
    assert packager.finish() == []


@pytest.mark.parametrize("start", [0, 777])
@pytest.mark.parametrize("codec", ["opus", "aac"])
def test_sound_is_where_the_timeline_says(codec: Codec, start: int) -> None:
    """A tone that begins at a known sample is found there by another player, also after a late start."""
    onset = (start + 50) * 960
    encoder = OpusEncoder(64_000, application="audio", fec=False)
    program = []
    for n in range(start, start + 100):
        frame = tone(1000.0, 1, 0.3 if n * 960 >= onset else 0.0, n)
        program.append(ProgramFrame("b", n * 960, WALL + n * 0.02, frame, encoder.encode(frame)))
    chunks = package(Packager("b", 0, 96_000), program)[codec]
    init = init_segments(encoder.lookahead, 96_000)[codec]
    with av.open(io.BytesIO(init + b"".join(chunk.data for chunk in chunks)), "r") as container:
        decoded = [(int(f.pts), f.to_ndarray()[0]) for f in container.decode(audio=0) if f.pts is not None]
    first = min(pts for pts, _ in decoded if pts >= 0)
    sound = np.concatenate([samples for pts, samples in decoded if pts >= 0])
    loud = first + int(np.argmax(np.abs(sound) > 0.15))
    # The Opus encoder's delay is the init segment's pre-skip; players that honour it are earlier by that.
    assert abs(loud - onset) < 400
    assert power_db(sound[loud - first + 960 :], 1000) > power_db(sound[loud - first + 960 :], 3000) + 40


def test_chunks_say_whether_they_are_silent() -> None:
    """A second of nothing, a click in its next chunk, nothing again."""
    packager = Packager("b", 0, 96_000)
    quiet = [replace(frame, frame=np.zeros(960, dtype=np.float32)) for frame in frames(0, 100)]
    click = np.zeros(960, dtype=np.float32)
    click[100] = 0.01
    quiet[53] = replace(quiet[53], frame=click)
    chunks = package(packager, quiet)
    assert [c.seq for c in chunks["opus"] if not c.silent] == [5]
    assert {c.seq for c in chunks["aac"] if not c.silent} <= {4, 5}, "AAC comes some milliseconds later"


def test_a_step_of_the_wall_clock_is_none_of_the_timeline() -> None:
    """An hour forward, then back: chunks' times go on as the sound does (attack/clock_steps.py)."""
    program = frames(0, 200)
    moved = [
        dataclasses.replace(frame, wall_clock=frame.wall_clock + (3600 if 50 <= number < 120 else 0))
        for number, frame in enumerate(program)
    ]
    chunks = package(Packager("b", 0, 96_000), moved)
    for codec in ("opus", "aac"):
        for chunk in chunks[codec]:
            assert abs(chunk.wall_clock - WALL - chunk.media_time / 48000) < 1e-6


@pytest.mark.parametrize("first", [0, 5007])
def test_chunks_come_out_with_the_frame_that_completes_them_and_with_no_other(first: int) -> None:
    packager = Packager("b", 0, 96_000)
    found = [(frame.media_time, packager.push(frame)) for frame in frames(first, 400)]
    assert {at for at, chunks in found if chunks} <= {at for at, _ in found if completes_chunk(at)}
    assert sum(len(chunks) for _, chunks in found) >= 76
    # Two batches to a chunk, or the thread would be woken for nothing.
    assert sum(completes_chunk(at) for at, _ in found) <= 81


def test_the_thread_gives_what_the_packager_gives_and_ends_with_all_of_it() -> None:
    program = frames(0, 57)
    alone = Packager("b", 0, 96_000)
    expected = [chunk for frame in program for chunk in alone.push(frame)] + alone.finish()
    published: list[MediaChunk] = []
    over: list[str] = []
    thread = PackagerThread(published.append, over.append)
    thread.open(Packager("b", 0, 96_000))
    thread.start()
    for frame in program:
        thread.push(frame)
    thread.finish("b")
    thread.stop()
    assert published == expected
    assert over == ["b"]


def test_a_stopped_thread_has_packaged_what_waited() -> None:
    published: list[MediaChunk] = []
    thread = PackagerThread(published.append)
    thread.open(Packager("b", 0, 96_000))
    for frame in frames(0, 13):
        thread.push(frame)
    thread.start()
    thread.stop()
    assert [(chunk.codec, chunk.seq) for chunk in published] == [("opus", 0), ("aac", 0)]
