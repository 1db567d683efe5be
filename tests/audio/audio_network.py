"""A terrible network with a seed and a fake clock, cheap codecs, and test signals for the audio tests."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Samples
from hustings.audio.opus import OpusEncoder
from hustings.audio.receiver import Pulled, Receiver, ReceiverStats
from hustings.errors import Corrupt

TICK = 0.02


@dataclass(frozen=True)
class Sent:
    """One RTP packet as it leaves: when (seconds), and its fields."""

    at: float
    sequence: int
    timestamp: int
    payload: bytes


@dataclass
class Fault:
    """What the network does between `start` and `end` (seconds of sending time)."""

    start: float = 0.0
    end: float = 1e9
    loss: float = 0.0
    burst: float = 2.5
    jitter: Callable[[random.Random], float] = lambda _: 0.0
    duplicate: float = 0.0


@dataclass
class Trace:
    """What came out of a receiver, tick by tick."""

    times: list[float] = field(default_factory=list)
    pulled: list[Pulled] = field(default_factory=list)
    stats: list[ReceiverStats] = field(default_factory=list)

    @property
    def sound(self) -> Samples:
        return np.concatenate([one.frame for one in self.pulled])

    def share(self, kind: str) -> float:
        return sum(one.kind == kind for one in self.pulled) / len(self.pulled)


def uniform(width: float) -> Callable[[random.Random], float]:
    """Extra delay between 0 and `width` seconds, each packet for itself: reorders."""
    return lambda dice: dice.uniform(0.0, width)


def stream(
    payloads: Iterable[bytes],
    *,
    start: float = 100.007,
    duration: int = FRAME_SAMPLES,
    sequence: int = 65_500,
    timestamp: int = 2**32 - 48_000,
    skew_ppm: float = 0.0,
) -> list[Sent]:
    """Packets of `duration` samples sent in step with a clock that is `skew_ppm` fast; both counters wrap."""
    step = duration / SAMPLE_RATE / (1.0 + skew_ppm * 1e-6)
    return [
        Sent(start + n * step, (sequence + n) % 2**16, (timestamp + n * duration) % 2**32, payload)
        for n, payload in enumerate(payloads)
    ]


def deliver(sent: list[Sent], faults: list[Fault], seed: int) -> list[Sent]:
    """What arrives, in order of arrival. Loss comes in bursts (two-state Markov chain)."""
    dice = random.Random(seed)
    arrived: list[Sent] = []
    losing = False
    for packet in sent:
        delay = 0.0
        copies = 1
        for fault in faults:
            if not fault.start <= packet.at < fault.end:
                continue
            leave = 1.0 / fault.burst
            enter = fault.loss * leave / (1.0 - fault.loss) if fault.loss < 1.0 else 1.0
            losing = dice.random() >= leave if losing and fault.loss < 1.0 else dice.random() < enter
            copies = 0 if losing else copies + (dice.random() < fault.duplicate)
            delay += fault.jitter(dice)
        for copy in range(copies):
            late = delay + copy * dice.uniform(0.0, 0.03)
            arrived.append(Sent(packet.at + late, packet.sequence, packet.timestamp, packet.payload))
    return sorted(arrived, key=lambda packet: packet.at)


def run(
    receiver: Receiver,
    arrived: list[Sent],
    *,
    start: float = 100.0,
    seconds: float,
    each: Callable[[float, Pulled], None] | None = None,
    keep: bool = True,
) -> Trace:
    """Push `arrived` at their times and pull every 20 ms from `start` for `seconds`."""
    trace = Trace()
    position = 0
    for tick in range(round(seconds / TICK)):
        now = start + tick * TICK
        while position < len(arrived) and arrived[position].at <= now:
            packet = arrived[position]
            receiver.push(packet.sequence, packet.timestamp, packet.payload, packet.at)
            position += 1
        pulled = receiver.pull(now)
        assert pulled.frame.shape == (FRAME_SAMPLES,)
        assert pulled.frame.dtype == np.float32
        if each is not None:
            each(now, pulled)
        if keep:
            trace.times.append(now)
            trace.pulled.append(pulled)
            trace.stats.append(receiver.stats)
    return trace


class Tape:
    """A stand-in for a codec: packet n holds `sound[n * 960 : (n + 1) * 960]` itself.

    Its packets look like Opus (TOC of a 20 ms CELT frame). Concealment repeats the last 20 ms, quieter.
    """

    def __init__(self, sound: Samples) -> None:
        self.sound = sound
        self.played: list[int] = []
        self._last = np.zeros(FRAME_SAMPLES, dtype=np.float32)

    def packets(self) -> list[bytes]:
        return [b"\xf8" + struct.pack(">I", n) for n in range(len(self.sound) // FRAME_SAMPLES)]

    def decode(self, packet: bytes) -> Samples:
        if len(packet) != 5:
            raise Corrupt("not of this tape")
        (number,) = struct.unpack(">I", packet[1:])
        if (number + 1) * FRAME_SAMPLES > len(self.sound):
            raise Corrupt("beyond the tape")
        self.played.append(number)
        self._last = self.sound[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES].copy()
        return self._last

    def conceal(self, samples: int = FRAME_SAMPLES) -> Samples:
        return np.resize(self._last * np.float32(0.7), samples).astype(np.float32)

    def recover(self, next_packet: bytes, samples: int = FRAME_SAMPLES) -> Samples:
        return self.conceal(samples)

    def reset(self) -> None:
        self._last = np.zeros(FRAME_SAMPLES, dtype=np.float32)

    def close(self) -> None:
        pass


def speechlike(seconds: float, seed: int = 7, pitch: float = 118.0) -> Samples:
    """Voiced syllables (gliding harmonics under an envelope), pauses and a little noise; peak about 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    glide = pitch * (1.0 + 0.08 * np.sin(2 * np.pi * 0.31 * time) + 0.03 * np.sin(2 * np.pi * 1.7 * time))
    phase = 2 * np.pi * np.cumsum(glide) / SAMPLE_RATE
    turn, power, voice = np.exp(1j * phase), np.ones_like(phase, dtype=complex), np.zeros_like(phase)
    for k in range(1, 24):
        power *= turn
        voice += (power * np.exp(1j * k * k)).imag / k**1.2
    coarse = np.arange(0.0, seconds + 0.01, 0.001)
    syllables = np.clip(np.sin(2 * np.pi * 2.3 * coarse) + 0.35, 0.0, 1.0) ** 0.7
    phrases = (np.sin(2 * np.pi * 0.17 * coarse + 0.4) > -0.6).astype(float)
    kernel = np.hanning(50) / np.hanning(50).sum()
    envelope = np.interp(time, coarse, np.convolve(syllables * phrases, kernel, mode="same"))
    sound = 0.2 * voice * envelope + 0.0008 * rng.standard_normal(time.size)
    return np.asarray(sound, dtype=np.float32)


