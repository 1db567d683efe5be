"""Packets joined to one decode to the very same sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audio.opus import OpusDecoder, OpusEncoder, packet_duration
from hustings.audio.opus_join import MAX_FRAME_BYTES, join


def speech(frames: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = np.sin(np.arange(960 * frames) / (20 + seed % 9)) * np.abs(np.sin(np.arange(960 * frames) / 9000))
    sound = (0.4 * shape + 0.02 * rng.standard_normal(960 * frames)).astype(np.float32)
    return list(sound.reshape(frames, 960))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("bitrate", [24_000, 64_000, 160_000])
def test_joined_packets_hold_the_same_samples(count: int, bitrate: int) -> None:
    encoder, apart, whole = OpusEncoder(bitrate, application="audio", fec=False), OpusDecoder(), OpusDecoder()
    packets = [encoder.encode(frame) for frame in speech(30, 1)]
    for start in range(0, 30, count):
        some = packets[start : start + count]
        joined = join(some)
        assert joined is not None
        assert packet_duration(joined) == count * 960
        heard = np.concatenate([apart.decode(packet) for packet in some])
        np.testing.assert_array_equal(whole.decode(joined), heard)
        assert len(joined) <= sum(map(len, some)) + 3


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=400), min_size=1, max_size=4), st.integers(0, 31), st.integers(0, 4))
def test_all_frames_come_out_as_they_went_in(bodies: list[bytes], configuration: int, odd: int) -> None:
    """Read as RFC 6716 3.2.5 says."""
    packets = [bytes((configuration << 3,)) + body for body in bodies]
    if 0 < odd < len(packets):  # another bandwidth, or two frames in it
        packets[odd] = bytes((packets[odd][0] ^ (8 if odd % 2 else 1),)) + packets[odd][1:]
        assert join(packets) is None
        return
    joined = join(packets)
    assert joined is not None
    if len(packets) == 1:
        assert joined == packets[0]
        return
    assert joined[0] == configuration << 3 | 3
    assert joined[1] == 0x80 | len(packets)
    at, sizes = 2, []
    for _ in bodies[:-1]:
        size, at = joined[at], at + 1
        if size >= 252:
            size, at = size + 4 * joined[at], at + 1
        sizes.append(size)
    sizes.append(len(joined) - at - sum(sizes))
    frames = []
    for size in sizes:
        frames.append(joined[at : at + size])
        at += size
    assert frames == bodies


def test_more_than_a_packet_should_have_is_not_joined() -> None:
    assert join([bytes(700)] * 3) is None
    assert join([bytes(MAX_FRAME_BYTES + 2), b"\0"]) is None
