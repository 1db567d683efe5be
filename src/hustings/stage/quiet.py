"""Packets whose sender says that nobody can hear them are not decoded.

RFC 6464 lets a mixer look at levels before it decodes anything. In a conversation most are silent most of
the time, and decoding their rooms' noise is most of what they would cost.
"""

from __future__ import annotations

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, Samples
from hustings.audio.opus import OpusDecoder, packet_duration

QUIET_DBOV = -70.0
"""At or below this level a packet is quiet; speech close to a microphone lies 40 dB above."""
PACKETS_BEFORE = 25
"""Quiet packets in a row that are still decoded (0.5 s), so that pauses between words stay as they are."""


class QuietPacket(bytes):
    """An Opus packet that need not be decoded."""

    __slots__ = ()


class QuietGate:
    """Marks the packets of one sender, in order of arrival."""

    def __init__(self) -> None:
        self._run = 0

    def mark(self, payload: bytes, level_dbov: float | None) -> bytes:
        """The payload, marked when the sender has said often enough that it is inaudible."""
        if level_dbov is None or level_dbov > QUIET_DBOV:
            self._run = 0
            return payload
        self._run += 1
        return QuietPacket(payload) if self._run > PACKETS_BEFORE else payload


class SparingDecoder:
    """A decoder (audio.receiver.Decoder) that gives silence for quiet packets at no cost."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._stale = False

    def decode(self, packet: bytes) -> Samples:
        """float32, shape (n,). Raises Corrupt on garbage."""
        if isinstance(packet, QuietPacket):
            self._stale = True
            return np.zeros(packet_duration(packet), dtype=np.float32)
        self._refresh()
        return self._decoder.decode(packet)

    def conceal(self, samples: int = FRAME_SAMPLES) -> Samples:
        """As OpusDecoder; silence while nothing is decoded."""
        if self._stale:
            return np.zeros(samples, dtype=np.float32)
        return self._decoder.conceal(samples)

    def recover(self, next_packet: bytes, samples: int = FRAME_SAMPLES) -> Samples:
        """As OpusDecoder."""
        if isinstance(next_packet, QuietPacket):
            return self.conceal(samples)
        self._refresh()
        return self._decoder.recover(next_packet, samples)

    def reset(self) -> None:
        self._decoder.reset()
        self._stale = False

    def close(self) -> None:
        self._decoder.close()

    def _refresh(self) -> None:
        """What the decoder remembers is long over: it begins anew, which for Opus takes no ramp-up."""
        if self._stale:
            self.reset()
