"""A sender whom nobody can hear is at rest: his packets are neither parsed, decoded, levelled nor mixed.

RFC 6464 lets a mixer look at levels before it decodes anything. In a conversation most are silent most of
the time, and their rooms' noise is most of what they would cost. The last packets are kept as they came:
with the first one that counts again they go to the receiver, so that its timing and its decoder stand where
they would have stood, and no onset is cut.
"""

from __future__ import annotations

from collections import deque

from hustings.errors import Corrupt
from hustings.stage.webrtc import rtp

QUIET_LEVEL = 70
"""-dBov. At or below this level a packet is quiet; speech close to a microphone lies 40 dB above."""
PACKETS_BEFORE = 35
"""Idle packets in a row until a sender may rest (0.7 s): pauses between words stay as they are, and what
still waits in the jitter buffer then (0.1 s) is as quiet."""
KEPT = 25
"""Packets kept of a sender at rest, 0.5 s: more than the longest playout delay."""


class Rest:
    """One sender at rest. `ssrc`, `payload_type` and `level_id` are what his packets must have.

    `any_level`: he is muted, so it does not matter how loud he is.
    """

    def __init__(self, ssrc: int, payload_type: int, level_id: int, *, any_level: bool = False) -> None:
        self.any_level = any_level
        self._ssrc = ssrc
        self._payload_type = payload_type
        self._level_id = level_id
        self._usual = ssrc.to_bytes(4) + b"\xbe\xde\x00\x01" + bytes((level_id << 4,)) if level_id else b""
        """SSRC and header extension of a packet with a level and nothing else (RFC 8285 4.2)."""
        self._kept: deque[tuple[float, bytes]] = deque(maxlen=KEPT)

    def take(self, data: bytes, now: float) -> int | None:
        """Keeps a packet that may stay unread: its level in -dBov (127 when it has none). None: read it."""
        if (
            len(data) > 20
            and data[0] == 0x90
            and data[1] == self._payload_type
            and data[8:17] == self._usual
            and data[18:20] == b"\x00\x00"
        ):
            level = data[17] & 0x7F
        else:
            try:
                packet = rtp.parse(data, self._level_id)
            except Corrupt:
                return None
            if packet.ssrc != self._ssrc or packet.payload_type != self._payload_type or not packet.payload:
                return None
            if packet.level is None and not self.any_level:
                return None
            level = 127 if packet.level is None else packet.level
        if level < QUIET_LEVEL and not self.any_level:
            return None
        self._kept.append((now, data))
        return level

    def packets(self) -> list[tuple[float, rtp.RtpPacket]]:
        """What was kept, with the times of arrival, oldest first."""
        return [(arrived, rtp.parse(data, self._level_id)) for arrived, data in self._kept]
