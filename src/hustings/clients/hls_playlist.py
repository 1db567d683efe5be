"""Reads HLS playlists (RFC 8216bis): pure, text in, values out, Corrupt for anything else.

Only what a low-latency audio client needs. It is written from the specification and shares nothing
with the playlist writer in `hustings.cmaf`, so that each checks the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from hustings.errors import Corrupt

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s][^",]*)(?:,|$)')
MAX_LINES = 200_000
"""Six hours of 6 s segments with all their tags are under 20,000 lines."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One EXT-X-STREAM-INF of a multivariant playlist (4.4.6.2)."""

    uri: str
    codecs: str
    bandwidth: int


@dataclass(frozen=True, slots=True)
class Part:
    """EXT-X-PART (4.4.4.9)."""

    uri: str
    duration: float
    independent: bool
    gap: bool


@dataclass(slots=True)
class Segment:
    """A media segment; `uri` is "" while only its parts exist."""

    number: int
    uri: str = ""
    duration: float = 0.0
    wall_clock: float | None = None
    discontinuity: bool = False
    gap: bool = False
    map_uri: str = ""
    parts: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class MediaPlaylist:
    """A media playlist as it stands."""

    version: int = 1
    target_duration: int = 0
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    part_target: float | None = None
    can_block_reload: bool = False
    can_skip_until: float | None = None
    hold_back: float | None = None
    part_hold_back: float | None = None
    skipped: int = 0
    preload_part: str = ""
    ended: bool = False
    segments: list[Segment] = field(default_factory=list)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            raise Corrupt(f"An attribute list cannot be read: {text[position : position + 60]!r}")
        found[match[1]] = match[2].strip('"')
        position = match.end()
    return found


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Corrupt(f"{text[:40]!r} is not a decimal integer.")
    return int(text)


def _seconds(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{0,12})?", text) is None:
        raise Corrupt(f"{text[:40]!r} is not a number of seconds.")
    return float(text)


def _needed(attributes: dict[str, str], name: str) -> str:
    try:
        return attributes[name]
    except KeyError:
        raise Corrupt(f"A playlist tag lacks {name}.") from None


def _lines(text: str) -> list[str]:
    lines = text.splitlines()
    if not lines or lines[0].strip() != "#EXTM3U":
        raise Corrupt("This is no HLS playlist: it does not begin with #EXTM3U.")
    if len(lines) > MAX_LINES:
        raise Corrupt(f"A playlist of {len(lines)} lines is more than {MAX_LINES}.")
    return [line.strip() for line in lines[1:]]


def is_multivariant(text: str) -> bool:
    """Whether `text` lists variants rather than media."""
    return "#EXT-X-STREAM-INF" in text


def parse_multivariant(text: str) -> list[Variant]:
    """The variants, in the server's order of preference."""
    variants: list[Variant] = []
    attributes: dict[str, str] | None = None
    for line in _lines(text):
        if line.startswith("#EXT-X-STREAM-INF:"):
            attributes = _attributes(line.partition(":")[2])
        elif line and not line.startswith("#"):
            if attributes is not None:
                bandwidth = _whole(attributes.get("BANDWIDTH", "0"))
                variants.append(Variant(line, attributes.get("CODECS", ""), bandwidth))
            attributes = None
    if not variants:
        raise Corrupt("The multivariant playlist lists no variant.")
    return variants


def parse_media(text: str) -> MediaPlaylist:
    """A media playlist. Segments' wall clocks are carried on from the last EXT-X-PROGRAM-DATE-TIME."""
    playlist = MediaPlaylist()
    builder = _Builder(playlist)
    for line in _lines(text):
        if not line:
            continue
        if line.startswith("#EXT"):
            tag, _, value = line.partition(":")
            builder.tag(tag, value)
        elif not line.startswith("#"):
            builder.uri(line)
    builder.finish()
    if playlist.target_duration <= 0:
        raise Corrupt("The media playlist has no EXT-X-TARGETDURATION (RFC 8216bis 4.4.3.1).")
    return playlist


