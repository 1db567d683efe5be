"""A green room on a real server: a guest waits, talks aside, is admitted, sent back and removed.

Real sockets and real Opus; who hears whom in every constellation is in tests/stage/test_places.py.
"""

from __future__ import annotations

import contextlib
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from harness import Room, Server, serve

from hustings.audio.frame import Frame, Samples
from hustings.audio.receiver import Pulled
from hustings.clients.listen import listen
from hustings.clients.script import Script, encode
from hustings.clients.speaker import Speaker
from hustings.errors import Refused

pytestmark = pytest.mark.e2e

TONES = {"Hanna": 500.0, "Cora": 900.0, "Gil": 1400.0}
UNDER = 10 ** (-15 / 20)


def tone(hertz: float) -> Script:
    """A second of a steady tone, looped."""
    sound = (0.2 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000)).astype(np.float32)
    frames: list[Frame] = list(sound.reshape(50, 960))
    return Script(encode(frames), loop=True)


def strength(sound: Samples, hertz: float) -> float:
    """Amplitude of one tone, 1 for what each of the three sends: median over tenths of a second."""
    tenths = sound[: len(sound) // 4800 * 4800].reshape(-1, 4800)
    turn = np.exp(-2j * np.pi * hertz * np.arange(4800) / 48_000)
    return float(np.median(2 * np.abs(np.mean(tenths * turn, axis=1)))) / 0.2


class Voice:
    """One who speaks, in a thread, with the last two seconds of what came back."""

    def __init__(self, room: Room, name: str) -> None:
        self.frames: list[Frame] = []
        self.stop = threading.Event()
        self.refused: Refused | None = None
        self.speaker = Speaker(room.whip_url, room.tickets[name], tone(TONES[name]), returned=self._played)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.speaker.run(self.stop)
        except Refused as error:
            self.refused = error

    def _played(self, _now: float, pulled: Pulled) -> None:
        self.frames.append(pulled.frame.copy())
        del self.frames[:-100]

    def hears(self) -> dict[str, float]:
        """Nothing while less than a second and a half came back."""
        if len(self.frames) < 75:
            return {}
        sound = np.concatenate(self.frames[-75:])
        return {name: strength(sound, hertz) for name, hertz in TONES.items()}

    def end(self) -> None:
        self.stop.set()
        self.thread.join(15)
        assert not self.thread.is_alive()


def matches(heard: dict[str, float], **wanted: float) -> bool:
    """Whether everybody of `wanted` is heard at that strength, and nobody else at all."""
    if not heard:
        return False
    for name, level in heard.items():
        low, high = (0.7 * wanted[name], 1.4 * wanted[name]) if name in wanted else (0.0, 0.02)
        if not low <= level <= high:
            return False
    return True


def becomes(what: Callable[[], dict[str, float]], **wanted: float) -> None:
    """Waits until that is what is heard."""
    end = time.monotonic() + 20
    while not matches(heard := what(), **wanted):
        assert time.monotonic() < end, f"heard {heard}, wanted {wanted}"
        time.sleep(0.2)


class Stage:
    """A live room with a green room, its hosts Hanna and Cora and the guest Gil, all of whom talk."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self.slug = str(self.post("/api/rooms", {"title": "Green", "green_room": True})["slug"])
        self.room = Room(server, self.slug)
        self.ids: dict[str, str] = {}
        for name, role in (("Hanna", "cohost"), ("Cora", "cohost"), ("Gil", "speaker")):
            answer = self.post(f"/api/rooms/{self.slug}/invitations", {"name": name, "role": role})
            self.room.tickets[name] = answer["ticket"]
            self.ids[name] = answer["participant_id"]

    def post(self, path: str, body: dict[str, Any], *, ticket: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {ticket or self._server.token}"}
        url = f"{self._server.studio_url}{path}"
        response = httpx.post(url, json=body, headers=headers, timeout=10, trust_env=False)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def do(self, what: str, body: dict[str, Any] | None = None) -> None:
        """Something with the guest."""
        self.post(f"/api/rooms/{self.slug}/participants/{self.ids['Gil']}/{what}", body or {})

    def aside(self, guest: str) -> None:
        body = {"guest_id": self.ids.get(guest, "")}
        self.post(f"/api/rooms/{self.slug}/participants/me/aside", body, ticket=self.room.tickets["Hanna"])

    def program(self) -> dict[str, float]:
        """What the audience hears now."""
        out = self._folder / "program.wav"
        listen(self.room.audience_url, via="push", seconds=2.5, out=out)
        with wave.open(str(out)) as source:
            samples = np.frombuffer(source.readframes(source.getnframes()), "<i2")
        sound: Samples = (samples / 32768).astype(np.float32)[-48_000:]
        return {name: strength(sound, hertz) for name, hertz in TONES.items()}

    def names(self) -> set[str]:
        """Whom the public state shows on the stage."""
        return {person["name"] for person in self.room.state()["participants"]}


@contextlib.contextmanager
def everybody(stage: Stage) -> Iterator[dict[str, Voice]]:
    voices = {name: Voice(stage.room, name) for name in TONES}
    try:
        yield voices
    finally:
        for voice in voices.values():
            voice.end()


def test_the_way_of_a_guest(tmp_path: Path) -> None:
    with serve(tmp_path, levelling=False) as server:
        stage = Stage(server, tmp_path)
        stage.room.open()
        with everybody(stage) as voices:
            hanna, cora, gil = (voices[name] for name in TONES)
            becomes(hanna.hears, Cora=1)
            becomes(gil.hears)  # before live: nothing
            stage.room.start()
            stage.room.wait_for_state("live")

            becomes(gil.hears, Hanna=1, Cora=1)
            becomes(cora.hears, Hanna=1)
            becomes(stage.program, Hanna=1, Cora=1)
            assert stage.names() == {"Hanna", "Cora"}

            stage.aside("Gil")
            becomes(hanna.hears, Gil=1, Cora=UNDER)
            becomes(gil.hears, Hanna=1, Cora=UNDER)
            becomes(cora.hears)
            becomes(stage.program, Cora=1)

            stage.aside("")
            stage.do("admit")
            becomes(hanna.hears, Gil=1, Cora=1)
            becomes(stage.program, Hanna=1, Cora=1, Gil=1)
            assert stage.names() == {"Hanna", "Cora", "Gil"}

            stage.do("send-back")
            becomes(cora.hears, Hanna=1)
            becomes(gil.hears, Hanna=1, Cora=1)
            becomes(stage.program, Hanna=1, Cora=1)

            stage.do("remove", {"ban": False})
            gil.thread.join(20)
            assert not gil.thread.is_alive()
            assert gil.refused is not None
            becomes(hanna.hears, Cora=1)
