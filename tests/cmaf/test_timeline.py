from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hustings.cmaf.timeline import (
    CHUNK_SAMPLES,
    CODECS,
    UNIT_SAMPLES,
    Codec,
    aac_first_unit,
    chunk_media_time,
    chunk_of_unit,
    codec_string,
    ends_part,
    ends_segment,
    first_unit,
    longest,
    next_seq,
    part_index,
    segment_number,
    starts_segment,
    units_in_chunk,
)

seqs = st.integers(0, 10**9)
codecs = st.sampled_from(CODECS)


def test_numbers() -> None:
    assert [segment_number(seq, 0) for seq in (0, 29, 30, 59, 60)] == [0, 0, 1, 1, 2]
    assert [segment_number(seq, 2) for seq in (29, 30)] == [2, 3]
    assert [part_index(seq) for seq in (0, 2, 3, 29, 30)] == [0, 0, 1, 9, 0]
    assert [codec_string(codec) for codec in CODECS] == ["opus", "mp4a.40.2"]
    assert [aac_first_unit(seq) for seq in range(4)] == [0, 10, 19, 29]
    assert [units_in_chunk("aac", seq) for seq in range(4)] == [10, 9, 10, 9]
    assert (longest("opus", 3), longest("aac", 3), longest("aac", 30)) == (28_800, 29_696, 288_768)


@given(seq=seqs)
def test_a_crash_always_gives_the_next_segment_a_new_number(seq: int) -> None:
    assert segment_number(seq, 0) < segment_number(seq, 1)
    assert segment_number(seq, 0) < segment_number(seq + 1, 1)
    assert starts_segment(seq) == ends_segment(seq + 29)
    assert ends_part(seq) == (part_index(seq) != part_index(seq + 1))


@given(seq=seqs, codec=codecs)
def test_units_belong_to_the_chunk_in_which_they_begin(seq: int, codec: Codec) -> None:
    first = first_unit(codec, seq)
    assert chunk_of_unit(codec, first) == seq
    assert first == 0 or chunk_of_unit(codec, first - 1) == seq - 1
    assert 0 <= chunk_media_time(codec, seq) - seq * CHUNK_SAMPLES < UNIT_SAMPLES[codec]


@given(seq=seqs, codec=codecs, count=st.integers(1, 40))
def test_no_run_of_chunks_is_longer_than_longest(seq: int, codec: Codec, count: int) -> None:
    samples = chunk_media_time(codec, seq + count) - chunk_media_time(codec, seq)
    assert samples <= longest(codec, count)
    # Three chunks are a part: at least 85 % of the part target (RFC 8216bis 4.4.4.9).
    if count == 3:
        assert samples >= 0.85 * longest(codec, 3)


@given(media_time=st.integers(0, 10**12))
def test_a_restart_goes_on_at_a_chunk_boundary(media_time: int) -> None:
    assert 0 <= next_seq(media_time) * CHUNK_SAMPLES - media_time < CHUNK_SAMPLES
