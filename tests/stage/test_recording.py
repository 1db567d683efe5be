"""What is recorded of a broadcast, and what never is; on a disk in memory, on a clock that only moves when
told."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from record_support import INIT, MemoryDisk, Studio
from stage_engine_support import power_db

from hustings.archive.index import build, write_index
from hustings.archive.model import Index
from hustings.archive.segment_file import read_segment
from hustings.cmaf.timeline import UNIT_SAMPLES
from hustings.stage.record_finish import finish_folders

DATA = Path("/data")
ADA, BOB = 700.0, 1_500.0


def studio(spare: bool = False) -> Studio:
    """Ada and Bob on the stage, live; Ada talks."""
    room = Studio(MemoryDisk(), spare=spare)
    ada, bob = room.person("ada", ADA), room.person("bob", BOB)
    ada.gain = bob.gain = 0.2
    room.run(1.0)
    room.live()
    return room


def sound(data: bytes) -> NDArray[np.float32]:
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(stream)])


def program(room: Studio, codec: str = "opus") -> NDArray[np.float32]:
    folder = DATA / "program" / codec
    numbers = sorted(int(p.stem) for p in room.disk.files if p.parent == folder and p.suffix == ".m4s")
    return sound(
        bytes(room.disk.files[folder / "init.mp4"].data)
        + b"".join(bytes(room.disk.files[folder / f"{n}.m4s"].data) for n in numbers)
    )


def track(room: Studio, name: str) -> NDArray[np.float32]:
    return sound(bytes(room.disk.files[DATA / f"tracks/{name}.0.opus"].data))


def lines(room: Studio, path: str, base: Path = DATA) -> list[dict[str, object]]:
    data = room.disk.files.get(base / path)
    return [json.loads(line) for line in bytes(data.data).splitlines()] if data else []


def totals(room: Studio, name: str) -> dict[str, object]:
    return [line for line in lines(room, f"tracks/{name}.0.jsonl") if "received" in line][-1]


def indexed(room: Studio, tmp_path: Path) -> Index:
    folder = tmp_path / "room" / "b"
    room.disk.lay_out(folder)
    return write_index(folder, live_since=0.0)


def test_tracks_and_program_hold_what_was_said(tmp_path: Path) -> None:
    room = studio()
    room.run(15)
    room.end()
    for name, own, other in (("ada", ADA, BOB), ("bob", BOB, ADA)):
        heard = track(room, name)
        assert len(heard) / 48_000 == pytest.approx(15, abs=0.4)
        assert power_db(heard, own) > power_db(heard, other) + 40
        counts = totals(room, name)
        assert counts["received"] == counts["written"] + counts["declared"]  # type: ignore[operator]  # numbers
        assert int(str(counts["written"])) == pytest.approx(750, abs=3)
    for codec in ("opus", "aac"):
        whole = program(room, codec)
        assert len(whole) / 48_000 == pytest.approx(15, abs=0.3)
        assert power_db(whole, ADA) == pytest.approx(power_db(whole, BOB), abs=3)
    index = indexed(room, tmp_path)
    assert index.whole
    assert [t.participant_id for t in index.tracks] == ["ada", "bob"]
    assert index.gaps == []
    assert room.disk.open_files == 0


def test_segments_are_byte_for_byte_what_the_listeners_got() -> None:
    room = studio()
    room.run(14)
    room.end()
    for codec in ("opus", "aac"):
        assert bytes(room.disk.files[DATA / f"program/{codec}/init.mp4"].data) == INIT[codec]
        for number in range(3):
            stored = bytes(room.disk.files[DATA / f"program/{codec}/{number}.m4s"].data)
            sent = [c.data for c in room.chunks if c.codec == codec and c.seq // 30 == number]
            assert stored == b"".join(sent)


def test_tracks_line_up_with_the_program() -> None:
    room = studio()
    room.people[1].gain = 0.0
    for beat in range(12):  # bursts of half a second
        room.people[0].gain = 0.3 * (beat % 2)
        room.run(0.5)
    room.end()
    first = lines(room, "tracks/ada.0.jsonl")[0]
    begins = int(str(first["begins"]))
    mixed, own = program(room), track(room, "ada")

    # First sample of each that is loud, in media time; the program's decoder has dropped its pre-skip.
    def bursts(samples: NDArray[np.float32], offset: int) -> list[int]:
        loud = np.abs(samples).reshape(-1)[: len(samples) // 240 * 240].reshape(-1, 240).max(axis=1) > 0.1
        return [(int(i) + 1) * 240 + offset for i in np.flatnonzero(np.diff(loud.astype(int)) == 1)]

    pairs = list(zip(bursts(mixed, 0)[-4:], bursts(own, begins)[-4:], strict=True))
    assert len(pairs) == 4
    for in_program, in_track in pairs:
        assert abs(in_program - in_track) <= 960, "more than 20 ms apart"


def test_nothing_is_written_of_who_has_not_agreed() -> None:
    room = studio()
    room.policy(consents=frozenset({"bob"}))
    room.run(6)
    assert room.recorder.status.waiting
    room.end()
    assert DATA / "tracks/ada.0.opus" not in room.disk.files
    assert np.abs(program(room)).max() < 0.001
    assert np.abs(program(room, "aac")).max() < 0.001
    assert [gap["cause"] for gap in lines(room, "program/gaps.jsonl")] == ["no_consent"]
    bobs = track(room, "bob")
    assert power_db(bobs, BOB) > 20
    assert power_db(bobs, ADA) < power_db(bobs, BOB) - 40


@pytest.mark.parametrize("codec", ["opus", "aac"])
def test_the_program_is_recorded_while_who_has_not_agreed_is_muted(codec: str) -> None:
    room = studio()
    room.policy(consents=frozenset({"bob"}))
    room.run(3)
    room.engine.mute("ada", True)
    room.run(6)
    room.engine.mute("ada", False)
    room.run(3)
    room.end()
    whole = program(room, codec)
    assert power_db(whole[4 * 48_000 : 8 * 48_000], BOB) > 20
    assert power_db(whole, ADA) < power_db(whole, BOB) - 60, "not a moment of Ada, on either side"


def test_off_the_record_silences_tracks_and_program_alike() -> None:
    room = studio()
    room.run(4)
    room.policy(off_record=True)
    room.run(5)
    assert power_db(room.people[1].sound(200), ADA) > 20, "the live sound goes on"
    room.policy()
    room.run(4)
    room.end()
    for samples in (program(room), program(room, "aac"), track(room, "ada"), track(room, "bob")):
        middle = samples[round(4.5 * 48_000) : round(8.5 * 48_000)]
        assert np.abs(middle).max() < 0.001
        assert np.abs(samples[: 3 * 48_000]).max() > 0.1
        assert np.abs(samples[round(9.5 * 48_000) :]).max() > 0.1
    (gap,) = lines(room, "program/gaps.jsonl")
    assert gap["cause"] == "off_record"
    assert gap["samples"] == pytest.approx(5 * 48_000, abs=30_000)
    gaps = [g for g in lines(room, "tracks/ada.0.jsonl") if g.get("cause") == "off_record"]
    assert sum(int(str(g["packets"])) for g in gaps) == pytest.approx(250, abs=3)


def test_the_green_room_the_muted_and_what_is_before_going_live_are_never_written() -> None:
    room = Studio(MemoryDisk())
    ada, bob = room.person("ada", ADA), room.person("bob", BOB, place="green")
    ada.gain = bob.gain = 0.2
    room.policy()
    room.run(2)
    assert not room.disk.files
    room.live()
    room.run(2)
    room.engine.mute("ada", True)
    room.run(2)
    room.end()
    assert DATA / "tracks/bob.0.opus" not in room.disk.files
    own = track(room, "ada")
    assert np.abs(own[round(2.2 * 48_000) :]).max(initial=0) < 0.001
    muted = [g for g in lines(room, "tracks/ada.0.jsonl") if g.get("cause") == "muted"]
    assert sum(int(str(g["packets"])) for g in muted) == pytest.approx(100, abs=3)
    assert power_db(program(room), BOB) < power_db(program(room), ADA) - 40


def test_every_packet_is_accounted_whatever_happens_on_the_stage() -> None:
    room = studio()
    for step in range(12):
        room.policy(off_record=step % 5 == 3, consents=frozenset({"ada"} if step % 3 else {"ada", "bob"}))
        room.engine.mute("ada", step % 4 == 1)
        room.engine.place("bob", "green" if step % 4 == 2 else "stage", "")
        room.people[0].gain = 0.2 * (step % 2)
        if step == 6:
            room.people[1].sending = False
        if step == 9:
            room.people[1].sending = True
            room.people[1].connect()
        room.run(1.3)
        status = room.recorder.status.totals
        assert status.received == status.written + status.declared
    room.end()
    room.recorder.round()
    received = sum(seat.packets_received for seat in room.engine.seat_reports())
    status = room.recorder.status.totals
    # The 50 of each before going live, and those of the tick in which it did.
    assert status.received == pytest.approx(received - 100, abs=2)
    assert status.received == status.written + status.declared


def test_levels_are_there_slot_by_slot() -> None:
    room = studio()
    room.people[1].gain = 0.0
    room.run(4)
    room.policy(off_record=True)
    room.run(2)
    room.policy()
    room.run(4)
    room.end()
    levels = bytes(room.disk.files[DATA / "tracks/ada.0.levels"].data)
    assert len(levels) == pytest.approx(50, abs=2)
    assert set(levels[2:18]) <= set(range(10, 30))
    assert set(levels[21:28]) == {127}
    whole = bytes(room.disk.files[DATA / "program/levels.0"].data)
    assert whole[:8] == bytes(8)
    assert len(whole) - 8 == pytest.approx(50, abs=2)
    assert set(whole[8 + 21 : 8 + 28]) == {127}
    assert 127 not in whole[8 + 2 : 8 + 18]


def test_who_was_there_and_spoke_as_it_began_is_in_the_index(tmp_path: Path) -> None:
    room = studio()
    room.run(5)
    room.people[0].gain = 0.0
    room.run(3)
    room.end()
    index = indexed(room, tmp_path)
    assert index.names == {"ada": "Ada", "bob": "Bob"}
    (stretch,) = index.speaking["ada"]
    assert stretch[0] < 48_000
    assert 4 * 48_000 < stretch[1] < 7 * 48_000
    assert index.speaking["bob"][0][1] > 7 * 48_000


# --- disks that fail --------------------------------------------------------------------------------


def fail(room: Studio, number: int, calls: set[str], ending: str = "", under: str = "/data") -> None:
    def fault(call: str, path: Path) -> None:
        if call in calls and path.name.endswith(ending) and str(path).startswith(under):
            raise OSError(number, "injected")

    room.disk.fault = fault


def heal(room: Studio) -> None:
    room.disk.fault = lambda _call, _path: None
    room.disk.room = None


def test_a_full_disk_is_told_counted_and_left_as_soon_as_there_is_room(tmp_path: Path) -> None:
    room = studio()
    room.run(4)
    room.disk.room = 5_000
    room.run(4)
    assert (room.recorder.status.failing, room.recorder.status.problem) == (True, "The disk is full.")
    assert power_db(room.people[1].sound(100), ADA) > 20, "the broadcast goes on"
    safe = room.recorder.status.safe_media_time
    assert safe < 5 * 48_000
    room.run(2)
    assert room.recorder.status.safe_media_time == safe
    heal(room)
    room.run(12)
    assert (room.recorder.status.failing, room.recorder.status.problem) == (False, "")
    room.end()
    status = room.recorder.status.totals
    assert status.received == status.written + status.declared
    assert status.declared > 100
    parts = [p for p in room.disk.files if p.suffix == ".opus" and p.name.startswith("ada.0.")]
    assert len(parts) >= 2
    causes = {g["cause"] for p in room.disk.files if p.name.startswith("gaps") for g in lines(room, str(p))}
    assert "disk" in causes


@pytest.mark.parametrize(
    ("number", "calls", "ending"),
    [
        (errno.EIO, {"write"}, ".opus"),
        (errno.EIO, {"write"}, ".m4s"),
        (errno.EIO, {"write"}, ".jsonl"),
        (errno.EROFS, {"write", "open", "folder"}, ""),
        (errno.EIO, {"sync"}, ".opus"),
        (errno.EIO, {"sync"}, ".m4s"),
        (errno.EIO, {"sync"}, "tracks"),
        (errno.ENOSPC, {"sync"}, ""),
    ],
)
def test_a_disk_that_fails_is_left_for_the_spare_one(number: int, calls: set[str], ending: str) -> None:
    room = studio(spare=True)
    room.run(5)
    safe = room.recorder.status.safe_media_time
    fail(room, number, calls, ending)
    room.person("cyd", 900.0).gain = 0.2  # a new file
    room.run(4.5)
    status = room.recorder.status
    assert not status.failing
    assert status.problem.endswith("The recording goes on in the spare folder.")
    assert status.safe_media_time > safe + 2 * 48_000, "in the spare folder it is safe"
    room.end()
    spare = [p for p in room.disk.files if str(p).startswith("/spare")]
    assert any(p.suffix == ".opus" for p in spare)
    assert any(p.suffix == ".m4s" for p in spare)
    totals = room.recorder.status.totals
    assert totals.received == totals.written + totals.declared
    assert totals.declared < 3 * 90, "of each at most what no sync had covered, and what waited"


def test_what_no_fsync_has_covered_is_never_said_to_be_safe() -> None:
    room = studio()
    room.run(4)
    safe = room.recorder.status.safe_media_time
    assert 0 < safe <= 4 * 48_000
    fail(room, errno.EIO, {"sync"})
    room.run(4)
    assert room.recorder.status.safe_media_time == safe
    assert room.recorder.status.failing
    assert room.recorder.status.problem == "The disk fails."
    totals = room.recorder.status.totals
    assert totals.received == totals.written + totals.declared
    assert totals.written <= 2 * (safe / 960 + 15), "nor is it counted as written"


def test_a_slow_fsync_delays_no_write() -> None:
    room = studio()
    room.run(3)
    room.slow = True
    before = room.recorder.status.bytes
    safe = room.recorder.status.safe_media_time
    room.run(5)
    assert room.recorder.status.bytes - before > 5 * 10_000
    assert room.recorder.status.safe_media_time == safe
    room.slow = False
    room.run(2)
    assert room.recorder.status.safe_media_time > 8 * 48_000


def test_what_a_failing_disk_had_taken_and_then_lost_is_declared_of_the_program(tmp_path: Path) -> None:
    room = studio(spare=True)
    room.run(5.5)
    safe = room.recorder.status.safe_media_time
    fail(room, errno.EIO, {"write", "sync"})
    room.run(4.5)
    room.end()
    (gap,) = [line for path in room.disk.files if "gaps" in path.name for line in lines(room, str(path))]
    assert gap["cause"] == "disk"
    assert int(str(gap["from"])) <= safe
    assert int(str(gap["from"])) + int(str(gap["samples"])) >= 5.4 * 48_000


def test_a_chunk_whose_checksum_could_not_be_written_is_there_once(tmp_path: Path) -> None:
    room = studio(spare=True)
    room.run(8)
    fail(room, errno.EIO, {"write"}, "sums.0")
    room.run(8)
    room.end()
    folders = [tmp_path / place / "room" / "b" for place in ("data", "spare")]
    for folder, here in zip(folders, (DATA, Path("/spare")), strict=True):
        room.disk.lay_out(folder, here)
    finish_folders(folders, live_since=0.0, whole=None)
    index = build(folders[0])
    for codec in ("opus", "aac"):
        listed = index.codecs[codec].segments
        assert [segment.number for segment in listed] == [0, 1, 2]
        assert listed[1].duration / 48_000 == pytest.approx(6, abs=0.03), "all of the one in which it failed"
    assert index.gaps == []


def test_a_hole_within_a_segment_becomes_declared_silence(tmp_path: Path) -> None:
    """The disk hands out what it has taken last no more, as one does that was pulled out."""
    room = studio(spare=True)
    room.run(9)
    fail(room, errno.EIO, {"write", "sync"})
    room.run(8)
    room.end()
    for path, file in room.disk.files.items():
        if str(path).startswith("/data"):
            del file.data[file.safe :]
    folders = [tmp_path / place / "room" / "b" for place in ("data", "spare")]
    for folder, here in zip(folders, (DATA, Path("/spare")), strict=True):
        room.disk.lay_out(folder, here)
    finish_folders(folders, live_since=0.0, whole=None)
    index = build(folders[0])
    (gap,) = index.gaps
    assert gap.cause == "disk"
    for codec in ("opus", "aac"):
        (split,) = [segment for segment in index.codecs[codec].segments if segment.number == 1]
        data = (folders[0] / f"program/{codec}/1.m4s").read_bytes()
        stored = read_segment(codec, data)
        assert (split.bytes, stored.torn) == (len(data), False)
        at = split.media_time
        for chunk in stored.chunks:
            assert chunk.media_time == at, "no jump of decode time"
            at += chunk.units * UNIT_SAMPLES[codec]
        assert at == split.end
    again = {path: path.read_bytes() for path in folders[0].rglob("*.m4s")}
    finish_folders(folders, live_since=0.0, whole=None)
    assert {path: path.read_bytes() for path in folders[0].rglob("*.m4s")} == again, "done once"


def test_a_hole_that_nobody_declared_is_declared_when_it_is_filled(tmp_path: Path) -> None:
    room = studio(spare=True)
    room.run(9)
    fail(room, errno.EIO, {"write", "sync"})
    room.run(8)
    room.end()
    for path, file in room.disk.files.items():
        if str(path).startswith("/data"):
            del file.data[file.safe :]
        if "gaps" in path.name:
            file.data.clear()  # the stage did not live to write them
    folders = [tmp_path / place / "room" / "b" for place in ("data", "spare")]
    for folder, here in zip(folders, (DATA, Path("/spare")), strict=True):
        room.disk.lay_out(folder, here)
    finish_folders(folders, live_since=0.0, whole=None)
    (gap,) = build(folders[0]).gaps
    assert gap.cause == "lost"
    assert 0 < gap.samples <= 3 * 48_000


def test_what_the_last_fsync_of_a_failing_disk_has_saved_is_not_declared() -> None:
    room = studio(spare=True)
    room.run(5.5)
    fail(room, errno.EIO, {"write"})
    room.run(4.5)
    room.end()
    assert not [path for path in room.disk.files if "gaps" in path.name]
