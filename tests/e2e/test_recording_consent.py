"""Who agreed is kept, who did not is not, and off the record nothing is: a real server, `hustings speak`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from harness import HUSTINGS, Room, Server, serve
from journey_support import HEARD, RATE, SILENT, tone_levels, voice_file

from hustings.archive.index import INDEX_NAME
from hustings.archive.lines import read_gaps
from hustings.archive.model import Index, decode_index

pytestmark = pytest.mark.e2e

STRETCH = 3.5
"""Seconds of the broadcast for each thing that is tried."""
EDGE = 1.0
"""Seconds around a change that may hold either."""


def until(condition: Callable[[], Any], within: float = 40.0) -> Any:
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
    return found


def recording(room: Room) -> dict[str, Any]:
    """As its hosts see it."""
    found: dict[str, Any] = room.server.api.room(room.slug)["host"]["recording"]
    return found


def media_time(room: Room) -> float:
    """Seconds since it went live, as the recording counts."""
    return float(recording(room)["safe_seconds"])


def post(server: Server, path: str, body: dict[str, Any], secret: str) -> None:
    answer = httpx.post(
        f"{server.studio_url}{path}",
        json=body,
        headers={"Authorization": f"Bearer {secret}"},
        trust_env=False,
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


class Voices:
    """`hustings speak`, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def speak(self, room: Room, name: str, who: str, *options: str) -> None:
        voice = voice_file(self._folder, who)
        command = [*HUSTINGS, "speak", room.slug, f"--ticket={room.tickets[name]}", f"--file={voice}"]
        command += ["--loop", f"--data={room.server.data}", *options]
        self._running.append(subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr))

    def end(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(10)


@pytest.fixture
def voices(tmp_path: Path) -> Iterator[Voices]:
    speakers = Voices(tmp_path)
    yield speakers
    speakers.end()


def stretch(room: Room, state: str) -> tuple[float, float]:
    """Waits until the recording is in `state`, and for a stretch of it; its middle, in seconds."""
    until(lambda: recording(room)["state"] == state)
    # What is safe now is older than the change; what becomes safe after a few seconds is not.
    begin = time.time() - live_since(room)
    until(lambda: media_time(room) >= begin + STRETCH)
    return begin + EDGE, begin + STRETCH - 0.2


def live_since(room: Room) -> float:
    started: str = room.server.api.room(room.slug)["started_at"]
    return time.mktime(time.strptime(started, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


def sound(path: str) -> np.ndarray:
    """Decoded, 48 kHz mono, by a program that knows nothing of us."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
    done = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(done.stdout, np.float32)


def tones(samples: np.ndarray, between: tuple[float, float], begins: float = 0.0) -> set[str]:
    """Whose voices are in there, from second to second of the broadcast."""
    first, last = (max(0, int((at - begins) * RATE)) for at in between)
    piece = samples[first:last]
    if len(piece) < RATE // 2:
        return set()
    levels = tone_levels(piece)
    assert all(level >= HEARD or level < SILENT for level in levels.values()), levels
    return {who for who, level in levels.items() if level >= HEARD}


def test_what_is_kept_is_what_was_agreed_to(tmp_path: Path, voices: Voices) -> None:
    with serve(tmp_path, levelling=False) as server:
        room = server.room("Kept", speakers=["Ada", "Ben"])
        room.open()
        voices.speak(room, "Ada", "host")
        room.start()
        until(lambda: room.state()["recording"])
        assert room.state()["recording"]["state"] == "on"

        alone = stretch(room, "on")
        voices.speak(room, "Ben", "guest", "--no-consent")
        not_agreed = stretch(room, "waiting")
        assert [each["name"] for each in recording(room)["not_agreed"]] == ["Ben"]
        assert room.state()["recording"]["state"] == "on"

        post(server, f"/api/rooms/{room.slug}/me/consent", {"agree": True}, room.tickets["Ben"])
        both = stretch(room, "on")
        assert recording(room)["not_agreed"] == []

        post(server, f"/api/rooms/{room.slug}/off-record", {"off": True}, server.token)
        off = stretch(room, "off_record")
        until(lambda: room.state()["recording"]["state"] == "off_record")
        post(server, f"/api/rooms/{room.slug}/off-record", {"off": False}, server.token)
        again = stretch(room, "on")

        post(server, f"/api/rooms/{room.slug}/me/consent", {"agree": False}, room.tickets["Ben"])
        taken_back = stretch(room, "waiting")
        room.stop()
        folder = next((server.data / "rooms" / room.slug).iterdir())
        until((folder / INDEX_NAME).exists)
    index = decode_index((folder / INDEX_NAME).read_bytes())
    assert index.whole
    _the_program(tmp_path, folder, index, (alone, both, again), (not_agreed, off, taken_back))
    _the_tracks(folder, index, both, again, (not_agreed, off, taken_back))


def _the_program(
    tmp_path: Path,
    folder: Path,
    index: Index,
    kept: tuple[tuple[float, float], ...],
    silent: tuple[tuple[float, float], ...],
) -> None:
    for codec in ("opus", "aac"):
        whole = tmp_path / f"{codec}.mp4"
        pieces = [folder / "program" / codec / "init.mp4"]
        pieces += [
            folder / "program" / codec / f"{segment.number}.m4s" for segment in index.codecs[codec].segments
        ]
        whole.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
        begins = index.codecs[codec].segments[0].media_time / RATE
        samples = sound(str(whole))
        found = [tones(samples, each, begins) for each in kept]
        assert found == [{"host"}, {"host", "guest"}, {"host", "guest"}], codec
        assert [tones(samples, each, begins) for each in silent] == [set()] * 3, codec
    causes = [gap.cause for gap in index.gaps if gap.cause in ("no_consent", "off_record")]
    # At the very beginning the stage may be live before the speaker's connection: nothing to declare then.
    assert [cause for n, cause in enumerate(causes) if n == 0 or causes[n - 1] != cause] == [
        "no_consent",
        "off_record",
        "no_consent",
    ]


def _the_tracks(
    folder: Path,
    index: Index,
    both: tuple[float, float],
    again: tuple[float, float],
    silent: tuple[tuple[float, float], ...],
) -> None:
    ada, ben = ([track for track in index.tracks if track.name == name] for name in ("Ada", "Ben"))
    assert ada
    assert ben, "what was kept before he took it back stays"
    for track in (*ada, *ben):
        assert track.received is not None
        assert track.declared is not None
        assert track.received == (track.written or 0) + track.declared
    for track, who in ((ben[0], "guest"), (ada[0], "host")):
        samples = sound(str(folder / track.file))
        begins = track.begins / RATE
        assert tones(samples, both, begins) == {who}
        assert tones(samples, again, begins) == {who}
        not_agreed, off, taken_back = (tones(samples, each, begins) for each in silent)
        assert off == set()
        # Who agreed goes on being kept in his own track, whoever else has not agreed.
        assert (not_agreed, taken_back) == (({"host"}, {"host"}) if who == "host" else (set(), set()))
    causes = {gap.cause for gap in read_gaps(folder / ben[0].file.replace(".opus", ".jsonl"))}
    assert {"off_record", "no_consent"} <= causes


def test_a_restarted_stage_knows_who_agreed_and_what_is_off_the_record(
    tmp_path: Path, voices: Voices
) -> None:
    with serve(tmp_path, levelling=False) as server:
        room = server.room("Again", speakers=["Ada", "Ben"])
        room.open()
        voices.speak(room, "Ada", "host")
        voices.speak(room, "Ben", "guest", "--no-consent")
        room.start()
        stretch(room, "waiting")
        _kill_the_stage(server)
        stretch(room, "waiting")
        post(server, f"/api/rooms/{room.slug}/off-record", {"off": True}, server.token)
        until(lambda: recording(room)["state"] == "off_record")
        _kill_the_stage(server)
        off = stretch(room, "off_record")
        post(server, f"/api/rooms/{room.slug}/off-record", {"off": False}, server.token)
        again = stretch(room, "waiting")
        room.stop()
        folder = next((server.data / "rooms" / room.slug).iterdir())
        until((folder / INDEX_NAME).exists)
    index = decode_index((folder / INDEX_NAME).read_bytes())
    ada = {track.epoch: track for track in index.tracks if track.name == "Ada"}
    assert {0, 1, 2} <= ada.keys()
    last = sound(str(folder / ada[2].file))
    assert tones(last, again, ada[2].begins / RATE) == {"host"}
    assert tones(last, off, ada[2].begins / RATE) == set()
    for track in index.tracks:
        if track.name == "Ben":
            assert not track.written, "nobody agreed for him, in no epoch"


def _kill_the_stage(server: Server) -> None:
    before = server.pids("stage")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: (found := server.pids("stage")) and found != before)
