"""The index of a recording, made from its files: whole, or as a crash left them (docs/recording.md).

What is torn, damaged or strange is passed over; what is left is listed as what it is. Memory is bounded by
the access units' sizes (4 bytes for each 20 ms) and the caps of `lines` and `segment_file`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from hustings.archive.lines import EventLine, Totals, TrackBegins, lines, read_gaps
from hustings.archive.m4a import HEAD_NAME, M4aHead
from hustings.archive.model import (
    INDEX_NAME,
    CodecIndex,
    Gap,
    Index,
    Segment,
    TrackIndex,
    encode_index,
)
from hustings.archive.ogg_program import segment_pages_bytes
from hustings.archive.segment_file import MAX_SEGMENT_BYTES, StoredSegment, read_segment
from hustings.archive.track_file import read_track
from hustings.cmaf.init_segment import AAC_LC_MONO_48K, init_segment, read_init
from hustings.cmaf.timeline import AAC_UNIT_SAMPLES, CODECS, SAMPLE_RATE, UNIT_SAMPLES, Codec
from hustings.errors import Corrupt

__all__ = ["INDEX_NAME", "build", "scan_program", "write_index"]

_SEGMENT: Final = re.compile(r"([0-9]{1,9})\.m4s")
_TRACK: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,6})(?:\.[0-9]{1,6})?\.opus")
"""participant, epoch, and the part where a disk has failed."""
_MAX_STRETCHES: Final = 100_000
"""Stretches of one participant's speech; one a second for a day would be fewer."""
_MAX_CHAPTERS: Final = 1_000
_MAX_NAMES: Final = 10_000
_DUST: Final = 2 * 1024
"""Samples that may lie between two segments without being a gap: AAC's units do not end with the slot."""


@dataclass(slots=True)
class _Program:
    """One codec as its files have it."""

    codec: Codec
    init: bytes = b""
    segments: list[Segment] = field(default_factory=list)
    ogg_bytes: list[int] = field(default_factory=list)
    head: M4aHead | None = None
    torn: bool = False
    mended: bool = False
    """Whether the init segment had to be made anew."""
    live_since: float | None = None
    missing: list[tuple[int, int]] = field(default_factory=list)
    """(from, to) of the stretches of which there is nothing, between segments or within one."""

    def index(self) -> CodecIndex:
        return CodecIndex(init_bytes=len(self.init), segments=self.segments, ogg_bytes=self.ogg_bytes)


@dataclass(slots=True)
class Events:
    """What the events say: who spoke when, what people are called, chapters."""

    speaking: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    chapters: list[tuple[int, str]] = field(default_factory=list)
    live_since: float | None = None


def build(
    folder: Path, *, whole: bool | None = None, live_since: float | None = None, ended_at: float | None = None
) -> Index:
    """The index of the recording in `folder`, from its files alone.

    `whole`, `live_since`, `ended_at` (Unix seconds) are found in the files where they are not given; a
    recording is whole when nothing is torn, nothing restarted and every track has its totals. Raises Corrupt
    when nothing is recorded there, OSError when the disk fails.
    """
    return _build(folder, whole, live_since, ended_at)[0]


def _build(
    folder: Path, whole: bool | None, live_since: float | None, ended_at: float | None
) -> tuple[Index, dict[str, bytes]]:
    """The index, and files to be written beside it: the head of program.m4a, init segments made anew."""
    programs = {codec: program for codec in CODECS if (program := scan_program(folder, codec)) is not None}
    tracks, complete = _tracks(folder / "tracks")
    if not programs and not tracks:
        raise Corrupt(f"nothing is recorded in {folder.name}")
    duration = _duration(programs, tracks)
    events = read_events(folder / "events.jsonl", duration)
    for track in tracks:
        if track.name:
            events.names[track.participant_id] = track.name
    gaps = _gaps(folder / "program" / "gaps.jsonl", programs)
    found = [program.live_since for program in programs.values()] + [events.live_since]
    since = live_since if live_since is not None else next((each for each in found if each is not None), 0.0)
    if whole is None:
        whole = complete and not any(program.torn or program.mended for program in programs.values())
        whole = whole and not any(gap.cause in ("lost", "disk") for gap in gaps)
    index = Index(
        slug=folder.parent.name,
        broadcast=folder.name,
        live_since=round(since, 3),
        ended_at=round(ended_at if ended_at is not None else since + duration / SAMPLE_RATE, 3),
        duration=duration,
        whole=whole,
        codecs={codec: program.index() for codec, program in programs.items()},
        tracks=tracks,
        gaps=gaps,
        speaking=events.speaking,
        names=events.names,
        chapters=events.chapters,
    )
    beside = {
        f"program/{codec}/init.mp4": program.init for codec, program in programs.items() if program.mended
    }
    aac = programs.get("aac")
    if aac is not None and aac.head is not None:
        beside[f"program/aac/{HEAD_NAME}"] = aac.head.render(aac.init)
    return index, beside


