"""The mix and everybody's mix-minus.

Mix-minus is "all minus own": one sum and one subtraction, whatever the number of speakers.
float32 has 24 bits of mantissa, so the own voice cancels to about -140 dB of the mix.
Nothing clips here; the limiter comes after. Cost: about 6 us for 13 speakers
(`benchmarks/audio_cost.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hustings.audio.frame import FRAME_SAMPLES, Frame


def mix(frames: NDArray[np.float32]) -> tuple[Frame, NDArray[np.float32]]:
    """Mix `frames`, shape (n, 960), n >= 0.

    Returns the total, shape (960,), and what each speaker hears, shape (n, 960): the total without own voice.
    """
    if frames.shape[0] == 0:
        return np.zeros(FRAME_SAMPLES, dtype=np.float32), np.zeros((0, FRAME_SAMPLES), dtype=np.float32)
    total: Frame = np.add.reduce(frames, axis=0)
    return total, total - frames
