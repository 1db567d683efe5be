"""RTP packets, parsed and built: RFC 3550 section 5.1, RFC 8285 (header extensions), RFC 6464 (level).

Pure. What comes in is somebody else's: `parse` raises Corrupt and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from hustings.errors import Corrupt
from hustings.stage.webrtc.rtcp import Sent

LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
"""RFC 6464 section 4: one byte, V bit and level in -dBov."""
HEADER_BYTES = 12
MAX_PACKET = 2048
"""Longer datagrams are no RTP of an Opus voice: 1275 bytes a frame is Opus' limit (RFC 6716 3.2.1)."""

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_ONE_BYTE = 0xBEDE
_ONE_WORD = b"\xbe\xde\x00\x01"
_TWO_BYTE = 0x100
"""The upper twelve bits of the two-byte profile; the lower four are application bits."""


class RtpPacket(NamedTuple):
    """One packet. `timestamp` is the RTP field (48 kHz for Opus, RFC 7587 4.1).

    `level` is the RFC 6464 level in -dBov (0 loudest, 127 silence), or None when the packet has none;
    `voice` its V bit.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    level: int | None
    voice: bool


def is_rtcp(data: bytes) -> bool:
    """Whether a packet on an RTP/RTCP-multiplexed transport is RTCP (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def parse(data: bytes, level_id: int = 0) -> RtpPacket:
    """Parses one RTP packet; `level_id` is the negotiated extension id of LEVEL_URI, 0 for none.

    Raises Corrupt for anything that is not a whole RTP packet.
    """
    size = len(data)
    if size < HEADER_BYTES or size > MAX_PACKET:
        raise Corrupt(f"RTP packet of {size} bytes")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first == 0x90 and level_id and data[12:16] == _ONE_WORD and data[18:20] == b"\0\0":
        # What nearly all are: the level, if it is that, is the only extension (RFC 8285 4.2).
        own = data[17]
        if data[16] == level_id << 4:
            marker = second >= 0x80
            return RtpPacket(
                second & 0x7F, marker, sequence, timestamp, ssrc, data[20:], own & 0x7F, own >= 0x80
            )
    if first >> 6 != 2:
        raise Corrupt("not RTP version 2")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    level: int | None = None
    if first & 0x10:
        if start + 4 > size:
            raise Corrupt("RTP header is cut off in its extension")
        profile, words = _EXTENSION.unpack_from(data, start)
        start += 4
        end = start + 4 * words
        if end > size:
            raise Corrupt("RTP extension is longer than its packet")
        if level_id:
            element = extension_elements(profile, data[start:end]).get(level_id)
            if element:
                level = element[0]
        start = end
    if first & 0x20:
        # RFC 3550 5.1: the last byte counts the padding, itself included.
        padding = data[-1]
        if padding == 0 or start + padding > size:
            raise Corrupt("RTP padding is longer than its packet")
        size -= padding
    if start > size:
        raise Corrupt("RTP header is longer than its packet")
    return RtpPacket(
        second & 0x7F,
        second >= 0x80,
        sequence,
        timestamp,
        ssrc,
        data[start:size],
        None if level is None else level & 0x7F,
        level is not None and level >= 0x80,
    )


def extension_elements(profile: int, block: bytes) -> dict[int, bytes]:
    """Header extension elements by id: one-byte (RFC 8285 4.2) or two-byte (4.3) form.

    An unknown profile has none. Raises Corrupt when an element does not fit into its block.
    """
    elements: dict[int, bytes] = {}
    one_byte = profile == _ONE_BYTE
    if not one_byte and profile >> 4 != _TWO_BYTE >> 4:
        return elements
    at = 0
    size = len(block)
    while at < size:
        head = block[at]
        at += 1
        if head == 0:
            continue  # padding, in both forms
        if one_byte:
            identifier, length = head >> 4, (head & 0x0F) + 1
            if identifier == 15:
                break  # RFC 8285 4.2: stop, what follows is not to be read
            if identifier == 0:
                raise Corrupt("RTP extension padding with a length")
        else:
            if at >= size:
                raise Corrupt("RTP extension element without a length")
            identifier, length = head, block[at]
            at += 1
        if at + length > size:
            raise Corrupt("RTP extension element is longer than its block")
        elements.setdefault(identifier, block[at : at + length])
        at += length
    return elements


def build(
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    *,
    marker: bool = False,
    extensions: Mapping[int, bytes] | None = None,
) -> bytes:
    """One RTP packet; `sequence` and `timestamp` wrap. Raises ValueError for impossible extensions."""
    second = payload_type & 0x7F | (0x80 if marker else 0)
    first = 0x90 if extensions else 0x80
    header = _HEADER.pack(first, second, sequence & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc)
    if not extensions:
        return header + payload
    return header + _build_extensions(extensions) + payload


def _build_extensions(extensions: Mapping[int, bytes]) -> bytes:
    """The one-byte form where all elements fit into it, else the two-byte form."""
    one_byte = all(1 <= i <= 14 and 1 <= len(value) <= 16 for i, value in extensions.items())
    block = bytearray()
    for identifier, value in extensions.items():
        if one_byte:
            block.append(identifier << 4 | len(value) - 1)
        elif 1 <= identifier <= 255 and len(value) <= 255:
            block += bytes((identifier, len(value)))
        else:
            raise ValueError(f"RTP extension {identifier} with {len(value)} bytes")
        block += value
    block += bytes(-len(block) % 4)
    return _EXTENSION.pack(_ONE_BYTE if one_byte else _TWO_BYTE, len(block) // 4) + bytes(block)


class RtpStream:
    """The sending side of one Opus stream: counts sequence numbers and timestamps on.

    `level_id` is the negotiated id of LEVEL_URI, 0 to send no levels. `sequence` and `timestamp` are
    where the stream begins (RFC 3550 5.1: should be random).
    """

    def __init__(self, ssrc: int, payload_type: int, *, sequence: int, timestamp: int, level_id: int = 0):
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.level_id = level_id
        self._sequence = sequence & 0xFFFF
        self._timestamp = timestamp & 0xFFFF_FFFF
        self._packets = self._octets = 0

    @property
    def sent(self) -> Sent:
        """What was sent so far, and the timestamp of what comes next."""
        return Sent(self._timestamp, self._packets, self._octets)

    def next(
        self, payload: bytes, samples: int = 960, *, marker: bool = False, level: int | None = None
    ) -> bytes:
        """The packet that carries `payload`, which lasts `samples` (48 kHz). `level`: -dBov, 0-127."""
        sequence, timestamp = self._sequence, self._timestamp
        self._sequence = sequence + 1 & 0xFFFF
        self._timestamp = timestamp + samples & 0xFFFF_FFFF
        self._packets += 1
        self._octets += len(payload)
        if level is None or not self.level_id:
            second = self.payload_type | (0x80 if marker else 0)
            return _HEADER.pack(0x80, second, sequence, timestamp, self.ssrc) + payload
        # The V bit claims voice; a level above -50 dBov is taken as such.
        extensions = {self.level_id: bytes((level & 0x7F | (0x80 if level < 50 else 0),))}
        return build(
            *(self.payload_type, sequence, timestamp, self.ssrc, payload),
            marker=marker,
            extensions=extensions,
        )

    def skip(self, samples: int) -> None:
        """Lets time pass without a packet (a gap or DTX): only the timestamp goes on."""
        self._timestamp = self._timestamp + samples & 0xFFFF_FFFF
