"""CMAF header (init segment) of one audio track: ftyp and moov without samples.

ISO/IEC 23000-19 section 7.3.1 (CMAF header), ISO/IEC 14496-12 (boxes), "Encapsulation of Opus in ISO
Base Media File Format" 0.6.8 (Opus, dOps), ISO/IEC 14496-14 section 5.6 and 14496-1 section 7.2.6
(mp4a, esds).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hustings.cmaf.boxes import box, find, find_path, full_box, unpack
from hustings.cmaf.timeline import AAC_UNIT_SAMPLES, SAMPLE_RATE, UNIT_SAMPLES, Codec
from hustings.errors import Corrupt

TRACK_ID = 1
SYNC_SAMPLE_FLAGS = 0x0200_0000
"""sample_depends_on = 2: every audio access unit stands alone (ISO/IEC 14496-12 section 8.8.3.1)."""

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_PREROLL_UNITS: dict[Codec, int] = {"opus": 4, "aac": 1}
"""Opus converges within 80 ms (RFC 7845 section 4.6); AAC overlaps one unit."""


def init_segment(
    codec: Codec,
    *,
    pre_skip: int = 312,
    audio_specific_config: bytes = b"",
    language: str = "und",
    bitrate: int = 0,
) -> bytes:
    """The init segment of a mono 48 kHz track.

    `pre_skip`: 48 kHz samples of encoder delay (Opus only; goes into dOps).
    `audio_specific_config`: ISO/IEC 14496-3 section 1.6.2.1; needed for AAC.
    `language`: ISO 639-2/T, three letters. `bitrate` in bit/s: stated in esds; 0 is "not known".
    """
    if codec == "aac" and len(audio_specific_config) < 2:
        raise ValueError("AAC needs its AudioSpecificConfig")
    if len(language) != 3 or not all("a" <= letter <= "z" for letter in language):
        raise ValueError(f"'{language}' is not an ISO 639-2/T language")
    entry = _opus_entry(pre_skip) if codec == "opus" else _mp4a_entry(audio_specific_config, bitrate=bitrate)
    return _ftyp(codec) + box(
        b"moov",
        _mvhd(),
        box(b"trak", _tkhd(), box(b"mdia", _mdhd(language), _hdlr(), _minf(codec, entry))),
        box(b"mvex", _trex(codec)),
    )


def _ftyp(codec: Codec) -> bytes:
    # cmfc: CMAF 7.2; iso6: default-base-is-moof and tfdt; caac: the AAC core media profile (CMAF annex A).
    profile = [b"caac"] if codec == "aac" else []
    return box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6", b"cmfc", b"mp41", *profile)


def _mvhd() -> bytes:
    return full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">IIIIIH10x", 0, 0, SAMPLE_RATE, 0, 0x10000, 0x100),
        _MATRIX,
        bytes(24),
        struct.pack(">I", TRACK_ID + 1),
    )


def _tkhd() -> bytes:
    # Flags: enabled, in movie, in preview. Alternate group 1, volume 1.0, no picture size.
    return full_box(
        b"tkhd",
        0,
        7,
        struct.pack(">IIIII8xhhHH", 0, 0, TRACK_ID, 0, 0, 0, 1, 0x100, 0),
        _MATRIX,
        struct.pack(">II", 0, 0),
    )


def _mdhd(language: str) -> bytes:
    packed = 0
    for letter in language:
        packed = packed << 5 | (ord(letter) - 0x60)
    return full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, SAMPLE_RATE, 0, packed, 0))


def _hdlr() -> bytes:
    return full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"soun"), b"Hustings program\0")


def _minf(codec: Codec, entry: bytes) -> bytes:
    data_reference = full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))
    # The sample tables stay empty: CMAF 7.3.1 keeps all samples in fragments.
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
        *_roll_description(codec),
    )
    return box(b"minf", full_box(b"smhd", 0, 0, bytes(4)), box(b"dinf", data_reference), table)


def _roll_description(codec: Codec) -> list[bytes]:
    """How many units before a random access point to decode (Opus in ISOBMFF 4.3.6.2)."""
    if codec != "opus":
        return []
    entry = struct.pack(">h", -_PREROLL_UNITS[codec])
    return [full_box(b"sgpd", 1, 0, b"roll", struct.pack(">II", len(entry), 1), entry)]


def _audio_entry(kind: bytes, *extensions: bytes) -> bytes:
    """AudioSampleEntry, ISO/IEC 14496-12 section 12.2.3: one channel, 16 bit, 48 kHz."""
    fixed = struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, SAMPLE_RATE << 16)
    return box(kind, fixed, *extensions)


def _opus_entry(pre_skip: int) -> bytes:
    # OpusSpecificBox 4.3.2: version 0, channels, PreSkip, InputSampleRate, OutputGain, mapping family 0.
    specific = struct.pack(">BBHIhB", 0, 1, pre_skip, SAMPLE_RATE, 0, 0)
    return _audio_entry(b"Opus", box(b"dOps", specific))


def _descriptor(tag: int, payload: bytes) -> bytes:
    """ISO/IEC 14496-1 section 8.3.3: tag, then the size in one byte (all of ours are short)."""
    if len(payload) > 127:
        raise ValueError("AudioSpecificConfig too long")
    return bytes((tag, len(payload))) + payload


def _mp4a_entry(audio_specific_config: bytes, *, bitrate: int) -> bytes:
    specific = _descriptor(0x05, audio_specific_config)
    # objectTypeIndication 0x40: MPEG-4 audio; streamType 5: audio; bufferSizeDB 6144 bit a channel.
    config = struct.pack(">BB3sII", 0x40, 5 << 2 | 1, (768).to_bytes(3), bitrate, bitrate)
    decoder = _descriptor(0x04, config + specific)
    sync_layer = _descriptor(0x06, b"\x02")
    elementary = _descriptor(0x03, struct.pack(">HB", 0, 0) + decoder + sync_layer)
    return _audio_entry(b"mp4a", full_box(b"esds", 0, 0, elementary))


def _trex(codec: Codec) -> bytes:
    duration = UNIT_SAMPLES[codec]
    return full_box(b"trex", 0, 0, struct.pack(">IIIII", TRACK_ID, 1, duration, 0, SYNC_SAMPLE_FLAGS))


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What a reader needs of an init segment. `pre_skip` is 0 for AAC."""

    codec: Codec
    sample_rate: int
    pre_skip: int = 0
    audio_specific_config: bytes = b""


