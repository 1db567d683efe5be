"""What a media playlist lists: segments and their parts, and how both are written (RFC 8216bis 4.4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from hustings.cmaf.timeline import CHUNKS_PER_PART, CHUNKS_PER_SEGMENT, SAMPLE_RATE, Codec, longest


@dataclass(frozen=True, slots=True)
class Past:
    """A whole segment from before the playlist was begun. `first_seq`, `last_seq`: its chunks;
    `duration`: samples; `wall_clock`: Unix seconds of its first sample."""

    number: int
    epoch: int
    first_seq: int
    last_seq: int
    duration: int
    wall_clock: float


@dataclass(frozen=True, slots=True)
class RenditionReport:
    """How far another rendition's playlist is: its last part (4.4.5.4). -1: no part yet."""

    codec: Codec
    last_msn: int
    last_part: int

    def line(self) -> str:
        return (
            f'#EXT-X-RENDITION-REPORT:URI="{self.codec}.m3u8",LAST-MSN={self.last_msn},'
            f"LAST-PART={self.last_part}\n"
        )


@dataclass(slots=True)
class Part:
    slot: int
    first_seq: int
    last_seq: int
    duration: int
    gap: bool


@dataclass(slots=True)
class Segment:
    """`first_seq` to `last_seq`: the chunks it should hold; some of them may have been missed."""

    number: int
    epoch: int
    first_seq: int
    last_seq: int
    wall_clock: float
    discontinuity: bool = False
    gap: bool = False
    duration: int = 0
    size: int = 0
    parts: list[Part] = field(default_factory=list)
    plain: str = ""
    """The text once finished, without parts."""
    full: str = ""
    """The text with parts, as far as it goes."""
    parts_follow: bool = False
    """Only the last part is kept: none was missing, so all follow from `first_seq` and `last_seq`."""

    def part_span(self, slot: int) -> tuple[int, int] | None:
        """First and last chunk of the part in `slot`; None where there is none, or chunks are missing."""
        if self.parts_follow:
            begins = self.last_seq // CHUNKS_PER_SEGMENT * CHUNKS_PER_SEGMENT + slot * CHUNKS_PER_PART
            first, last = max(self.first_seq, begins), min(self.last_seq, begins + CHUNKS_PER_PART - 1)
            return (first, last) if first <= last and 0 <= slot <= self.parts[-1].slot else None
        found = next((part for part in self.parts if part.slot == slot and not part.gap), None)
        return (found.first_seq, found.last_seq) if found is not None else None

    def forget_parts(self) -> None:
        """It is so old that its parts are listed no more. They are nine tenths of its memory, and a broadcast
        that is recorded is listed from its beginning."""
        self.full = ""
        if self.parts and not any(part.gap for part in self.parts):
            del self.parts[:-1]
            self.parts_follow = True


def seconds_text(samples: int) -> str:
    return f"{samples / SAMPLE_RATE:.5f}"


def date_time(wall_clock: float) -> str:
    moment = datetime.fromtimestamp(round(wall_clock, 3), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def part_line(codec: Codec, number: int, part: Part) -> str:
    # Every audio part can be decoded on its own (4.4.4.9 INDEPENDENT).
    available = "GAP=YES" if part.gap else "INDEPENDENT=YES"
    uri = f"{codec}/{number}.{part.slot}.m4s"
    return f'#EXT-X-PART:DURATION={seconds_text(part.duration)},URI="{uri}",{available}\n'


def part_target(codec: Codec) -> str:
    """PART-TARGET in seconds: the longest part, 600 ms of Opus or 29 AAC units (618.67 ms)."""
    return seconds_text(longest(codec, CHUNKS_PER_PART))


def advance_part_limit(codec: Codec) -> int:
    """How many parts ahead a client may ask for: 3 s of parts (6.2.5.2)."""
    return ceil(3 * SAMPLE_RATE / longest(codec, CHUNKS_PER_PART))
