"""RTCP: reports that say what was lost, read back as they were written; nothing but Corrupt leaves `read`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.errors import Corrupt
from hustings.stage.webrtc import rtcp
from hustings.stage.webrtc.rtp import build, is_rtcp


def packet(number: int, ssrc: int = 7) -> bytes:
    return build(111, number, number * 960, ssrc, b"sound")


def block(reception: rtcp.Reception, now: float) -> rtcp.Block:
    [found] = rtcp.read(rtcp.write(1, reception.block(now))).blocks
    return found


def test_each_report_tells_the_loss_since_the_one_before() -> None:
    reception = rtcp.Reception()
    assert reception.block(0.0) == b""
    for number in range(65_500, 65_600):  # over the wrap
        if number % 4:
            reception.take(packet(number), number * 0.02)
    first = block(reception, 0.0)
    assert first.ssrc == 7
    assert first.lost == pytest.approx(0.25, abs=0.02)
    assert first.lost_in_all in (24, 25)
    assert first.highest == 65_599
    for number in range(65_600, 65_700):
        reception.take(packet(number), number * 0.02)
    second = block(reception, 0.0)
    assert second.lost == 0.0
    assert second.lost_in_all == first.lost_in_all
    assert second.jitter < 0.001


def test_duplicates_and_late_ones_are_no_negative_loss() -> None:
    reception = rtcp.Reception()
    for number in [0, 1, 2, 2, 2, 4, 3, 5]:
        reception.take(packet(number), 0.0)
    found = block(reception, 0.0)
    assert found.lost == 0.0
    assert found.lost_in_all == -2
    assert found.highest == 5


def test_a_new_stream_is_counted_anew() -> None:
    reception = rtcp.Reception()
    for number in (1, 2, 3):
        reception.take(packet(number), 0.0)
    for number in (40_000, 40_001):
        reception.take(packet(number, ssrc=8), 0.0)
    assert block(reception, 0.0)[:3] == (8, 0.0, 0)


def test_jitter_is_smoothed_as_the_rfc_says() -> None:
    reception, dice = rtcp.Reception(), random.Random(1)
    for number in range(2000):
        reception.take(packet(number % 65_536), number * 0.02 + dice.uniform(0, 0.06))
    assert block(reception, 0.0).jitter == pytest.approx(0.02, abs=0.008)


def test_the_round_trip_is_what_both_clocks_agree_on() -> None:
    """We report at 100.0, it takes 30 ms there, rests 400 ms, takes 50 ms back."""
    sent = rtcp.Sent(timestamp=4_800_000, packets=5000, octets=600_000)
    report = rtcp.write(7, b"", sent=sent, ntp=rtcp.NTP_EPOCH + 100.0)
    assert is_rtcp(report)
    sender = rtcp.read(report).sender
    assert sender is not None
    assert sender[0] == 7
    there = rtcp.Reception()
    there.take(packet(1), 500.0)
    there.sender_report(sender, 500.03)
    answer = block(there, 500.43)
    assert answer.delay == pytest.approx(0.4, abs=0.001)
    assert rtcp.round_trip(answer, rtcp.NTP_EPOCH + 100.48) == pytest.approx(0.08, abs=0.001)
    assert rtcp.round_trip(answer._replace(last_report=0), rtcp.NTP_EPOCH + 100.48) is None
    assert rtcp.round_trip(answer, rtcp.NTP_EPOCH + 99.0) is None, "an answer before the question"


def test_what_browsers_send_is_read_through() -> None:
    """A compound of a sender report with a block, a description, and types that nobody asked for."""
    reception = rtcp.Reception()
    reception.take(packet(1), 0.0)
    sent = rtcp.Sent(1, 2, 3)
    whole = rtcp.write(9, reception.block(0.0), sent=sent, ntp=rtcp.NTP_EPOCH + 1.5)
    extended = bytes((0x80, 207, 0, 1)) + bytes(4)
    assert rtcp.read(extended + whole + extended) == rtcp.read(whole)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80\xc9\x00", b"\x80\xc9\x00\x09" + bytes(8), b"\x81\xc9\x00\x01" + bytes(4), b"\x40" * 12],
)
def test_what_is_cut_off_or_none_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        rtcp.read(data)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x80\xc8\x00\x06", b"\x9f\xc9\x00\x20"]))
def test_nothing_but_corrupt_leaves_the_parser(data: bytes, head: bytes) -> None:
    try:
        reports = rtcp.read(head + data)
    except Corrupt:
        return
    for each in reports.blocks:
        assert 0.0 <= each.lost < 1.0
        rtcp.round_trip(each, 1e9)


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_nothing_that_arrives_breaks_the_counting(packets: list[bytes]) -> None:
    reception = rtcp.Reception()
    for now, data in enumerate(packets):
        reception.take(data, float(now))
        found = reception.block(float(now))
        assert len(found) in (0, 24)