_CHANNELS_AND_PRE_SKIP = struct.Struct(">BBH")
_TIMESCALE = struct.Struct(">I")


def read_init(data: bytes) -> TrackInfo:
    """The track that an init segment of ours (or of anybody with one Opus or AAC track) describes.

    Raises Corrupt for anything else.
    """
    media = (b"moov", b"trak", b"mdia")
    start, end = find_path(data, *media, b"mdhd")
    (version_flags,) = unpack(_TIMESCALE, data, start, end)
    (rate,) = unpack(_TIMESCALE, data, start + (20 if version_flags >> 24 == 1 else 12), end)
    start, end = find_path(data, *media, b"minf", b"stbl", b"stsd")
    if end - start < 16:
        raise Corrupt("stsd cut short")
    kind = data[start + 12 : start + 16]
    inside, end = find(data, kind, start + 8, end)
    inside += 28
    if inside > end:
        raise Corrupt("sample entry cut short")
    if kind == b"Opus":
        start, end = find(data, b"dOps", inside, end)
        _, _, pre_skip = unpack(_CHANNELS_AND_PRE_SKIP, data, start, end)
        return TrackInfo("opus", rate, pre_skip=pre_skip)
    if kind == b"mp4a":
        start, end = find(data, b"esds", inside, end)
        return TrackInfo("aac", rate, audio_specific_config=_specific_config(data[start + 4 : end]))
    raise Corrupt(f"sample entry {kind!r} is neither Opus nor mp4a")


def _specific_config(data: bytes) -> bytes:
    """DecoderSpecificInfo out of an ES_Descriptor, ISO/IEC 14496-1 section 7.2.6.5."""
    # What stands before the nested descriptors: ES_ID and flags; type, buffer size and bit rates.
    fixed = {0x03: 3, 0x04: 13}
    at = 0
    while at < len(data):
        tag = data[at]
        at, size = _descriptor_size(data, at + 1)
        if tag == 0x05:
            if size < 2 or at + size > len(data):
                raise Corrupt("AudioSpecificConfig cut short")
            return data[at : at + size]
        at += fixed.get(tag, size)
    raise Corrupt("no AudioSpecificConfig in esds")


def _descriptor_size(data: bytes, at: int) -> tuple[int, int]:
    size = 0
    for _ in range(4):
        if at >= len(data):
            raise Corrupt("descriptor cut short")
        byte = data[at]
        at += 1
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            return at, size
    raise Corrupt("descriptor size too long")


def sampling_of(audio_specific_config: bytes) -> tuple[int, int]:
    """(audio object type, channel configuration) of an AudioSpecificConfig; raises Corrupt."""
    if len(audio_specific_config) < 2:
        raise Corrupt("AudioSpecificConfig cut short")
    word = int.from_bytes(audio_specific_config[:2])
    return word >> 11, word >> 3 & 0x0F


AAC_LC_MONO_48K = bytes.fromhex("1188")
"""AudioSpecificConfig: object type 2 (AAC-LC), frequency index 3 (48 kHz), one channel, 1024 samples."""
assert AAC_UNIT_SAMPLES == 1024
