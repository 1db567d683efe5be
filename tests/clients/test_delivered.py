"""Sound on its timeline, the model player, percentiles."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.clients.delivered import Ages, PlayerModel, Timeline, WavWriter, percentile
from hustings.clients.sink import BACKLOG, Sink
from hustings.clock import FakeClock
from hustings.errors import Corrupt, HustingsError


def ramp(start: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A signal that says where each of its samples belongs."""
    return (np.arange(start, start + count) % 30_000 / 32_767).astype(np.float32)


def test_pieces_in_order_are_one_sound() -> None:
    timeline = Timeline(keep=True)
    for start in range(960, 9600, 960):
        timeline.place(start, ramp(start, 960))
    assert (timeline.gaps, timeline.repeated, timeline.start, timeline.end) == (0, 0, 960, 9600)
    assert np.array_equal(timeline.sound(), ramp(960, 8640))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40, unique=True), st.randoms())
def test_every_sample_lies_where_it_belongs(slots: list[int], random: object) -> None:
    timeline = Timeline(keep=True)
    for slot in slots:
        timeline.place(slot * 100, ramp(slot * 100, 150))
    sound = timeline.sound()
    assert timeline.start == slots[0] * 100
    assert len(sound) == timeline.end - timeline.start
    whole = ramp(timeline.start, len(sound))
    assert np.all((sound == whole) | (sound == 0))


def test_gap_and_repetition_are_counted() -> None:
    timeline = Timeline(keep=True)
    timeline.place(0, ramp(0, 960))
    timeline.place(1920, ramp(1920, 960))
    timeline.place(1920, ramp(1920, 960))
    timeline.place(2400, ramp(2400, 960))
    assert (timeline.gaps, timeline.gap_samples, timeline.repeated) == (1, 960, 2)
    assert timeline.end == 3360
    assert np.array_equal(timeline.sound()[1920:], ramp(1920, 1440))


def test_an_absurd_time_is_no_gap() -> None:
    timeline = Timeline()
    timeline.place(0, ramp(0, 960))
    with pytest.raises(Corrupt):
        timeline.place(1 << 60, ramp(0, 960))


def test_wav_keeps_the_timeline(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with WavWriter(path) as out:
        timeline = Timeline(out)
        timeline.place(0, np.full(960, 2.0, np.float32))
        timeline.place(480_000, np.full(960, -0.5, np.float32))
    with wave.open(str(path)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (48_000, 1, 2)
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    assert len(samples) == 480_960
    assert samples[0] == 32_767
    assert not samples[960:480_000].any()
    assert samples[-1] == -16383


def test_a_wav_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(HustingsError, match="cannot be written"):
        WavWriter(tmp_path / "missing" / "out.wav")


def test_the_model_player_stalls_when_it_runs_dry() -> None:
    player = PlayerModel(0.4)
    player.received(0.0, 0.2)
    player.check(5.0)
    assert player.stalls == 0, "it had not begun"
    player.received(5.0, 0.2)
    player.received(5.39, 0.2)
    assert player.stalls == 0
    player.received(5.7, 0.2)
    assert player.stalls == 1
    player.check(9.0)
    assert player.stalls == 1, "it fills its buffer again before it can stall again"
    player.received(9.0, 0.2)
    player.check(9.5)
    assert player.stalls == 2


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50), st.floats(1, 100))
def test_percentile_is_one_of_the_values(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9


def test_ages_in_milliseconds() -> None:
    ages = Ages()
    assert ages.percentile_ms(50) is None
    for number in range(1, 101):
        ages.add(number / 1000)
    assert (ages.percentile_ms(50), ages.percentile_ms(95)) == (50.0, 95.0)


def test_the_backlog_of_a_joiner_is_not_latency() -> None:
    clock = FakeClock()
    sink = Sink(clock)
    clock.advance(0.2)
    for start in range(0, 3 * 9600, 9600):
        sink.heard(start, ramp(start, 9600), clock.wall() - 0.6)
        clock.advance(BACKLOG / 10)
    clock.advance(0.2)
    sink.heard(28_800, ramp(28_800, 9600), clock.wall() - 0.25)
    result = sink.close()
    assert result.seconds_to_first_audio == 0.2
    assert result.latency_ms_p50 == pytest.approx(250, abs=0.2)
    assert (result.seconds, result.gaps, result.stalls) == (0.8, 0, 0)
