"""Disks that are full or slow, for real: small file systems in memory, a real stage, real threads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from record_support import INIT, SILENT, MemoryDisk, Studio
from recording_check import check
from recording_crash import BROADCAST, Killed, Speakers
from stage_support import until

from hustings.bus import subjects
from hustings.bus.messages import Done, RecordingReady, StageReport, StopBroadcast
from hustings.stage.record_files import LocalDisk
from hustings.stage.recorder import Recorder

pytestmark = pytest.mark.e2e


def mount(*options: str) -> bool:
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)):
        pytest.skip("nothing may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextlib.asynccontextmanager
async def recorded(scene: Killed):  # type: ignore[no-untyped-def]  # the lists' types say little
    """Two speakers on air, recorded; gives what the stage says."""
    await scene.start()
    ready: list[RecordingReady] = []
    stages: list[StageReport] = []
    await scene.bus.subscribe(subjects.RECORDING_READY, RecordingReady, ready.append)
    await scene.bus.subscribe(subjects.STAGE_REPORT, StageReport, stages.append)
    speakers = Speakers()
    try:
        await scene.stage()
        await scene.open(["ada", "bob"])
        for name in ("ada", "bob"):
            await speakers.connect(scene.bus, name)
        speakers.start()
        await scene.go_live()
        await until(lambda: bool(scene.reports) and scene.reports[-1].state == "on")
        yield ready, stages
    finally:
        speakers.stop()
        await scene.close()


async def test_a_full_disk_stops_the_recording_and_nothing_else(small_disk: Path) -> None:
    scene = Killed(small_disk)
    async with recorded(scene) as (ready, stages):
        await until(lambda: scene.reports[-1].state == "failing", 60)
        noticed = time.time()
        report = scene.reports[-1]
        assert report.problem == "The disk is full."
        end = max(each.end for each in check(scene.folder))
        assert noticed - (scene.live_since + end / 48_000) < 5, (
            "seconds since the last chunk that was written"
        )
        media_time, safe = stages[-1].media_time, report.safe_media_time
        assert safe <= end
        await until(lambda: stages[-1].media_time > media_time + 3 * 48_000)
        assert scene.reports[-1].safe_media_time == safe, "nothing more is said to be safe"
        assert mount("-o", "remount,size=40m", str(small_disk))
        await until(lambda: scene.reports[-1].state == "on", 40)
        await until(lambda: scene.reports[-1].safe_media_time > media_time + 3 * 48_000, 20)
        assert scene.reports[-1].problem == ""
        last = scene.reports[-1]
        assert last.received == last.written + last.declared
        await scene.bus.request(subjects.STAGE_STOP, StopBroadcast(broadcast_id=BROADCAST), Done)
        await until(lambda: bool(ready))
    index = json.loads((scene.folder / "recording.json").read_bytes())
    assert index["whole"] is False
    assert "disk" in {gap["cause"] for gap in index["gaps"]}
    assert [each.faults for each in check(scene.folder)] == [[]] * len(check(scene.folder))


async def test_a_full_disk_is_left_for_the_spare_one_until_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    assert mount("-o", "remount,size=40m", str(small_disk))
    spare = tmp_path / "spare"
    scene = Killed(small_disk, record_spare=str(spare))
    async with recorded(scene) as (ready, _):
        await until(lambda: scene.reports[-1].safe_media_time > 3 * 48_000)
        filler = small_disk / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(50_000_000))
        await until(lambda: "spare" in scene.reports[-1].problem, 30)
        assert scene.reports[-1].state == "on"
        at = scene.reports[-1].safe_media_time
        await until(lambda: scene.reports[-1].safe_media_time > at + 3 * 48_000, 30)
        assert list(spare.rglob("*.opus"))
        filler.unlink()
        await until(lambda: scene.reports[-1].problem == "", 30)
        await scene.bus.request(subjects.STAGE_STOP, StopBroadcast(broadcast_id=BROADCAST), Done)
        await until(lambda: bool(ready))
    index = json.loads((scene.folder / "recording.json").read_bytes())
    covered = sum(segment[2] for segment in index["codecs"]["opus"]["segments"])
    assert covered / index["duration"] > 0.9, "what went to the spare folder is there, too"
    parts = {track["file"] for track in index["tracks"]}
    assert len(parts) >= 4, "of each at least what came before and what came after"


class SlowDisk(LocalDisk):
    """Every fsync takes 2 s."""

    def sync(self, handle: int) -> None:
        time.sleep(2.0)
        super().sync(handle)


def test_a_slow_fsync_delays_no_write(tmp_path: Path) -> None:
    hall = Studio(MemoryDisk())
    hall.person("ada", 500.0).gain = 0.2
    hall.run(1.0)
    hall.live()
    recorder = Recorder([tmp_path], INIT, SILENT, lambda _broadcast, _slug: None, disk=SlowDisk())
    recorder.start()
    recorder.open("b", "room", 0)
    grown: list[float] = [time.monotonic()]
    size = 0
    longest = 0.0
    start = time.monotonic()
    for tick in range(300):
        hall.run(0.02)
        record = hall.outputs[-1].record
        if record is None:  # what came before the first tick was said behind closed doors
            continue
        before = time.monotonic()
        recorder.tick("b", record)
        longest = max(longest, time.monotonic() - before)
        time.sleep(max(0.0, start + tick * 0.02 - time.monotonic()))
        path = tmp_path / "rooms/room/b/tracks/ada.0.opus"
        now = path.stat().st_size if path.exists() else 0
        if now > size:
            size = now
            grown.append(time.monotonic())
    recorder.finish("b", None, index=False)
    recorder.stop(30)
    assert max(after - before for before, after in pairwise(grown)) < 1.2
    assert len(grown) > 15
    assert longest < 0.1, "the tick never waits"
