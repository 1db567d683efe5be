"""Two passes: one gain for all of a program, and a limiter only for peaks that would pass the ceiling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from hustings.audio.frame import SAMPLE_RATE, Samples
from hustings.audio.loudness import Loudness
from hustings.audio.normalise import LIMIT_DB, Leveller, Measured, Meter, gain_for


def noise(seconds: float, level: float, seed: int = 1) -> Samples:
    random = np.random.default_rng(seed)
    return (random.standard_normal(round(seconds * SAMPLE_RATE)) * level).astype(np.float32)


def measured(sound: Samples, step: int = 50_000) -> Measured:
    meter = Meter()
    for at in range(0, len(sound), step):
        meter.push(sound[at : at + step])
    return meter.finish()


def levelled(leveller: Leveller, sound: Samples, step: int = 50_000) -> Samples:
    def parts() -> Iterator[Samples]:
        for at in range(0, len(sound), step):
            yield from leveller.process(sound[at : at + step])
        yield from leveller.finish()

    return np.concatenate(list(parts()))


def test_the_meter_agrees_with_our_own() -> None:
    sound = noise(12.0, 0.05)
    own = Loudness()
    for at in range(0, len(sound), 960):
        own.push(sound[at : at + 960])
    assert measured(sound).integrated == pytest.approx(own.integrated, abs=0.1)


def test_pauses_do_not_count() -> None:
    """BS.1770-4's gates: half an hour's silence between two speakers makes nobody louder."""
    speech = noise(8.0, 0.05)
    with_pause = np.concatenate([speech, np.zeros(20 * SAMPLE_RATE, dtype=np.float32), speech])
    assert measured(with_pause).integrated == pytest.approx(measured(speech).integrated, abs=0.3)


def test_silence_is_left_alone() -> None:
    found = measured(np.zeros(5 * SAMPLE_RATE, dtype=np.float32))
    assert found.true_peak == -np.inf
    assert gain_for(found) == 0.0
    leveller = Leveller(gain_for(found), found)
    assert not leveller.limits
    assert not levelled(leveller, np.zeros(SAMPLE_RATE, dtype=np.float32)).any()


def test_the_gain_is_the_same_for_all_of_it() -> None:
    quiet = np.concatenate([noise(6.0, 0.02), noise(6.0, 0.005, 2)])
    found = measured(quiet)
    leveller = Leveller(gain_for(found), found)
    assert not leveller.limits
    ratio = levelled(leveller, quiet) / quiet
    assert float(ratio.max()) == pytest.approx(float(ratio.min()), rel=1e-4)
    assert measured(quiet * ratio).integrated == pytest.approx(-16.0, abs=0.1)


def test_a_peak_is_held_between_the_samples_too_and_nothing_moves() -> None:
    sound = noise(10.0, 0.02)
    clicks = np.arange(SAMPLE_RATE // 2, len(sound) - SAMPLE_RATE, SAMPLE_RATE)
    # A quarter of the sample rate between its samples peaks 3 dB above them.
    burst = np.sin(np.arange(480) * np.pi / 2 + np.pi / 4).astype(np.float32) * 0.5
    for at in clicks:
        sound[at : at + 480] += burst
    found = measured(sound)
    leveller = Leveller(gain_for(found), found)
    assert leveller.limits
    result = levelled(leveller, sound)
    assert len(result) == len(sound)
    assert measured(result).true_peak <= LIMIT_DB + 0.3
    # Where the limiter rests, what comes out is what went in, louder, at the same place.
    rest = slice(6 * SAMPLE_RATE, 6 * SAMPLE_RATE + SAMPLE_RATE // 4)
    scores = [
        float(np.dot(result[rest], sound[rest.start + lag : rest.stop + lag])) for lag in range(-300, 301)
    ]
    assert int(np.argmax(scores)) - 300 == 0


@pytest.mark.parametrize("step", [480, 48_000])
def test_the_size_of_the_pieces_makes_no_difference(step: int) -> None:
    sound = noise(5.0, 0.1)
    found = measured(sound, step)
    assert found == measured(sound)
    leveller = Leveller(12.0, found)
    assert leveller.limits
    assert np.allclose(levelled(leveller, sound, step), levelled(Leveller(12.0, found), sound), atol=1e-5)
