"""What reached a listener: the sound on its timeline, and the figures about how it came. Pure.

Sound comes in pieces that name their own place (media_time, 48 kHz samples). A place that is skipped is
a gap and is filled with silence, so that the WAV stays on the timeline; a place that comes twice is
kept once.
"""

from __future__ import annotations

import math
import wave
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hustings.errors import Corrupt, HustingsError

SAMPLE_RATE = 48_000
MAX_FILL = 600 * SAMPLE_RATE
"""A hole longer than ten minutes is no hole but a wrong time."""
MAX_AGES = 200_000
TOLERANCE = 0.001
"""Seconds by which a model player may be late without being heard to stall."""

type Samples = NDArray[np.float32]


class WavWriter:
    """48 kHz mono 16 bit, written as it comes."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise HustingsError(f"{path} cannot be written: {error.strerror}.") from error
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115  # closed by close()
        self._wave.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, samples: Samples) -> None:
        """Nominal +-1; what is louder is clipped."""
        self._wave.writeframesraw((np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes())

    def silence(self, count: int) -> None:
        while count > 0:
            block = min(count, SAMPLE_RATE)
            self._wave.writeframesraw(bytes(2 * block))
            count -= block

    def close(self) -> None:
        self._wave.close()
        self._file.close()


class Timeline:
    """Places pieces of sound one after the other and counts what does not fit."""

    def __init__(self, out: WavWriter | None = None, *, keep: bool = False) -> None:
        """`out` gets the sound as it comes; `keep` holds it in memory for `sound()`."""
        self._out = out
        self._keep = keep
        self._pieces: list[Samples] = []
        self.start: int | None = None
        self.end = 0
        self.gaps = 0
        self.gap_samples = 0
        self.repeated = 0

    @property
    def seconds(self) -> float:
        """From the first sample to the last, gaps included."""
        return 0.0 if self.start is None else (self.end - self.start) / SAMPLE_RATE

    def place(self, media_time: int, samples: Samples) -> None:
        """`samples` begin at `media_time`. Raises Corrupt when that is absurdly far ahead."""
        if self.start is None:
            self.start = self.end = media_time
        hole = media_time - self.end
        if hole > MAX_FILL:
            raise Corrupt(f"A piece of sound lies {hole / SAMPLE_RATE:.0f} s ahead of the one before.")
        if hole > 0:
            self.gaps += 1
            self.gap_samples += hole
            self._fill(hole)
        elif hole < 0:
            self.repeated += 1
            samples = samples[-hole:]
        if len(samples):
            self._append(samples)

    def sound(self) -> Samples:
        """Everything, when `keep` was set."""
        return np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)

    def _fill(self, count: int) -> None:
        self.end += count
        if self._keep:
            self._pieces.append(np.zeros(count, np.float32))
        if self._out is not None:
            self._out.silence(count)

    def _append(self, samples: Samples) -> None:
        self.end += len(samples)
        if self._keep:
            self._pieces.append(samples)
        if self._out is not None:
            self._out.write(samples)


class PlayerModel:
    """A player that starts with `prebuffer` seconds in hand and counts how often it runs dry."""

    def __init__(self, prebuffer: float) -> None:
        self._prebuffer = prebuffer
        self._received = 0.0
        self._dry_at: float | None = None
        self.stalls = 0

    def received(self, now: float, seconds: float) -> None:
        """`seconds` of new sound are there at monotonic `now`."""
        self.check(now)
        self._received += seconds
        if self._dry_at is not None:
            self._dry_at += seconds
        elif self._received >= self._prebuffer - TOLERANCE:
            self._dry_at = now + self._received

    def check(self, now: float) -> None:
        """Notices that the sound has run out by `now`."""
        if self._dry_at is not None and now > self._dry_at + TOLERANCE:
            self.stalls += 1
            self._dry_at = None
            self._received = 0.0


class Ages:
    """How old sound was on arrival, in seconds; percentiles by nearest rank."""

    def __init__(self) -> None:
        self._ages: deque[float] = deque(maxlen=MAX_AGES)

    def add(self, seconds: float) -> None:
        self._ages.append(seconds)

    def __len__(self) -> int:
        return len(self._ages)

    def percentile_ms(self, percent: float) -> float | None:
        """Milliseconds; None when nothing was measured."""
        return None if not self._ages else round(percentile(list(self._ages), percent) * 1000, 1)


def percentile(values: list[float], percent: float) -> float:
    """Nearest rank. `values` must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(slots=True)
class Listened:
    """The result of `hustings listen`; the first eight members are CONTRACT's."""

    seconds: float = 0.0
    """Sound received, gaps left out."""
    bytes: int = 0
    seconds_to_first_audio: float | None = None
    latency_ms_p50: float | None = None
    latency_ms_p95: float | None = None
    stalls: int = 0
    gaps: int = 0
    discontinuities: int = 0
    via: str = ""
    codec: str = ""
    repeated: int = 0
    reconnects: int = 0
    latency_against: str | None = None
    """What the latency was measured against, or None when this door tells no clock."""
    ended_by: str = ""
    """time, stopped, or what the server said: ended, draining, overload, endlist, closed."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
