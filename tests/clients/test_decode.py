"""CMAF chunks back into sound, against our own encoders."""

from __future__ import annotations

import numpy as np
import pytest

from hustings.audio.aac import AacEncoder
from hustings.audio.opus import OpusEncoder
from hustings.clients.decode import ChunkDecoder
from hustings.clients.delivered import Samples, Timeline
from hustings.cmaf.chunker import Chunker
from hustings.cmaf.init_segment import init_segment
from hustings.errors import Corrupt

SECONDS = 2


def tone() -> Samples:
    """A sweep: unlike a steady tone it fits in one place only."""
    time = np.arange(48_000 * SECONDS) / 48_000
    return np.asarray(0.3 * np.sin(2 * np.pi * (300 * time + 400 * time**2)), np.float32)


def delay_of(sound: Samples, reference: Samples) -> tuple[int, float]:
    """Samples by which `sound` lags, and the correlation there."""
    best = (0, -1.0)
    for lag in range(0, 1500, 4):
        count = min(len(sound) - lag, len(reference))
        a, b = sound[lag : lag + count], reference[:count]
        correlation = float(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))
        best = max(best, (lag, correlation), key=lambda each: each[1])
    return best


def test_opus_comes_back_on_its_timeline() -> None:
    encoder = OpusEncoder(64_000, application="audio", fec=False)
    chunker = Chunker("opus", 7, 0)
    sound = tone()
    chunks = [
        chunk
        for start in range(0, len(sound), 960)
        for chunk in chunker.push(encoder.encode(sound[start : start + 960]))
    ]
    decoder = ChunkDecoder(init_segment("opus", pre_skip=encoder.lookahead))
    assert decoder.codec == "opus"
    timeline = Timeline(keep=True)
    for chunk in chunks:
        for media_time, samples in decoder.decode(chunk.data):
            timeline.place(media_time, samples)
    assert (timeline.start, timeline.gaps, timeline.repeated) == (7 * 9600, 0, 0)
    lag, correlation = delay_of(timeline.sound(), sound)
    assert abs(lag - encoder.lookahead) <= 4
    assert correlation > 0.98


def test_aac_comes_back_on_its_timeline() -> None:
    encoder = AacEncoder()
    chunker = Chunker("aac", 0, 0)
    sound = tone()
    units = (encoder.encode(sound) + encoder.flush())[encoder.priming :]
    data = b"".join(chunk.data for unit in units for chunk in chunker.push(unit))
    decoder = ChunkDecoder(init_segment("aac", audio_specific_config=encoder.audio_specific_config))
    assert decoder.codec == "aac"
    timeline = Timeline(keep=True)
    for media_time, samples in decoder.decode(data):
        timeline.place(media_time, samples)
    assert (timeline.start, timeline.gaps, timeline.repeated) == (0, 0, 0)
    lag, correlation = delay_of(timeline.sound()[2048:], sound[2048:])
    assert lag <= 4
    assert correlation > 0.98


def test_garbage_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        ChunkDecoder(b"\0\0\0\x08moov")
    with pytest.raises(Corrupt):
        ChunkDecoder(init_segment("opus")).decode(b"\0\0\0\x08moof")
