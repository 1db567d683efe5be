"""RTCP: what was received of a stream, told to its sender. RFC 3550 sections 6 and A.1, A.3, A.8.

Pure: `now` is monotonic seconds, `ntp` seconds since 1900 on whatever clock its sender keeps. What comes in
is somebody else's: `read` raises Corrupt and nothing else.

libdatachannel's own RtcpReceivingSession reports no loss whatever is lost, and only where the other side
sends sender reports, so browsers never learnt that their sound did not arrive.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hustings.errors import Corrupt

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION = 200, 201, 202
MAX_BYTES = 1500
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 868)."""
_MISORDER = 3000
"""So far behind or ahead a sequence number belongs to a stream that began anew (about RFC 3550 A.1)."""
_CLOCK = 48_000
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IIIIII")
"""SSRC, NTP seconds and fraction, RTP timestamp, packets, octets."""
_BLOCK = struct.Struct("!IIIIII")
"""SSRC, fraction lost (8) and cumulative lost (24), highest sequence, jitter, last SR, delay since it."""


class Block(NamedTuple):
    """One report block: what somebody received of `ssrc`."""

    ssrc: int
    lost: float
    """Share lost since the report before, 0..1."""
    lost_in_all: int
    highest: int
    """Extended highest sequence number."""
    jitter: float
    """Seconds."""
    last_report: int
    """Middle 32 bits of the NTP time in our last sender report; 0 for none."""
    delay: float
    """Seconds between receiving that and sending this."""


class Reports(NamedTuple):
    """What one compound packet says. `sender`: (SSRC, middle 32 bits of its NTP time) or None."""

    sender: tuple[int, int] | None
    blocks: tuple[Block, ...]


def read(data: bytes) -> Reports:
    """Reads a compound packet; packet types other than SR and RR are passed over. Raises Corrupt."""
    if not 8 <= len(data) <= MAX_BYTES:
        raise Corrupt(f"RTCP packet of {len(data)} bytes")
    sender: tuple[int, int] | None = None
    blocks: list[Block] = []
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise Corrupt("RTCP header is cut off")
        first, kind, words = _HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise Corrupt("RTCP packet is longer than its datagram, or not version 2")
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            start = at + (4 + _SENDER.size if kind == SENDER_REPORT else 8)
            if start + (first & 0x1F) * _BLOCK.size > end:
                raise Corrupt("RTCP report is shorter than its blocks")
            if kind == SENDER_REPORT:
                ssrc, seconds, fraction, *_ = _SENDER.unpack_from(data, at + 4)
                sender = (ssrc, (seconds & 0xFFFF) << 16 | fraction >> 16)
            blocks += [_block(data, start + i * _BLOCK.size) for i in range(first & 0x1F)]
        at = end
    return Reports(sender, tuple(blocks))


def _block(data: bytes, at: int) -> Block:
    ssrc, lost, highest, jitter, last, delay = _BLOCK.unpack_from(data, at)
    in_all = lost & 0xFF_FFFF
    in_all -= (in_all & 0x80_0000) << 1  # 24 bits, signed
    return Block(ssrc, (lost >> 24) / 256, in_all, highest, jitter / _CLOCK, last, delay / 65536)


def middle(ntp: float) -> int:
    """The middle 32 bits of an NTP time, as reports name it (RFC 3550 section 4)."""
    return int(ntp * 65536) & 0xFFFF_FFFF


def round_trip(block: Block, ntp: float) -> float | None:
    """Seconds there and back (RFC 3550 section 6.4.1), from a report received at our own `ntp`; None when
    it names no report of ours or what it says cannot be."""
    if not block.last_report:
        return None
    seconds = ((middle(ntp) - block.last_report) & 0xFFFF_FFFF) / 65536 - block.delay
    return seconds if -0.001 <= seconds < 60 else None


