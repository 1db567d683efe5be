"""What a media playlist lists: segments and their parts, and how both are written (RFC 8216bis 4.4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from hustings.cmaf.timeline import (
    CHUNKS_PER_PART,
    CHUNKS_PER_SEGMENT,
    SAMPLE_RATE,
    Codec,
    longest,
    part_index,
)


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
    parts: int = 0
    """How many are complete, from the slot of `first_seq` on."""
    whole: int = 0
    """A bit for each slot whose part has all its chunks."""
    plain: str = ""
    """The text once finished, without parts."""
    full: str = ""
    """The text with parts, as far as it goes."""

    @property
    def next_slot(self) -> int:
        """The slot whose part comes next, as long as it is not finished."""
        return part_index(self.first_seq) + self.parts

    def chunks(self, slot: int) -> tuple[int, int]:
        """First and last chunk of the part in `slot`, which it has."""
        begins = self.last_seq // CHUNKS_PER_SEGMENT * CHUNKS_PER_SEGMENT + slot * CHUNKS_PER_PART
        return max(self.first_seq, begins), min(self.last_seq, begins + CHUNKS_PER_PART - 1)

    def part_span(self, slot: int) -> tuple[int, int] | None:
        """First and last chunk of the part in `slot`; None where there is none, or chunks are missing."""
        return self.chunks(slot) if slot >= 0 and self.whole >> slot & 1 else None


def seconds_text(samples: int) -> str:
    return f"{samples / SAMPLE_RATE:.5f}"


def date_time(wall_clock: float) -> str:
    moment = datetime.fromtimestamp(round(wall_clock, 3), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def part_line(codec: Codec, number: int, slot: int, samples: int, *, gap: bool) -> str:
    """One part of segment `number`; `gap`: chunks are missing in it."""
    # Every audio part can be decoded on its own (4.4.4.9 INDEPENDENT).
    available = "GAP=YES" if gap else "INDEPENDENT=YES"
    return f'#EXT-X-PART:DURATION={seconds_text(samples)},URI="{codec}/{number}.{slot}.m4s",{available}\n'


def part_target(codec: Codec) -> str:
    """PART-TARGET in seconds: the longest part, 600 ms of Opus or 29 AAC units (618.67 ms)."""
    return seconds_text(longest(codec, CHUNKS_PER_PART))


def advance_part_limit(codec: Codec) -> int:
    """How many parts ahead a client may ask for: 3 s of parts (6.2.5.2)."""
    return ceil(3 * SAMPLE_RATE / longest(codec, CHUNKS_PER_PART))
