"""Order, wrap, duplicates, bounds and accounting of waiting packets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audio.delay import DelayEstimator
from hustings.audio.jitter_buffer import JitterBuffer, unwrap


def buffer() -> JitterBuffer:
    return JitterBuffer(DelayEstimator(0.02, 0.08))


def insert(
    jitter_buffer: JitterBuffer, number: int, at: float | None = None, origin: int = 2**32 - 1920
) -> None:
    now = 10 + number * 0.02 if at is None else at
    timestamp = (origin + number * 960) % 2**32
    jitter_buffer.insert(
        (65_534 + number) % 2**16, timestamp, 960, b"\xf8" + bytes([number % 256]), None, now
    )


def drain(jitter_buffer: JitterBuffer) -> list[int]:
    out = []
    while (packet := jitter_buffer.first()) is not None:
        out.append(packet.payload[1])
        jitter_buffer.take(packet)
        jitter_buffer.next_time = packet.time + packet.duration
    return out


@given(st.integers(-(2**40), 2**40), st.integers(-(2**15) + 1, 2**15 - 1))
def test_unwrapping_finds_the_nearest(near: int, away: int) -> None:
    assert unwrap((near + away) % 2**16, near, 16) == near + away


@given(st.permutations(range(12)))
def test_any_order_comes_out_sorted_over_both_wraps(order: list[int]) -> None:
    jitter_buffer = buffer()
    for place, number in enumerate(order):
        insert(jitter_buffer, number, 10 + place * 0.001)
    assert drain(jitter_buffer) == list(range(12))


def test_duplicates_and_late_ones() -> None:
    jitter_buffer = buffer()
    for number in (0, 1, 2, 2, 0):
        insert(jitter_buffer, number, 10.0)
    assert drain(jitter_buffer) == [0, 1, 2]
    insert(jitter_buffer, 1, 10.1)
    counts = jitter_buffer.counts
    assert (counts.received, counts.played, counts.duplicate, counts.late) == (6, 3, 3, 0)
    jitter_buffer.next_time = (jitter_buffer.next_time or 0) + 960
    insert(jitter_buffer, 3, 10.1)
    assert jitter_buffer.counts.late == 1


def test_overlapping_packets_are_dropped_as_late() -> None:
    jitter_buffer = buffer()
    for offset in (0, 100, 200, 960):
        jitter_buffer.insert(offset, offset, 960, b"\xf8" + bytes([offset % 256]), None, 5.0)
    assert drain(jitter_buffer) == [0, 960 % 256]
    assert jitter_buffer.counts.late == 2


def test_more_than_fits_is_discarded() -> None:
    jitter_buffer = buffer()
    for n in range(500):
        jitter_buffer.insert(n, n * 120, 120, b"\xe0\x00", None, 10 + n * 0.0025)
    assert len(jitter_buffer) == JitterBuffer.MAX_PACKETS
    assert jitter_buffer.counts.discarded == 500 - JitterBuffer.MAX_PACKETS


@pytest.mark.parametrize("followers", [1, 2, 3])
def test_a_new_timeline_needs_three_witnesses(followers: int) -> None:
    jitter_buffer = buffer()
    for number in range(5):
        insert(jitter_buffer, number)
    assert drain(jitter_buffer) == [0, 1, 2, 3, 4]
    for number in range(5, 5 + followers):
        insert(jitter_buffer, number, origin=2**31)
    assert jitter_buffer.counts.restarts == (1 if followers == 3 else 0)
    before = jitter_buffer.next_time
    assert drain(jitter_buffer) == ([5, 6, 7] if followers == 3 else [])
    assert before is not None
    assert jitter_buffer.next_time is not None
    assert jitter_buffer.next_time >= before


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**16 - 1),
            st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 20_000)),
            st.sampled_from([120, 960, 2880, 5760]),
            st.floats(0.0, 5.0),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_every_packet_is_accounted(packets: list[tuple[int, int, int, float, bool]]) -> None:
    jitter_buffer = buffer()
    now, last = 0.0, None
    for sequence, timestamp, duration, wait, take in packets:
        now += wait
        jitter_buffer.insert(sequence, timestamp, duration, b"\xf8\x00", None, now)
        if take and (packet := jitter_buffer.first()) is not None:
            assert last is None or packet.time >= last
            last = packet.time + packet.duration
            jitter_buffer.take(packet)
            jitter_buffer.next_time = last
        counts = jitter_buffer.counts
        gone = counts.played + counts.late + counts.duplicate + counts.discarded
        assert counts.received == gone + len(jitter_buffer)
