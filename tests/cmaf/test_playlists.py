"""Whole playlists with explicit times, and what must hold of all of them."""

from __future__ import annotations

import re
import time
import tracemalloc
from math import inf
from unittest.mock import patch

import pytest
from cmaf_feed import LIVE_SINCE, append, feed
from hls_rules import validate, validate_group
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.cmaf.listed import Past, advance_part_limit, part_target
from hustings.cmaf.multivariant import estimated_variant, multivariant_playlist
from hustings.cmaf.playlists import MediaTimeline
from hustings.cmaf.timeline import CODECS, Codec, part_index, segment_number

BEGIN = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:6
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=36.0,HOLD-BACK=18.0,PART-HOLD-BACK=1.856
"""


def text(timeline: MediaTimeline, *, skip: bool = False) -> str:
    return timeline.media_playlist(skip=skip).decode()


def parts(codec: str, segment: int, durations: str) -> str:
    return "".join(
        f'#EXT-X-PART:DURATION={duration},URI="{codec}/{segment}.{index}.m4s",INDEPENDENT=YES\n'
        for index, duration in enumerate(durations.split())
    )


def test_the_first_second() -> None:
    timeline = MediaTimeline("opus")
    assert timeline.is_empty
    feed(timeline, range(5))
    assert text(timeline) == BEGIN + (
        "#EXT-X-PART-INF:PART-TARGET=0.60000\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
        '#EXT-X-MAP:URI="opus/init.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n"
        '#EXT-X-PART:DURATION=0.60000,URI="opus/0.0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="opus/0.1.m4s"\n'
    )


def test_aac_parts_have_28_or_29_units_and_reports_name_the_other_rendition() -> None:
    timeline, other = MediaTimeline("aac"), MediaTimeline("opus")
    feed(timeline, range(33))
    feed(other, range(36))
    lengths = "0.61867 0.59733 0.59733 0.59733 0.59733 0.59733 0.59733 0.59733 0.61867 0.59733"
    assert timeline.media_playlist(reports=[other.report()]).decode() == BEGIN + (
        "#EXT-X-PART-INF:PART-TARGET=0.61867\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
        '#EXT-X-MAP:URI="aac/init.mp4"\n'
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n"
        + parts("aac", 0, lengths)
        + "#EXTINF:6.01600,\n"
        "aac/0.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:26.016Z\n"
        '#EXT-X-PART:DURATION=0.59733,URI="aac/1.0.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="aac/1.1.m4s"\n'
        '#EXT-X-RENDITION-REPORT:URI="opus.m3u8",LAST-MSN=1,LAST-PART=1\n'
    )


def test_a_restart_in_mid_segment_gives_a_short_segment_and_a_discontinuity() -> None:
    timeline = MediaTimeline("opus")
    feed(timeline, range(37))
    feed(timeline, range(44, 49), epoch=1)
    assert text(timeline).partition('init.mp4"\n')[2] == (
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:20.000Z\n"
        + parts("opus", 0, "0.60000 " * 10)
        + "#EXTINF:6.00000,\n"
        "opus/0.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:26.000Z\n"
        + parts("opus", 1, "0.60000 0.60000 0.20000")
        + "#EXTINF:1.40000,\n"
        "opus/1.m4s\n"
        "#EXT-X-DISCONTINUITY\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:28.800Z\n"
        '#EXT-X-PART:DURATION=0.20000,URI="opus/2.4.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PART:DURATION=0.60000,URI="opus/2.5.m4s",INDEPENDENT=YES\n'
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="opus/2.6.m4s"\n'
    )
    assert timeline.segment_chunks(1) == (0, 30, 36)
    assert timeline.part_chunks(1, 2) == (0, 36, 36)
    assert timeline.part_chunks(2, 4) == (1, 44, 44)
    # _HLS_part counts from the segment's first part, wherever that lies in its slot.
    assert timeline.has(2, 1)
    assert not timeline.has(2, 2)


def test_what_a_restart_skipped_is_listed_as_missing() -> None:
    timeline = MediaTimeline("opus")
    feed(timeline, range(35))
    feed(timeline, range(90, 93), epoch=1)
    listed = text(timeline)
    assert (
        "opus/1.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:27.000Z\n#EXT-X-GAP\n#EXTINF:5.50000,\nopus/2.m4s\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:32.500Z\n#EXT-X-GAP\n#EXTINF:5.50000,\nopus/3.m4s\n"
        "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:38.000Z\n"
        '#EXT-X-PART:DURATION=0.60000,URI="opus/4.0.m4s",INDEPENDENT=YES\n'
    ) in listed
    assert timeline.segment_chunks(2) is None


def test_a_clock_set_back_during_a_restart_uses_no_number_twice() -> None:
    timeline = MediaTimeline("opus")
    seen = feed(timeline, range(200))
    seen += feed(timeline, range(100, 300), epoch=1)
    assert validate(seen) == []
    numbers = re.findall(r"\nopus/(\d+)\.m4s", seen[-1])
    assert numbers == [str(number) for number in range(11)]
    assert timeline.segment_chunks(7) == (1, 180, 209)


def test_a_report_names_the_last_part_even_before_a_gap() -> None:
    timeline, other = MediaTimeline("opus"), MediaTimeline("aac")
    assert b"RENDITION-REPORT" not in timeline.media_playlist(reports=[other.report()])
    feed(other, range(35))
    append(other, 90, 1)
    assert b"LAST-MSN=1,LAST-PART=1\n" in timeline.media_playlist(reports=[other.report()])


def test_an_epoch_without_sound_keeps_discontinuity_numbers_equal_in_all_renditions() -> None:
    """Both saw epochs 0 and 2; only one of them had time for a chunk of epoch 1."""
    aac, opus = MediaTimeline("aac"), MediaTimeline("opus")
    for timeline in (aac, opus):
        feed(timeline, range(32))
    feed(opus, [35], epoch=1)
    for timeline in (aac, opus):
        feed(timeline, range(40, 75), epoch=2)
    assert validate_group({"aac.m3u8": text(aac), "opus.m3u8": text(opus)}) == []
    assert text(aac).count("#EXT-X-DISCONTINUITY\n") == 2


def test_chunks_that_an_edge_missed_become_parts_and_segments_with_gap() -> None:
    timeline = MediaTimeline("opus")
    seen = feed(timeline, [*range(34), *range(40, 50), *range(95, 99)])
    assert validate(seen) == []
    listed = text(timeline)
    assert '#EXT-X-PART:DURATION=0.60000,URI="opus/1.1.m4s",GAP=YES\n' in listed
    assert "#EXT-X-GAP\n#EXTINF:6.00000,\nopus/2.m4s\n" in listed
    assert '#EXT-X-PART:DURATION=0.60000,URI="opus/3.0.m4s",GAP=YES\n' in listed
    assert "#EXTINF:6.00000,\nopus/1.m4s\n" in listed
    assert timeline.part_chunks(1, 1) is None
    assert timeline.segment_chunks(1) == (0, 30, 59)


def test_a_late_edge_lists_from_the_first_whole_segment() -> None:
    timeline = MediaTimeline("opus")
    feed(timeline, range(17, 34))
    assert 'URI="opus/1.0.m4s"' in text(timeline)
    assert "opus/0" not in text(timeline)
    assert timeline.media_sequence == 1
    # A chunk with styp begins its segment, in mid-slot too: the first after a restart.
    restarted = MediaTimeline("opus")
    append(restarted, 17, 3, segment_start=True)
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP" in text(restarted)
    assert 'URI="opus/3.5.m4s"' in text(restarted)


def test_the_end() -> None:
    timeline = MediaTimeline("opus")
    seen = feed(timeline, range(34))
    assert timeline.finish()
    assert not timeline.finish()
    assert text(timeline).endswith(
        '#EXT-X-PART:DURATION=0.20000,URI="opus/1.1.m4s",INDEPENDENT=YES\n'
        "#EXTINF:0.80000,\nopus/1.m4s\n#EXT-X-ENDLIST\n"
    )
    assert validate([*seen, text(timeline)]) == []
    assert not append(timeline, 34)
    assert timeline.hint is None
    # 6.2.5.2 and 6.2.5.1: directives are ignored after the end.
    assert timeline.has(99, 3)
    assert not timeline.too_far(99, 3)
    assert text(timeline, skip=True) == text(timeline)


def test_old_segments_leave_and_numbers_stay() -> None:
    timeline = MediaTimeline("opus", window_seconds=30)
    seen = feed(timeline, range(70))
    seen += feed(timeline, range(80, 400), epoch=1)
    assert validate(seen) == []
    assert "#EXT-X-MEDIA-SEQUENCE:9\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in seen[-1]
    assert "#EXT-X-DISCONTINUITY\n" not in seen[-1]
    # 6.2.2: still to be had for as long as a segment lasts after leaving.
    assert timeline.segment_chunks(8) == (1, 210, 239)
    assert timeline.segment_chunks(7) == (1, 180, 209)
    assert timeline.segment_chunks(6) is None
    assert timeline.first_kept_seq == 180


def test_duplicates_and_old_chunks_are_ignored() -> None:
    timeline = MediaTimeline("opus")
    feed(timeline, range(10))
    before = text(timeline)
    assert not append(timeline, 9)
    assert not append(timeline, 3)
    assert text(timeline) == before


@pytest.mark.parametrize(
    ("msn", "part", "has", "too_far"),
    [
        (0, None, True, False),
        (1, None, True, False),
        (2, None, False, False),
        (4, None, False, True),
        (3, None, False, False),
        (1, 9, True, False),
        (1, 10, True, False),  # past the end of 1: part 0 of 2, which is there
        (0, 10, True, False),
        (2, 1, True, False),
        (2, 2, False, False),
        (2, 6, False, False),
        (2, 7, False, True),  # two listed, five more may be asked for
        (3, 0, False, False),
        (3, 5, False, True),
    ],
)
def test_blocking_reload(msn: int, part: int | None, has: bool, too_far: bool) -> None:
    timeline = MediaTimeline("opus")
    feed(timeline, range(67))
    assert (timeline.has(msn, part), timeline.too_far(msn, part)) == (has, too_far)


def test_a_part_past_the_last_is_the_next_segments_first() -> None:
    timeline = MediaTimeline("opus")
    feed(timeline, range(60))
    assert timeline.has(1, 9)
    assert not timeline.has(1, 10)
    feed(timeline, range(60, 63))
    assert timeline.has(1, 10)


def test_nothing_listed_yet() -> None:
    timeline = MediaTimeline("opus")
    assert not timeline.has(0, 0)
    assert not timeline.too_far(0, 0)
    assert timeline.too_far(2)
    assert timeline.hint is None
    append(timeline, 0)
    assert timeline.hint == (0, 0)


def test_limits_come_from_the_part_target() -> None:
    assert (part_target("opus"), part_target("aac")) == ("0.60000", "0.61867")
    assert (advance_part_limit("opus"), advance_part_limit("aac")) == (5, 5)


def test_the_multivariant_playlist() -> None:
    listed = multivariant_playlist([estimated_variant("aac", 96_000), estimated_variant("opus", 64_000)])
    assert listed.decode() == (
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=125760,AVERAGE-BANDWIDTH=101760,CODECS="mp4a.40.2"\n'
        "aac.m3u8\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=85760,AVERAGE-BANDWIDTH=69760,CODECS="opus"\n'
        "opus.m3u8\n"
    )
    assert validate([listed.decode()]) == []
    assert estimated_variant("opus", 64_000, measured_peak=99_000).bandwidth == 99_000


def test_an_hour_renders_in_far_less_than_a_millisecond() -> None:
    """What is finished is text already. The limit is loose: this machine may be busy with others."""
    timeline = MediaTimeline("opus")
    for seq in range(600 * 30 - 5):
        append(timeline, seq)
    begun = time.perf_counter()
    for _ in range(100):
        timeline.media_playlist()
    assert (time.perf_counter() - begun) / 100 < 0.005
    assert timeline.media_sequence == 0
    assert len(timeline.media_playlist(skip=True)) < 4_000
    assert timeline.peak_bitrate == 30 * 1_700 * 8 // 6


def test_an_hour_takes_little_memory_and_has_all_its_parts() -> None:
    timeline = MediaTimeline("opus")
    timeline.keep_all()
    feed(timeline, range(30 * 30))
    tracemalloc.start()
    try:
        for seq in range(30 * 30, 600 * 30):
            append(timeline, seq)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 150 * 570 + 20_000  # 86 of text, 38 of numbers, and what grows by an eighth at a time
    assert timeline.part_chunks(0, 0) == (0, 0, 2)
    assert timeline.part_chunks(17, 9) == (0, 17 * 30 + 27, 17 * 30 + 29)
    assert timeline.part_chunks(17, 10) is None
    assert timeline.part_chunks(599, 9) == (0, 17_997, 17_999)


# --- properties ------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, int]]:
    """(seq, epoch) of chunks as they reach an edge: runs, holes, restarts."""
    chunks: list[tuple[int, int]] = []
    seq = epoch = 0
    for _ in range(draw(st.integers(1, 6))):
        run = draw(st.integers(1, 100))
        chunks += [(seq + index, epoch) for index in range(run)]
        seq += run
        event = draw(st.sampled_from(["hole", "restart", "restart", "twice"]))
        seq += draw(st.integers(1, 80))
        if event != "hole":
            epoch += 2 if event == "twice" else 1
    return chunks


def blocks(playlist: str) -> list[str]:
    """The playlist cut after each segment's URI line."""
    return re.findall(r"(?:#.*\n)*?[^#\n]+\.m4s\n|(?:#.*\n)+$", playlist)


