"""The client's position: every part once, in order, whatever the server lists or skips."""

from __future__ import annotations

from itertools import pairwise

from hustings.clients.hls_playlist import MediaPlaylist, Part, Segment, Variant
from hustings.clients.hls_reader import HlsReader, choose

PARTS = 4


def playlist(newest: int, *, first: int = 0, skip: int = 0, hint: bool = True) -> MediaPlaylist:
    """Segments of four parts; `newest` parts exist in all; `first` is the first segment listed."""
    made = MediaPlaylist(
        target_duration=3,
        media_sequence=first,
        skipped=skip,
        part_target=0.6,
        can_block_reload=True,
        part_hold_back=1.8,
        preload_part=f"{newest // PARTS}.{newest % PARTS}" if hint else "",
    )
    for number in range(first + skip, newest // PARTS + 1):
        count = min(PARTS, newest - number * PARTS)
        if count <= 0:
            break
        segment = Segment(number, wall_clock=100.0 + number * 2.4, map_uri="init")
        segment.parts = [Part(f"{number}.{index}", 0.6, True, False) for index in range(count)]
        if count == PARTS:
            segment.uri, segment.duration = f"{number}", 2.4
        made.segments.append(segment)
    return made


def name(index: int) -> str:
    return f"{index // PARTS}.{index % PARTS}"


def test_begins_part_hold_back_before_the_end() -> None:
    assert [fetch.uri for fetch in HlsReader().take(playlist(10))] == [name(7), name(8), name(9)]


def test_begins_with_what_there_is() -> None:
    assert [fetch.uri for fetch in HlsReader().take(playlist(1))] == [name(0)]
    assert HlsReader().take(playlist(0)) == []


def test_every_part_once_and_in_order() -> None:
    reader = HlsReader()
    found = [
        fetch.uri for newest in (10, 10, 11, 12, 12, 13, 17, 18) for fetch in reader.take(playlist(newest))
    ]
    assert found == [name(index) for index in range(7, 18)]


def test_blocking_reload_asks_for_the_part_that_comes_next() -> None:
    reader = HlsReader()
    reader.take(playlist(10))
    assert reader.reload(playlist(10)) == {"_HLS_msn": 2, "_HLS_part": 2}
    reader.take(playlist(12))
    assert reader.reload(playlist(12)) == {"_HLS_msn": 3, "_HLS_part": 0}


def test_a_hinted_part_is_not_fetched_again() -> None:
    reader = HlsReader()
    reader.take(playlist(11))
    for newest in range(11, 30):
        hinted = reader.hinted(playlist(newest))
        assert hinted is not None
        assert hinted.uri == name(newest)
        reader.hint_taken(hinted)
        assert reader.take(playlist(newest + 1)) == []


def test_a_hint_carries_the_wall_clock_on() -> None:
    reader = HlsReader()
    hints = [reader.hinted(playlist(newest)) for newest in range(4, 20)]
    walls = [hint.wall_clock for hint in hints if hint is not None and hint.wall_clock is not None]
    assert len(walls) == 16
    assert all(abs(after - before - 0.6) < 1e-6 for before, after in pairwise(walls))


def test_a_delta_update_loses_nothing() -> None:
    reader = HlsReader()
    reader.take(playlist(30))
    found = reader.take(playlist(33, skip=7))
    assert [fetch.uri for fetch in found] == [name(30), name(31), name(32)]
    assert reader.lost_segments == 0


def test_falling_out_of_the_window_is_counted() -> None:
    reader = HlsReader()
    reader.take(playlist(10))
    found = reader.take(playlist(42, first=10))
    assert found[0].uri == name(40)
    assert reader.lost_segments == 8


def test_gaps_and_discontinuities() -> None:
    reader = HlsReader()
    reader.take(playlist(8))
    live = playlist(12, hint=False)
    live.segments[-1].gap = True
    after = Segment(3, "3", 2.4, discontinuity=True)
    live.segments.append(after)
    assert [fetch.uri for fetch in reader.take(live)] == ["3"]
    assert reader.discontinuities == 1
    reader.take(live)
    assert reader.discontinuities == 1


def test_choose_by_codec() -> None:
    variants = [Variant("a", "mp4a.40.2", 1), Variant("o", "Opus", 1)]
    assert choose(variants, "opus").uri == "o"
    assert choose(variants, "aac").uri == "a"
