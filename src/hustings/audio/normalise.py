"""Loudness of a finished program in two passes: measured by FFmpeg's ebur128 (ITU-R BS.1770-4, EBU Tech
3341), then one linear gain for all of it, so that nothing said gets louder or softer against the rest. Only
where a peak would pass the ceiling, a limiter holds that peak, at four times the sample rate: what counts is
the peak between the samples (BS.1770-4 annex 2).

All sound is mono at 48 kHz, float32, shape (n,).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import av.filter
import numpy as np

from hustings.audio.frame import SAMPLE_RATE, Samples

TARGET_LUFS: Final = -16.0
"""Integrated: what podcast directories ask for."""
CEILING_DBTP: Final = -1.0
LIMIT_DB: Final = -2.0
"""Where the limiter holds peaks: lossy codecs put up to a decibel on top."""
MAX_GAIN_DB: Final = 24.0
SILENT_LUFS: Final = -70.0
"""The absolute gate of BS.1770-4: nothing louder was heard."""
_OVERSAMPLED: Final = 4 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Measured:
    """What one pass found: integrated loudness in LUFS, true peak in dBTP, -inf for silence."""

    integrated: float
    true_peak: float


class Meter:
    """The first pass. Memory is constant."""

    def __init__(self) -> None:
        self._graph = _graph(("ebur128", "metadata=1:peak=true:framelog=quiet"))
        self._position = 0
        self._last: dict[str, str] = {}

    def push(self, samples: Samples) -> None:
        """Takes any number of samples."""
        self._graph.push(_frame(samples, self._position))
        self._position += samples.shape[0]
        self._drain()

    def finish(self) -> Measured:
        """Once, after the last sample."""
        # The filter speaks every 100 ms: silence, which the gate leaves out, brings the rest to words.
        self.push(np.zeros(SAMPLE_RATE // 2, dtype=np.float32))
        self._graph.push(None)
        self._drain()
        peak = float(self._last.get("lavfi.r128.true_peaks_ch0", 0.0))
        return Measured(
            float(self._last.get("lavfi.r128.I", SILENT_LUFS)),
            20.0 * math.log10(peak) if peak > 0.0 else -math.inf,
        )

    def _drain(self) -> None:
        for frame in _pulled(self._graph):
            if found := frame.metadata:
                self._last = found


def gain_for(measured: Measured, target: float = TARGET_LUFS) -> float:
    """Decibels that bring a program to `target`; 0 for one in which nothing was heard."""
    if measured.integrated <= SILENT_LUFS:
        return 0.0
    return max(-MAX_GAIN_DB, min(MAX_GAIN_DB, target - measured.integrated))


class Leveller:
    """The second pass: gain in dB, and the limiter if the measured peak needs one."""

    def __init__(self, gain: float, measured: Measured) -> None:
        self.limits = measured.true_peak + gain > LIMIT_DB
        self._factor = np.float32(10.0 ** (gain / 20.0))
        self._position = 0
        self._graph: av.filter.Graph | None = None
        if self.limits:
            ceiling = math.pow(10.0, LIMIT_DB / 20.0)
            self._graph = _graph(
                ("aresample", str(_OVERSAMPLED)),
                # latency: what comes out lies where it lay when it went in.
                ("alimiter", f"limit={ceiling:.6f}:attack=5:release=80:level=false:latency=true"),
                ("aresample", str(SAMPLE_RATE)),
            )

    def process(self, samples: Samples) -> Iterator[Samples]:
        """Any number of samples in; what is ready comes out, in all as much as went in."""
        louder = samples * self._factor
        if self._graph is None:
            yield louder
            return
        self._graph.push(_frame(louder, self._position))
        self._position += samples.shape[0]
        for frame in _pulled(self._graph):
            yield _samples(frame)

    def finish(self) -> Iterator[Samples]:
        """What is still inside, once, after the last sample."""
        if self._graph is not None:
            self._graph.push(None)
            for frame in _pulled(self._graph):
                yield _samples(frame)


def _graph(*filters: tuple[str, str]) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE, format="fltp", layout="mono", time_base=Fraction(1, SAMPLE_RATE)
    )
    nodes = [source, *(graph.add(name, options) for name, options in filters)]
    nodes += [graph.add("aformat", "sample_fmts=fltp:channel_layouts=mono"), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()
    return graph


def _frame(samples: Samples, position: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, dtype=np.float32).reshape(1, -1), format="fltp", layout="mono"
    )
    frame.sample_rate = SAMPLE_RATE
    frame.pts = position
    return frame


def _pulled(graph: av.filter.Graph) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):  # AVERROR(EAGAIN): push more; AVERROR_EOF: that was all
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame


def _samples(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)
