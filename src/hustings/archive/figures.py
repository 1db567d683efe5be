"""What a replay page draws: peaks.json and timeline.json (docs/recording.md, Replay). Reads the disk."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, Final

from hustings.archive.index import read_capped
from hustings.archive.library import Recorded
from hustings.archive.lines import TrackBegins, lines
from hustings.archive.segment_file import LONGEST_BROADCAST
from hustings.cmaf.timeline import CHUNK_SAMPLES, SAMPLE_RATE

SILENCE: Final = 127
_MOST: Final = LONGEST_BROADCAST // CHUNK_SAMPLES
_TRACK_LEVELS: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,6})\.levels")
_PROGRAM_LEVELS: Final = re.compile(r"levels\.([0-9]{1,6})")


def peaks(recorded: Recorded) -> bytes:
    """peaks.json: one byte for each 200 ms from the recording's beginning on, -dBov of the loudest frame, 127
    silence; `program` is everybody's, `tracks` each speaker's. Raises OSError."""
    first = recorded.begins // CHUNK_SAMPLES
    count = max(0, min(_MOST, -(-recorded.index.duration // CHUNK_SAMPLES) - first))
    program = program_levels(recorded.folder, first, count)
    tracks: dict[str, bytearray] = {}
    for path in _files(recorded.folder / "tracks", _TRACK_LEVELS):
        begins = next(lines(path.with_suffix(".jsonl"), TrackBegins), None)
        if begins is None:
            continue
        levels = tracks.setdefault(begins.participant_id, bytearray([SILENCE]) * count)
        _lay(levels, read_capped(path, _MOST), begins.begins // CHUNK_SAMPLES - first)
    return _json(
        {
            "samples_per_peak": CHUNK_SAMPLES,
            "begins": recorded.begins,
            "program": base64.b64encode(program).decode(),
            "tracks": {who: base64.b64encode(levels).decode() for who, levels in tracks.items()},
        }
    )


def program_levels(folder: Path, first: int, count: int) -> bytearray:
    """How loud it was in `count` slots of 200 ms from slot `first` on, -dBov. Raises OSError."""
    levels = bytearray([SILENCE]) * count
    for path in _files(folder / "program", _PROGRAM_LEVELS):
        data = read_capped(path, _MOST + 8)
        _lay(levels, data[8:], int.from_bytes(data[:8]) - first)
    return levels


def _files(folder: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _lay(target: bytearray, levels: bytes, at: int) -> None:
    """Puts `levels` over `target` from slot `at` on, as far as both reach; the louder one counts."""
    levels = levels[max(0, -at) :]
    at = max(0, at)
    end = min(len(target), at + len(levels))
    if at < end:
        over = levels[: end - at]
        target[at:end] = bytes(map(min, target[at:end], over))


def timeline(recorded: Recorded) -> bytes:
    """timeline.json: who spoke when, chapters, gaps, files; all times in seconds since the broadcast went
    live, which is a player's position plus `begins`."""
    index = recorded.index

    def seconds(samples: int) -> float:
        return round(samples / SAMPLE_RATE, 3)

    speakers = [
        {
            "id": who,
            "name": name,
            "speaking": [[seconds(a), seconds(b)] for a, b in index.speaking.get(who, [])],
        }
        for who, name in index.names.items()
        if index.speaking.get(who) or any(track.participant_id == who for track in index.tracks)
    ]
    return _json(
        {
            "slug": index.slug,
            "broadcast": index.broadcast,
            "live_since": index.live_since,
            "ended_at": index.ended_at if recorded.over else None,
            "begins": seconds(recorded.begins),
            "duration": seconds(index.duration),
            "over": recorded.over,
            "whole": index.whole,
            "speakers": speakers,
            "chapters": [{"at": seconds(at), "title": title} for at, title in index.chapters],
            "gaps": [
                {"from": seconds(gap.begins), "seconds": seconds(gap.samples), "cause": gap.cause}
                for gap in index.gaps
            ],
            "files": _program_files(recorded) + _track_files(recorded),
        }
    )


def _program_files(recorded: Recorded) -> list[dict[str, Any]]:
    if not recorded.over:
        return []
    kinds = (("aac", "program.m4a", "audio/mp4"), ("opus", "program.opus", "audio/ogg"))
    return [
        {"name": name, "type": kind, "what": "program"}
        for codec, name, kind in kinds
        if codec in recorded.index.codecs
    ]


def _track_files(recorded: Recorded) -> list[dict[str, Any]]:
    return [
        {
            "name": track.file,
            "type": "audio/ogg",
            "what": "track",
            "speaker": track.name,
            "begins": round(track.begins / SAMPLE_RATE, 3),
            "seconds": round(track.samples / SAMPLE_RATE, 3),
        }
        for track in recorded.index.tracks
    ]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
