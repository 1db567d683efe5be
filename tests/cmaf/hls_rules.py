"""Every MUST of draft-pantos-hls-rfc8216bis-22 that a server of audio-only fMP4 LL-HLS can break in its
playlists, as checks.

`validate(playlists)` takes the texts one client fetched of ONE playlist, oldest first (delta updates
among them), and returns violations, each beginning with the clause. `validate_group` compares what was
fetched of several renditions at one time. Written from the draft alone: nothing of hustings is used.
Not checked here, since a text does not show it: availability of media over HTTP (6.2.2, 6.2.6), answers
to delivery directives (6.2.5.2), encryption, date ranges, I-frames, subtitles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from hls_grammar import (
    DECIMAL,
    MEDIA_TAGS,
    METADATA_TAGS,
    MULTIVARIANT_TAGS,
    SEGMENT_TAGS,
    Complain,
    Playlist,
    Segment,
    parse,
)

_ROUNDING = Fraction(1, 50_000)
"""What writing a duration with five decimals may add or take, twice."""


def validate(playlists: Sequence[str], times: Sequence[float] | None = None) -> list[str]:
    """Violations in the playlists, which one client fetched one after another; [] when there is none.

    `times`: when each was fetched right after it changed (seconds); then 6.2.1's deadlines are checked
    too, with half a second of slack.
    """
    found: list[str] = []
    previous: Playlist | None = None
    for index, text in enumerate(playlists):

        def complain(violation: str, index: int = index) -> None:
            found.append(f"{violation} [playlist {index}]")

        playlist = parse(text, complain)
        (_check_multivariant if playlist.multivariant else _check_media)(playlist, complain)
        if not playlist.multivariant:
            _apply_delta(playlist, previous, complain)
            _check_durations(playlist, complain)
            if previous is not None:
                _check_change(previous, playlist, complain)
            previous = playlist
    if times is not None:
        found += _check_deadlines([parse(text, lambda _: None) for text in playlists], times)
    return found


def validate_group(playlists: Mapping[str, str], multivariant: str | None = None) -> list[str]:
    """Violations of 6.2.4 between renditions (relative URI -> text), fetched at about the same time."""
    found: list[str] = []
    parsed = {uri: parse(text, found.append) for uri, text in playlists.items()}
    first_uri, first = next(iter(parsed.items()))
    for uri, other in parsed.items():
        if other.target != first.target:
            found.append(f"6.2.4: target durations of {first_uri} and {uri} differ")
        if other.server_control != first.server_control:
            found.append(f"6.2.4: EXT-X-SERVER-CONTROL of {first_uri} and {uri} differ")
        if other.once.get("EXT-X-PLAYLIST-TYPE") != first.once.get("EXT-X-PLAYLIST-TYPE"):
            found.append(f"6.2.4: EXT-X-PLAYLIST-TYPE of {first_uri} and {uri} differ")
        dated = [any(s.date for s in p.segments) for p in (first, other) if p.segments]
        if len(set(dated)) > 1:
            found.append(f"6.2.4: only one of {first_uri} and {uri} has EXT-X-PROGRAM-DATE-TIME")
        _check_matching(first_uri, first, uri, other, found.append)
        for report in other.reports:
            if report.get("URI", "").strip('"') not in parsed:
                found.append(f"4.4.5.4: {uri} reports an unknown rendition {report.get('URI')}")
    if multivariant is not None:
        listed = {uri for _, uri in parse(multivariant, found.append).variants}
        found += [
            f"4.4.6.2: {uri} is not in the multivariant playlist" for uri in parsed if uri not in listed
        ]
    return found


def _check_matching(first_uri: str, first: Playlist, uri: str, other: Playlist, complain: Complain) -> None:
    by_number = {segment.number: segment for segment in first.segments}
    for segment in other.segments:
        match = by_number.get(segment.number)
        if match is None:
            continue
        if match.discontinuity_number != segment.discontinuity_number:
            complain(f"6.2.4: discontinuity sequence of {segment.number} in {first_uri} and {uri} differ")
        sounding = not match.gap and not segment.gap
        if (
            sounding
            and match.date
            and segment.date
            and abs((match.date - segment.date).total_seconds()) > 0.1
        ):
            complain(f"6.2.4: program date of {segment.number} in {first_uri} and {uri} differ")


# --- one playlist ----------------------------------------------------------------------------------


def _check_version(playlist: Playlist, complain: Complain) -> None:
    version = int(playlist.once.get("EXT-X-VERSION", "1") or "1")
    fractional = any(segment.duration.denominator != 1 for segment in playlist.segments)
    needs = {
        3: fractional,
        6: playlist.tags["EXT-X-MAP"] > 0,
        9: playlist.tags["EXT-X-SKIP"] > 0,
    }
    for needed, used in needs.items():
        if used and version < needed:
            complain(f"8: EXT-X-VERSION {version} where {needed} is needed")


def _check_multivariant(playlist: Playlist, complain: Complain) -> None:
    for tag in playlist.tags.keys() & (MEDIA_TAGS | SEGMENT_TAGS | METADATA_TAGS):
        complain(f"4.4.3: {tag} in a multivariant playlist")
    for attributes, uri in playlist.variants:
        if "CODECS" in attributes and not re.fullmatch(r'"[^"]+"', attributes["CODECS"]):
            complain(f"4.4.6.2: CODECS of {uri} is not a quoted-string")
    _check_version(playlist, complain)


def _check_media(playlist: Playlist, complain: Complain) -> None:
    for tag in playlist.tags.keys() & MULTIVARIANT_TAGS:
        complain(f"4.4.6: {tag} in a media playlist")
    _check_version(playlist, complain)
    if "EXT-X-TARGETDURATION" not in playlist.once or playlist.target < 1:
        complain("4.4.3.1: no EXT-X-TARGETDURATION of at least 1")
    if "EXT-X-PLAYLIST-TYPE" in playlist.once and not playlist.ended:
        complain("6.2.2: a live playlist has EXT-X-PLAYLIST-TYPE")
    _check_server_control(playlist, complain)
    if playlist.ended and playlist.hints:
        complain("4.4.5.3: EXT-X-PRELOAD-HINT in a playlist with EXT-X-ENDLIST")
    for report in playlist.reports:
        if not playlist.ended and "LAST-MSN" not in report:
            complain("4.4.5.4: EXT-X-RENDITION-REPORT without LAST-MSN")
        if playlist.tags["EXT-X-PART"] and "LAST-PART" not in report:
            complain("4.4.5.4: EXT-X-RENDITION-REPORT without LAST-PART")
    for segment in playlist.segments:
        if not segment.map:
            complain(f"3.1.2: segment {segment.number} without EXT-X-MAP")
        if Fraction(round(segment.duration + Fraction(1, 10**9))) > playlist.target:
            complain(f"4.4.3.1: EXTINF of {segment.number} is longer than the target duration")
        if segment.parts and segment.parts[0].gap != segment.gap and len({p.gap for p in segment.parts}) == 1:
            complain(f"6.2.1: segment {segment.number} and its parts do not agree on EXT-X-GAP")
    _check_parts(playlist, complain)
    _check_unique(playlist, complain)


def _check_server_control(playlist: Playlist, complain: Complain) -> None:
    control = playlist.server_control

    def seconds(name: str) -> Fraction | None:
        value = control.get(name)
        if value is None:
            return None
        if not DECIMAL.fullmatch(value):
            complain(f"4.4.3.8: {name} is not a decimal-floating-point")
            return None
        return Fraction(value)

    skip, hold, part_hold = seconds("CAN-SKIP-UNTIL"), seconds("HOLD-BACK"), seconds("PART-HOLD-BACK")
    if skip is not None and skip < 6 * playlist.target:
        complain("4.4.3.8: CAN-SKIP-UNTIL is less than six target durations")
    if hold is not None and hold < 3 * playlist.target:
        complain("4.4.3.8: HOLD-BACK is less than three target durations")
    if playlist.part_target is not None and part_hold is None:
        complain("4.4.3.8: EXT-X-PART-INF without PART-HOLD-BACK")
    if part_hold is not None and part_hold < 2 * (playlist.part_target or 0):
        complain("4.4.3.8: PART-HOLD-BACK is less than twice the part target duration")
    if "CAN-SKIP-DATERANGES" in control and skip is None:
        complain("4.4.3.8: CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL")
    if control.get("CAN-BLOCK-RELOAD", "YES") != "YES":
        complain("4.4.3.8: CAN-BLOCK-RELOAD is not YES")


def _check_parts(playlist: Playlist, complain: Complain) -> None:
    target = playlist.part_target
    if playlist.tags["EXT-X-PART"] and target is None:
        complain("4.4.3.7: EXT-X-PART without EXT-X-PART-INF")
        return
    for segment in (*playlist.segments, playlist.trailing):
        for index, part in enumerate(segment.parts):
            if target is not None and part.duration > target:
                complain(f"4.4.4.9: part {part.uri} is longer than the part target")
            following = segment.parts[index + 1] if index + 1 < len(segment.parts) else None
            exempt = part.independent or part.gap or following is None or following.gap
            if target is not None and part.duration < Fraction(85, 100) * target and not exempt:
                complain(f"4.4.4.9: part {part.uri} is shorter than 85 % of the part target")
        if segment.uri and segment.parts:
            # 3.2: the same samples, so the same time, apart from the rounding of each number.
            difference = abs(segment.duration - sum(part.duration for part in segment.parts))
            if difference > _ROUNDING * (len(segment.parts) + 1):
                complain(f"3.2: segment {segment.number} and its parts have different durations")
    for segment in playlist.segments:
        if segment.gap and any(not part.gap for part in segment.parts):
            complain(f"6.2.1: parts without GAP=YES in the missing segment {segment.number}")


def _check_unique(playlist: Playlist, complain: Complain) -> None:
    uris = [s.uri for s in playlist.segments] + [part.uri for _, part in playlist.all_parts()]
    for uri, times in Counter(uris).items():
        if times > 1:
            complain(f"6.2.1: {uri} is listed {times} times")
    kinds = Counter(hint.get("TYPE") for hint in playlist.hints)
    for kind, times in kinds.items():
        if times > 1:
            complain(f"6.2.6: {times} preload hints of type {kind}")
    for hint in playlist.hints:
        if hint.get("URI", "").strip('"') in uris:
            complain(f"4.4.5.3: {hint['URI']} is hinted although it is listed")


def _check_durations(playlist: Playlist, complain: Complain) -> None:
    """Dates that overlap by a second or more are ambiguous (6.2.1)."""
    for before, after in zip(playlist.segments, playlist.segments[1:], strict=False):
        if before.date is None or after.date is None:
            continue
        passed = (after.date - before.date).total_seconds()
        if passed <= 0 or float(before.duration) - passed >= 1:
            complain(f"6.2.1: program dates of {before.number} and {after.number} overlap")


# --- one after another -----------------------------------------------------------------------------


def _apply_delta(playlist: Playlist, previous: Playlist | None, complain: Complain) -> None:
    """Fills in what a delta update skips, from what the client had (6.2.5.1, 6.3.7)."""
    if playlist.skipped is None:
        return
    boundary = Fraction(playlist.server_control.get("CAN-SKIP-UNTIL", "0"))
    if not boundary:
        complain("6.2.5.1: EXT-X-SKIP although CAN-SKIP-UNTIL is missing")
    if playlist.ended:
        complain("6.2.5.1: EXT-X-SKIP in a playlist with EXT-X-ENDLIST")
    if playlist.seconds + sum(part.duration for part in playlist.trailing.parts) < boundary:
        complain("6.2.5.1: segments within the skip boundary were skipped")
    known = {segment.number: segment for segment in previous.segments} if previous is not None else {}
    wanted = range(playlist.media_sequence, playlist.media_sequence + playlist.skipped)
    missing = [number for number in wanted if number not in known]
    if missing and previous is not None:
        complain(f"6.2.5.1: segments {missing[0]}-{missing[-1]} were skipped but never listed")
    skipped = [replace(known[number], parts=[]) for number in wanted if number in known]
    if skipped:
        shift = skipped[-1].discontinuity_number - playlist.discontinuity_sequence
        for segment in (*playlist.segments, playlist.trailing):
            segment.discontinuity_number += shift
    playlist.segments = skipped + playlist.segments


_MAY_CHANGE = {"EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-ENDLIST"}


def _check_change(before: Playlist, after: Playlist, complain: Complain) -> None:
    for tag in (before.once.keys() | after.once.keys()) - _MAY_CHANGE:
        if before.once.get(tag) != after.once.get(tag):
            complain(f"6.2.1: {tag} changed from {before.once.get(tag)} to {after.once.get(tag)}")
    if before.ended:
        if not after.ended or _shape(before) != _shape(after):
            complain("4.4.3.4: the playlist changed after EXT-X-ENDLIST")
        return
    if after.media_sequence < before.media_sequence:
        complain("6.2.2: EXT-X-MEDIA-SEQUENCE decreased")
    if after.discontinuity_sequence < before.discontinuity_sequence:
        complain("6.2.2: EXT-X-DISCONTINUITY-SEQUENCE decreased")
    removed = after.media_sequence > before.media_sequence
    if removed and not after.ended and after.seconds < 3 * after.target:
        complain("6.2.2: removal left less than three target durations")
    last = after.media_sequence + len(after.segments)
    if last < before.media_sequence + len(before.segments):
        complain("6.2.1: segments disappeared from the end")
    by_number = {segment.number: segment for segment in after.segments}
    for segment in before.segments:
        if segment.number >= after.media_sequence and segment.number in by_number:
            _check_same(segment, by_number[segment.number], complain)
    _check_part_changes(before, after, complain)


def _shape(playlist: Playlist) -> list[tuple[int, str, Fraction]]:
    return [(s.number, s.uri, s.duration) for s in playlist.segments]


def _check_same(before: Segment, after: Segment, complain: Complain) -> None:
    if (before.uri, before.duration, before.gap, before.map) != (
        after.uri,
        after.duration,
        after.gap,
        after.map,
    ):
        complain(f"6.2.1: segment {before.number} changed")
    if before.date != after.date:
        complain(f"6.2.1: the program date of segment {before.number} changed")
    if before.discontinuity_number != after.discontinuity_number:
        complain(f"6.2.2: the discontinuity sequence number of segment {before.number} changed")


def _check_part_changes(before: Playlist, after: Playlist, complain: Complain) -> None:
    old = [(number, part.text) for number, part in before.all_parts()]
    new = [(number, part.text) for number, part in after.all_parts()]
    kept = [entry for entry in old if entry in set(new)]
    # 6.2.2: parts leave in the order in which they appear, so what is kept is the end of the old list...
    if kept != old[len(old) - len(kept) :]:
        complain("6.2.2: parts were changed, or removed out of order")
    # ... and the beginning of the new one: parts are only appended (6.2.1).
    if kept != new[: len(kept)]:
        complain("6.2.1: parts were inserted, not appended")
    if len(kept) == len(new):
        return
    added = after.all_parts()[len(kept)][1]
    hints = [hint["URI"].strip('"') for hint in before.hints if hint.get("TYPE") == "PART" and "URI" in hint]
    numbers = {s.number: s.discontinuity_number for s in (*after.segments, after.trailing)}
    continues = numbers.get(new[len(kept)][0]) == before.trailing.discontinuity_number
    # A server that lost the hinted sound may skip it (6.2.6).
    lost = any(segment.gap and segment.number >= before.trailing.number for segment in after.segments)
    if hints and continues and kept and not lost and added.uri not in hints:
        complain(f"4.4.5.3: {hints[0]} was hinted, {added.uri} came")


def _check_deadlines(playlists: Sequence[Playlist], times: Sequence[float]) -> list[str]:
    """6.2.1: a new segment within 1.5 target durations, a new part within one part target."""
    found: list[str] = []
    slack = 0.5
    segment_at = part_at = times[0]
    for index in range(1, len(playlists)):
        before, after = playlists[index - 1], playlists[index]
        if before.ended:
            break
        ends = [p.media_sequence + (p.skipped or 0) + len(p.segments) for p in (before, after)]
        if ends[1] > ends[0] or after.ended:
            if times[index] - segment_at > 1.5 * after.target + slack:
                found.append(
                    f"6.2.1: no new segment for {times[index] - segment_at:.2f} s [playlist {index}]"
                )
            segment_at = times[index]
        last_parts = [p.all_parts()[-1][1].uri if p.all_parts() else "" for p in (before, after)]
        if last_parts[0] != last_parts[1]:
            if times[index] - part_at > float(after.part_target or 0) + slack:
                found.append(f"6.2.1: no new part for {times[index] - part_at:.2f} s [playlist {index}]")
            part_at = times[index]
    return found
