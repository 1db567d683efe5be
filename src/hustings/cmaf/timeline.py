"""The segment timeline: which chunk, part and segment a sample belongs to.

Everything is arithmetic on `seq`, the number of a 200 ms slot since the broadcast went live, and on
`epoch`, how often the stage has restarted since. So stage and edges agree without talking about it.
"""

from __future__ import annotations

from typing import Literal

SAMPLE_RATE = 48_000
CHUNK_SAMPLES = 9_600
"""One chunk (moof+mdat): 200 ms."""
CHUNKS_PER_PART = 3
"""One partial segment of LL-HLS: 600 ms."""
PARTS_PER_SEGMENT = 10
CHUNKS_PER_SEGMENT = CHUNKS_PER_PART * PARTS_PER_SEGMENT
"""One segment: 6 s."""
PART_SAMPLES = CHUNK_SAMPLES * CHUNKS_PER_PART
SEGMENT_SAMPLES = CHUNK_SAMPLES * CHUNKS_PER_SEGMENT

OPUS_FRAME_SAMPLES = 960
AAC_UNIT_SAMPLES = 1_024

type Codec = Literal["opus", "aac"]
CODECS: tuple[Codec, ...] = ("opus", "aac")

UNIT_SAMPLES: dict[Codec, int] = {"opus": OPUS_FRAME_SAMPLES, "aac": AAC_UNIT_SAMPLES}
"""Samples of one access unit."""


def codec_string(codec: Codec) -> str:
    """The CODECS value (RFC 6381) for MSE and for the multivariant playlist."""
    return {"opus": "opus", "aac": "mp4a.40.2"}[codec]


def segment_number(seq: int, epoch: int) -> int:
    """Media sequence number of the segment that chunk `seq` of `epoch` is in.

    Each restart adds one, so a segment cut short and the one that goes on in the same 6 s slot have
    different numbers, and numbers only grow.
    """
    return seq // CHUNKS_PER_SEGMENT + epoch


def part_index(seq: int) -> int:
    """Which 600 ms part of its 6 s slot chunk `seq` is in, 0-9. It names the part in its URI."""
    return seq % CHUNKS_PER_SEGMENT // CHUNKS_PER_PART


def starts_segment(seq: int) -> bool:
    """Whether chunk `seq` is the first of its 6 s slot."""
    return seq % CHUNKS_PER_SEGMENT == 0


def ends_part(seq: int) -> bool:
    """Whether chunk `seq` is the last of its part."""
    return seq % CHUNKS_PER_PART == CHUNKS_PER_PART - 1


def ends_segment(seq: int) -> bool:
    """Whether chunk `seq` is the last of its 6 s slot."""
    return seq % CHUNKS_PER_SEGMENT == CHUNKS_PER_SEGMENT - 1


def next_seq(media_time: int) -> int:
    """The first chunk that begins at or after `media_time`: where a restarted stage goes on."""
    return -(-media_time // CHUNK_SAMPLES)


def first_unit(codec: Codec, seq: int) -> int:
    """Number of the first access unit that begins in chunk `seq` (unit k begins at sample k * size)."""
    return -(-seq * CHUNK_SAMPLES // UNIT_SAMPLES[codec])


def aac_first_unit(seq: int) -> int:
    """`first_unit` for AAC: ceil(seq * 9600 / 1024)."""
    return first_unit("aac", seq)


def chunk_of_unit(codec: Codec, unit: int) -> int:
    """The chunk that access unit number `unit` belongs to: the one its first sample is in."""
    return unit * UNIT_SAMPLES[codec] // CHUNK_SAMPLES


def units_in_chunk(codec: Codec, seq: int) -> int:
    """How many access units chunk `seq` has: 10 for Opus; 9 or 10 for AAC."""
    return first_unit(codec, seq + 1) - first_unit(codec, seq)


def chunk_media_time(codec: Codec, seq: int) -> int:
    """Decode time of the first sample of chunk `seq`; for AAC up to 1023 samples into its slot."""
    return first_unit(codec, seq) * UNIT_SAMPLES[codec]


def longest(codec: Codec, chunks: int) -> int:
    """The most samples that any run of `chunks` chunks can have."""
    unit = UNIT_SAMPLES[codec]
    return -(-chunks * CHUNK_SAMPLES // unit) * unit
