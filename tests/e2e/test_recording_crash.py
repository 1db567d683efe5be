"""A real stage process is killed while it records: what is left plays, and the next one goes on with it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from recording_check import check
from recording_crash import BROADCAST, Killed, Speakers, one_kill
from stage_support import until

from hustings.bus import subjects
from hustings.bus.messages import Done, RecordingReady, StopBroadcast

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("after", [2.3, 4.9, 7.71])
async def test_what_a_killed_stage_leaves_plays_to_the_last_second(after: float, tmp_path: Path) -> None:
    left, killed, sent = await one_kill(tmp_path, after)
    assert [each.name for each in left] == ["ada.0.opus", "bob.0.opus", "program/opus", "program/aac"]
    for each in left:
        assert each.faults == []
        assert (killed - each.end) / 48_000 <= 1.0
        assert each.received == each.written + each.declared
    for name in ("ada", "bob"):
        track = next(each for each in left if each.name.startswith(name))
        # What the last line of totals says is at most as old as the time between two.
        assert sent[name] - 150 <= track.received <= sent[name] + 50


async def test_a_restarted_stage_goes_on_in_the_same_recording_and_declares_the_gap(tmp_path: Path) -> None:
    scene = Killed(tmp_path)
    await scene.start()
    ready: list[RecordingReady] = []
    await scene.bus.subscribe(subjects.RECORDING_READY, RecordingReady, ready.append)
    speakers = Speakers()
    try:
        process = await scene.stage()
        await scene.open(["ada"])
        await speakers.connect(scene.bus, "ada")
        speakers.start()
        await scene.go_live()
        await until(lambda: bool(scene.reports) and scene.reports[-1].safe_media_time > 2 * 48_000)
        assert scene.reports[-1].state == "on"
        process.kill()
        process.wait()
        speakers.stop()
        before = {path: path.read_bytes() for path in scene.folder.rglob("*") if path.is_file()}
        await scene.stage()
        scene.epoch = 1
        await scene.open(["ada"])
        speakers = Speakers()
        await speakers.connect(scene.bus, "ada")
        speakers.start()
        count = len(scene.reports)
        await until(lambda: len(scene.reports) > count and scene.reports[-1].safe_media_time > 4 * 48_000, 30)
        await scene.bus.request(subjects.STAGE_STOP, StopBroadcast(broadcast_id=BROADCAST), Done)
        await until(lambda: bool(ready))
    finally:
        speakers.stop()
        await scene.close()
    assert (ready[0].broadcast_id, ready[0].slug) == (BROADCAST, "crash")
    for path, data in before.items():
        assert path.read_bytes().startswith(data), "nothing that was there is changed"
    left = check(scene.folder)
    assert {each.name for each in left} >= {"ada.0.opus", "ada.1.opus", "program/opus", "program/aac"}
    index = json.loads((scene.folder / "recording.json").read_bytes())
    assert index["whole"] is False
    assert [gap["cause"] for gap in index["gaps"]] == ["lost"]
    assert index["duration"] / 48_000 == pytest.approx(index["ended_at"] - index["live_since"], abs=2)
    second = next(track for track in index["tracks"] if track["epoch"] == 1)
    assert second["received"] == second["written"] + second["declared"]


async def test_a_recording_nobody_goes_on_with_is_indexed_by_the_next_stage(tmp_path: Path) -> None:
    await one_kill(tmp_path, 2.5)
    scene = Killed(tmp_path)
    await scene.start()
    ready: list[RecordingReady] = []
    await scene.bus.subscribe(subjects.RECORDING_READY, RecordingReady, ready.append)
    try:
        await scene.stage()
        await asyncio.sleep(15)
        assert not (scene.folder / "recording.json").exists(), "it might still be gone on with"
        await until(lambda: bool(ready), 30)
    finally:
        await scene.close()
    index = json.loads((scene.folder / "recording.json").read_bytes())
    assert index["whole"] is False
    assert {track["participant_id"] for track in index["tracks"]} == {"ada", "bob"}
