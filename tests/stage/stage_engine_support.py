"""Speakers for the engine's tests: Opus packets on a fake clock, no socket, no thread."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hustings.audio.level import level_dbov
from hustings.audio.opus import OpusDecoder, OpusEncoder
from hustings.bus.messages import Place
from hustings.stage.engine import BroadcastEngine, TickOutput
from hustings.stage.webrtc.rtp import RtpStream

type Sound = NDArray[np.float32]


def tone(hertz: float, frames: int, gain: float = 0.2, start: int = 0) -> Sound:
    """`frames` frames of a sine, from frame `start` of it on."""
    t = np.arange(start * 960, (start + frames) * 960) / 48000
    return (gain * np.sin(2 * math.pi * hertz * t)).astype(np.float32)


def power_db(samples: Sound, hertz: float) -> float:
    """Power within 12 Hz of a frequency, dB."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(samples), 1 / 48000) - hertz) <= 12
    return 10 * math.log10(float(spectrum[near].sum()) + 1e-20)


def all_packets(output: TickOutput) -> dict[str, bytes]:
    """By session, speakers' and listeners'; of who is sent several the last."""
    packets = dict(output.packets)
    for batch in output.audience:
        packets |= {session: payload for session in batch.sessions for payload, _ in batch.parts}
    return packets


class Person:
    """One participant: sends a tone or silence, decodes the return feed without a break."""

    def __init__(self, engine: BroadcastEngine, name: str, hertz: float, bitrate: int = 48_000) -> None:
        self.engine = engine
        self.name = name
        self.hertz = hertz
        self.gain = 0.0
        self.sending = True
        self.session = ""
        self.heard: list[Sound] = []
        self.packets: list[bytes] = []
        self._frame = 0
        self._sessions = 0
        self._bitrate = bitrate
        self._decoder = OpusDecoder()

    def connect(
        self, *, muted: bool = False, returns: bool = True, place: Place = "stage", aside: str = ""
    ) -> str:
        """A new session; gives what it replaced."""
        self._sessions += 1
        self.session = f"{self.name}-{self._sessions}"
        self._stream = RtpStream(
            zlib.crc32(self.session.encode()), 111, sequence=65530, timestamp=2**32 - 5000, level_id=1
        )
        self._encoder = OpusEncoder(self._bitrate, application="audio", fec=False)
        return self.engine.connect(
            self.session,
            participant_id=self.name,
            name=self.name.title(),
            role="speaker",
            muted=muted,
            payload_type=111,
            level_id=1,
            returns=returns,
            place=place,
            aside=aside,
        )

    def send(self, now: float) -> None:
        frame = tone(self.hertz, 1, self.gain, self._frame)
        self._frame += 1
        if self.sending:
            level = -round(level_dbov(frame))
            data = self._stream.next(self._encoder.encode(frame), level=level)
            self.engine.packet(self.session, data, now)

    def take(self, packet: bytes) -> None:
        self.packets.append(packet)
        self.heard.append(self._decoder.decode(packet))

    def sound(self, frames: int = 0) -> Sound:
        """What was heard, or its last `frames` frames."""
        return np.concatenate(self.heard[-frames:])


class Hall:
    """Engine, people and a clock that only moves when told."""

    def __init__(self, **options: object) -> None:
        options.setdefault("levelling", False)
        self.now = 1000.0
        self.wall = 1_790_000_000.0
        self.engine = BroadcastEngine("20261122T160000-abcdef", "room", **options)  # type: ignore[arg-type]  # test's
        self.voice_bitrate = 48_000
        self.people: list[Person] = []
        self.outputs: list[TickOutput] = []

    def person(self, name: str, hertz: float, **options: Any) -> Person:
        person = Person(self.engine, name, hertz, self.voice_bitrate)
        person.connect(**options)
        self.people.append(person)
        return person

    def run(self, seconds: float) -> None:
        """Packets arrive 5 ms before each tick."""
        for _ in range(round(seconds / 0.02)):
            for person in self.people:
                person.send(self.now - 0.005)
            self.tick()

    def tick(self, skipped: int = 0) -> TickOutput:
        output = self.engine.tick(self.now, self.wall, skipped)
        self.outputs.append(output)
        packets = all_packets(output)
        for person in self.people:
            if person.session in packets:
                person.take(packets[person.session])
        self.now += 0.02
        self.wall += 0.02
        return output

    def seat(self, name: str) -> dict[str, object]:
        seat = next(seat for seat in self.engine.seat_reports() if seat.participant_id == name)
        return {field: getattr(seat, field) for field in seat.__struct_fields__}
