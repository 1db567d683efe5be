"""A segment of a broadcast that is on air, out of whatever has been written of it.

A disk that failed leaves a segment in pieces: the beginning in the data folder, the rest as a part in the
spare one, or nowhere. What is there is put together chunk by chunk; what is not is silence of its length, as
in the replay, so that who goes back hears all that was kept and meets no hole. Reads the disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hustings.archive.playlist import Entry, silence
from hustings.archive.segment_file import MAX_SEGMENT_BYTES, read_segment
from hustings.cmaf.timeline import UNIT_SAMPLES, Codec, chunk_media_time, units_in_chunk


def live_segment(
    folders: Sequence[Path], codec: Codec, number: int, first: int, last: int
) -> tuple[bytes, bool]:
    """Segment `number`, chunks `first` to `last`, of the recording in `folders` (data folder first). Also
    whether all of it is there. A folder that cannot be read has nothing."""
    wanted = {chunk_media_time(codec, seq): seq for seq in range(first, last + 1)}
    found: dict[int, bytes] = {}
    for path in _files(folders, codec, number):
        data = _read(path)
        stored = read_segment(codec, data)
        begins = 0
        for chunk in stored.chunks:
            end = chunk.offset + sum(chunk.unit_sizes())
            if chunk.media_time in wanted:
                found.setdefault(chunk.media_time, data[begins:end])
            begins = end
        if not stored.torn and len(found) == len(wanted) == sum(
            c.media_time in wanted for c in stored.chunks
        ):
            return data, True  # byte for byte what the listeners got
    pieces = []
    for media_time, seq in wanted.items():
        samples = units_in_chunk(codec, seq) * UNIT_SAMPLES[codec]
        pieces.append(found.get(media_time) or silence(codec, Entry(media_time, samples)))
    return b"".join(pieces), len(found) == len(wanted)


def _files(folders: Sequence[Path], codec: Codec, number: int) -> list[Path]:
    """The file of that number in each folder, then its parts."""
    places = [folder / "program" / codec for folder in folders]
    name = re.compile(rf"{number}\.(\d{{1,9}})\.m4s")
    parts: list[tuple[int, Path]] = []
    for place in places:
        try:
            parts += [(int(m[1]), p) for p in place.iterdir() if (m := name.fullmatch(p.name)) is not None]
        except OSError:
            continue
    return [place / f"{number}.m4s" for place in places] + [path for _, path in sorted(parts)]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SEGMENT_BYTES)
    except OSError:
        return b""
