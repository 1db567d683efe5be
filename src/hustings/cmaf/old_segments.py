"""Segments whose parts are listed no more, in little memory: a broadcast that is recorded is listed from its
beginning, and an object with its text would be 700 bytes for each."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from hustings.cmaf.listed import Segment

_ROW = Struct("=IqqdIHH??")
"""epoch, first_seq, last_seq, wall_clock, duration, whole, length of text, discontinuity, gap: 38 bytes."""


class OldSegments:
    """A queue of segments with consecutive numbers, as rows of numbers and one text."""

    def __init__(self) -> None:
        self.first = 0
        """Number of the first, if there is one."""
        self.text = bytearray()
        """What all of them are in the playlist."""
        self._rows = bytearray()

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def __getitem__(self, index: int) -> Segment:
        """Segment number `first` + `index`, without its text."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        epoch, first, last, wall_clock, duration, whole, _, discontinuity, gap = _ROW.unpack_from(
            self._rows, index * _ROW.size
        )
        number = self.first + index
        return Segment(number, epoch, first, last, wall_clock, discontinuity, gap, duration, whole=whole)

    def __iter__(self) -> Iterator[Segment]:
        return (self[index] for index in range(len(self)))

    def append(self, segment: Segment) -> None:
        """Takes the segment after the last one, with its text without parts."""
        if not self._rows:
            self.first = segment.number
        assert segment.number == self.first + len(self), "segments are consecutive"
        text = segment.plain.encode()
        self.text += text
        self._rows += _ROW.pack(
            segment.epoch,
            segment.first_seq,
            segment.last_seq,
            segment.wall_clock,
            segment.duration,
            segment.whole,
            len(text),
            segment.discontinuity,
            segment.gap,
        )

    def popleft(self) -> Segment:
        """Takes the first one out, with its text."""
        segment = self[0]
        length = _ROW.unpack_from(self._rows)[6]
        segment.plain = self.text[:length].decode()
        # The front of a bytearray is cut without moving the rest.
        del self.text[:length], self._rows[: _ROW.size]
        self.first += 1
        return segment
