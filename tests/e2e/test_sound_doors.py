"""Speech from two `speak` clients to every door of a real server, and back to the speakers."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness import HUSTINGS, Room, Server, serve

from hustings.audio.frame import Frame
from hustings.audio.receiver import Pulled
from hustings.clients.listen import listen
from hustings.clients.script import Script, encode
from hustings.clients.speaker import Speaker
from hustings.errors import HustingsError

pytestmark = pytest.mark.e2e

DEMO = Path(__file__).parents[2] / "src" / "hustings" / "web" / "demo"


def tone(hertz: float) -> Script:
    """A second of a steady tone, looped."""
    time_ = np.arange(48_000) / 48_000
    sound = (0.2 * np.sin(2 * np.pi * hertz * time_)).astype(np.float32)
    frames: list[Frame] = list(sound.reshape(50, 960))
    return Script(encode(frames), loop=True)


class Voice:
    """A speaker in a thread, with what came back to him."""

    def __init__(self, room: Room, name: str, hertz: float) -> None:
        self.heard: list[Frame] = []
        self.stop = threading.Event()
        self.speaker = Speaker(room.whip_url, room.tickets[name], tone(hertz), returned=self._played)
        self.thread = threading.Thread(target=self.speaker.run, args=(self.stop,))
        self.thread.start()

    def _played(self, _now: float, pulled: Pulled) -> None:
        self.heard.append(pulled.frame.copy())

    def end(self) -> None:
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("sound"), levelling=False) as server:
        yield server


@pytest.fixture(scope="module")
def live(server: Server) -> Iterator[tuple[Room, Voice, Voice]]:
    """Ada says 500 Hz, Ben 1200 Hz."""
    room = server.room("Sound", speakers=["Ada", "Ben"])
    room.open()
    voices = Voice(room, "Ada", 500), Voice(room, "Ben", 1200)
    try:
        wait_until(lambda: all(voice.speaker.stats.frames_sent > 50 for voice in voices))
        room.start()
        room.wait_for_state("live")
        yield room, *voices
    finally:
        for voice in voices:
            voice.end()


def wait_until(condition: object, within: float = 20.0) -> None:
    assert callable(condition)
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def strength(sound: np.ndarray[tuple[int], np.dtype[np.float32]], hertz: float) -> float:
    """Amplitude of one tone: median over tenths of the last two seconds.

    In tenths, because a jitter buffer that adapts shifts the phase now and then.
    """
    tenths = sound[-96_000:][: len(sound[-96_000:]) // 4800 * 4800].reshape(-1, 4800)
    turn = np.exp(-2j * np.pi * hertz * np.arange(4800) / 48_000)
    return float(np.median(2 * np.abs(np.mean(tenths * turn, axis=1))))


def read_wav(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    with wave.open(str(path)) as source:
        return (np.frombuffer(source.readframes(source.getnframes()), "<i2") / 32768).astype(np.float32)


@pytest.mark.parametrize(
    ("via", "codec"), [("push", "opus"), ("push", "aac"), ("hls", "opus"), ("hls", "aac"), ("whep", "opus")]
)
def test_both_voices_come_out_of(
    live: tuple[Room, Voice, Voice], via: str, codec: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    heard = listen(live[0].audience_url, via=via, seconds=6, out=out, codec=codec)
    assert (heard.via, heard.codec, heard.ended_by) == (via, codec, "time")
    assert heard.seconds > 3
    assert heard.bytes > 8000
    assert heard.seconds_to_first_audio is not None
    if via != "whep":
        assert (heard.gaps, heard.repeated, heard.discontinuities) == (0, 0, 0)
        assert heard.latency_ms_p50 is not None
        assert 0 < heard.latency_ms_p50 < 3000
    sound = read_wav(out)
    assert strength(sound, 500) == pytest.approx(0.2, abs=0.08)
    assert strength(sound, 1200) == pytest.approx(0.2, abs=0.08)
    assert strength(sound, 800) < 0.02


@pytest.mark.parametrize("codec", ["opus", "aac"])
def test_both_voices_come_out_of_the_plain_stream(
    live: tuple[Room, Voice, Voice], codec: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    heard = listen(live[0].audience_url, via="stream", seconds=6, out=out, codec=codec)
    assert (heard.codec, heard.gaps, heard.repeated) == (codec, 0, 0)
    assert heard.seconds > 3
    assert heard.latency_ms_p50 is None
    sound = read_wav(out)
    assert strength(sound, 500) == pytest.approx(0.2, abs=0.08)
    assert strength(sound, 1200) == pytest.approx(0.2, abs=0.08)


def test_each_speaker_hears_the_other_and_not_himself(live: tuple[Room, Voice, Voice]) -> None:
    _, ada, ben = live
    wait_until(lambda: len(ada.heard) > 200 and len(ben.heard) > 200)
    for voice, own, other in ((ada, 500, 1200), (ben, 1200, 500)):
        sound = np.concatenate(voice.heard[-100:])
        assert strength(sound, other) == pytest.approx(0.2, abs=0.08)
        assert strength(sound, own) < 0.002, "own voice less than 40 dB down"


def test_a_wrong_ticket_is_one_sentence(server: Server, live: tuple[Room, Voice, Voice]) -> None:
    speaker = Speaker(live[0].whip_url, "wrong", tone(700))
    with pytest.raises(HustingsError) as refusal:
        speaker.run(threading.Event())
    assert "\n" not in str(refusal.value)


def test_speak_waits_for_the_doors_and_ends_with_its_file(server: Server, tmp_path: Path) -> None:
    room = server.room("Doors", speakers=["Cy"])
    frames: list[Frame] = [np.zeros(960, np.float32)] * 75
    speaker = Speaker(room.whip_url, room.tickets["Cy"], Script(encode(frames)))
    thread = threading.Thread(target=speaker.run, args=(threading.Event(),))
    thread.start()
    wait_until(lambda: speaker.stats.state == "waiting")
    assert speaker.stats.detail
    room.open()
    thread.join(20)
    assert not thread.is_alive()
    assert speaker.stats.state == "over"
    assert speaker.stats.frames_sent + speaker.stats.frames_skipped >= 70


def test_speak_and_listen_as_commands(server: Server, tmp_path: Path) -> None:
    room = server.room("Commands", speakers=["Dee"])
    room.open()
    speak = subprocess.Popen(
        [
            *(*HUSTINGS, "speak", room.slug, "--ticket", room.tickets["Dee"], "--loop"),
            *("--file", str(DEMO / "host.opus"), "--data", str(server.data)),
        ],
        stderr=subprocess.PIPE,
    )
    try:
        room.start()
        room.wait_for_state("live")
        out = subprocess.run(
            [*HUSTINGS, "listen", room.audience_url, "--seconds", "4", "--json"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        heard = json.loads(out)
        assert {"seconds", "bytes", "seconds_to_first_audio", "latency_ms_p50", "latency_ms_p95"} <= set(
            heard
        )
        assert {"stalls", "gaps", "discontinuities"} <= set(heard)
        assert heard["seconds"] > 2
    finally:
        speak.send_signal(signal.SIGTERM)  # SIGINT may be ignored: a shell in the background sees to that
        _, said = speak.communicate(timeout=20)
    assert speak.returncode == 0, said
    assert b"Traceback" not in said


def test_a_listener_is_told_the_end(server: Server) -> None:
    room = server.room("End", speakers=["Eve"])
    room.open()
    room.start()
    room.wait_for_state("live")
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(listen(room.audience_url, seconds=30).ended_by))
    thread.start()
    time.sleep(2)
    room.stop()
    thread.join(25)
    assert ended == ["ended"]


def test_a_speaker_is_back_within_five_seconds_after_the_stage_was_killed(server: Server) -> None:
    room = server.room("Killed", speakers=["Fay", "Gus"])
    room.open()
    voices = [Voice(room, "Fay", 500), Voice(room, "Gus", 1200)]
    try:
        wait_until(lambda: all(voice.speaker.stats.frames_sent > 50 for voice in voices))
        room.start()
        (stage,) = server.pids("stage")
        subprocess.run(["kill", "-9", str(stage)], check=True)
        killed = time.monotonic()
        wait_until(lambda: all(voice.speaker.stats.sessions == 2 for voice in voices), within=30)
        took = time.monotonic() - killed
        wait_until(lambda: all(voice.speaker.stats.state == "speaking" for voice in voices))
        # 5 s is the aim on a machine of its own; here others use the processors too.
        assert took < 12, f"{took:.1f} s"
    finally:
        for voice in voices:
            voice.end()
