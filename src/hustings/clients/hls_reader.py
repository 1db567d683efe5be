"""Where an LL-HLS client stands and what it fetches next: pure, playlists in, fetches out.

RFC 8216bis 6.3: begin PART-HOLD-BACK before the end, ask for the next part with a blocking reload
(`_HLS_msn`, `_HLS_part`, 6.2.5.2), and request the hinted part before it is there (EXT-X-PRELOAD-HINT).
"""

from __future__ import annotations

from dataclasses import dataclass

from hustings.clients.hls_playlist import MediaPlaylist, Segment, Variant
from hustings.errors import Corrupt

CODECS = {"opus": "opus", "aac": "mp4a.40.2"}
"""What CODECS says for each of our codecs (RFC 6381)."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One part or whole segment to get, in order of playing."""

    uri: str
    map_uri: str
    wall_clock: float | None
    """When its first sample left the mixer, from EXT-X-PROGRAM-DATE-TIME."""


def choose(variants: list[Variant], codec: str) -> Variant:
    """The first variant with this codec. Raises Corrupt when there is none."""
    for variant in variants:
        if CODECS[codec] in [name.strip().lower() for name in variant.codecs.split(",")]:
            return variant
    offered = ", ".join(variant.codecs for variant in variants)
    raise Corrupt(f"The multivariant playlist has no {codec} variant; it offers {offered}.")


class HlsReader:
    """A position (media sequence number, part) that only moves forward."""

    def __init__(self) -> None:
        self._msn = -1
        self._part = 0
        self.ended = False
        self.discontinuities = 0
        self.lost_segments = 0
        """Segments that had left the playlist before they could be fetched."""
        self._seen_discontinuity = -1
        self._hinted = ""

    @property
    def started(self) -> bool:
        return self._msn >= 0

    def take(self, playlist: MediaPlaylist) -> list[Fetch]:
        """Everything new in `playlist` from the position on; moves the position behind it."""
        self.ended = playlist.ended
        if not self.started:
            self._begin(playlist)
        elif playlist.segments and self._msn < playlist.segments[0].number:
            # After a delta update (EXT-X-SKIP) what was skipped is older than our position.
            if self._msn < playlist.media_sequence or playlist.skipped == 0:
                self.lost_segments += playlist.segments[0].number - self._msn
            self._msn, self._part = playlist.segments[0].number, 0
        found: list[Fetch] = []
        for segment in playlist.segments:
            if segment.number >= self._msn:
                found += self._of_segment(segment)
        return found

    def reload(self, playlist: MediaPlaylist) -> dict[str, str | int]:
        """The query of the next reload: blocking and as a delta update (6.2.5), where the server can."""
        query: dict[str, str | int] = {}
        if playlist.can_block_reload:
            query["_HLS_msn"] = self._msn
            if playlist.part_target is not None:
                query["_HLS_part"] = self._part
        if playlist.can_skip_until is not None:
            query["_HLS_skip"] = "YES"
        return query

    def hinted(self, playlist: MediaPlaylist) -> Fetch | None:
        """The part the server says comes next. Its wall clock follows the last known part."""
        if not playlist.preload_part or playlist.ended:
            return None
        wall, map_uri = None, ""
        if playlist.segments:
            last = playlist.segments[-1]
            map_uri = last.map_uri
            if last.wall_clock is not None:
                inside = sum(part.duration for part in last.parts)
                wall = last.wall_clock + (last.duration if last.uri else inside)
        return Fetch(playlist.preload_part, map_uri, wall)

    def hint_taken(self, fetch: Fetch) -> None:
        """The hinted part was received: it is passed over once it is listed."""
        self._hinted = fetch.uri

    def _begin(self, playlist: MediaPlaylist) -> None:
        if not playlist.segments:
            return
        hold_back = playlist.part_hold_back or playlist.hold_back or 3.0 * playlist.target_duration
        hold_back -= 1e-3  # decimal fractions of a second do not add up exactly
        behind = 0.0
        for segment in reversed(playlist.segments):
            if not segment.parts:
                behind += segment.duration
                self._msn, self._part = segment.number, 0
                if behind >= hold_back:
                    return
                continue
            for index in range(len(segment.parts) - 1, -1, -1):
                behind += segment.parts[index].duration
                self._msn, self._part = segment.number, index
                if behind >= hold_back and segment.parts[index].independent:
                    return

    def _of_segment(self, segment: Segment) -> list[Fetch]:
        if segment.discontinuity and segment.number > self._seen_discontinuity:
            self._seen_discontinuity = segment.number
            self.discontinuities += 1
        first = self._part if segment.number == self._msn else 0
        found: list[Fetch] = []
        if segment.gap:
            pass
        elif segment.uri and not segment.parts:
            found.append(Fetch(segment.uri, segment.map_uri, segment.wall_clock))
        else:
            wall = segment.wall_clock
            for index, part in enumerate(segment.parts):
                if index >= first and not part.gap and part.uri != self._hinted:
                    found.append(Fetch(part.uri, segment.map_uri, wall))
                wall = None if wall is None else wall + part.duration
        if segment.uri:
            self._msn, self._part = segment.number + 1, 0
        else:
            self._msn, self._part = segment.number, max(first, len(segment.parts))
        return found