def apply_delta(previous: str, delta: str) -> str:
    """What a client makes of a delta update (6.3.7), as text."""
    skipped = re.search(r"#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)\n", delta)
    if skipped is None:
        return delta
    number, removed = int(skipped[1]), re.compile(r"#EXT-X-MEDIA-SEQUENCE:(\d+)\n")
    before, after = removed.search(previous), removed.search(delta)
    assert before is not None
    assert after is not None
    gone = int(after[1]) - int(before[1])
    old = blocks(previous.partition('init.mp4"\n')[2])[gone : gone + number]
    # Parts of segments that are skipped have been removed as they grew old.
    old = [re.sub(r"#EXT-X-PART:.*\n", "", block) for block in old]
    return delta.replace(skipped[0], "".join(old))


@settings(max_examples=40, deadline=None)
@given(history=histories(), codec=st.sampled_from(CODECS), window=st.sampled_from([30, 90, 3600]))
def test_whatever_happens_the_rules_hold(history: list[tuple[int, int]], codec: Codec, window: int) -> None:
    timeline = MediaTimeline(codec, window_seconds=window)
    fetched: list[str] = []
    full: list[str] = []
    for seq, epoch in history:
        if append(timeline, seq, epoch):
            if full:
                assert apply_delta(full[-1], text(timeline, skip=True)) == text(timeline)
            reports = [timeline.report()]
            fetched.append(timeline.media_playlist(skip=len(full) % 3 > 0, reports=reports).decode())
            full.append(text(timeline))
    timeline.finish()
    assert validate([*fetched, text(timeline)]) == []
    assert validate(full) == []


