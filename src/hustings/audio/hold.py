"""Hold music: a quiet loop made of sines, and other people's files made into one.

Whatever it is, it begins and ends in silence, so that it goes round without a click in any player.

`python -m hustings.audio.hold FILE.m4a` writes the built-in loop; tests compare it with web/audio/hold.m4a.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final, Literal

import av
import numpy as np
from numpy.typing import NDArray

from hustings.audio.frame import SAMPLE_RATE, Samples

type Reason = Literal["not a sound", "too short", "silent"]

BITRATE: Final = 40_000
"""bit/s of AAC-LC, mono."""
MAX_SECONDS: Final = 90
"""What is longer is cut: an edge holds all rooms' loops in memory."""
MIN_SECONDS: Final = 1
LOUDNESS: Final = 0.05
"""RMS a file is brought to (-26 dBFS): waiting, not listening."""
PEAK: Final = 0.5
_FADE_IN, _FADE_OUT = 0.5, 2.0
_BAR: Final = 4.0
_CHORDS: Final = (
    # Midi notes; the lowest first.
    (45, 57, 61, 64),
    (42, 57, 61, 66),
    (38, 57, 62, 66),
    (40, 56, 59, 64),
    (45, 57, 61, 64),
    (38, 54, 57, 62),
)


class Unusable(Exception):
    """No sound that can be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def loop() -> Samples:
    """The built-in one: 25 s of soft chords, mono, 48 kHz, float32, shape (n,)."""
    length = round((len(_CHORDS) * _BAR + 1.0) * SAMPLE_RATE)
    out = np.zeros(length)
    for bar, chord in enumerate(_CHORDS):
        for voice, note in enumerate(chord):
            start = bar * _BAR + voice * 0.35
            _add(out, start, _note(440.0 * 2.0 ** ((note - 69) / 12.0), _BAR + 0.6 - voice * 0.35))
    return _faded(out.astype(np.float32) * np.float32(0.2 / np.abs(out).max()))


def _note(hertz: float, seconds: float) -> NDArray[np.float64]:
    """Rises and falls slowly; two overtones that fade sooner, and a slight beat."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    shape = np.minimum(1.0, t / 0.6) * np.cos(np.pi / 2 * np.clip(t / seconds, 0.0, 1.0)) ** 2
    tone = sum(
        level * np.exp(-t * over * 0.5) * np.sin(2 * np.pi * hertz * over * (1.0 + beat) * t)
        for over, level, beat in ((1, 1.0, 0.0), (1, 0.6, 0.0015), (2, 0.25, 0.0), (3, 0.1, 0.0007))
    )
    return np.asarray(shape * tone, dtype=np.float64)


def _add(out: NDArray[np.float64], seconds: float, sound: NDArray[np.float64]) -> None:
    start = round(seconds * SAMPLE_RATE)
    room = min(out.shape[0] - start, sound.shape[0])
    out[start : start + room] += sound[:room]


def _faded(samples: Samples) -> Samples:
    count = samples.shape[0]
    begin, end = (min(count // 4, round(s * SAMPLE_RATE)) for s in (_FADE_IN, _FADE_OUT))
    samples = samples.copy()
    samples[:begin] *= np.linspace(0.0, 1.0, begin, dtype=np.float32) ** 2
    samples[count - end :] *= np.linspace(1.0, 0.0, end, dtype=np.float32) ** 2
    return samples


def rewrite(data: bytes) -> bytes:
    """Any file with sound in it as M4A: mono, at most MAX_SECONDS, levelled, silent at both ends.

    Raises Unusable.
    """
    samples = _decoded(data)
    if samples.shape[0] < MIN_SECONDS * SAMPLE_RATE:
        raise Unusable("too short")
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    if not rms > 1e-4:
        raise Unusable("silent")
    gain = min(LOUDNESS / rms, PEAK / max(1e-9, float(np.abs(samples).max())))
    return encode(_faded(samples * np.float32(gain)))


def _decoded(data: bytes) -> Samples:
    """The first MAX_SECONDS, as far as they can be read."""
    wanted = MAX_SECONDS * SAMPLE_RATE
    parts: list[Samples] = []
    have = 0
    try:
        with av.open(io.BytesIO(data), "r") as file:
            if not file.streams.audio:
                raise Unusable("not a sound")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            for frame in file.decode(audio=0):
                for piece in resampler.resample(frame):
                    samples = np.nan_to_num(piece.to_ndarray().reshape(-1))
                    parts.append(np.clip(samples, -4.0, 4.0).astype(np.float32))
                    have += samples.shape[0]
                if have >= wanted:
                    break
    except Unusable:
        raise
    except Exception:  # noqa: BLE001  # decoders raise whatever they like; what was read before counts
        if not parts:
            raise Unusable("not a sound") from None
    return np.concatenate(parts)[:wanted] if parts else np.zeros(0, dtype=np.float32)


def encode(samples: Samples) -> bytes:
    """M4A (AAC-LC) of mono samples at 48 kHz. The same samples give the same bytes on the same FFmpeg."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"brand": "M4A ", "fflags": "+bitexact"}) as file:
        stream = file.add_stream("aac", rate=SAMPLE_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = "fltp"
        stream.codec_context.bit_rate = BITRATE
        planar = np.ascontiguousarray(samples, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def decode(data: bytes) -> Samples:
    """What `encode` or `rewrite` gave, for tests and those who want to look. Raises Unusable."""
    return _decoded(data)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(encode(loop()))
