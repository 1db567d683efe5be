"""ADTS: AAC access units as an endless plain stream (ISO/IEC 14496-3 annex 1.A.2.2)."""

from __future__ import annotations

from hustings.cmaf.init_segment import sampling_of
from hustings.errors import Corrupt

_HEADER_BYTES = 7


def adts_frame(access_unit: bytes, audio_specific_config: bytes) -> bytes:
    """One raw AAC access unit with its 7-byte ADTS header (MPEG-4, no CRC).

    Raises Corrupt when the configuration cannot be stated in ADTS (object type above 4, explicit
    sampling frequency) or the unit is longer than 13 bits can say.
    """
    object_type, channels = sampling_of(audio_specific_config)
    frequency = int.from_bytes(audio_specific_config[:2]) >> 7 & 0x0F
    length = _HEADER_BYTES + len(access_unit)
    if not 1 <= object_type <= 4 or frequency > 12 or channels > 7 or length >= 1 << 13:
        raise Corrupt("this AAC cannot be sent as ADTS")
    header = 0xFFF << 44  # syncword; ID 0 (MPEG-4), layer 0
    header |= 1 << 40  # protection_absent
    header |= (object_type - 1) << 38 | frequency << 34 | channels << 30
    header |= length << 13
    header |= 0x7FF << 2  # buffer fullness: variable bit rate; one raw data block
    return header.to_bytes(_HEADER_BYTES) + access_unit
