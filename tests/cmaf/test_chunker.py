from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.cmaf.boxes import boxes, find_path
from hustings.cmaf.chunker import (
    CHUNK_BOX_BYTES,
    Chunk,
    Chunker,
    begins_segment,
    read_chunk,
    read_chunks,
    write_chunk,
)
from hustings.cmaf.timeline import CODECS, UNIT_SAMPLES, Codec, chunk_media_time, first_unit, units_in_chunk
from hustings.errors import Corrupt

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzzing"))
from fuzz_cmaf import fuzz


def run(codec: Codec, first_seq: int, chunks: int, epoch: int = 0) -> list[Chunk]:
    chunker = Chunker(codec, first_seq, epoch)
    made: list[Chunk] = []
    for unit in range(first_unit(codec, first_seq), first_unit(codec, first_seq + chunks)):
        assert chunker.next_media_time == unit * UNIT_SAMPLES[codec]
        made += chunker.push(f"unit {unit}".encode(), UNIT_SAMPLES[codec])
    return made


@given(codec=st.sampled_from(CODECS), first_seq=st.integers(0, 10**6), epoch=st.integers(0, 3))
def test_chunks_follow_the_timeline(codec: Codec, first_seq: int, epoch: int) -> None:
    made = run(codec, first_seq, 5, epoch)
    assert [chunk.seq for chunk in made] == list(range(first_seq, first_seq + 5))
    unit = first_unit(codec, first_seq)
    for chunk in made:
        info = read_chunk(chunk.data)
        assert chunk.media_time == info.base_decode_time == chunk_media_time(codec, chunk.seq)
        assert chunk.duration == info.duration == units_in_chunk(codec, chunk.seq) * UNIT_SAMPLES[codec]
        for offset, size, _ in info.samples:
            assert chunk.data[offset : offset + size] == f"unit {unit}".encode()
            unit += 1


def test_styp_stands_where_a_segment_begins() -> None:
    made = run("opus", 28, 4)
    assert [begins_segment(chunk.data) for chunk in made] == [True, False, True, False]


def test_sequence_numbers_grow_over_a_restart() -> None:
    numbers = []
    for chunk in run("opus", 7, 3) + run("opus", 12, 2, epoch=1):
        start, _ = find_path(chunk.data, b"moof", b"mfhd")
        numbers.append(struct.unpack_from(">I", chunk.data, start + 4)[0])
    assert numbers == sorted(set(numbers))


def test_the_end_of_a_broadcast_gives_a_short_chunk() -> None:
    chunker = Chunker("aac")
    for _ in range(3):
        assert chunker.push(b"unit") == []
    (chunk,) = chunker.flush()
    assert (chunk.seq, chunk.duration) == (0, 3 * 1024)
    assert chunker.flush() == []


def test_producer_reference_time() -> None:
    chunker = Chunker("opus", 1)
    made: list[Chunk] = []
    for index in range(10):
        made += chunker.push(b"unit", wall_clock=1_790_000_000.25 + index)
    kinds = [kind for kind, _, _ in boxes(made[0].data)]
    assert kinds == [b"styp", b"prft", b"moof", b"mdat"]
    start = made[0].data.index(b"prft") + 4
    flags, track, ntp, media_time = struct.unpack_from(">IIQQ", made[0].data, start)
    assert (flags, track, media_time) == (0x0100_0018, 1, 9_600)
    assert ntp == (1_790_000_000 + 2_208_988_800 & 0xFFFF_FFFF) << 32 | 1 << 30


def test_whole_chunk() -> None:
    data = write_chunk([b"ab", b"c"], sequence_number=7, base_decode_time=1 << 33, sample_duration=960)
    assert data == bytes.fromhex(
        "00000068 6d6f6f66 "
        "00000010 6d666864 00000000 00000007 "
        "00000050 74726166 "
        "00000018 74666864 00020028 00000001 000003c0 02000000 "
        "00000014 74666474 01000000 00000002 00000000 "
        "0000001c 7472756e 00000201 00000002 00000070 00000002 00000001 "
        "0000000b 6d646174 616263"
    )
    assert len(data) == CHUNK_BOX_BYTES + 2 * 4 + 3


def test_parts_and_segments_hold_several_chunks() -> None:
    made = run("aac", 0, 3)
    infos = read_chunks(b"".join(chunk.data for chunk in made))
    assert [info.base_decode_time for info in infos] == [chunk.media_time for chunk in made]
    with pytest.raises(Corrupt):
        read_chunk(made[0].data + made[1].data)


def test_a_wrong_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="960"):
        Chunker("opus").push(b"", 480)


def test_hostile_bytes_only_raise_corrupt() -> None:
    """A small run of fuzzing/fuzz_cmaf.py."""
    assert fuzz(seed=1, rounds=3_000) > 1_000


@given(st.binary(max_size=400))
def test_any_bytes_only_raise_corrupt(data: bytes) -> None:
    try:
        read_chunk(data)
    except Corrupt:
        return
    raise AssertionError("random bytes cannot be a chunk")


@given(cut=st.integers(0, 200))
def test_every_cut_is_noticed(cut: int) -> None:
    data = write_chunk([b"some", b"units"], sequence_number=1, base_decode_time=0, sample_duration=960)
    with pytest.raises(Corrupt):
        read_chunk(data[: min(cut, len(data) - 1)])
