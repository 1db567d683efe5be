"""RTP: what is built comes back; what is broken raises Corrupt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.errors import Corrupt
from hustings.stage.webrtc.rtp import RtpPacket, RtpStream, build, extension_elements, is_rtcp, parse

extensions = st.dictionaries(st.integers(1, 255), st.binary(min_size=0, max_size=40), max_size=5)


@given(
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence=st.integers(0, 65535),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=1275),
    others=extensions,
    level=st.none() | st.integers(0, 255),
)
def test_what_is_built_is_parsed(
    payload_type: int,
    marker: bool,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    others: dict[int, bytes],
    level: int | None,
) -> None:
    others.pop(3, None)
    if level is not None:
        others[3] = bytes([level])
    data = build(payload_type, sequence, timestamp, ssrc, payload, marker=marker, extensions=others)
    assert parse(data, 3) == RtpPacket(
        payload_type,
        marker,
        sequence,
        timestamp,
        ssrc,
        payload,
        None if level is None else level & 127,
        level is not None and level > 127,
    )


@given(st.binary(max_size=12), st.integers(0, 15))
def test_an_extension_of_one_word_is_read_like_a_longer_one(rest: bytes, level_id: int) -> None:
    """The usual form has a way of its own: it must say what the general one does."""
    data = bytes((0x90, 111)) + bytes(range(10)) + b"\xbe\xde\x00\x01" + rest
    try:
        packet = parse(data, level_id)
    except Corrupt:
        if len(rest) >= 4:
            with pytest.raises(Corrupt):
                extension_elements(0xBEDE, rest[:4])
        return
    element = extension_elements(0xBEDE, rest[:4]).get(level_id) if level_id else None
    assert packet.level == (element[0] & 127 if element else None)
    assert packet.voice == (element is not None and element[0] > 127)
    assert packet.payload == rest[4:]


@given(st.binary(max_size=300), st.integers(0, 14))
def test_any_bytes_are_a_packet_or_corrupt(data: bytes, level_id: int) -> None:
    try:
        packet = parse(data, level_id)
    except Corrupt:
        return
    assert len(packet.payload) <= len(data) - 12


@given(st.binary(max_size=80), st.integers(0, 255))
def test_any_bytes_after_a_plausible_header(rest: bytes, first: int) -> None:
    data = bytes([0x80 | first & 0x3F]) + bytes(11) + rest
    try:
        packet = parse(data, 1)
    except Corrupt:
        return
    assert packet.payload in data


def test_csrc_extension_and_padding_are_not_payload() -> None:
    csrc = b"\x00\x00\x00\x09" * 2
    extension = bytes.fromhex("bede0001 10a1 0000")
    data = bytes([0x80 | 0x20 | 0x10 | 2]) + build(111, 7, 8, 9, b"")[1:] + csrc + extension
    packet = parse(data + b"voice" + b"\x00\x00\x03", 1)
    assert packet.payload == b"voice"
    assert (packet.level, packet.voice) == (0x21, True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(20),
        b"\x8f" + bytes(11),
        b"\x90" + bytes(11),
        b"\x90" + bytes(11) + bytes.fromhex("bede0002") + bytes(4),
        b"\xa0" + bytes(12),
        b"\xa0" + bytes(11) + b"\x02",
        b"\x90" + bytes(11) + bytes.fromhex("bede0001 1f000000"),
        bytes(2049),
    ],
    ids=["empty", "short", "version", "csrc", "extension", "extension-long", "padding-0", "padding-long",
         "element-long", "too-long"],
)  # fmt: skip
def test_broken_packets(data: bytes) -> None:
    with pytest.raises(Corrupt):
        parse(data, 1)


def test_id_15_ends_the_one_byte_elements() -> None:
    data = b"\x90" + bytes(11) + bytes.fromhex("bede0001 f0001022")
    assert parse(data, 1).level is None


def test_rtcp_is_told_apart() -> None:
    assert is_rtcp(bytes([0x80, 200]))
    assert not is_rtcp(build(111, 1, 1, 1, b"x", marker=True))
    assert not is_rtcp(b"")


def test_a_stream_counts_on_and_wraps() -> None:
    stream = RtpStream(5, 111, sequence=65535, timestamp=2**32 - 960, level_id=1)
    first = parse(stream.next(b"a", marker=True, level=30), 1)
    second = parse(stream.next(b"b", level=127), 1)
    stream.skip(960)
    third = parse(stream.next(b"c"), 1)
    assert [p.sequence for p in (first, second, third)] == [65535, 0, 1]
    assert [p.timestamp for p in (first, second, third)] == [2**32 - 960, 0, 1920]
    assert [(p.level, p.voice) for p in (first, second, third)] == [(30, True), (127, False), (None, False)]
    assert first.marker
    assert not second.marker