def _duration(programs: dict[Codec, _Program], tracks: list[TrackIndex]) -> int:
    """Where the program ends: Opus with the last frame, AAC with the last unit, filled up with silence."""
    ends = [program.segments[-1].end for program in programs.values()]
    if not ends:
        return max(track.begins + track.samples for track in tracks)
    first = ends[0]
    return first if max(ends) - first < AAC_UNIT_SAMPLES else max(ends)


def write_index(
    folder: Path, *, whole: bool | None = None, live_since: float | None = None, ended_at: float | None = None
) -> Index:
    """Makes `recording.json` (and what replay needs beside it), each in one step that a power cut does not
    halve, and returns it. Arguments and errors as `build`."""
    index, beside = _build(folder, whole, live_since, ended_at)
    for name, data in beside.items():
        write_whole(folder / name, data)
    write_whole(folder / INDEX_NAME, encode_index(index))
    return index


def write_whole(path: Path, data: bytes) -> None:
    """A file that is there with all of `data`, or not at all; raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- the program ---------------------------------------------------------------------------------


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """(number, path) of the segment files in one codec's folder, in order."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    numbers = sorted(int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name)))
    return [(number, folder / f"{number}.m4s") for number in dict.fromkeys(numbers)]


def read_capped(path: Path, most: int) -> bytes:
    """At most `most` bytes of a file; b"" when it is not there. Raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except (FileNotFoundError, IsADirectoryError):
        return b""


def read_stored(codec: Codec, number: int, path: Path, after: int) -> tuple[Segment, StoredSegment] | None:
    """One segment file, listed; None when nothing of it can be used, or it does not begin after media_time
    `after`. Raises OSError."""
    data = read_capped(path, MAX_SEGMENT_BYTES + 1)
    stored = read_segment(codec, data)
    if not stored.chunks or stored.media_time < after:
        return None
    digest = hashlib.sha256(memoryview(data)[: stored.whole_bytes]).hexdigest()
    duration = stored.end - stored.media_time
    return Segment(number, stored.media_time, duration, stored.whole_bytes, digest), stored


def scan_program(folder: Path, codec: Codec) -> _Program | None:
    """The program in one codec; None when none of it can be played. Raises OSError."""
    place = folder / "program" / codec
    program = _Program(codec, read_capped(place / "init.mp4", 64 * 1024))
    try:
        program.mended = read_init(program.init).codec != codec
    except Corrupt:
        program.mended = True
    if program.mended:
        # Torn or never written, and the only thing missing: all our programs have the same.
        program.init = init_segment(codec, audio_specific_config=AAC_LC_MONO_48K if codec == "aac" else b"")
    if codec == "aac":
        program.head = M4aHead()
    end = 0
    for number, path in segment_files(place):
        read = read_stored(codec, number, path, end)
        if read is None:
            program.torn = True
            continue
        segment, stored = read
        before = end if program.segments else segment.media_time
        for chunk in stored.chunks:
            if chunk.media_time - before > _DUST:
                program.missing.append((before, chunk.media_time))
            before = chunk.media_time + chunk.units * UNIT_SAMPLES[codec]
        end = segment.end
        program.segments.append(segment)
        program.torn = program.torn or stored.torn
        if program.live_since is None:
            program.live_since = stored.live_since
        if program.head is not None:
            program.head.add(stored)
        else:
            program.ogg_bytes.append(segment_pages_bytes(stored))
    if not program.segments:
        return None
    if program.ogg_bytes:
        # Only the last page of all is not filled up to its slot.
        program.ogg_bytes[-1] = segment_pages_bytes(stored, last=True)
    return program


def _gaps(path: Path, programs: dict[Codec, _Program]) -> list[Gap]:
    """What was declared, and what is missing without having been (a crash)."""
    gaps = read_gaps(path)
    missing = min((program.missing for program in programs.values()), key=len, default=[])
    for begins, end in missing:
        if not any(gap.begins <= begins + _DUST and end <= gap.begins + gap.samples + _DUST for gap in gaps):
            gaps.append(Gap(begins=begins, samples=end - begins, cause="lost"))
    return sorted(gaps, key=lambda gap: gap.begins)


def missing_stretches(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """(from, to) of the stretches between segments of which there is nothing."""
    return [
        (before.end, after.media_time)
        for before, after in pairwise(segments)
        if after.media_time - before.end > _DUST
    ]


# --- tracks --------------------------------------------------------------------------------------


def track_files(folder: Path) -> Iterator[tuple[str, int, Path]]:
    """(participant_id, epoch, path) of the track files, in the order of epochs, then participants."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    found = [(int(m[2]), m[1], name) for name in names if (m := _TRACK.fullmatch(name))]
    for epoch, participant_id, name in sorted(found):
        yield participant_id, epoch, folder / name


