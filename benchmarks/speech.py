"""Real human speech for measurements: Debian's `pocketsphinx-testdata`, as two speakers of a dialogue."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
from alignment import RATE, Signal
from av.audio.resampler import AudioResampler

from hustings.errors import HustingsError

FOLDER = Path("/usr/share/pocketsphinx/test/data")
PEAK = 0.3
"""Of each utterance: two at once stay far below the limiter's ceiling."""


def dialogue(seconds: float) -> list[Signal]:
    """Two signals of equal length: turns that alternate, and every third pair of turns overlaps by a second.

    Raises HustingsError when the package is not installed.
    """
    first = _utterances(sorted(FOLDER.glob("librivox/*.wav")))
    second = _utterances(
        [*sorted(FOLDER.glob("cards/*.wav")), FOLDER / "goforward.raw", FOLDER / "numbers.raw"]
    )
    length = round(seconds * RATE)
    tracks = [np.zeros(length, np.float32), np.zeros(length, np.float32)]
    position, turn = round(0.5 * RATE), 0
    while position < length - RATE:
        for track, utterances in zip(tracks, (first, second), strict=True):
            piece = utterances[turn % len(utterances)][: max(0, length - position)]
            track[position : position + len(piece)] += piece
            # The next voice begins after a pause, or a second before this one has ended.
            position += len(piece) + round((-1.0 if turn % 3 == 2 and len(piece) > 2 * RATE else 0.6) * RATE)
        turn += 1
    return tracks


def write_wav(path: Path, signal: Signal) -> None:
    """48 kHz mono 16 bit."""
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes((np.clip(signal, -1, 1) * 32767).astype("<i2").tobytes())


def read_wav(path: Path) -> Signal:
    """What `write_wav` and `hustings listen --out` write."""
    with wave.open(str(path), "rb") as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), "<i2")
    return np.asarray(samples / 32768, np.float32)


def _utterances(paths: list[Path]) -> list[Signal]:
    if not paths or not all(path.exists() for path in paths):
        raise HustingsError(f"There is no speech in {FOLDER}; install the package pocketsphinx-testdata.")
    return [_normalised(_at_48k(path)) for path in paths]


def _at_48k(path: Path) -> Signal:
    if path.suffix == ".raw":  # 16 kHz mono 16 bit, as the package's own tests read it
        frame = av.AudioFrame.from_ndarray(np.fromfile(path, "<i2").reshape(1, -1), "s16", "mono")
        frame.sample_rate = 16_000
        frames = [frame]
    else:
        with av.open(str(path)) as source:
            frames = list(source.decode(source.streams.audio[0]))
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    pieces = [piece.to_ndarray()[0] for frame in [*frames, None] for piece in resampler.resample(frame)]
    return np.asarray(np.concatenate(pieces), np.float32)


def _normalised(signal: Signal) -> Signal:
    return np.asarray(signal * (PEAK / max(1e-6, float(np.max(np.abs(signal))))), np.float32)
