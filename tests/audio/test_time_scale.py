"""Periods taken out and put in: lengths, continuity, spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from audio_network import clicks, speechlike
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audio.frame import SAMPLE_RATE, Samples
from hustings.audio.time_scale import MAX_LAG, MIN_LAG, accelerate, expand

_SPEECH = speechlike(20)


def tone(hertz: float, size: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(size) / SAMPLE_RATE)).astype(np.float32)


@pytest.mark.parametrize("hertz", [70.0, 100.0, 180.0, 320.0, 441.7, 1000.0, 3000.0])
def test_a_tone_stays_the_same_tone(hertz: float) -> None:
    sound = tone(hertz, 4 * 960)
    shorter, removed = accelerate(sound[960:])
    longer, inserted = expand(sound[:1920], sound[1920:])
    assert removed
    assert inserted
    assert len(shorter) == 2880 - removed
    assert len(longer) == 1920 + inserted
    for joined in (np.concatenate((sound[:960], shorter)), np.concatenate((sound[:1920], longer))):
        curvature = np.abs(np.diff(joined, 2))
        assert curvature.max() < np.abs(np.diff(sound, 2)).max() * 1.3 + 2e-5
        assert np.abs(joined).max() < 0.51


@settings(max_examples=150, deadline=None)
@given(st.integers(1920, 48_000 * 19), st.booleans())
def test_speech_anywhere_joins_without_a_click(place: int, faster: bool) -> None:
    before, here = _SPEECH[place - 1920 : place], _SPEECH[place : place + 1920]
    after = _SPEECH[place + 1920 : place + 5760]
    changed, amount = accelerate(here) if faster else expand(before, here)
    assert amount == 0 or MIN_LAG <= amount <= MAX_LAG
    assert len(changed) == 1920 + (-amount if faster else amount)
    joined = np.concatenate((before, changed, after))
    original = _SPEECH[place - 1920 : place + 5760]
    assert clicks(joined).max() < clicks(original).max() + 6


def test_what_does_not_resemble_itself_is_left_alone_unless_forced() -> None:
    noise = np.random.default_rng(3).standard_normal(1920).astype(np.float32) * 0.3
    assert accelerate(noise) == (noise, 0)
    assert expand(noise, noise[::-1].copy())[1] == 0
    assert accelerate(noise, force=True)[1] >= MIN_LAG
    assert expand(noise, noise[::-1].copy(), force=True)[1] >= MIN_LAG


def test_silence_may_be_cut_anywhere() -> None:
    nothing = np.zeros(1920, dtype=np.float32)
    assert accelerate(nothing)[1] >= MIN_LAG
    assert expand(nothing, nothing)[1] >= MIN_LAG


@pytest.mark.parametrize("size", [0, 1, 120, 240, 251])
def test_too_little_sound_is_left_alone(size: int) -> None:
    short = np.ones(size, dtype=np.float32)
    assert accelerate(short)[1] == 0
    assert expand(short, short)[1] == 0
