"""Connectivity checks: read, verified, and given another tie-breaker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hustings.stage.webrtc.stun import MAX_BYTES, read_check

RFC_5769 = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"  # SOFTWARE
    "002400046e0001ff"  # PRIORITY
    "80290008932ff9b151263b36"  # ICE-CONTROLLED
    "000600096576746a3a68367659202020"  # USERNAME evtj:h6vY
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"  # MESSAGE-INTEGRITY
    "80280004e57a3bcf"  # FINGERPRINT
)
"""Section 2.1, the sample request."""
PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
TIE_BREAKER = 0x932F_F9B1_5126_3B36


def test_the_sample_of_rfc_5769_is_read() -> None:
    check = read_check(RFC_5769)
    assert check is not None
    assert (check.ufrag, check.tie_breaker) == ("evtj", TIE_BREAKER)
    assert check.signed_with(PASSWORD)
    assert not check.signed_with(PASSWORD + "x")


def test_written_anew_with_its_own_tie_breaker_it_is_the_same() -> None:
    check = read_check(RFC_5769)
    assert check is not None
    assert check.with_tie_breaker(TIE_BREAKER, PASSWORD) == RFC_5769


@given(st.integers(0, 2**64 - 1), st.text("abcXYZ+/0189", min_size=22, max_size=40))
def test_another_tie_breaker_is_all_that_changes(value: int, password: str) -> None:
    check = read_check(RFC_5769)
    assert check is not None
    changed = read_check(check.with_tie_breaker(value, password))
    assert changed is not None
    assert changed.tie_breaker == value
    assert changed.signed_with(password)
    back = changed.with_tie_breaker(TIE_BREAKER, PASSWORD)
    assert back == RFC_5769


@given(st.integers(0, len(RFC_5769) - 33), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, by: int) -> None:
    """Anywhere before the message integrity's end, which is where the fingerprint begins."""
    data = bytearray(RFC_5769)
    data[at] ^= by
    check = read_check(bytes(data))
    assert check is None or not check.signed_with(PASSWORD)


@given(st.binary(max_size=120) | st.builds(lambda tail: RFC_5769[:20] + tail, st.binary(max_size=100)))
def test_anything_can_come(data: bytes) -> None:
    check = read_check(data)
    assert check is None or not check.signed_with(PASSWORD)


def test_what_is_no_check_is_none() -> None:
    assert read_check(RFC_5769[:-8]) is None  # its length says more
    assert read_check(b"\x01" + RFC_5769[1:]) is None  # an answer
    assert read_check(RFC_5769[:4] + bytes(4) + RFC_5769[8:]) is None  # another cookie
    assert read_check(RFC_5769 + bytes(MAX_BYTES)) is None
    no_role = RFC_5769.replace(bytes.fromhex("80290008"), bytes.fromhex("80250008"))
    assert read_check(no_role) is None
    no_name = RFC_5769.replace(bytes.fromhex("00060009"), bytes.fromhex("80070009"))
    assert read_check(no_name) is None
