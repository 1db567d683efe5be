"""What is left of a recording that nobody could end: everything decoded, every packet accounted for."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from hustings.archive.segment_file import read_segment
from hustings.archive.track_file import pages, read_track
from hustings.bus.messages import CODECS
from hustings.cmaf.ogg_track import PRE_SKIP
from hustings.cmaf.timeline import UNIT_SAMPLES
from hustings.errors import Corrupt

FILLERS = (b"\xf8\xff\xfe", b"\xf0\xff\xfe", b"\xfb\x06" + b"\xff\xfe" * 6)
"""Packets of silence that the track puts in."""


@dataclass
class Left:
    """One track or program as it was found. Times in 48 kHz samples of media time."""

    name: str
    end: int
    decoded: int
    """Samples that a decoder gave; as many as the container says, if all is well."""
    expected: int
    received: int = 0
    written: int = 0
    declared: int = 0
    faults: list[str] = field(default_factory=list)


def decode(data: bytes) -> int:
    """Samples that PyAV gives for a file in memory; raises av.FFmpegError for what it cannot read."""
    with av.open(io.BytesIO(data), "r") as container:
        return sum(frame.samples for frame in container.decode(container.streams.audio[0]))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of JSON; a torn last one is passed over."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def check_track(path: Path, decoded: bool) -> Left | None:
    """A track; None when it does not even have its headers yet."""
    try:
        track = read_track(path)
    except Corrupt:
        return None
    data = path.read_bytes()
    whole = b"".join(_whole_pages(data))
    left = Left(path.name, track.begins + track.samples, 0, track.samples)
    try:
        left.decoded = decode(whole) if track.samples and decoded else track.samples
    except av.FFmpegError as error:
        left.faults.append(f"cannot be decoded: {error}")
    if abs(left.decoded - left.expected) > PRE_SKIP:
        left.faults.append(f"{left.decoded} samples decoded, {left.expected} expected")
    lines = read_lines(path.with_suffix(".jsonl"))
    totals = [index for index, line in enumerate(lines) if "received" in line]
    if totals:
        last = lines[totals[-1]]
        left.received, left.written, left.declared = last["received"], last["written"], last["declared"]
        gaps = sum(line["packets"] for line in lines[: totals[-1]] if "cause" in line)
        if left.received != left.written + left.declared:
            left.faults.append("received is not written + declared")
        if gaps != left.declared:
            left.faults.append(f"{gaps} packets in the gaps, {left.declared} declared")
        real = sum(1 for packet in packets(whole) if len(packet) > 1 and packet not in FILLERS)
        if real < left.written:
            left.faults.append(f"{real} packets found, {left.written} written")
    return left


def _whole_pages(data: bytes) -> list[bytes]:
    """The whole pages, as bytes: what a decoder that checks checksums sees."""
    found, at = [], 0
    for page in pages(data):
        start = data.index(page.payload, at) if page.payload else -1
        if start < 0:
            continue
        head = data.rindex(b"OggS", 0, start)
        found.append(data[head : start + len(page.payload)])
        at = start + len(page.payload)
    return found


def packets(data: bytes) -> list[bytes]:
    """The audio packets of whole pages (RFC 3533 section 6)."""
    found, at, number = [], 0, 0
    while at + 27 <= len(data):
        table = data[at + 27 : at + 27 + data[at + 26]]
        body, start = at + 27 + len(table), at + 27 + len(table)
        for lacing in table:
            body += lacing
            if lacing < 255:
                if number > 1:
                    found.append(data[start:body])
                start = body
        at, number = body, number + 1
    return found


def check_program(folder: Path, codec: str, decoded: bool) -> Left | None:
    """The program in one codec; None when there is no whole chunk of it yet."""
    place = folder / "program" / codec
    numbers = sorted(int(p.stem) for p in place.glob("*.m4s") if p.stem.isdecimal())
    whole, expected, end = b"", 0, 0
    for number in numbers:
        data = (place / f"{number}.m4s").read_bytes()
        stored = read_segment(codec, data)  # type: ignore[arg-type]  # one of CODECS
        if stored.chunks:
            whole += data[: stored.whole_bytes]
            expected += UNIT_SAMPLES[stored.codec] * sum(chunk.units for chunk in stored.chunks)
            end = stored.end
    if not whole:
        return None
    left = Left(f"program/{codec}", end, 0, expected)
    try:
        left.decoded = decode((place / "init.mp4").read_bytes() + whole) if decoded else expected
    except (av.FFmpegError, FileNotFoundError) as error:
        left.faults.append(f"cannot be decoded: {error}")
    # Decoders leave out what an edit list or a pre-skip tells them to, and AAC's first unit.
    if abs(left.decoded - left.expected) > 2_400:
        left.faults.append(f"{left.decoded} samples decoded, {left.expected} expected")
    return left


def check(folder: Path, *, decoded: bool = True) -> list[Left]:
    """All of a recording that is there; `decoded`: every sample of it, which takes its time."""
    tracks = [check_track(path, decoded) for path in sorted((folder / "tracks").glob("*.opus"))]
    programs = [check_program(folder, codec, decoded) for codec in CODECS]
    return [left for left in (*tracks, *programs) if left is not None]
