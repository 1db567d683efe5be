"""Playlists as RFC 8216bis has them, and whatever else may come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.clients.hls_playlist import (
    Part,
    is_multivariant,
    parse_media,
    parse_multivariant,
)
from hustings.errors import Corrupt

MULTIVARIANT = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=70000,CODECS="opus"
opus.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=105000,CODECS="mp4a.40.2",NAME="a, b"
aac.m3u8
"""

MEDIA = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:6
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.8,CAN-SKIP-UNTIL=36,HOLD-BACK=18
#EXT-X-PART-INF:PART-TARGET=0.6
#EXT-X-MEDIA-SEQUENCE:40
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-MAP:URI="opus/init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:00.000Z
#EXTINF:6.00000,
opus/40.m4s
#EXT-X-GAP
#EXTINF:6,
opus/41.m4s
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T17:00:13.500+01:00
#EXT-X-PART:DURATION=0.6,URI="opus/42.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.6,URI="opus/42.1.m4s",INDEPENDENT=YES
#EXTINF:1.2,
opus/42.m4s
#EXT-X-PART:DURATION=0.6,URI="opus/43.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="opus/43.1.m4s"
#EXT-X-RENDITION-REPORT:URI="aac.m3u8",LAST-MSN=43,LAST-PART=0
"""


def test_multivariant() -> None:
    variants = parse_multivariant(MULTIVARIANT)
    assert [(v.uri, v.codecs, v.bandwidth) for v in variants] == [
        ("opus.m3u8", "opus", 70000),
        ("aac.m3u8", "mp4a.40.2", 105000),
    ]
    assert is_multivariant(MULTIVARIANT)
    assert not is_multivariant(MEDIA)


def test_media_playlist() -> None:
    playlist = parse_media(MEDIA)
    assert (playlist.version, playlist.target_duration, playlist.part_target) == (9, 6, 0.6)
    assert (playlist.can_block_reload, playlist.part_hold_back, playlist.hold_back) == (True, 1.8, 18.0)
    assert playlist.can_skip_until == 36.0
    assert (playlist.media_sequence, playlist.discontinuity_sequence, playlist.ended) == (40, 1, False)
    assert playlist.preload_part == "opus/43.1.m4s"
    assert [(s.number, s.uri, s.gap, s.discontinuity) for s in playlist.segments] == [
        (40, "opus/40.m4s", False, False),
        (41, "opus/41.m4s", True, False),
        (42, "opus/42.m4s", False, True),
        (43, "", False, False),
    ]
    assert playlist.segments[2].parts[1] == Part("opus/42.1.m4s", 0.6, True, False)
    assert {segment.map_uri for segment in playlist.segments} == {"opus/init.mp4"}


def test_wall_clocks_are_carried_on() -> None:
    walls = [segment.wall_clock for segment in parse_media(MEDIA).segments]
    first = walls[0]
    assert first == 1795363200.0
    assert walls == pytest.approx([first, first + 6, first + 13.5, first + 14.7])


def test_delta_update_numbers_its_segments_behind_the_skipped_ones() -> None:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n"
    playlist = parse_media(text + "#EXTINF:6,\n12.m4s\n#EXT-X-ENDLIST\n")
    assert playlist.skipped == 5
    assert playlist.segments[0].number == 12
    assert playlist.ended


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "#EXTM3U\n#EXTINF:6,\na.m4s\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:-6\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:1e400,\na.m4s\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PART:DURATION=0.6\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PROGRAM-DATE-TIME:yesterday\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:00\n",
        '#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI="a\n',
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(Corrupt):
        parse_media(text)


def test_a_multivariant_playlist_without_variants_is_refused() -> None:
    with pytest.raises(Corrupt):
        parse_multivariant("#EXTM3U\n")


_LINE = st.sampled_from(MEDIA.splitlines() + MULTIVARIANT.splitlines()) | st.text(max_size=30)


@given(st.lists(_LINE, max_size=30))
def test_only_corrupt_leaves_the_parsers(lines: list[str]) -> None:
    text = "\n".join(["#EXTM3U", *lines])
    for parse in (parse_media, parse_multivariant):
        try:
            parse(text)
        except Corrupt:
            pass