@settings(max_examples=40, deadline=None)
@given(history=histories(), codec=st.sampled_from(CODECS))
def test_every_part_is_listed_once_and_in_order(history: list[tuple[int, int]], codec: Codec) -> None:
    timeline = MediaTimeline(codec)
    listed: list[str] = []
    held: list[int] = []
    for seq, epoch in history:
        append(timeline, seq, epoch)
        seen = re.findall(r'#EXT-X-PART:DURATION=[0-9.]+,URI="([^"]+)"', text(timeline))
        new = [uri for uri in seen if uri not in listed]
        assert seen[len(seen) - len(new) :] == new
        for uri in new:
            number, part = map(int, uri.removeprefix(f"{codec}/").removesuffix(".m4s").split("."))
            chunks = timeline.part_chunks(number, part)
            if chunks is not None:
                held += range(chunks[1], chunks[2] + 1)
        listed += new
    keys = [tuple(map(int, uri.partition("/")[2].removesuffix(".m4s").split("."))) for uri in listed]
    assert keys == sorted(set(keys))
    assert held == sorted(set(held))
    arrived = {seq for seq, _ in history}
    assert set(held) <= arrived
    named = {(segment_number(seq, epoch), part_index(seq)) for seq, epoch in history[:-3]}
    assert named <= set(keys)


