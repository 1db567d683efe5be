"""The multivariant playlist (RFC 8216bis section 4.4.6): which codecs the program can be had in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from hustings.cmaf.chunker import CHUNK_BOX_BYTES
from hustings.cmaf.timeline import UNIT_SAMPLES, Codec, codec_string, longest

VERSION = 9
"""EXT-X-SKIP needs 9 (section 8); the full playlist says the same, so that a delta changes nothing."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One line of the multivariant playlist; bit/s of media segments, boxes included."""

    codec: Codec
    bandwidth: int
    average: int


def estimated_variant(codec: Codec, bitrate: int, *, measured_peak: int = 0) -> Variant:
    """BANDWIDTH and AVERAGE-BANDWIDTH from the encoder's `bitrate`, before segments exist (4.4.6.2).

    Boxes take some 144 bytes a chunk; variable bit rate gets 25 % of room. `measured_peak` raises it.
    """
    units = ceil(longest(codec, 1) / UNIT_SAMPLES[codec])
    boxes = (CHUNK_BOX_BYTES + 4 * units) * 8 * 5
    return Variant(codec, max(bitrate * 5 // 4 + boxes, measured_peak), bitrate + boxes)


def multivariant_playlist(variants: Sequence[Variant]) -> bytes:
    """The multivariant playlist: one audio-only variant for each codec, in the order given."""
    lines = [f"#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n"]
    for variant in variants:
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={variant.bandwidth},AVERAGE-BANDWIDTH={variant.average},"
            f'CODECS="{codec_string(variant.codec)}"\n{variant.codec}.m3u8\n'
        )
    return "".join(lines).encode()
