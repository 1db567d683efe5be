"""Mix and mix-minus."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hustings.audio.mixer import mix


@given(st.integers(0, 13), st.integers(0, 2**32))
def test_mix_minus_and_own_voice_are_the_program(count: int, seed: int) -> None:
    frames = np.random.default_rng(seed).uniform(-1, 1, (count, 960)).astype(np.float32)
    total, minus = mix(frames)
    assert total.shape == (960,)
    assert minus.shape == (count, 960)
    assert total.dtype == minus.dtype == np.float32
    np.testing.assert_allclose(minus + frames, np.broadcast_to(total, frames.shape), atol=4e-6)


def test_own_voice_is_gone() -> None:
    """More than 100 dB down, where the issue asks for 40."""
    rng = np.random.default_rng(1)
    frames = np.zeros((13, 960), dtype=np.float32)
    frames[4] = rng.uniform(-1, 1, 960)
    _, minus = mix(frames)
    assert np.abs(minus[4]).max() == 0.0
    frames[5] = rng.uniform(-0.1, 0.1, 960)
    _, minus = mix(frames)
    assert np.abs(minus[4] - frames[5]).max() < 1e-5
    np.testing.assert_allclose(minus[5], frames[4], atol=1e-6)
