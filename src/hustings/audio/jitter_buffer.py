"""Packets in order of media time, whatever the network did to them. No I/O, no clock, no codec.

RTP sequence numbers (16 bits) and timestamps (32 bits) wrap; here both are unwrapped into integers that only
grow. A sender that restarts its timestamps is mapped onto the same running media time, so everything behind
this module sees one line that never jumps back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from hustings.audio.delay import DelayEstimator
from hustings.audio.frame import SAMPLE_RATE
from hustings.audio.opus import has_fec


class BufferedPacket(NamedTuple):
    """One packet that waits to be played. `time` and `duration` in samples."""

    time: int
    sequence: int
    duration: int
    payload: bytes
    level_dbov: float | None


@dataclass(slots=True)
class PacketCounts:
    """Where every packet went: received = played + late + duplicate + discarded + waiting, at any moment."""

    received: int = 0
    played: int = 0
    late: int = 0
    duplicate: int = 0
    discarded: int = 0
    restarts: int = 0


def unwrap(value: int, near: int, bits: int) -> int:
    """The integer congruent to `value` modulo 2**bits that lies nearest to `near`."""
    span = 1 << bits
    half = span >> 1
    return near + ((value - near + half) % span) - half


class JitterBuffer:
    """At most `MAX_PACKETS` packets, sorted by media time on the way out."""

    MAX_PACKETS: Final = 128
    SEEN: Final = 512
    """Media times remembered to tell a duplicate from a late packet."""
    RESTART_SECONDS: Final = 0.75
    """A packet this far from where its arrival says it belongs starts a new timeline, if others follow."""
    RESTART_PACKETS: Final = 3

    def __init__(self, delay: DelayEstimator) -> None:
        self._delay = delay
        self._packets: dict[int, BufferedPacket] = {}
        self._first: int | None = None
        self._seen: deque[int] = deque()
        self._seen_set: set[int] = set()
        self._last_time: int | None = None
        self._last_sequence = 0
        self._offset = 0
        self._probation: list[tuple[int, int, int, bytes, float | None, float]] = []
        self.counts = PacketCounts()
        self.next_time: int | None = None
        """Media time of the next sample to be decoded: packets before it are late. None before the start."""

    def __len__(self) -> int:
        return len(self._packets) + len(self._probation)

    def insert(
        self,
        sequence: int,
        timestamp: int,
        duration: int,
        payload: bytes,
        level_dbov: float | None,
        now: float,
    ) -> None:
        """Take one packet (`duration` in samples) that arrived at monotonic `now`."""
        self.counts.received += 1
        if self._last_time is None:
            self._last_time, self._last_sequence = timestamp, sequence
        near = self._last_time - self._offset
        time = unwrap(timestamp, near, 32) + self._offset
        if self._delay.observed and self._misplaced(time, now):
            self._suspect(sequence, timestamp, duration, payload, level_dbov, now)
            return
        self.counts.discarded += len(self._probation)
        self._probation.clear()
        self._accept(time, sequence, duration, payload, level_dbov, now)

    def rest(self) -> None:
        """Give up all that waits. The timeline goes on; playing starts anew with `next_time`."""
        self.counts.played += len(self._packets)
        self.counts.discarded += len(self._probation)
        self._packets.clear()
        self._probation.clear()
        self._first = None
        self.next_time = None

    def resume(self, now: float) -> None:
        """Packets come again, the first arrived at `now`: time has gone on, however long it was."""
        if self._last_time is not None and self._delay.observed:
            expected = round((now - self._delay.base - self.RESTART_SECONDS) * SAMPLE_RATE)
            self._last_time = max(self._last_time, expected)
        self._delay.resume()

    @property
    def last_time(self) -> int | None:
        """Highest media time that was accepted."""
        return self._last_time

    @property
    def offset(self) -> int:
        """What was added to the sender's timestamps since it last began anew."""
        return self._offset

    def _misplaced(self, time: int, now: float) -> bool:
        return abs(self._delay.relative(time / SAMPLE_RATE, now)) > self.RESTART_SECONDS

    def _suspect(
        self,
        sequence: int,
        timestamp: int,
        duration: int,
        payload: bytes,
        level_dbov: float | None,
        now: float,
    ) -> None:
        """Keep packets of another timeline aside until enough agree (as RFC 3550 A.1 does with sequences)."""
        waiting = self._probation
        if waiting:
            first = waiting[0]
            moved = ((timestamp - first[1] + (1 << 31)) % (1 << 32) - (1 << 31)) / SAMPLE_RATE
            agrees = abs(moved - (now - first[5])) < self.RESTART_SECONDS / 2
            if not agrees or any(timestamp == other[1] for other in waiting):
                self.counts.discarded += len(waiting)
                waiting.clear()
        waiting.append((sequence, timestamp, duration, payload, level_dbov, now))
        if len(waiting) < self.RESTART_PACKETS:
            return
        # The quickest of them is taken to have come without delay: its media time follows from its arrival.
        anchor = max(waiting, key=lambda p: (p[1] - waiting[0][1]) / SAMPLE_RATE - p[5])
        place = round((anchor[5] - self._delay.base) * SAMPLE_RATE)
        place = max(place, self.next_time or place)
        self._offset = place - anchor[1]
        self._last_time = place
        self._last_sequence = anchor[0]
        self.counts.restarts += 1
        self._probation = []
        for one in waiting:
            time = unwrap(one[1], self._last_time - self._offset, 32) + self._offset
            self._accept(time, one[0], one[2], one[3], one[4], one[5])

    def _accept(
        self, time: int, sequence: int, duration: int, payload: bytes, level_dbov: float | None, now: float
    ) -> None:
        if time in self._seen_set:
            self.counts.duplicate += 1
            return
        self._remember(time)
        extended = unwrap(sequence, self._last_sequence, 16)
        if self._last_time is None or time >= self._last_time:
            self._last_time, self._last_sequence = time, extended
        self._delay.observe(time / SAMPLE_RATE, now, extended, has_fec(payload))
        if self.next_time is not None and time < self.next_time:
            self.counts.late += 1
            return
        if len(self._packets) >= self.MAX_PACKETS:
            self.counts.discarded += 1
            return
        self._packets[time] = BufferedPacket(time, extended, duration, payload, level_dbov)
        if self._first is None or time < self._first:
            self._first = time

    def _remember(self, time: int) -> None:
        self._seen.append(time)
        self._seen_set.add(time)
        if len(self._seen) > self.SEEN:
            self._seen_set.discard(self._seen.popleft())

    def first(self) -> BufferedPacket | None:
        """The waiting packet with the smallest media time at or after `next_time`; older ones are dropped."""
        while self._first is not None:
            packet = self._packets[self._first]
            if self.next_time is None or packet.time >= self.next_time:
                return packet
            self.counts.late += 1
            self._remove(packet)
        return None

    def take(self, packet: BufferedPacket, *, played: bool = True) -> None:
        """Remove `packet`: it was played, or (`played=False`) could not be."""
        if played:
            self.counts.played += 1
        else:
            self.counts.discarded += 1
        self._remove(packet)

    def _remove(self, packet: BufferedPacket) -> None:
        del self._packets[packet.time]
        self._first = min(self._packets) if self._packets else None
