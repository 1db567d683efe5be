from __future__ import annotations

import struct

import pytest

from hustings.cmaf.boxes import box, boxes, find_path
from hustings.cmaf.init_segment import AAC_LC_MONO_48K, TrackInfo, init_segment, read_init
from hustings.errors import Corrupt

OPUS = init_segment("opus", pre_skip=312)
AAC = init_segment("aac", audio_specific_config=AAC_LC_MONO_48K, bitrate=96_000)


def tree(data: bytes, start: int = 0, end: int | None = None) -> list[object]:
    containers = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"mvex"}
    found: list[object] = []
    for kind, payload, stop in boxes(data, start, end):
        found.append(kind.decode())
        if kind in containers:
            found.append(tree(data, payload, stop))
    return found


@pytest.mark.parametrize(("data", "extra"), [(OPUS, ["sgpd"]), (AAC, [])])
def test_boxes_in_the_order_of_the_cmaf_header(data: bytes, extra: list[str]) -> None:
    table = ["stsd", "stts", "stsc", "stsz", "stco", *extra]
    media = ["mdhd", "hdlr", "minf", ["smhd", "dinf", ["dref"], "stbl", table]]
    assert tree(data) == ["ftyp", "moov", ["mvhd", "trak", ["tkhd", "mdia", media], "mvex", ["trex"]]]


@pytest.mark.parametrize("data", [OPUS, AAC])
def test_durations_are_zero_and_the_timescale_is_48000(data: bytes) -> None:
    """RFC 8216bis 3.1.2: movie and track header durations MUST be zero, the brand iso6 or higher."""
    mvhd, _ = find_path(data, b"moov", b"mvhd")
    assert struct.unpack_from(">II", data, mvhd + 12) == (48_000, 0)
    tkhd, _ = find_path(data, b"moov", b"trak", b"tkhd")
    assert struct.unpack_from(">I4xI", data, tkhd + 12) == (1, 0)
    mdhd, _ = find_path(data, b"moov", b"trak", b"mdia", b"mdhd")
    assert struct.unpack_from(">IIH", data, mdhd + 12) == (48_000, 0, 0x55C4)
    assert data[8:12] == b"iso6"
    assert b"cmfc" in data[:40]


def test_the_opus_entry() -> None:
    at = OPUS.index(b"dOps")
    assert struct.unpack_from(">I4sBBHIhB", OPUS, at - 4) == (19, b"dOps", 0, 1, 312, 48_000, 0, 0)
    at = OPUS.index(b"Opus")
    channels, size, rate = struct.unpack_from(">16xHH4xI", OPUS, at + 4)
    assert (channels, size, rate >> 16) == (1, 16, 48_000)


def test_the_aac_entry() -> None:
    assert b"\x03\x19\x00\x00\x00\x04\x11\x40\x15\x00\x03\x00" in AAC
    assert b"\x05\x02\x11\x88\x06\x01\x02" in AAC
    assert b"caac" in AAC[:40]
    assert b"edts" not in AAC + OPUS


def test_reading_back() -> None:
    assert read_init(OPUS) == TrackInfo("opus", 48_000, pre_skip=312)
    assert read_init(AAC) == TrackInfo("aac", 48_000, audio_specific_config=AAC_LC_MONO_48K)


def test_a_long_descriptor_size_is_read_too() -> None:
    """Other writers spell a size in four bytes (ISO/IEC 14496-1 section 8.3.3)."""
    at = AAC.index(b"\x05\x02\x11\x88")
    longer = AAC[:at] + b"\x05\x80\x80\x80\x02\x11\x88" + AAC[at + 4 :]
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4a", b"esds"):
        place = longer.index(kind) - 4
        size = int.from_bytes(longer[place : place + 4]) + 3
        longer = longer[:place] + size.to_bytes(4) + longer[place + 4 :]
    assert read_init(longer).audio_specific_config == AAC_LC_MONO_48K


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="AudioSpecificConfig"):
        init_segment("aac")
    with pytest.raises(ValueError, match="639"):
        init_segment("opus", language="english")


@pytest.mark.parametrize(
    "data",
    [b"", b"ftyp", OPUS[:300], box(b"moov"), OPUS.replace(b"dOps", b"dOpz"), OPUS.replace(b"Opus", b"fLaC")],
)
def test_what_is_no_init_segment(data: bytes) -> None:
    with pytest.raises(Corrupt):
        read_init(data)
