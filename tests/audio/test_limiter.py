"""True-peak limiter over hard material, measured with an independent 8-fold oversampling."""

from __future__ import annotations

import numpy as np
import pytest
from audio_network import frames_of, speechlike
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audio.frame import Samples
from hustings.audio.limiter import Limiter


def limit(sound: Samples, ceiling: float = -1.0) -> Samples:
    limiter = Limiter(ceiling)
    return np.concatenate([limiter.process(frame) for frame in frames_of(sound)])


def true_peak_db(sound: Samples) -> float:
    """8-fold oversampling by zero-padding the spectrum (periodic, so both ends fade)."""
    faded = sound.astype(np.float64).copy()
    faded[:480] *= np.linspace(0, 1, 480)
    faded[-480:] *= np.linspace(1, 0, 480)
    spectrum = np.fft.rfft(faded)
    padded = np.zeros(len(faded) * 4 + 1, dtype=complex)
    padded[: len(spectrum)] = spectrum
    return float(20 * np.log10(np.abs(np.fft.irfft(padded) * 8).max() + 1e-12))


def noise(seed: int, size: int = 48_000) -> Samples:
    return within_20_khz(np.random.default_rng(seed).standard_normal(size).astype(np.float32))


def within_20_khz(sound: Samples) -> Samples:
    """Where all that comes out of Opus ends (RFC 6716 table 1)."""
    spectrum = np.fft.rfft(sound)
    spectrum[len(sound) * 20_000 // 48_000 :] = 0
    return np.fft.irfft(spectrum).astype(np.float32)


def tone(hertz: float, phase: float = 0.0) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000 + phase).astype(np.float32)


def bursts() -> Samples:
    sound = np.zeros(48_000, dtype=np.float32)
    for n in range(40):
        start = 700 + n * 1117
        sound[start : start + 7 + n] = 3.0 * (-1) ** n
    return sound


HARD = {
    "noise": noise(1) * np.float32(2.0),
    "speech much too loud": speechlike(3) * np.float32(8.0),
    "square": np.sign(tone(317.0)) * np.float32(1.5),
    "a quarter of the rate, between the samples": tone(12_000.0, np.pi / 4) * np.float32(1.4),
    "6 kHz": tone(6000.0, 0.3) * np.float32(4.0),
    "bursts": bursts(),
    "one sample": np.eye(1, 48_000, 20_000, dtype=np.float32)[0] * np.float32(5.0),
    "swelling": tone(997.0) * np.linspace(0, 6, 48_000, dtype=np.float32),
    "beats": (tone(15_000.0) + tone(15_013.0)) * np.float32(1.5),
    "near the top": tone(19_000.0, 0.7) * np.float32(2.0),
}


@pytest.mark.parametrize("name", HARD)
def test_nothing_leaves_above_the_ceiling(name: str) -> None:
    out = limit(HARD[name])
    assert true_peak_db(out) <= -1.0
    assert true_peak_db(out) > -6.0 or name in {"one sample", "bursts"}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0.1, 20.0),
    st.integers(1, 40),
    st.floats(-9.0, -0.5),
)
def test_any_noise_under_any_envelope(seed: int, gain: float, width: int, ceiling: float) -> None:
    dice = np.random.default_rng(seed)
    envelope = np.repeat(dice.uniform(0, 1, 20_000 // width + 1) ** 3, width)[:19_200]
    band = np.convolve(noise(seed, 19_200), np.hanning(3 + seed % 20), mode="same")
    out = limit(within_20_khz((band * envelope * gain).astype(np.float32)), ceiling)
    assert true_peak_db(out) <= ceiling


def test_below_the_ceiling_it_is_a_delay() -> None:
    sound = speechlike(4)
    sound *= np.float32(0.8 / np.abs(sound).max())
    out = limit(sound)
    assert np.array_equal(out[Limiter.delay :], sound[: -Limiter.delay])
    assert not out[: Limiter.delay].any()


def test_it_recovers_exactly() -> None:
    sound = speechlike(6)
    sound[48_000:50_000] *= np.float32(8.0 / np.abs(sound[48_000:50_000]).max())
    sound *= np.float32(0.5 / np.abs(sound[96_000:]).max())
    out = limit(sound)
    later = slice(48_000 * 3, None)
    assert np.array_equal(out[later], sound[: len(out)][48_000 * 3 - Limiter.delay : -Limiter.delay])


def test_gain_has_no_steps() -> None:
    sound = bursts() + tone(400.0) * np.float32(0.3)
    out = limit(sound)
    quiet = np.abs(sound[: -Limiter.delay]) > 0.05
    gain = out[Limiter.delay :][quiet] / sound[: -Limiter.delay][quiet]
    together = np.diff(np.flatnonzero(quiet)) == 1
    assert np.abs(np.diff(gain))[together].max() < 0.005
    assert gain.max() <= 1.0 + 1e-6
