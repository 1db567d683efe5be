"""A real server whose recordings are on disks that fail for real: the broadcast goes on, the host learns of
it within 5 s, what was said to be safe is there, and the rest is declared."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from disk_support import LoopDisk, faulty_disk, loop_disk
from harness import HUSTINGS, Room, Server, serve, until
from journey_support import voice_file
from pages_browser import chromium
from playwright.sync_api import expect
from recording_check import check

from hustings.archive.index import INDEX_NAME
from hustings.archive.model import Index, decode_index

pytestmark = pytest.mark.e2e

RATE = 48_000
ALARM = 5.0
"""Seconds within which the host's page has to know."""


@dataclass
class OnAir:
    """A room on air: somebody speaks, somebody listens."""

    server: Server
    room: Room
    listener: subprocess.Popen[bytes]
    told: list[tuple[str, float]] = field(default_factory=list)
    """What went wrong, and the seconds until the host's answer said so."""

    def recording(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.api.room(self.room.slug)["host"]["recording"]
        return found

    @property
    def folder(self) -> Path:
        return next(path for path in (self.server.data / "rooms" / self.room.slug).iterdir())

    def alarmed(self, what: str, problem: str) -> None:
        """Waits until the host is told, and notes how long it took."""
        began = time.monotonic()
        until(lambda: self.recording()["problem"].startswith(problem))
        self.told.append((what, round(time.monotonic() - began, 1)))
        assert self.told[-1][1] < ALARM

    def goes_on(self, seconds: int = 3) -> None:
        """So much more becomes safe."""
        before = self.recording()["safe_seconds"]
        until(lambda: self.recording()["safe_seconds"] >= before + seconds)

    def whole(self) -> None:
        """Back in the data folder, with nothing to complain about."""
        until(lambda: self.recording()["problem"] == "" and self.recording()["state"] == "on")
        self.goes_on(2)

    def heard(self) -> dict[str, Any]:
        """Ends the broadcast. What the listener got."""
        last = self.recording()
        assert last["received"] == last["written"] + last["declared"]
        self.room.stop()
        out, _ = self.listener.communicate(timeout=60)
        found: dict[str, Any] = json.loads(out)
        return found


@contextlib.contextmanager
def on_air(folder: Path, slug: str) -> Iterator[OnAir]:
    """`folder`: holds the data folder, whose `rooms` are on the disk in question, and the spare one."""
    with serve(folder, environment={"HUSTINGS_RECORD_SPARE": str(folder / "spare")}) as server:
        room = server.room("Disks", slug=slug, speakers=["Ada"])
        room.invite("Eve", role="cohost")
        room.open()
        voice = voice_file(folder, "host")
        command = [*HUSTINGS, "speak", slug, f"--ticket={room.tickets['Ada']}", f"--file={voice}", "--loop"]
        speaker = subprocess.Popen([*command, f"--data={server.data}"], stdout=sys.stderr, stderr=sys.stderr)
        try:
            room.start()
            listen = [*HUSTINGS, "listen", room.audience_url, "--via", "push", "--json"]
            listener = subprocess.Popen(listen, stdout=subprocess.PIPE)
            try:
                scene = OnAir(server, room, listener)
                until(lambda: scene.recording()["state"] == "on" and scene.recording()["safe_seconds"] > 3)
                yield scene
            finally:
                listener.kill()
                listener.communicate()
        finally:
            speaker.terminate()
            speaker.wait()


def no_gap(heard: dict[str, Any]) -> None:
    """The audience noticed nothing."""
    assert heard["ended_by"] == "ended"
    assert (heard["gaps"], heard["discontinuities"], heard["repeated"], heard["reconnects"]) == (0, 0, 0, 0)


def accounted(folder: Path) -> Index:
    """The recording's index; what is there decodes, what is not there is declared, of packets and program."""
    index = decode_index((folder / INDEX_NAME).read_bytes())
    assert [each.faults for each in check(folder) if each.faults] == []
    assert not index.whole
    # A part that began on a full disk may say nothing of its packets: the next one declares them.
    counts = [(track.received or 0, track.written or 0, track.declared or 0) for track in index.tracks]
    assert [each for each in counts if each[0] != each[1] + each[2]] == []
    covered = [(segment.media_time, segment.duration) for segment in index.codecs["opus"].segments]
    covered += [(gap.begins, gap.samples) for gap in index.gaps]
    at = 0
    for begins, samples in sorted(covered):
        assert begins <= at + RATE // 2, f"nothing at {at / RATE:.2f} s, and nobody says so: {index.gaps}"
        at = max(at, begins + samples)
    assert at >= index.duration - RATE // 2
    return index


def there(folder: Path, safe: int) -> None:
    """In the files of the first part lies all that was said to be safe before it was over."""
    ends = {each.name: each.end for each in check(folder)}
    assert ends["program/opus"] >= safe * RATE, "the program reaches so far"
    tracks = [end for name, end in ends.items() if name.endswith(".0.opus") and name.count(".") == 2]
    assert max(tracks) >= safe * RATE, "and the track"


def test_a_disk_that_fails_in_every_way_and_gets_well_again(tmp_path: Path) -> None:
    """One broadcast: an fsync that takes 500 ms; EIO of writes, of fsync; EROFS; each time the spare folder,
    and back."""
    with faulty_disk(tmp_path, tmp_path / "data" / "rooms") as disk, on_air(tmp_path, "faulty") as scene:
        disk.fault(fsync=("", 0.5))
        scene.goes_on(6)
        assert (scene.recording()["state"], scene.recording()["problem"]) == ("on", "")
        for what, problem, calls in (
            ("EIO of writes", "The disk fails.", {"write": ("EIO", 0)}),
            ("EIO of fsync", "The disk fails.", {"fsync": ("EIO", 0)}),
            ("EROFS", "The disk can only be read.", dict.fromkeys(("write", "create"), ("EROFS", 0))),
        ):
            disk.fault(**calls)
            scene.alarmed(what, problem)
            assert scene.recording()["problem"].endswith("The recording goes on in the spare folder.")
            scene.goes_on()
            disk.fault()
            scene.whole()
        no_gap(scene.heard())
        until((scene.folder / INDEX_NAME).exists)
        index = accounted(scene.folder)
        print(scene.told, f"{index.duration / RATE:.0f} s")
        parts = [track for track in index.tracks if track.name == "Ada"]
        assert len(parts) >= 7, "three times away and back"
        lost = sum(gap.samples for gap in index.gaps if gap.cause == "disk")
        assert lost < 3 * 4 * RATE, "each time at most what no fsync had covered"


def test_a_disk_that_hangs_and_one_that_is_full(tmp_path: Path) -> None:
    """ext4 on a loop device: frozen for some seconds, then filled to the last block."""
    with loop_disk(tmp_path, tmp_path / "data" / "rooms") as disk, on_air(tmp_path, "loop") as scene:
        with disk.frozen():
            scene.alarmed("frozen", "The disk does not answer.")
            assert scene.recording()["state"] == "failing"
            safe = scene.recording()["safe_seconds"]
        scene.whole()
        assert scene.recording()["safe_seconds"] > safe
        declared = scene.recording()["declared"]
        assert declared < 100, "what came meanwhile was kept in memory, and is written"
        filler = disk.fill()
        scene.alarmed("ENOSPC", "The disk is full.")
        scene.goes_on()
        filler.unlink()
        scene.whole()
        no_gap(scene.heard())
        until((scene.folder / INDEX_NAME).exists)
        accounted(scene.folder)
        print(scene.told)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [(LoopDisk.pull_out, "The disk fails."), (LoopDisk.read_only, "The disk can only be read.")],
    ids=["EIO", "EROFS"],
)
def test_a_disk_that_dies_leaves_what_was_safe(tmp_path: Path, fault: Any, problem: str) -> None:
    """ext4 on a loop device that is pulled out, or found damaged by the kernel. The spare folder has the
    rest, and both become one recording once the operator has repaired the disk."""
    with loop_disk(tmp_path, tmp_path / "data" / "rooms") as disk:
        with on_air(tmp_path, "dies") as scene, chromium() as browser:
            page = browser.new_context(locale="en").new_page()
            page.goto(scene.room.links["Eve"])
            expect(page.locator("#rec")).to_be_visible()
            scene.goes_on()
            name, safe = scene.folder.name, scene.recording()["safe_seconds"]
            began = time.monotonic()
            fault(disk)
            expect(page.locator("#rec-alarm")).to_be_visible()
            scene.told.append(("page", round(time.monotonic() - began, 1)))
            assert scene.told[-1][1] < ALARM
            assert scene.recording()["problem"].startswith(problem)
            scene.goes_on()
            no_gap(scene.heard())
            print(scene.told)
        assert list((tmp_path / "spare").rglob("*.opus"))
        disk.repair()
        folder = tmp_path / "data" / "rooms" / "dies" / name
        there(folder, safe)
        with serve(tmp_path, environment={"HUSTINGS_RECORD_SPARE": str(tmp_path / "spare")}):
            until((folder / INDEX_NAME).exists)
            index = accounted(folder)
        assert {"disk"} <= {gap.cause for gap in index.gaps}
