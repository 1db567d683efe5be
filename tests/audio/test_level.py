"""RFC 6464 levels and the speaking detector."""

from __future__ import annotations

import numpy as np
import pytest
from audio_network import frames_of, speechlike

from hustings.audio.frame import silence
from hustings.audio.level import SpeakingDetector, audio_level, level_dbov, voice_activity


def test_the_extension_byte() -> None:
    assert audio_level(0) == 0.0
    assert audio_level(0x80 | 33) == -33.0
    assert audio_level(127) == -127.0
    assert voice_activity(0x80)
    assert not voice_activity(0x7F)


def test_measured_levels() -> None:
    square = np.where(np.arange(960) % 96 < 48, 1.0, -1.0).astype(np.float32)
    assert level_dbov(square) == pytest.approx(0.0, abs=0.01)
    sine = np.sin(2 * np.pi * np.arange(960) / 48).astype(np.float32)
    assert level_dbov(sine) == pytest.approx(-3.01, abs=0.01)
    assert level_dbov(sine * np.float32(0.01)) == pytest.approx(-43.01, abs=0.01)
    assert level_dbov(silence()) == -127.0
    assert level_dbov(np.zeros(0, dtype=np.float32)) == -127.0


def talk(detector: SpeakingDetector, levels: list[float], now: float) -> list[bool]:
    return [detector.update(level, now + n * 0.02) for n, level in enumerate(levels)]


def test_onset_is_immediate_and_the_end_waits() -> None:
    detector = SpeakingDetector()
    assert not any(talk(detector, [-70.0] * 100, 0.0))
    assert talk(detector, [-25.0], 2.0) == [True]
    assert talk(detector, [-70.0] * 100, 2.02) == [True] * 40 + [False] * 60
    assert not detector.speaking


def test_steady_noise_stops_counting_as_speech() -> None:
    detector = SpeakingDetector()
    heard = talk(detector, [-42.0] * 1500, 0.0)
    assert not heard[-1]
    assert detector.noise_floor == pytest.approx(-42.0, abs=0.1)
    assert talk(detector, [-24.0], 31.0) == [True]


def test_speech_is_speech_at_any_gain() -> None:
    sound = speechlike(12)
    for gain in (1.0, 0.25, 0.1):
        detector = SpeakingDetector()
        spoken = [
            detector.update(level_dbov(frame * np.float32(gain)), n * 0.02)
            for n, frame in enumerate(frames_of(sound))
        ]
        assert 0.5 < np.mean(spoken) < 0.95


def test_a_clock_that_stands_or_jumps_does_no_harm() -> None:
    detector = SpeakingDetector()
    assert detector.update(-20.0, 10.0)
    assert detector.update(-20.0, 5.0)
    assert not detector.update(-80.0, 1e6)
