"""Opus by ctypes: both ways, loss, garbage, and changing encoders under a running decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from audio_network import clicks, frames_of, opus_packets, speechlike
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audio.frame import FRAME_SAMPLES, Samples
from hustings.audio.opus import OpusDecoder, OpusEncoder, has_fec, packet_duration
from hustings.errors import Corrupt

_SPEECH = speechlike(6)


def decode_all(packets: list[bytes]) -> Samples:
    decoder = OpusDecoder()
    return np.concatenate([decoder.decode(packet) for packet in packets])


def test_what_goes_in_comes_out_after_the_lookahead() -> None:
    encoder = OpusEncoder(64_000, application="audio", fec=False)
    assert encoder.lookahead == 312
    heard = decode_all([encoder.encode(frame) for frame in frames_of(_SPEECH)])
    size = len(heard) - 400
    scores = [np.corrcoef(heard[lag : lag + size], _SPEECH[:size])[0, 1] for lag in (310, 312, 314)]
    assert scores[1] > 0.99
    assert scores[1] == max(scores)


def test_voip_turns_phases() -> None:
    """Why program and returns use "audio": "voip" filters and models, the waveform is never kept."""
    encoder = OpusEncoder(64_000, application="voip")
    assert encoder.lookahead == 312
    heard = decode_all([encoder.encode(frame) for frame in frames_of(_SPEECH)])
    assert np.corrcoef(heard[312:], _SPEECH[: len(heard) - 312])[0, 1] < 0.9
    assert np.sqrt((heard**2).mean()) == pytest.approx(np.sqrt((_SPEECH**2).mean()), rel=0.1)


def test_encoders_take_two_channels() -> None:
    encoder = OpusEncoder(channels=2)
    packet = encoder.encode(np.zeros((FRAME_SAMPLES, 2), dtype=np.float32))
    assert packet[0] & 0b100, "the stereo bit of RFC 6716 section 3.1"
    assert OpusDecoder().decode(packet).shape == (FRAME_SAMPLES,)


def test_closed_means_closed() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    packet = encoder.encode(_SPEECH[:960])
    for codec in (encoder, decoder):
        codec.close()
        codec.close()
    with pytest.raises(ValueError, match="closed"):
        encoder.encode(_SPEECH[:960])
    with pytest.raises(ValueError, match="closed"):
        decoder.decode(packet)
    with pytest.raises(ValueError, match="closed"):
        OpusEncoder().continue_from(encoder)


def test_a_wrong_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="refuses"):
        OpusEncoder(complexity=11)
    with pytest.raises(ValueError, match="refuses"):
        OpusEncoder(channels=3)


def test_default_settings_carry_fec() -> None:
    packets = opus_packets(_SPEECH)
    assert sum(map(has_fec, packets)) > len(packets) * 0.4
    assert not any(map(has_fec, opus_packets(_SPEECH, fec=False)))
    assert not has_fec(b"")


def test_recovery_beats_concealment() -> None:
    packets = opus_packets(_SPEECH, expected_loss=20)
    reference = decode_all(packets)
    errors = {"fec": 0.0, "plc": 0.0}
    for n in range(40, 280, 9):
        if not has_fec(packets[n + 1]):
            continue
        true = reference[n * 960 : (n + 1) * 960]
        for way in errors:
            decoder = OpusDecoder()
            for packet in packets[:n]:
                decoder.decode(packet)
            heard = decoder.recover(packets[n + 1]) if way == "fec" else decoder.conceal()
            assert heard.shape == (960,)
            errors[way] += float(((heard - true) ** 2).sum())
    assert errors["fec"] < errors["plc"] * 0.7


def test_endless_concealment_dies_away() -> None:
    decoder = OpusDecoder()
    for packet in opus_packets(_SPEECH[:48_000]):
        decoder.decode(packet)
    last = [decoder.conceal() for _ in range(100)][-1]
    assert np.abs(last).max() < 0.02


@pytest.mark.parametrize("packet", [b"", b"\x03", b"\xff\x00", b"\xff\x3f", b"\x1b\x03"])
def test_durations_that_cannot_be(packet: bytes) -> None:
    with pytest.raises(Corrupt):
        packet_duration(packet)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_corrupt_or_sound(packet: bytes) -> None:
    decoder = OpusDecoder()
    try:
        samples = decoder.decode(packet)
    except Corrupt:
        return
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert len(samples) == packet_duration(packet)
    assert decoder.recover(packet).shape == (960,)


def test_duration_of_every_configuration() -> None:
    """RFC 6716 table 2."""
    expected = [480, 960, 1920, 2880] * 3 + [480, 960] * 2 + [120, 240, 480, 960] * 4
    assert [packet_duration(bytes([n << 3])) for n in range(32)] == expected
    assert packet_duration(bytes([31 << 3 | 1, 0])) == 1920
    assert packet_duration(bytes([31 << 3 | 3, 6])) == 5760


# -- one decoder, two encoders ---------------------------------------------------------------------------


def continued(shared: OpusEncoder, private: OpusEncoder, past: list[Samples]) -> None:
    private.continue_from(shared)


def primed(shared: OpusEncoder, private: OpusEncoder, past: list[Samples]) -> None:
    for frame in past[-5:]:
        private.encode(frame)
    private.disable_prediction_once()


def cold(shared: OpusEncoder, private: OpusEncoder, past: list[Samples]) -> None:
    pass


def switched(
    application: Literal["voip", "audio"], prepare: Callable[[OpusEncoder, OpusEncoder, list[Samples]], None]
) -> tuple[Samples, Samples]:
    """A tone under speech, heard through a change of encoder every 300 ms, and through one encoder only."""
    time = np.arange(len(_SPEECH)) / 48_000
    sound = _SPEECH * 0.5 + (0.1 * np.sin(2 * np.pi * 523 * time)).astype(np.float32)
    frames = frames_of(sound.astype(np.float32))
    current = OpusEncoder(application=application)
    packets: list[bytes] = []
    for n, frame in enumerate(frames):
        if n and n % 15 == 0:
            fresh = OpusEncoder(application=application)
            prepare(current, fresh, frames[:n])
            current = fresh
        packets.append(current.encode(frame))
    steady = OpusEncoder(application=application)
    return decode_all(packets), decode_all([steady.encode(frame) for frame in frames])


@pytest.mark.parametrize("application", ["voip", "audio"])
def test_a_continued_encoder_is_the_same_encoder(application: Literal["voip", "audio"]) -> None:
    heard, steady = switched(application, continued)
    assert np.array_equal(heard, steady)


@pytest.mark.parametrize("application", ["voip", "audio"])
def test_a_primed_encoder_makes_no_click(application: Literal["voip", "audio"]) -> None:
    heard, steady = switched(application, primed)
    assert clicks(heard).max() < clicks(steady).max() + 6
    assert np.abs(heard).max() < np.abs(steady).max() * 1.15
    assert joints(heard, steady) < 0.15


def test_a_cold_encoder_would_tear_a_hole() -> None:
    """The check above can see what it is for."""
    heard, steady = switched("audio", cold)
    assert joints(heard, steady) > 0.25


def joints(heard: Samples, steady: Samples) -> float:
    """Largest RMS difference to the steady encode in the 10 ms after a change, relative to its peak.

    Two encoders of the same sound differ by their coding noise, here by less than 0.1.
    """
    worst = 0.0
    for n in range(15, len(heard) // FRAME_SAMPLES, 15):
        part = slice(n * FRAME_SAMPLES, n * FRAME_SAMPLES + 480)
        worst = max(worst, float(np.sqrt(((heard[part] - steady[part]) ** 2).mean())))
    return worst / float(np.abs(steady).max())
