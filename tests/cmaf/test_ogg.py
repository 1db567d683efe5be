from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.cmaf.ogg import JOIN_PRE_SKIP, OggOpusWriter, ogg_crc, ogg_page


def slow_crc(data: bytes) -> int:
    """RFC 3533 section 6, bit by bit."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x8000_0000 else 0)
    return value


def pages(data: bytes) -> list[tuple[int, int, int, int, list[bytes]]]:
    """(flags, granule, serial, number, packets) of every page; checks each checksum."""
    found = []
    while data:
        magic, version, flags, granule, serial, number, crc, count = struct.unpack_from("<4sBBqIIIB", data)
        assert (magic, version) == (b"OggS", 0)
        lacing, at = data[27 : 27 + count], 27 + count
        packets, packet = [], b""
        for value in lacing:
            packet += data[at : at + value]
            at += value
            if value < 255:
                packets.append(packet)
                packet = b""
        assert crc == slow_crc(data[:22] + bytes(4) + data[26:at])
        found.append((flags, granule, serial, number, packets))
        data = data[at:]
    return found


@given(st.binary(max_size=300))
def test_the_checksum(data: bytes) -> None:
    assert ogg_crc(data) == slow_crc(data)


@given(st.lists(st.binary(max_size=700), min_size=1, max_size=12))
def test_packets_come_back(packets: list[bytes]) -> None:
    page = ogg_page(packets, granule=5, serial=6, number=7)
    assert pages(page) == [(0, 5, 6, 7, packets)]


def test_headers() -> None:
    writer = OggOpusWriter(0x1_0000_0009, pre_skip=312, title="Zwei Stühle")
    head, tags = pages(writer.headers())
    assert head[:4] == (2, 0, 9, 0)
    assert head[4] == [b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)]
    assert tags[:4] == (0, 0, 9, 1)
    assert tags[4] == [b"OpusTags\x08\0\0\0Hustings\1\0\0\0\x12\0\0\0TITLE=Zwei St\xc3\xbchle"]


def test_a_joiners_stream_begins_with_page_0_and_skips_until_the_decoder_has_converged() -> None:
    writer = OggOpusWriter(1)
    shared = [
        writer.page([b"packet"] * 10, media_time=seq * 9_600, samples=9_600, number=seq + 2)
        for seq in range(50, 53)
    ]
    assert writer.headers(52) == writer.headers(52, joining=True)
    found = pages(writer.headers(52) + b"".join(shared))
    assert [page[3] for page in found] == [0, 1, 52, 53, 54]
    assert struct.unpack_from("<10xH", found[0][4][0]) == (JOIN_PRE_SKIP,)
    # RFC 7845 section 4: all samples up to the end of the page, pre-skip included.
    assert [page[1] for page in found[2:]] == [51 * 9_600, 52 * 9_600, 53 * 9_600]


def test_the_last_page_ends_the_stream() -> None:
    (page,) = pages(OggOpusWriter(1).page([b"x"], media_time=0, samples=960, number=2, last=True))
    assert page[0] == 4


def test_too_much_for_a_page() -> None:
    with pytest.raises(ValueError, match="page"):
        ogg_page([b"x" * 255] * 200, granule=0, serial=0, number=0)


def test_long_comments_still_fit_the_page() -> None:
    writer = OggOpusWriter(1, title="t" * 100_000, comments={f"K{index}": "v" * 9_000 for index in range(20)})
    assert len(pages(writer.headers())) == 2