@settings(max_examples=40, deadline=None)
@given(history=histories(), codec=st.sampled_from(CODECS))
def test_a_segment_that_is_old_is_listed_as_before_and_has_its_parts(
    history: list[tuple[int, int]], codec: Codec
) -> None:
    timeline, remembering = MediaTimeline(codec), MediaTimeline(codec)
    for seq, epoch in history:
        append(timeline, seq, epoch)
        with patch("hustings.cmaf.playlists._OLD", inf):
            append(remembering, seq, epoch)
        assert timeline.report() == remembering.report()
        assert text(timeline) == text(remembering)
    for number in range(segment_number(*history[-1]) + 2):
        for part in range(11):
            assert timeline.part_chunks(number, part) == remembering.part_chunks(number, part)


@given(
    recorded=st.integers(1, 12),
    begins=st.integers(1, 14),
    missing=st.sets(st.integers(0, 12), max_size=4),
    restart=st.integers(0, 12),
)
def test_what_was_recorded_before_is_listed_once_and_in_order(
    recorded: int, begins: int, missing: set[int], restart: int
) -> None:
    # Segment `restart` is the first of epoch 1, and the one before was cut short by 2 s; the playlist itself
    # begins with slot `begins`.
    def epoch(slot: int) -> int:
        return int(slot >= restart)

    past = [
        Past(
            slot + epoch(slot),
            epoch(slot),
            slot * 30,
            slot * 30 + (19 if slot + 1 == restart else 29),
            192_000 if slot + 1 == restart else 288_000,
            LIVE_SINCE + slot * 6,
        )
        for slot in range(recorded)
        if slot not in missing
    ]
    timeline = MediaTimeline("opus")
    assert not timeline.precede(past)
    feed(timeline, range(begins * 30, begins * 30 + 65), epoch(begins))
    first = begins + epoch(begins)
    expected = [each.number for each in past if each.number < first]
    assert timeline.precede(past) == bool(expected)
    text = timeline.media_playlist().decode()
    assert validate([text]) == []
    numbers = [int(n) for n in re.findall(r"^opus/([0-9]+)\.m4s$", text, re.M)]
    assert numbers == list(range(min([*expected, first]), first + 2))
    gaps = {int(n) for n in re.findall(r"#EXT-X-GAP\n#EXTINF:[^\n]*\nopus/([0-9]+)\.m4s", text)}
    assert gaps == set(numbers) - set(expected) - {first, first + 1}
