"""A speaker's track as an edition has it: its packets as they came, those that lie wholly in what stays.

Between two stretches, where a packet would hold something of both sides, there is silence: 20 ms at most on
either side. Times of the track stay within 2 ms of the program's.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.cut_lines import cut_gaps, cut_levels
from hustings.archive.editing import Kept
from hustings.archive.lines import TrackBegins, lines, read_gaps
from hustings.archive.track_file import TrackFile, read_track
from hustings.archive.track_packets import TrackPacket, track_packets
from hustings.cmaf.ogg import OggOpusWriter
from hustings.cmaf.timeline import CHUNK_SAMPLES, SAMPLE_RATE

_FILLERS: Final = (
    (960, b"\xf8\xff\xfe"),
    (480, b"\xf0\xff\xfe"),
    (240, b"\xe8\xff\xfe"),
    (120, b"\xe0\xff\xfe"),
)
"""Packets of digital silence of 20, 10, 5 and 2.5 ms (RFC 6716 sections 3.1 and 4.3)."""
_SMALLEST: Final = 120
_BEGINS: Final = "HUSTINGS_BEGINS"


class _Writer:
    """Pages of at most 200 ms."""

    def __init__(self, track: TrackFile, name: str) -> None:
        self.pages: list[bytes] = []
        self.begins: int | None = None
        """Media time of the first sample that players give out (HUSTINGS_BEGINS)."""
        self._track = track
        self._serial = zlib.crc32(name.encode())
        self._ogg: OggOpusWriter | None = None
        self._first = self._next = 0
        self._page: list[bytes] = []
        self._samples = self._lacing = self._written = 0

    def put(self, media_time: int, samples: int, packet: bytes) -> None:
        """The next packet, whose sound is heard at `media_time`."""
        if self._ogg is None:
            self.begins = media_time + self._track.pre_skip
            others = {name: text for name, text in self._track.comments.items() if name != _BEGINS}
            comments = {_BEGINS: str(self.begins), **others}
            self._ogg = OggOpusWriter(self._serial, pre_skip=self._track.pre_skip, comments=comments)
            self.pages.append(self._ogg.headers())
            self._first = self._next = media_time
        self._fill(media_time - self._next)
        self._add(samples, packet)

    def _fill(self, missing: int) -> None:
        missing += _SMALLEST // 2
        for samples, packet in _FILLERS:
            while missing >= samples:
                self._add(samples, packet)
                missing -= samples

    def _add(self, samples: int, packet: bytes) -> None:
        lacing = len(packet) // 255 + 1
        if self._page and (self._samples + samples > CHUNK_SAMPLES or self._lacing + lacing > 255):
            self.end_page()
        self._page.append(packet)
        self._samples += samples
        self._lacing += lacing
        self._next += samples

    def end_page(self, *, last: bool = False) -> None:
        """What is begun is a page."""
        if self._ogg is None or not self._page:
            return
        begins = self._next - self._samples - self._first
        number = self._written + 2
        self.pages.append(
            self._ogg.page(self._page, media_time=begins, samples=self._samples, number=number, last=last)
        )
        self._written += 1
        self._page, self._samples, self._lacing = [], 0, 0


def cut_track(source: Path, target: Path, kept: Kept, *, gain: float = 0.0) -> bool:
    """Writes `target` (.opus), and .jsonl and .levels beside it, of what `kept` leaves of `source`; `gain`:
    dB by which its waveform is to be higher. False, and nothing written, if nothing is left. Raises
    Corrupt, OSError."""
    track = read_track(source)
    writer = _Writer(track, f"{target.parent.parent.name}/{target.name}")
    first: int | None = None
    with target.open("wb") as file:
        for at, packet in _kept(track_packets(source), kept):
            first = packet.media_time + track.pre_skip if first is None else first
            writer.put(at, packet.samples, packet.payload)
            file.write(b"".join(writer.pages))
            writer.pages.clear()
        writer.end_page(last=True)
        file.write(b"".join(writer.pages))
    if writer.begins is None or first is None:
        target.unlink()
        return False
    _write_beside(source, target, kept, (first, writer.begins), gain)
    return True


def _kept(packets: Iterator[TrackPacket], kept: Kept) -> Iterator[tuple[int, TrackPacket]]:
    """Packets that lie in one stretch, with their new places."""
    stretches = list(zip(kept.stretches, kept.offsets(), strict=True))
    number = 0
    for packet in packets:
        while number < len(stretches) and stretches[number][0][1] <= packet.media_time:
            number += 1
        if number == len(stretches):
            return
        (begins, end), offset = stretches[number]
        if begins <= packet.media_time and packet.media_time + packet.samples <= end:
            yield packet.media_time - begins + offset, packet


def _write_beside(source: Path, target: Path, kept: Kept, moved: tuple[int, int], gain: float) -> None:
    """`moved`: where the track's first sample is in the original, and in the edition."""
    first, begins = moved
    head = next(lines(source.with_suffix(".jsonl"), TrackBegins), None)
    if head is None:
        return
    gaps = cut_gaps(read_gaps(source.with_suffix(".jsonl")), kept)
    wall = head.wall_clock + (first - head.begins) / SAMPLE_RATE if head.wall_clock is not None else None
    written = [msgspec.structs.replace(head, begins=begins, wall_clock=wall), *gaps]
    target.with_suffix(".jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in written))
    levels = source.with_suffix(".levels")
    if levels.is_file():
        cut = cut_levels(levels.read_bytes(), head.begins // CHUNK_SAMPLES, kept, gain=gain)
        target.with_suffix(".levels").write_bytes(cut[begins // CHUNK_SAMPLES :])
