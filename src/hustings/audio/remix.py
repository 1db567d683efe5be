"""The program once more, out of the speakers' own sound: levelled as it was live, with gains of one's own,
and without whoever is to be left out. Pure.

Live, each seat is levelled to -18 LUFS, the mix to -16, then limited (stage.seat, stage.engine). Here the
same is done in the same order. A gain of one's own comes after the levelling of its speaker, and the mix is
levelled by what it would be without such gains: otherwise it would take back, within seconds, what was
asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Frame, silence
from hustings.audio.level import SpeakingDetector, level_dbov
from hustings.audio.limiter import Limiter
from hustings.audio.loudness import Leveller

VOICE_LUFS: Final = -18.0
PROGRAM_LUFS: Final = -16.0
CEILING_DBTP: Final = -1.0
_RAMP: Final = (np.arange(1, FRAME_SAMPLES + 1) / FRAME_SAMPLES).astype(np.float32)


class _Voice:
    """One speaker, levelled as on the stage."""

    def __init__(self, gain_db: float, *, levelling: bool) -> None:
        self.factor = np.float32(10.0 ** (gain_db / 20.0))
        self.speaking = False
        self._detector = SpeakingDetector()
        self._leveller = Leveller(VOICE_LUFS, enabled=levelling)

    def process(self, frame: Frame | None, now: float) -> Frame | None:
        """The levelled frame, before the gain; None: silence."""
        if frame is None:
            self.speaking = self._detector.update(level_dbov(silence()), now)
            return None
        self.speaking = self._detector.update(level_dbov(frame), now)
        return self._leveller.process(frame, self.speaking)


class Remix:
    """Frame by frame. `voices`: whoever is in it, in the order of `push`; `gains`: dB by voice, 0 where none
    is named."""

    def __init__(self, voices: Sequence[str], gains: Mapping[str, float], *, levelling: bool = True) -> None:
        self._voices = [_Voice(gains.get(who, 0.0), levelling=levelling) for who in voices]
        self._leveller = Leveller(PROGRAM_LUFS, enabled=levelling)
        self._limiter = Limiter(CEILING_DBTP)
        self._late: Frame | None = None

    def push(self, frames: Sequence[Frame | None], at: int) -> Frame | None:
        """One frame of each voice, (960,), None for silence; `at`: media_time. Gives the mix of the frame
        before this one (the limiter looks ahead): None the first time."""
        return self._limited(self._mixed(frames, at / SAMPLE_RATE))

    def finish(self) -> Frame:
        """The mix of the last frame."""
        last = self._limited(silence())
        assert last is not None
        return last

    def _mixed(self, frames: Sequence[Frame | None], now: float) -> Frame:
        plain = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        total = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        for voice, frame in zip(self._voices, frames, strict=True):
            levelled = voice.process(frame, now)
            if levelled is not None:
                plain += levelled
                total += levelled * voice.factor
        before = np.float32(10.0 ** (self._leveller.gain_db / 20.0))
        self._leveller.process(plain, any(voice.speaking for voice in self._voices))
        after = np.float32(10.0 ** (self._leveller.gain_db / 20.0))
        if before == after:
            return total if after == 1.0 else total * after
        ramped: Frame = total * (before + (after - before) * _RAMP)
        return ramped

    def _limited(self, frame: Frame) -> Frame | None:
        """Without the limiter's delay."""
        out = self._limiter.process(frame)
        late, self._late = self._late, out
        if late is None:
            return None
        return np.concatenate((late[Limiter.delay :], out[: Limiter.delay]))
