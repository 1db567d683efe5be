"""Strict reading of HLS playlists, draft-pantos-hls-rfc8216bis-22 section 4: what hls_rules.py checks.

Whatever the grammar or a single tag forbids is told to a callback, beginning with the clause.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

MEDIA_TAGS = {
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
}
EITHER_TAGS = {"EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START"}
SEGMENT_TAGS = {
    "EXTINF",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-GAP",
    "EXT-X-BITRATE",
    "EXT-X-PART",
}
METADATA_TAGS = {"EXT-X-DATERANGE", "EXT-X-SKIP", "EXT-X-PRELOAD-HINT", "EXT-X-RENDITION-REPORT"}
MULTIVARIANT_TAGS = {
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
    "EXT-X-CONTENT-STEERING",
}
_ATTRIBUTE_TAGS = {
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-MAP",
    "EXT-X-PART",
    "EXT-X-SKIP",
    "EXT-X-PRELOAD-HINT",
    "EXT-X-RENDITION-REPORT",
    "EXT-X-STREAM-INF",
    "EXT-X-MEDIA",
    "EXT-X-START",
}
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)')
_INTEGER = re.compile(r"[0-9]{1,20}")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
type Complain = Callable[[str], None]


@dataclass
class Part:
    uri: str
    duration: Fraction
    independent: bool
    gap: bool
    text: str


@dataclass
class Segment:
    number: int = 0
    discontinuity_number: int = 0
    uri: str = ""
    duration: Fraction = Fraction(0)
    map: str = ""
    date: datetime | None = None
    gap: bool = False
    parts: list[Part] = field(default_factory=list)


@dataclass
class Playlist:
    """`segments` are complete; `trailing`: the parts after the last of them."""

    multivariant: bool = False
    tags: Counter[str] = field(default_factory=Counter)
    once: dict[str, str] = field(default_factory=dict)
    server_control: dict[str, str] = field(default_factory=dict)
    target: int = 0
    part_target: Fraction | None = None
    media_sequence: int = 0
    discontinuity_sequence: int = 0
    skipped: int | None = None
    ended: bool = False
    hints: list[dict[str, str]] = field(default_factory=list)
    reports: list[dict[str, str]] = field(default_factory=list)
    variants: list[tuple[dict[str, str], str]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    trailing: Segment = field(default_factory=Segment)

    @property
    def seconds(self) -> Fraction:
        return sum((segment.duration for segment in self.segments), Fraction(0))

    def all_parts(self) -> list[tuple[int, Part]]:
        return [(s.number, part) for s in (*self.segments, self.trailing) for part in s.parts]


class _Reader:
    def __init__(self, complain: Complain) -> None:
        self.complain = complain
        self.playlist = Playlist()
        self.segment = Segment()
        self.extinf: str | None = None
        self.map = ""
        self.discontinuities = 0
        self.started = False
        self.variant: dict[str, str] | None = None

    def attributes(self, tag: str, text: str) -> dict[str, str]:
        found: dict[str, str] = {}
        at = 0
        while at < len(text):
            match = _ATTRIBUTE.match(text, at)
            if match is None or (match[3] == "," and match.end() == len(text)):
                self.complain(f"4.2: {tag} has no valid attribute list: {text}")
                return found
            if match[1] in found:
                self.complain(f"4.2: {tag} has the attribute {match[1]} twice")
            found[match[1]] = match[2]
            at = match.end()
        return found

    def integer(self, tag: str, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            self.complain(f"4.2: {tag} {text!r} is not a decimal-integer")
            return 0
        return int(text)

    def decimal(self, tag: str, text: str) -> Fraction:
        if not DECIMAL.fullmatch(text):
            self.complain(f"4.2: {tag} {text!r} is not a decimal-floating-point")
            return Fraction(0)
        return Fraction(text)

    def quoted(self, tag: str, attributes: dict[str, str], name: str, clause: str) -> str:
        value = attributes.get(name)
        if value is None:
            self.complain(f"{clause}: {tag} without {name}")
            return ""
        if not value.startswith('"'):
            self.complain(f"{clause}: {name} of {tag} is not a quoted-string")
        return value.strip('"')

    def line(self, line: str) -> None:
        if not line or (line.startswith("#") and not line.startswith("#EXT")):
            return
        if not line.startswith("#"):
            self.uri(line)
            return
        tag, _, value = line[1:].partition(":")
        self.playlist.tags[tag] += 1
        if tag in MEDIA_TAGS | EITHER_TAGS | {"EXT-X-VERSION"}:
            if tag in self.playlist.once:
                self.complain(f"4.4.3: {tag} more than once")
            self.playlist.once[tag] = value
        attributes = self.attributes(tag, value) if tag in _ATTRIBUTE_TAGS else {}
        handler = getattr(self, "on_" + tag.lower().replace("-", "_"), None)
        if handler is not None:
            handler(value, attributes)

    def uri(self, line: str) -> None:
        if self.variant is not None:
            self.playlist.variants.append((self.variant, line))
            self.variant = None
            return
        if self.playlist.tags.keys() & MULTIVARIANT_TAGS:
            self.complain("4.4.6: a URI line in a multivariant playlist without EXT-X-STREAM-INF")
            return
        self.started = True
        if self.extinf is None:
            self.complain(f"4.4.4.1: {line} without EXTINF")
        duration = (self.extinf or "0").partition(",")
        if not duration[1]:
            self.complain("4.4.4.1: EXTINF without a comma")
        segment = self.segment
        segment.duration = self.decimal("EXTINF", duration[0])
        self.close(segment)
        segment.uri = line
        self.playlist.segments.append(segment)
        self.segment, self.extinf = Segment(), None

    def close(self, segment: Segment) -> None:
        segment.map = self.map
        segment.number = (
            self.playlist.media_sequence + (self.playlist.skipped or 0) + len(self.playlist.segments)
        )
        segment.discontinuity_number = self.playlist.discontinuity_sequence + self.discontinuities

    def before_parts(self, tag: str) -> None:
        if self.segment.parts:
            self.complain(f"4.4.4.9: {tag} after the first EXT-X-PART of its segment")

    def on_extinf(self, value: str, _: dict[str, str]) -> None:
        if self.extinf is not None:
            self.complain("4.4.4: EXTINF without a URI line")
        self.extinf = value

    def on_ext_x_targetduration(self, value: str, _: dict[str, str]) -> None:
        self.playlist.target = self.integer("EXT-X-TARGETDURATION", value)

    def on_ext_x_media_sequence(self, value: str, _: dict[str, str]) -> None:
        if self.started or self.segment.parts:
            self.complain("4.4.3.2: EXT-X-MEDIA-SEQUENCE after the first segment")
        self.playlist.media_sequence = self.integer("EXT-X-MEDIA-SEQUENCE", value)

    def on_ext_x_discontinuity_sequence(self, value: str, _: dict[str, str]) -> None:
        if self.started or self.segment.parts or self.discontinuities:
            self.complain(
                "4.4.3.3: EXT-X-DISCONTINUITY-SEQUENCE after the first segment or EXT-X-DISCONTINUITY"
            )
        self.playlist.discontinuity_sequence = self.integer("EXT-X-DISCONTINUITY-SEQUENCE", value)

    def on_ext_x_endlist(self, value: str, _: dict[str, str]) -> None:
        self.playlist.ended = True

    def on_ext_x_part_inf(self, _: str, attributes: dict[str, str]) -> None:
        if "PART-TARGET" not in attributes:
            self.complain("4.4.3.7: EXT-X-PART-INF without PART-TARGET")
        else:
            self.playlist.part_target = self.decimal("PART-TARGET", attributes["PART-TARGET"])

    def on_ext_x_server_control(self, _: str, attributes: dict[str, str]) -> None:
        self.playlist.server_control = attributes

    def on_ext_x_discontinuity(self, value: str, _: dict[str, str]) -> None:
        self.before_parts("EXT-X-DISCONTINUITY")
        self.discontinuities += 1

    def on_ext_x_map(self, _: str, attributes: dict[str, str]) -> None:
        self.before_parts("EXT-X-MAP")
        self.map = self.quoted("EXT-X-MAP", attributes, "URI", "4.4.4.5")

    def on_ext_x_program_date_time(self, value: str, _: dict[str, str]) -> None:
        self.before_parts("EXT-X-PROGRAM-DATE-TIME")
        if not _DATE.fullmatch(value):
            self.complain(f"4.4.4.6: {value!r} is not an ISO 8601 date and time")
            return
        self.segment.date = datetime.fromisoformat(value)

    def on_ext_x_gap(self, value: str, _: dict[str, str]) -> None:
        self.segment.gap = True

    def on_ext_x_part(self, text: str, attributes: dict[str, str]) -> None:
        uri = self.quoted("EXT-X-PART", attributes, "URI", "4.4.4.9")
        if "DURATION" not in attributes:
            self.complain("4.4.4.9: EXT-X-PART without DURATION")
        duration = self.decimal("DURATION", attributes.get("DURATION", "0"))
        for name in ("INDEPENDENT", "GAP"):
            if attributes.get(name, "YES") != "YES":
                self.complain(f"4.4.4.9: {name} of EXT-X-PART is not YES")
        independent, gap = "INDEPENDENT" in attributes, "GAP" in attributes
        self.segment.parts.append(Part(uri, duration, independent, gap, text))
        if not self.map:
            self.complain("3.1.2: a part without EXT-X-MAP")

    def on_ext_x_skip(self, _: str, attributes: dict[str, str]) -> None:
        if self.playlist.skipped is not None:
            self.complain("4.4.5: EXT-X-SKIP more than once")
        if "SKIPPED-SEGMENTS" not in attributes:
            self.complain("4.4.5.2: EXT-X-SKIP without SKIPPED-SEGMENTS")
        if self.started:
            self.complain("4.4.5.2: EXT-X-SKIP after a segment")
        self.playlist.skipped = self.integer("SKIPPED-SEGMENTS", attributes.get("SKIPPED-SEGMENTS", "0"))

    def on_ext_x_preload_hint(self, _: str, attributes: dict[str, str]) -> None:
        self.quoted("EXT-X-PRELOAD-HINT", attributes, "URI", "4.4.5.3")
        if attributes.get("TYPE") not in ("PART", "MAP"):
            self.complain("4.4.5.3: EXT-X-PRELOAD-HINT without TYPE PART or MAP")
        self.playlist.hints.append(attributes)

    def on_ext_x_rendition_report(self, _: str, attributes: dict[str, str]) -> None:
        uri = self.quoted("EXT-X-RENDITION-REPORT", attributes, "URI", "4.4.5.4")
        if re.match(r"[a-z][a-z0-9+.-]*:|/", uri):
            self.complain("4.4.5.4: the URI of a rendition report is not relative")
        for name in ("LAST-MSN", "LAST-PART"):
            if name in attributes:
                self.integer(name, attributes[name])
        self.playlist.reports.append(attributes)

    def on_ext_x_stream_inf(self, _: str, attributes: dict[str, str]) -> None:
        if self.variant is not None:
            self.complain("4.4.6.2: EXT-X-STREAM-INF without a URI line")
        if "BANDWIDTH" not in attributes:
            self.complain("4.4.6.2: EXT-X-STREAM-INF without BANDWIDTH")
        for name in ("BANDWIDTH", "AVERAGE-BANDWIDTH"):
            if name in attributes:
                self.integer(name, attributes[name])
        self.variant = attributes


def parse(text: str, complain: Complain) -> Playlist:
    """Reads one playlist; syntax errors go to `complain`."""
    if text.startswith("\ufeff"):
        complain("4.1: the playlist begins with a byte order mark")
    if re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", text):
        complain("4.1: the playlist has control characters")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0] != "#EXTM3U":
        complain("4.4.1.1: #EXTM3U is not the first line")
    reader = _Reader(complain)
    for line in lines:
        reader.line(line)
    playlist = reader.playlist
    reader.close(reader.segment)
    playlist.trailing = reader.segment
    playlist.multivariant = bool(playlist.tags.keys() & MULTIVARIANT_TAGS)
    if reader.extinf is not None:
        complain("4.4.4: EXTINF without a URI line")
    if reader.variant is not None:
        complain("4.4.6.2: EXT-X-STREAM-INF without a URI line")
    return playlist
