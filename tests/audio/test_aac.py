"""AAC-LC: units line up with the samples they are said to hold."""

from __future__ import annotations

import av
import numpy as np
import pytest
from audio_network import speechlike

from hustings.audio.aac import UNIT_SAMPLES, AacEncoder
from hustings.audio.frame import Samples


def decode(units: list[bytes], config: bytes) -> Samples:
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = config
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    parts = []
    for unit in units:
        parts += [np.asarray(frame.to_ndarray()).reshape(-1) for frame in decoder.decode(av.Packet(unit))]
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("pushes", [960, 1024, 333, 9600])
def test_unit_k_holds_samples_k_times_1024_on(pushes: int) -> None:
    sound = speechlike(2)
    encoder = AacEncoder(128_000)
    units: list[bytes] = []
    for start in range(0, len(sound), pushes):
        units += encoder.encode(sound[start : start + pushes])
    units += encoder.flush()
    config = encoder.audio_specific_config
    assert config[:2] == bytes([0x11, 0x88]), "AAC-LC, 48 kHz, mono (ISO/IEC 14496-3 1.6.2.1)"
    heard = decode(units, config)[encoder.priming * UNIT_SAMPLES :][: len(sound)]
    assert len(heard) == len(sound)
    for k in range(10, 80, 7):
        part = slice(k * UNIT_SAMPLES, (k + 1) * UNIT_SAMPLES)
        if np.abs(sound[part]).max() < 0.05:
            continue
        assert np.corrcoef(heard[part], sound[part])[0, 1] > 0.98


def test_a_decoder_may_join_at_any_unit() -> None:
    sound = speechlike(2)
    encoder = AacEncoder(128_000)
    units = (encoder.encode(sound) + encoder.flush())[encoder.priming :]
    heard = decode(units[39:60], encoder.audio_specific_config)[UNIT_SAMPLES:]
    assert np.corrcoef(heard, sound[40 * UNIT_SAMPLES : 60 * UNIT_SAMPLES])[0, 1] > 0.98


def test_ninety_six_kilobits_leave_the_waveform_as_it_was() -> None:
    """FFmpeg's default coder reaches 28.7 dB here."""
    sound = speechlike(4)
    sound *= np.float32(0.5 / np.abs(sound).max())
    encoder = AacEncoder(96_000)
    units = encoder.encode(sound) + encoder.flush()
    heard = decode(units, encoder.audio_specific_config)[encoder.priming * UNIT_SAMPLES :][: len(sound)]
    error = heard - sound
    assert 10 * np.log10(np.dot(sound, sound) / np.dot(error, error)) > 31
    assert np.abs(heard).max() < np.abs(sound).max() * 1.02
