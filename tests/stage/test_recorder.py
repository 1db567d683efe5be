"""The recorder's queue, reports and end, without its threads: each round and each sync is made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from record_support import EVERYBODY, INIT, SILENT, MemoryDisk, Studio

from hustings.bus.messages import RecordingReport
from hustings.stage import recorder as module
from hustings.stage.recorder import Recorder
from hustings.stage.tap import Policy

DATA = Path("/data")
ON = Policy(True, False, EVERYBODY)


class Fed:
    """A hall whose ticks go to a recorder."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.ready: list[tuple[str, str]] = []
        self.recorder = Recorder([DATA], INIT, SILENT, lambda *who: self.ready.append(who), disk=self.disk)
        self.hall = Studio(MemoryDisk())
        for name, hertz in (("ada", 500.0), ("bob", 900.0)):
            self.hall.person(name, hertz).gain = 0.2
        self.hall.run(1.0)
        self.recorder.open("b", "room", 0)
        self.hall.live()
        self.now = 0.0
        self._given = len(self.hall.outputs)
        self._chunks = 0

    def run(self, seconds: float, *, rounds: bool = True, syncs: bool = True) -> None:
        for _ in range(round(seconds * 50)):
            self.hall.run(0.02)
            record = self.hall.outputs[-1].record
            if record is not None:
                self.recorder.tick("b", record)
            for chunk in self.hall.chunks[self._chunks :]:
                self.recorder.chunk(chunk)
            self._chunks = len(self.hall.chunks)
            self.now += 0.02
            if rounds:
                self.round(syncs)

    def round(self, syncs: bool = True) -> None:
        self.recorder.round(self.now)
        if syncs:
            while self.recorder._sync_once():
                pass

    def report(self, policy: Policy = ON, live: bool = True) -> RecordingReport:
        report = self.recorder.report("b", policy, live, 1000.0 + self.now)
        assert report is not None
        return report


def test_reports_say_how_it_stands() -> None:
    fed = Fed()
    assert fed.report(live=False).state == "off"
    fed.run(4)
    report = fed.report()
    assert (report.state, report.problem, report.since) == ("on", "", 1004.0)
    assert report.received == report.written + report.declared > 300
    assert 2 * 48_000 < report.safe_media_time <= 4 * 48_000
    assert report.bytes > 100_000
    assert fed.report(Policy(True, True, EVERYBODY)).state == "off_record"
    assert fed.report(Policy()).state == "off"
    fed.hall.policy(consents=frozenset({"ada"}))
    fed.run(1)
    assert fed.report().state == "waiting"
    assert fed.recorder.report("another", ON, True, 0.0) is None


def test_what_does_not_fit_into_the_queue_is_counted_and_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE", 100)
    fed = Fed()
    fed.run(3)
    fed.run(5, rounds=False)  # the disk hangs
    fed.run(3)
    report = fed.report()
    received = sum(seat.packets_received for seat in fed.hall.engine.seat_reports()) - 100
    assert report.received == report.written + report.declared
    assert report.received == pytest.approx(received, abs=40)  # the last wait for their place
    assert report.declared > 250
    fed.recorder.finish("b", None)
    fed.round()
    lines = bytes(fed.disk.files[DATA / "rooms/room/b/program/gaps.jsonl"].data)
    assert b'"cause":"disk"' in lines


def test_a_slow_sync_only_delays_what_counts_as_safe() -> None:
    fed = Fed()
    fed.run(4)
    before = fed.report()
    fed.run(4, syncs=False)
    after = fed.report()
    assert after.safe_media_time <= before.safe_media_time + 2 * 48_000
    assert after.bytes > before.bytes + 60_000
    fed.run(2)
    assert fed.report().safe_media_time > 8 * 48_000


def test_a_recording_goes_to_its_index_only_when_all_of_it_is_safe() -> None:
    fed = Fed()
    fed.run(3)
    fed.recorder.finish("b", 5.0)
    assert fed.recorder.report("b", ON, True, 0.0) is None
    fed.round(syncs=False)
    fed.round(syncs=False)
    assert not fed.recorder._over
    for _ in range(4):
        fed.now += 2
        fed.round()
    assert list(fed.recorder._over) == [([DATA / "rooms/room/b"], 5.0, None)]
    assert all(file.safe == len(file.data) and file.named for file in fed.disk.files.values())
    assert fed.disk.open_files == 0


def test_a_stage_that_only_stops_leaves_the_index_to_the_next() -> None:
    fed = Fed()
    fed.run(3)
    fed.recorder.finish("b", 5.0, index=False)
    for _ in range(4):
        fed.now += 2
        fed.round()
    assert not fed.recorder._over
    assert fed.disk.open_files == 0


def causes(hall: Studio) -> dict[str, str | None]:
    """Why what came in the last tick is not to be written."""
    record = hall.outputs[-1].record
    assert record is not None
    assert all(len(seat.packets) == 1 for seat in record.seats)
    return {seat.participant_id: seat.cause for seat in record.seats}


def test_a_packet_is_written_only_if_it_may_be_before_and_after() -> None:
    fed = Fed()
    fed.run(1)
    hall = fed.hall
    assert causes(hall) == {"ada": None, "bob": None}
    hall.policy(off_record=True)
    hall.run(0.02)
    assert causes(hall) == {"ada": "off_record", "bob": "off_record"}, "what came just before is not either"
    hall.policy()
    hall.run(0.02)
    assert causes(hall) == {"ada": "off_record", "bob": "off_record"}
    hall.run(0.02)
    assert causes(hall) == {"ada": None, "bob": None}
    hall.engine.place("bob", "green", "")
    hall.engine.mute("ada", True)
    hall.run(0.02)
    assert causes(hall) == {"ada": "muted", "bob": "off_stage"}
    hall.engine.place("bob", "stage", "")
    hall.engine.mute("ada", False)
    hall.policy(consents=frozenset({"bob"}))
    hall.run(0.04)
    assert causes(hall) == {"ada": "no_consent", "bob": None}
    hall.policy(on=False)
    hall.run(0.02)
    assert causes(hall) == {"ada": "off", "bob": "off"}
    assert hall.outputs[-1].record is not None
    assert hall.outputs[-1].record.blocked == "off"
