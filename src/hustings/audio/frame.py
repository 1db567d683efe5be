"""The unit of sound inside a stage: one frame is 20 ms of mono at 48 kHz."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 48_000
FRAME_SAMPLES: Final = 960
FRAME_SECONDS: Final = 0.02

type Samples = NDArray[np.float32]
"""Mono samples of any length, nominal range +-1."""

type Frame = NDArray[np.float32]
"""Shape (960,), float32, nominal range +-1."""

_SILENCE: Final[Frame] = np.zeros(FRAME_SAMPLES, dtype=np.float32)
_SILENCE.setflags(write=False)


def silence() -> Frame:
    """One silent frame. Shared and read-only: test `frame is silence()` to skip work."""
    return _SILENCE
