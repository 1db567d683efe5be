"""The program mixed anew: gains, levelling, the limiter, and where the sound lies."""

from __future__ import annotations

import numpy as np
import pytest

from hustings.audio.frame import FRAME_SAMPLES, Frame, Samples
from hustings.audio.normalise import Meter
from hustings.audio.remix import Remix
from hustings.audio.splice import silenced, spliced

SECOND = 48_000


def tone(hertz: float, seconds: float, level: float = 0.2) -> Samples:
    at = np.arange(round(seconds * SECOND)) / SECOND
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def mixed(voices: dict[str, Samples], gains: dict[str, float], *, levelling: bool = False) -> Samples:
    remix = Remix(list(voices), gains, levelling=levelling)
    length = len(next(iter(voices.values())))
    found: list[Frame] = []
    for at in range(0, length, FRAME_SAMPLES):
        out = remix.push([sound[at : at + FRAME_SAMPLES] for sound in voices.values()], at)
        if out is not None:
            found.append(out)
    return np.concatenate([*found, remix.finish()])


def test_what_needs_no_limiting_is_the_sum_where_it_was() -> None:
    one, other = tone(300, 1), tone(517, 1)
    sound = mixed({"a": one, "b": other}, {})
    assert sound.shape == one.shape
    np.testing.assert_allclose(sound, one + other, atol=1e-6)


def test_a_gain_is_that_gain_and_of_that_voice() -> None:
    one, other = tone(300, 1), tone(517, 1)
    sound = mixed({"a": one, "b": other}, {"a": 6.0, "b": -30.0})
    expected = one * 10 ** (6 / 20) + other * 10 ** (-30 / 20)
    np.testing.assert_allclose(sound, expected, atol=1e-5)


@pytest.mark.parametrize("gain", [0.0, 12.0])
def test_the_limiter_holds_minus_one_dbtp(gain: float) -> None:
    rng = np.random.default_rng(4)
    noise = np.clip(rng.normal(0, 0.4, 4 * SECOND), -1, 1).astype(np.float32)
    voices = {"a": tone(997, 4, 0.9), "b": noise, "c": tone(11_025, 4, 0.8)}
    sound = mixed(voices, dict.fromkeys(voices, gain))
    meter = Meter()
    meter.push(sound)
    assert meter.finish().true_peak <= -1.0
    assert np.abs(sound).max() > 0.7  # it is loud, all the same


def test_levelling_does_not_take_a_gain_back() -> None:
    """Levelled by what it would be without: 20 s later the difference is still there."""
    one = tone(300, 20, 0.1)
    plain = mixed({"a": one}, {}, levelling=True)
    louder = mixed({"a": one}, {"a": 6.0}, levelling=True)
    late = slice(17 * SECOND, 19 * SECOND)
    ratio = 20 * np.log10(np.sqrt(np.mean(louder[late] ** 2) / np.mean(plain[late] ** 2)))
    assert ratio == pytest.approx(6.0, abs=0.1)
    assert np.sqrt(np.mean(plain[late] ** 2)) > np.sqrt(np.mean(one[late] ** 2)) * 1.2  # and it is levelled


def test_silence_costs_nothing_and_is_silence() -> None:
    remix = Remix(["a"], {}, levelling=True)
    for at in range(0, SECOND, FRAME_SAMPLES):
        remix.push([None], at)
    assert not remix.finish().any()


def frames(sound: Samples) -> list[tuple[int, Frame]]:
    return [(at, sound[at : at + FRAME_SAMPLES]) for at in range(0, len(sound), FRAME_SAMPLES)]


def test_spliced_only_the_edges_are_touched() -> None:
    sound = tone(317, 1)
    found = np.concatenate(list(spliced(frames(sound), [(9_600, 19_200), (28_800, 29_760)])))
    assert found.shape == (10_560,)
    np.testing.assert_array_equal(found[480:9_120], sound[10_080:18_720])
    for edge in (0, 9_599, 9_600, 10_559):
        assert abs(found[edge]) < 1e-3
    assert np.abs(np.diff(found)).max() < np.abs(np.diff(sound)).max() * 1.1


def test_silenced_nothing_is_heard_and_the_rest_is_as_it_was() -> None:
    sound = tone(317, 1)
    found = list(silenced(frames(sound), [(10_000, 12_000), (30_000, 30_001)]))
    assert [at for at, _ in found] == [at for at, _ in frames(sound)]
    whole = np.concatenate([frame for _, frame in found])
    assert not whole[9_600:12_480].any()
    assert not whole[29_760:30_720].any()
    np.testing.assert_array_equal(whole[:9_120], sound[:9_120])
    np.testing.assert_array_equal(whole[12_960:29_280], sound[12_960:29_280])
    assert np.abs(np.diff(whole)).max() < np.abs(np.diff(sound)).max() * 1.1
