"""Several Opus packets as one (RFC 6716 section 3.2.5), without decoding any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hustings.audio.opus import MAX_PACKET_BYTES

_TWO_BYTES_FROM: Final = 252
"""Frame lengths from here on take two bytes (RFC 6716 section 3.2.1)."""
MAX_FRAME_BYTES: Final = 1275


def join(packets: Sequence[bytes]) -> bytes | None:
    """One packet of code 3 with the frames of `packets`, each of which holds one frame (code 0).

    None where that cannot be: another mode, bandwidth or frame size among them, more than one frame in one,
    or more bytes than an RTP packet should have.
    """
    first = packets[0]
    if len(packets) == 1:
        return first
    if first[0] & 3 or any(packet[:1] != first[:1] for packet in packets):
        return None
    if any(len(packet) - 1 > MAX_FRAME_BYTES for packet in packets):
        return None
    head = bytearray((first[0] | 3, 0x80 | len(packets)))  # VBR, no padding
    for packet in packets[:-1]:
        head += _length(len(packet) - 1)
    joined = bytes(head) + b"".join(packet[1:] for packet in packets)
    return joined if len(joined) <= MAX_PACKET_BYTES else None


def _length(size: int) -> bytes:
    if size < _TWO_BYTES_FROM:
        return bytes((size,))
    first = _TWO_BYTES_FROM + (size & 3)
    return bytes((first, (size - first) >> 2))
