"""What a speaker will say: Opus packets of 20 ms with their levels, encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, Frame
from hustings.audio.level import level_dbov
from hustings.audio.opus import OpusEncoder
from hustings.clients.delivered import Samples
from hustings.clients.sound_file import read_frames
from hustings.errors import HustingsError, UsageError

MAX_LOOP_FRAMES = 50 * 3600
"""A loop is encoded whole before it begins: an hour is 15 MB of packets and half a minute of work."""
BITRATE = 64_000
EXPECTED_LOSS = 10
"""Percent; below it libopus writes no copies at low bit rates."""
COMPLEXITY = 5


@dataclass(frozen=True, slots=True)
class Spoken:
    """One 20 ms packet and its RFC 6464 level in -dBov (0 loudest, 127 silence)."""

    packet: bytes
    level: int


@dataclass(slots=True)
class Steer:
    """How a script is encoded from its next frame on; whoever sends it may change this."""

    bitrate: int = BITRATE
    """Bit/s."""
    expected_loss: int = EXPECTED_LOSS
    """Percent: what in-band error correction is made for."""


def encode(frames: Iterable[Frame], *, steer: Steer | None = None) -> Iterator[Spoken]:
    """Packets that keep the sound as it is, music too. The first can be decoded without history.

    `voip`, which browsers use, takes away what is low: speech through it correlates 0.84 with what was
    spoken at any bitrate, through `audio` 0.98.
    """
    steer = steer or Steer()
    bitrate, loss = steer.bitrate, steer.expected_loss
    encoder = OpusEncoder(bitrate, application="audio", complexity=COMPLEXITY, expected_loss=loss)
    # A loop's last packet is followed by its first: that one must not lean on what was before.
    encoder.disable_prediction_once()
    for frame in frames:
        if (bitrate, loss) != (steer.bitrate, steer.expected_loss):
            bitrate, loss = steer.bitrate, steer.expected_loss
            encoder.tune(bitrate, COMPLEXITY)
            encoder.set_expected_loss(loss)
        yield Spoken(encoder.encode(frame), round(-level_dbov(frame)))
    encoder.close()


def frames_of(samples: Samples) -> Iterator[Frame]:
    """Cuts a signal into frames; the last one is padded with silence."""
    for start in range(0, len(samples), FRAME_SAMPLES):
        piece = samples[start : start + FRAME_SAMPLES]
        if len(piece) < FRAME_SAMPLES:
            piece = np.concatenate((piece, np.zeros(FRAME_SAMPLES - len(piece), np.float32)))
        yield np.asarray(piece, np.float32)


class Script:
    """Frame n of what is said, n only growing; None when it is over."""

    def __init__(self, spoken: Iterator[Spoken], *, loop: bool = False, steer: Steer | None = None) -> None:
        """`steer`: what `spoken` goes by; a loop is encoded already and goes by nothing.

        Raises HustingsError when there is nothing to say, UsageError for a loop over an hour."""
        self.steer = steer or Steer()
        self._loop: list[Spoken] = []
        self._source = spoken
        self._next = 0
        self._last: Spoken | None = None
        if loop:
            self._loop = _whole(spoken)

    @classmethod
    def from_file(cls, path: Path, *, loop: bool = False) -> Script:
        """Raises UsageError or HustingsError when the file cannot be read."""
        steer = Steer()
        return cls(encode(read_frames(path), steer=steer), loop=loop, steer=steer)

    @property
    def loop_seconds(self) -> float:
        """How long one round takes; 0 for a script that ends."""
        return len(self._loop) * 0.02

    def frame(self, number: int) -> Spoken | None:
        """Frame `number`; what lies before it is passed over for good."""
        if self._loop:
            return self._loop[number % len(self._loop)]
        while self._next <= number:
            self._last = next(self._source, None)
            self._next += 1
            if self._last is None:
                return None
        return self._last


def _whole(spoken: Iterator[Spoken]) -> list[Spoken]:
    whole: list[Spoken] = []
    for piece in spoken:
        whole.append(piece)
        if len(whole) > MAX_LOOP_FRAMES:
            raise UsageError("A loop may last an hour at most; give a shorter file or leave out --loop.")
    if not whole:
        raise HustingsError("There is no sound to loop.")
    return whole