class _Builder:
    """Collects the tags that belong to the segment that follows them."""

    def __init__(self, playlist: MediaPlaylist) -> None:
        self._playlist = playlist
        self._segment = Segment(0)
        self._map_uri = ""
        self._next_wall: float | None = None

    def tag(self, tag: str, value: str) -> None:
        if tag in _HEADER_TAGS:
            self._header(tag, value)
        elif tag == "#EXT-X-ENDLIST":
            self._playlist.ended = True
        elif tag == "#EXT-X-PRELOAD-HINT":
            attributes = _attributes(value)
            if attributes.get("TYPE") == "PART":
                self._playlist.preload_part = _needed(attributes, "URI")
        elif tag in _SEGMENT_TAGS:
            self._of_segment(tag, value)

    def _header(self, tag: str, value: str) -> None:
        playlist = self._playlist
        if tag == "#EXT-X-VERSION":
            playlist.version = _whole(value)
        elif tag == "#EXT-X-TARGETDURATION":
            playlist.target_duration = _whole(value)
        elif tag == "#EXT-X-MEDIA-SEQUENCE":
            playlist.media_sequence = _whole(value)
        elif tag == "#EXT-X-DISCONTINUITY-SEQUENCE":
            playlist.discontinuity_sequence = _whole(value)
        elif tag == "#EXT-X-PART-INF":
            playlist.part_target = _seconds(_needed(_attributes(value), "PART-TARGET"))
        elif tag == "#EXT-X-SKIP":
            playlist.skipped = _whole(_needed(_attributes(value), "SKIPPED-SEGMENTS"))
        elif tag == "#EXT-X-SERVER-CONTROL":
            self._server_control(_attributes(value))

    def _server_control(self, attributes: dict[str, str]) -> None:
        playlist = self._playlist
        playlist.can_block_reload = attributes.get("CAN-BLOCK-RELOAD") == "YES"
        for name, member in (
            ("CAN-SKIP-UNTIL", "can_skip_until"),
            ("HOLD-BACK", "hold_back"),
            ("PART-HOLD-BACK", "part_hold_back"),
        ):
            if name in attributes:
                setattr(playlist, member, _seconds(attributes[name]))

    def _of_segment(self, tag: str, value: str) -> None:
        segment = self._segment
        if tag == "#EXTINF":
            segment.duration = _seconds(value.partition(",")[0])
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            segment.wall_clock = _wall_clock(value)
        elif tag == "#EXT-X-DISCONTINUITY":
            segment.discontinuity = True
        elif tag == "#EXT-X-GAP":
            segment.gap = True
        elif tag == "#EXT-X-MAP":
            self._map_uri = _needed(_attributes(value), "URI")
        elif tag == "#EXT-X-PART":
            attributes = _attributes(value)
            segment.parts.append(
                Part(
                    _needed(attributes, "URI"),
                    _seconds(_needed(attributes, "DURATION")),
                    attributes.get("INDEPENDENT") == "YES",
                    attributes.get("GAP") == "YES",
                )
            )

    def uri(self, uri: str) -> None:
        self._segment.uri = uri
        self._close()

    def finish(self) -> None:
        if self._segment.parts:
            self._close()

    def _close(self) -> None:
        segment, playlist = self._segment, self._playlist
        segment.number = playlist.media_sequence + playlist.skipped + len(playlist.segments)
        segment.map_uri = self._map_uri
        if segment.wall_clock is None and not segment.discontinuity:
            segment.wall_clock = self._next_wall
        duration = segment.duration or sum(part.duration for part in segment.parts)
        self._next_wall = None if segment.wall_clock is None else segment.wall_clock + duration
        playlist.segments.append(segment)
        self._segment = Segment(0)


_HEADER_TAGS = {
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-PART-INF",
    "#EXT-X-SKIP",
    "#EXT-X-SERVER-CONTROL",
}
_SEGMENT_TAGS = {
    "#EXTINF",
    "#EXT-X-PROGRAM-DATE-TIME",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-GAP",
    "#EXT-X-MAP",
    "#EXT-X-PART",
}


def _wall_clock(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Corrupt(f"{text[:40]!r} is not an ISO 8601 date and time.") from error
    if moment.tzinfo is None:
        raise Corrupt(f"{text[:40]!r} has no time zone.")
    return moment.timestamp()
