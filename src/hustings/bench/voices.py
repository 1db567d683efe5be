"""Sound for load: Opus packets made once and said again and again."""

from __future__ import annotations

import numpy as np

from hustings.audio.opus import OpusEncoder

LOOP_SECONDS = 10


def speech(seed: int, talking: bool, room: float) -> list[bytes]:
    """Opus packets of LOOP_SECONDS: something like a voice (filtered noise in syllables), or a quiet room."""
    random = np.random.default_rng(seed)
    samples = LOOP_SECONDS * 48_000
    noise = random.standard_normal(samples)
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(samples, 1 / 48_000)
    spectrum *= (frequencies > 90) / (1 + (frequencies / (300 + 60 * seed)) ** 2)
    voice = np.fft.irfft(spectrum, samples)
    voice /= np.sqrt(np.mean(voice**2))
    t = np.arange(samples) / 48_000
    syllables = np.clip(np.sin(2 * np.pi * (3.1 + 0.2 * seed) * t), 0.05, 1)
    level = 0.08 * syllables if talking else (10 ** (room / 20) if room > -127 else 0.0)
    encoder = OpusEncoder(32_000, application="voip", fec=True)
    frames = (voice * level).astype(np.float32).reshape(-1, 960)
    return [encoder.encode(frame) for frame in frames]