def opus_packets(sound: Samples, **settings: int | bool) -> list[bytes]:
    """`sound` through our own encoder."""
    encoder = OpusEncoder(**settings)  # type: ignore[arg-type]  # only ints and bools are passed by the tests
    return [encoder.encode(part) for part in frames_of(sound)]


def frames_of(sound: Samples) -> list[Samples]:
    whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
    return list(sound[:whole].reshape(-1, FRAME_SAMPLES))


def clicks(sound: Samples, *, floor: float = 1e-4) -> NDArray[np.float64]:
    """How far each millisecond's energy above 14 kHz stands out, in dB over its surroundings.

    A click is a step, hence broadband and short; the test signals have almost nothing up there.
    """
    spectrum_taps = _HIGH_PASS
    high = np.convolve(sound.astype(np.float64), spectrum_taps, mode="valid")
    size = len(high) // 48 * 48
    energy = np.sqrt((high[:size].reshape(-1, 48) ** 2).mean(axis=1)) + floor
    padded = np.pad(energy, 20, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 41)
    return np.asarray(20 * np.log10(energy / np.median(windows, axis=1)))


def _design_high_pass() -> NDArray[np.float64]:
    taps = np.arange(-64, 65)
    low = 2 * 14_000 / SAMPLE_RATE * np.sinc(2 * 14_000 / SAMPLE_RATE * taps) * np.blackman(129)
    low /= low.sum()
    low *= -1
    low[64] += 1.0
    return np.asarray(low)


_HIGH_PASS = _design_high_pass()
