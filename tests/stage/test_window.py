"""The window: what a late edge gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.bus.messages import MediaChunk, encode
from hustings.stage.window import LARGEST_ANSWER, MediaWindow


def chunk(seq: int, size: int = 1000) -> MediaChunk:
    return MediaChunk(
        broadcast_id="b",
        codec="opus",
        seq=seq,
        epoch=0,
        media_time=seq * 9600,
        duration=9600,
        wall_clock=0.0,
        data=bytes(size),
    )


def test_an_empty_window() -> None:
    window = MediaWindow(b"init", 60)
    answer = window.after(-1, 1000)
    assert (answer.init, answer.chunks, answer.last_seq) == (b"init", [], -1)


@given(
    seqs=st.lists(st.integers(0, 3000), unique=True, min_size=1, max_size=200).map(sorted),
    after=st.integers(-1, 3001),
    room=st.integers(0, 20_000),
)
def test_asking_again_and_again_gives_all_after_a_number(seqs: list[int], after: int, room: int) -> None:
    window = MediaWindow(b"", 60)
    for seq in seqs:
        window.append(chunk(seq))
    got: list[int] = []
    while True:
        answer = window.after(got[-1] if got else after, room)
        assert sum(len(c.data) for c in answer.chunks) <= max(room, 1000)
        got += [c.seq for c in answer.chunks]
        if not answer.chunks or got[-1] == answer.last_seq:
            break
    assert got == [seq for seq in seqs if seq > after]


@pytest.mark.parametrize("seconds", [2, 120])
def test_it_is_bounded(seconds: int) -> None:
    window = MediaWindow(b"", seconds)
    for seq in range(2000):
        window.append(chunk(seq, 1))
    got = window.after(-1, 10**9).chunks
    assert len(got) == seconds * 5
    assert got[-1].seq == window.last_seq == 1999
    assert len(window._chunks) < seconds * 5 + 300


def test_an_answer_fits_on_the_bus() -> None:
    window = MediaWindow(b"i" * 1000, 3600)
    for seq in range(1000):
        window.append(chunk(seq, 2400))
    answer = window.after(-1, 10**9)
    assert LARGEST_ANSWER // 2 < len(encode(answer)) < 1024 * 1024


def test_chunks_only_grow() -> None:
    window = MediaWindow(b"", 60)
    window.append(chunk(5))
    with pytest.raises(ValueError, match="chunk 5 after 5"):
        window.append(chunk(5))
