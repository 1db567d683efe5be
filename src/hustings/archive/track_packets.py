"""One speaker's track, packet by packet, each with its place on the broadcast's timeline. Reads the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hustings.archive.track_file import Page, TrackFile, pages, read_track
from hustings.cmaf.ogg_track import opus_samples

_BLOCK: Final = 256 * 1024
_LONGEST_PAGE: Final = 65_307
"""RFC 3533 section 6."""


@dataclass(frozen=True, slots=True)
class TrackPacket:
    """`media_time`: of the first sample a decoder gives for it; `samples`: how many it holds."""

    media_time: int
    samples: int
    payload: bytes


def track_packets(path: Path) -> Iterator[TrackPacket]:
    """The packets of a track in order, those that fill gaps among them; a damaged page is passed over, its
    time is not. Raises Corrupt when it is no track, OSError."""
    track = read_track(path)
    end = 0
    for page in _pages(path, track):
        found = [(opus_samples(packet), packet) for packet in page.packets()]
        # The granule position says where the page ends (RFC 7845 section 4), whatever is missing before it.
        at = max(end, page.granule - sum(samples for samples, _ in found))
        for samples, packet in found:
            if samples:
                yield TrackPacket(track.begins - track.pre_skip + at, samples, packet)
            at += samples
        end = at


def _pages(path: Path, track: TrackFile) -> Iterator[Page]:
    """Pages with sound."""
    serial: int | None = None
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            data = rest + block
            end = 0
            for page in pages(data):
                end = page.end
                serial = page.serial if serial is None else serial
                if (
                    page.serial == serial
                    and page.granule > 0
                    and page.payload[:8] not in (b"OpusHead", b"OpusTags")
                ):
                    yield page
            rest = data[max(end, len(data) - _LONGEST_PAGE) :]