class Reception:
    """Counts what arrives of one stream and makes report blocks of it."""

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._first = self._highest = 0
        """Unwrapped sequence numbers."""
        self._received = 0
        self._before = (0, 0)
        """Expected and received as of the last report."""
        self._transit: float | None = None
        self._jitter = 0.0
        self._report: tuple[int, float] | None = None
        """Middle of the sender's last NTP time, and when it came."""

    def take(self, data: bytes, now: float) -> None:
        """An RTP packet came; anything shorter than a header is passed over."""
        if len(data) < 12:
            return
        sequence = data[2] << 8 | data[3]
        timestamp = int.from_bytes(data[4:8], "big")
        ssrc = int.from_bytes(data[8:12], "big")
        step = (sequence - self._highest + 0x8000) % 0x10000 - 0x8000
        if ssrc != self._ssrc or abs(step) > _MISORDER:
            kept = self._report if ssrc == self._ssrc else None
            self.__init__()  # type: ignore[misc]  # a new stream: nothing of the old one counts
            self._ssrc, self._report = ssrc, kept
            self._first = self._highest = sequence
            step = 0
        self._highest += max(step, 0)
        self._received += 1
        # Time since some beginning, modulo 2**32 samples: only differences are used.
        transit = now - timestamp / _CLOCK
        if self._transit is not None:
            change = (transit - self._transit + 2**31 / _CLOCK) % (2**32 / _CLOCK) - 2**31 / _CLOCK
            self._jitter += (abs(change) - self._jitter) / 16
        self._transit = transit

    def sender_report(self, sender: tuple[int, int], now: float) -> None:
        """The sender told its time; the next blocks answer it."""
        if self._ssrc in (None, sender[0]):
            self._report = (sender[1], now)

    def block(self, now: float) -> bytes:
        """A report block, and a new interval; b"" while nothing has come."""
        if self._ssrc is None:
            return b""
        expected = self._highest - self._first + 1
        expected_now, received_now = expected - self._before[0], self._received - self._before[1]
        self._before = (expected, self._received)
        lost_now = expected_now - received_now
        # RFC 3550 A.3: more received than expected (duplicates) counts as none lost.
        share = min(255, 256 * lost_now // expected_now) if expected_now > 0 and lost_now > 0 else 0
        in_all = max(-0x80_0000, min(0x7F_FFFF, expected - self._received)) & 0xFF_FFFF
        last, delay = 0, 0.0
        if self._report is not None:
            last, delay = self._report[0], now - self._report[1]
        return _BLOCK.pack(
            self._ssrc,
            share << 24 | in_all,
            self._highest & 0xFFFF_FFFF,
            min(round(self._jitter * _CLOCK), 0xFFFF_FFFF),
            last,
            min(round(delay * 65536), 0xFFFF_FFFF),
        )


class Sent(NamedTuple):
    """What was sent of a stream so far; `timestamp` belongs to the time of the report."""

    timestamp: int
    packets: int
    octets: int


def write(ssrc: int, block: bytes, *, sent: Sent | None = None, ntp: float = 0.0) -> bytes:
    """A compound packet from `ssrc`: a sender report where something was `sent`, else a receiver report,
    with `block` (b"" for none), and the name that each must carry (RFC 3550 section 6.1)."""
    blocks = 1 if block else 0
    if sent is not None:
        seconds = int(ntp)
        body = _SENDER.pack(
            ssrc,
            seconds & 0xFFFF_FFFF,
            int((ntp - seconds) * 2**32) & 0xFFFF_FFFF,
            sent.timestamp & 0xFFFF_FFFF,
            sent.packets & 0xFFFF_FFFF,
            sent.octets & 0xFFFF_FFFF,
        )
        kind = SENDER_REPORT
    else:
        body, kind = struct.pack("!I", ssrc), RECEIVER_REPORT
    body += block
    name = b"hustings"
    item = struct.pack("!IBB", ssrc, 1, len(name)) + name
    item += bytes(4 - len(item) % 4)  # ends with at least one zero byte (RFC 3550 section 6.5)
    return (
        _HEADER.pack(0x80 | blocks, kind, len(body) // 4)
        + body
        + _HEADER.pack(0x81, DESCRIPTION, len(item) // 4)
        + item
    )
