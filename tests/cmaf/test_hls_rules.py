"""The validator finds nothing in good playlists and each kind of fault in broken ones."""

from __future__ import annotations

import pytest
from cmaf_feed import feed
from hls_rules import validate, validate_group

from hustings.cmaf.multivariant import estimated_variant, multivariant_playlist
from hustings.cmaf.playlists import MediaTimeline


def good(count: int = 100) -> str:
    timeline = MediaTimeline("opus")
    feed(timeline, range(count))
    return timeline.media_playlist(reports=[timeline.report()]).decode()


def sequence() -> list[str]:
    """Full playlists of 54 s with a restart, and the removal of old segments."""
    timeline = MediaTimeline("opus", window_seconds=30)
    return feed(timeline, range(40)) + feed(timeline, range(50, 270), epoch=1)


def test_good_playlists_have_no_violation() -> None:
    assert validate([good()]) == []
    assert validate(sequence()) == []


MULTIVARIANT = multivariant_playlist([estimated_variant("opus", 64_000)]).decode()


@pytest.mark.parametrize(
    ("clause", "old", "new"),
    [
        ("4.1", "#EXTM3U", "\ufeff#EXTM3U"),
        ("4.1", "#EXTM3U\n", "#EXTM3U\n# \x07\n"),
        ("4.4.1.1", "#EXTM3U\n", "\n#EXTM3U\n"),
        ("8", "#EXT-X-VERSION:9", "#EXT-X-VERSION:5"),
        ("4.4.3", "#EXT-X-VERSION:9\n", "#EXT-X-VERSION:9\n#EXT-X-VERSION:9\n"),
        ("4.4.3.1", "#EXT-X-TARGETDURATION:6\n", ""),
        ("4.4.3.1", "#EXT-X-TARGETDURATION:6\n", "#EXT-X-TARGETDURATION:5\n"),
        ("4.2", "#EXT-X-TARGETDURATION:6\n", "#EXT-X-TARGETDURATION:6.0\n"),
        ("4.4.3.2", "opus/0.m4s\n", "opus/0.m4s\n#EXT-X-MEDIA-SEQUENCE:0\n"),
        ("4.4.3.3", "opus/0.m4s\n", "opus/0.m4s\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n"),
        ("6.2.2", "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP"),
        ("4.4.3.7", "#EXT-X-PART-INF:PART-TARGET=0.60000\n", ""),
        ("4.4.3.7", "PART-TARGET=0.60000", "TARGET=0.6"),
        ("4.4.3.8", "CAN-SKIP-UNTIL=36.0", "CAN-SKIP-UNTIL=35.9"),
        ("4.4.3.8", "HOLD-BACK=18.0", "HOLD-BACK=17.9"),
        ("4.4.3.8", "PART-HOLD-BACK=1.856", "PART-HOLD-BACK=1.199"),
        ("4.4.3.8", ",PART-HOLD-BACK=1.856", ""),
        ("4.4.3.8", "CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=NO"),
        ("4.2", "CAN-BLOCK-RELOAD=YES,", "CAN-BLOCK-RELOAD=YES, "),
        ("4.2", "CAN-BLOCK-RELOAD=YES,", "CAN-BLOCK-RELOAD=YES,CAN-BLOCK-RELOAD=YES,"),
        ("4.4.4.1", "#EXTINF:6.00000,\nopus/1.m4s", "opus/1.m4s"),
        ("4.4.4.1", "#EXTINF:6.00000,\nopus/1.m4s", "#EXTINF:6.00000\nopus/1.m4s"),
        ("4.2", "#EXTINF:6.00000,\nopus/1.m4s", "#EXTINF:-6.0,\nopus/1.m4s"),
        ("4.4.3.1", "#EXTINF:6.00000,\nopus/1.m4s", "#EXTINF:6.50000,\nopus/1.m4s"),
        ("4.4.4", "opus/0.m4s\n", "opus/0.m4s\n#EXTINF:6.0,\n#EXT-X-ENDLIST"),
        ("3.1.2", '#EXT-X-MAP:URI="opus/init.mp4"\n', ""),
        ("4.4.4.5", '#EXT-X-MAP:URI="opus/init.mp4"', '#EXT-X-MAP:BYTERANGE="1@0"'),
        ("4.4.4.6", "2026-09-21T14:13:26.000Z", "21 September"),
        ("6.2.1", "2026-09-21T14:13:26.000Z", "2026-09-21T14:13:22.000Z"),
        ("4.4.4.9", 'DURATION=0.60000,URI="opus/3.0', 'DURATION=0.61000,URI="opus/3.0'),
        ("4.4.4.9", 'DURATION=0.60000,URI="opus/3.0', 'URI="opus/3.0'),
        ("4.4.4.9", 'URI="opus/3.0.m4s",', ""),
        (
            "4.4.4.9",
            'DURATION=0.60000,URI="opus/3.0.m4s",INDEPENDENT=YES',
            'DURATION=0.50000,URI="opus/3.0.m4s"',
        ),
        (
            "4.4.4.9",
            '#EXT-X-PART:DURATION=0.60000,URI="opus/3.1',
            '#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:38.000Z\n#EXT-X-PART:DURATION=0.60000,URI="opus/3.1',
        ),
        (
            "4.4.4.9",
            '#EXT-X-PART:DURATION=0.60000,URI="opus/2.1',
            '#EXT-X-DISCONTINUITY\n#EXT-X-PART:DURATION=0.60000,URI="opus/2.1',
        ),
        ("3.2", 'DURATION=0.60000,URI="opus/2.9', 'DURATION=0.50000,URI="opus/2.9'),
        ("6.2.1", "#EXTINF:6.00000,\nopus/2.m4s", "#EXT-X-GAP\n#EXTINF:6.00000,\nopus/2.m4s"),
        ("6.2.1", "opus/1.m4s", "opus/0.m4s"),
        ("4.4.5", "#EXT-X-MAP", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n" * 2 + "#EXT-X-MAP"),
        ("4.4.5.2", "#EXT-X-MAP", "#EXT-X-SKIP:SEGMENTS=1\n#EXT-X-MAP"),
        ("6.2.5.1", "#EXT-X-MAP", "#EXT-X-SKIP:SKIPPED-SEGMENTS=9\n#EXT-X-MAP"),
        ("4.4.5.3", "TYPE=PART", "TYPE=SEGMENT"),
        ("4.4.5.3", "opus/3.3.m4s", "opus/3.2.m4s"),
        ("4.4.5.3", "#EXT-X-PRELOAD-HINT", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT"),
        ("6.2.6", "#EXT-X-PRELOAD-HINT", '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="x"\n#EXT-X-PRELOAD-HINT'),
        ("4.4.5.4", 'URI="opus.m3u8"', 'URI="/opus.m3u8"'),
        ("4.4.5.4", 'URI="opus.m3u8",', ""),
        ("4.4.5.4", ",LAST-PART=2", ""),
        ("4.4.5.4", "LAST-MSN=3,", ""),
        ("4.4.6", "#EXT-X-MAP", "#EXT-X-STREAM-INF:BANDWIDTH=1\nopus.m3u8\n#EXT-X-MAP"),
    ],
)
def test_a_fault_in_one_playlist_is_found(clause: str, old: str, new: str) -> None:
    text = good()
    assert old in text
    found = validate([text.replace(old, new, 1)])
    prefixes = {violation.partition(":")[0] for violation in found}
    # A playlist of both kinds is read as a multivariant one: then its media tags are the fault.
    assert clause in prefixes or (clause == "4.4.6" and "4.4.3" in prefixes), found


@pytest.mark.parametrize(
    ("clause", "old", "new"),
    [
        ("4.4.6.2", "BANDWIDTH=85760,", ""),
        ("4.4.6.2", "opus.m3u8\n", ""),
        ("4.4.6.2", '"opus"', "opus"),
        ("4.4.3", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-TARGETDURATION:6"),
        ("4.4.6", "opus.m3u8\n", "opus.m3u8\nother.m3u8\n"),
    ],
)
def test_a_fault_in_the_multivariant_playlist_is_found(clause: str, old: str, new: str) -> None:
    assert validate([MULTIVARIANT]) == []
    text = MULTIVARIANT.replace("AVERAGE-BANDWIDTH=69760,", "").replace(old, new, 1)
    assert clause in {violation.partition(":")[0] for violation in validate([text])}


def _change(index: int, old: str, new: str) -> list[str]:
    playlists = sequence()
    assert old in playlists[index]
    playlists[index] = playlists[index].replace(old, new, 1)
    return validate(playlists)


@pytest.mark.parametrize(
    ("clause", "index", "old", "new"),
    [
        ("6.2.1", -1, "#EXT-X-TARGETDURATION:6", "#EXT-X-TARGETDURATION:7"),
        ("6.2.1", -1, "PART-TARGET=0.60000", "PART-TARGET=0.61000"),
        ("6.2.1", -1, "opus/7.m4s", "opus/77.m4s"),
        ("6.2.1", -1, "#EXTINF:6.00000,\nopus/7.m4s", "#EXTINF:5.90000,\nopus/7.m4s"),
        ("6.2.1", -1, "14:13:56.000Z", "14:13:56.100Z"),
        ("6.2.1", -1, "#EXT-X-MEDIA-SEQUENCE:5", "#EXT-X-MEDIA-SEQUENCE:4"),
        ("6.2.2", -1, "#EXT-X-DISCONTINUITY-SEQUENCE:1", "#EXT-X-DISCONTINUITY-SEQUENCE:0"),
        ("6.2.2", -1, "#EXT-X-DISCONTINUITY-SEQUENCE:1", "#EXT-X-DISCONTINUITY-SEQUENCE:2"),
        ("6.2.2", -1, 'DURATION=0.60000,URI="opus/9.1.m4s"', 'DURATION=0.59000,URI="opus/9.1.m4s"'),
        (
            "4.4.5.3",
            -2,
            '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="opus/9.9',
            '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="x',
        ),
        ("4.4.3.4", -2, "#EXT-X-PRELOAD-HINT", "#EXT-X-ENDLIST\n#EXT-X-X-HINT"),
    ],
)
def test_a_forbidden_change_is_found(clause: str, index: int, old: str, new: str) -> None:
    found = _change(index, old, new)
    assert clause in {violation.partition(":")[0] for violation in found}, found


def test_going_back_and_taking_too_much_away_are_found() -> None:
    playlists = sequence()
    assert any("6.2.2: EXT-X-MEDIA-SEQUENCE decreased" in found for found in validate(playlists[::-1]))
    head, _, rest = playlists[-1].partition("#EXT-X-MEDIA-SEQUENCE:5")
    cut = head + "#EXT-X-MEDIA-SEQUENCE:8\n" + rest.partition("opus/7.m4s\n")[2]
    assert any("less than three target durations" in found for found in validate([playlists[-2], cut]))


def test_a_delta_that_skips_what_was_never_listed_is_found() -> None:
    timeline = MediaTimeline("opus")
    early = feed(timeline, range(33))[-1]
    feed(timeline, range(33, 400))
    found = validate([early, timeline.media_playlist(skip=True).decode()])
    assert any("never listed" in violation for violation in found)


def test_deadlines() -> None:
    timeline = MediaTimeline("opus")
    playlists = feed(timeline, range(60))
    times = [0.6 * index for index in range(len(playlists))]
    assert validate(playlists, times) == []
    late = [*times[:7], *(moment + 5 for moment in times[7:])]
    found = validate(playlists, late)
    assert [violation[:21] for violation in found] == ["6.2.1: no new part fo", "6.2.1: no new segment"]


def test_renditions_that_do_not_match_are_found() -> None:
    timeline, other = MediaTimeline("opus"), MediaTimeline("aac")
    feed(timeline, range(100))
    feed(other, range(100))
    opus = timeline.media_playlist(reports=[other.report()]).decode()
    aac = other.media_playlist(reports=[timeline.report()]).decode()
    both = multivariant_playlist([estimated_variant("aac", 1), estimated_variant("opus", 1)]).decode()
    assert validate_group({"opus.m3u8": opus, "aac.m3u8": aac}, both) == []
    for old, new in [
        ("TARGETDURATION:6", "TARGETDURATION:7"),
        ("CAN-SKIP-UNTIL=36.0", "CAN-SKIP-UNTIL=42.0"),
        ("#EXT-X-DISCONTINUITY-SEQUENCE:0", "#EXT-X-DISCONTINUITY-SEQUENCE:1"),
        ("2026-09-21T14:13:26", "2026-09-21T14:13:27"),
        ("#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP"),
        ('URI="opus.m3u8"', 'URI="mp3.m3u8"'),
    ]:
        assert old in aac
        assert validate_group({"opus.m3u8": opus, "aac.m3u8": aac.replace(old, new)}) != [], old
    assert validate_group({"opus.m3u8": opus}, both.replace("opus.m3u8", "x.m3u8")) != []