def _tracks(folder: Path) -> tuple[list[TrackIndex], bool]:
    """The tracks, and whether each is whole and of the first epoch."""
    found: list[TrackIndex] = []
    complete = True
    for participant_id, epoch, path in track_files(folder):
        try:
            track = read_track(path)
        except Corrupt:
            complete = False
            continue
        beside = path.with_suffix(".jsonl")
        begins = next(lines(beside, TrackBegins), None)
        totals = next(iter(deque(lines(beside, Totals), maxlen=1)), None)
        complete = complete and totals is not None and epoch == 0
        found.append(
            TrackIndex(
                participant_id=participant_id,
                name=begins.name if begins is not None else track.comments.get("ARTIST", ""),
                epoch=epoch,
                file=f"tracks/{path.name}",
                begins=track.begins,
                samples=track.samples,
                received=totals.received if totals else None,
                written=totals.written if totals else None,
                declared=totals.declared if totals else None,
            )
        )
    return found, complete


# --- events --------------------------------------------------------------------------------------


def read_events(path: Path, duration: int) -> Events:
    """Who spoke when, by `speaking`, `muted` and `left`; names; chapters (`topic`). Stretches still open at
    the end, or at a restart of the stage (media_time of an event is never before the one before), are closed
    with what follows."""
    found = Events()
    began: dict[str, int] = {}
    at = 0
    for event in lines(path, EventLine):
        if event.media_time < 0:
            continue
        at = max(at, min(event.media_time, duration))
        if found.live_since is None and event.wall_clock is not None and event.media_time > 0:
            found.live_since = event.wall_clock - event.media_time / SAMPLE_RATE
        if event.kind == "topic":
            title = event.data.get("title")
            if isinstance(title, str) and len(found.chapters) < _MAX_CHAPTERS:
                found.chapters.append((at, title[:500]))
            continue
        who, name = event.data.get("participant_id"), event.data.get("name")
        if not isinstance(who, str) or not 0 < len(who) <= 64 or len(found.names) > _MAX_NAMES:
            continue
        if isinstance(name, str) and name:
            found.names[who] = name[:200]
        if event.kind == "speaking" and event.data.get("speaking") is True:
            began.setdefault(who, at)
        elif event.kind in ("speaking", "left") or (event.kind == "muted" and event.data.get("muted")):
            _close(found, began, who, at)
    for who in list(began):
        _close(found, began, who, duration)
    return found


def _close(found: Events, began: dict[str, int], who: str, at: int) -> None:
    start = began.pop(who, None)
    if start is None or at <= start:
        return
    stretches = found.speaking.setdefault(who, [])
    if len(stretches) < _MAX_STRETCHES:
        stretches.append((start, at))
