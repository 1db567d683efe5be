"""Playlists of a recording (RFC 8216bis), over and done or still growing. Pure.

What is missing between two segments is listed as segments of silence, made when they are asked for: decode
times then go on without a jump, so that a player's position is media_time less where the recording begins,
over every restart of the stage, and no player has to know what a discontinuity is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hustings.archive.model import Index, Segment
from hustings.archive.silence import SILENT_PACKET, SILENT_UNIT
from hustings.cmaf.chunker import write_chunk
from hustings.cmaf.multivariant import Variant, multivariant_playlist
from hustings.cmaf.playlists import TARGET_DURATION
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE, SEGMENT_SAMPLES, UNIT_SAMPLES, Codec

_VERSION: Final = 7
"""EXT-X-MAP without EXT-X-I-FRAMES-ONLY needs 6 (section 8)."""
_SILENCES: Final[dict[Codec, bytes]] = {"opus": SILENT_PACKET, "aac": SILENT_UNIT}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line pair of the playlist. `segment`: None where silence stands for what is missing."""

    media_time: int
    samples: int
    segment: Segment | None = None

    @property
    def name(self) -> str:
        """Its file name below the codec's folder."""
        number = f"silence-{self.media_time}" if self.segment is None else str(self.segment.number)
        return f"{number}.m4s"


def entries(codec: Codec, segments: Sequence[Segment]) -> list[Entry]:
    """All that is to be played one after another, without a hole between."""
    result: list[Entry] = []
    unit = UNIT_SAMPLES[codec]
    longest = SEGMENT_SAMPLES // unit * unit
    end = segments[0].media_time if segments else 0
    for segment in segments:
        while segment.media_time - end >= unit:
            samples = min(longest, (segment.media_time - end) // unit * unit)
            result.append(Entry(end, samples))
            end += samples
        result.append(Entry(segment.media_time, segment.duration, segment))
        end = segment.end
    return result


def silence(codec: Codec, entry: Entry) -> bytes:
    """The segment of an entry that has none: one chunk of silent units."""
    unit = UNIT_SAMPLES[codec]
    return write_chunk(
        [_SILENCES[codec]] * (entry.samples // unit),
        # Between the numbers of the chunks before and after, as far as anybody looks (14496-12 8.8.5).
        sequence_number=(entry.media_time // 9_600 + 1) & 0xFFFF_FFFF,
        base_decode_time=entry.media_time,
        sample_duration=unit,
        segment_start=True,
    )


def media_playlist(codec: Codec, listed: Sequence[Entry], *, live_since: float, over: bool) -> bytes:
    """One codec's playlist. It only grows (EVENT, 4.4.3.5), and ends with EXT-X-ENDLIST when the broadcast is
    `over`; its type stays then, for a playlist's type may not change (6.2.1)."""
    lines = [
        f"#EXTM3U\n#EXT-X-VERSION:{_VERSION}\n#EXT-X-TARGETDURATION:{TARGET_DURATION}\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f'#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI="{codec}/init.mp4"\n'
    ]
    for entry in listed:
        lines.append(
            f"#EXT-X-PROGRAM-DATE-TIME:{_date_time(live_since + entry.media_time / SAMPLE_RATE)}\n"
            f"#EXTINF:{entry.samples / SAMPLE_RATE:.5f},\n{codec}/{entry.name}\n"
        )
    if over:
        lines.append("#EXT-X-ENDLIST\n")
    return "".join(lines).encode()


def index_playlist(index: Index) -> bytes:
    """The multivariant playlist: AAC first, which plays everywhere."""
    variants: list[Variant] = []
    for codec in reversed(CODECS):
        found = index.codecs.get(codec)
        if found is None or not found.segments:
            continue
        rates = [each.bytes * 8 * SAMPLE_RATE / each.duration for each in found.segments]
        total = sum(each.bytes for each in found.segments) * 8 * SAMPLE_RATE
        average = total / sum(each.duration for each in found.segments)
        variants.append(Variant(codec, round(max(rates)) + 1, round(average)))
    return multivariant_playlist(variants)


def _date_time(wall_clock: float) -> str:
    moment = datetime.fromtimestamp(round(wall_clock, 3), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
