"""What is done with a recording's files around its life: where a restarted stage goes on, what a part in
another folder becomes, the index. Reads and copies whole files: never in the thread that writes."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

import structlog

from hustings.archive.index import INDEX_NAME, segment_files, write_index, write_whole
from hustings.archive.lines import read_gaps
from hustings.archive.playlist import Entry, silence
from hustings.archive.segment_file import MAX_SEGMENT_BYTES, StoredSegment, read_segment
from hustings.archive.tombstone import is_deleted
from hustings.bus.messages import CODECS, Codec
from hustings.cmaf.timeline import CHUNK_SAMPLES, UNIT_SAMPLES, chunk_media_time, units_in_chunk
from hustings.errors import Corrupt
from hustings.ids import is_broadcast_id, is_slug
from hustings.stage.record_program import SUM
from hustings.stage.record_track import gap_line

log = structlog.get_logger()

MERGED = ".merged"
"""A folder with this file has been taken over into the data folder."""
_SPLIT = re.compile(r"(\d{1,9})\.(\d{1,9})\.m4s")
_BRIDGES = "sums.bridges"
_LINES = ("gaps.jsonl", "events.jsonl")


def resume_point(folders: list[Path]) -> int | None:
    """Media time up to which the newest program segments reach; None when there are none. Raises OSError."""
    ends: list[int] = []
    for folder in folders:
        for codec in CODECS:
            for _, path in reversed(segment_files(folder / "program" / codec)[-2:]):
                with path.open("rb") as file:
                    stored = read_segment(codec, file.read(MAX_SEGMENT_BYTES))
                if stored.chunks:
                    ends.append(stored.end)
                    break
    return max(ends, default=None)


def finish_folders(folders: list[Path], *, live_since: float | None, whole: bool | None) -> None:
    """Brings all parts of a recording together in the first folder and makes its index there.

    Raises Corrupt when nothing is recorded or it was deleted, OSError when the disk fails.
    """
    first = folders[0]
    if is_deleted(first):
        raise Corrupt("the recording was deleted")
    for other in folders[1:]:
        if other.is_dir() and not (other / MERGED).exists():
            _take_over(other, first)
            (other / MERGED).touch()
            whole = False
    if _join_parts(first):
        whole = False
    if whole is False:
        cut_torn(first)
    write_index(first, whole=whole, live_since=live_since)


def _take_over(source: Path, target: Path) -> None:
    """Copies what `target` has not got; what is there under the same name is of the same stage's hand."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_dir() or path.name.startswith("."):
            continue
        there = target / relative
        if there.exists():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        temporary = there.with_name(f".{there.name}.copy")
        shutil.copyfile(path, temporary)
        temporary.replace(there)


def _join_parts(folder: Path) -> bool:
    """Segments and lines that were split by a change of parts become one file each. True when there were any.

    The parts stay: what is made here can be made again.
    """
    found = False
    holes: list[tuple[int, int]] = []
    for codec in CODECS:
        names = (_SPLIT.fullmatch(path.name) for path in (folder / "program" / codec).glob("*.m4s"))
        for number, mark in sorted((int(name[1]), int(name[2])) for name in names if name is not None):
            found = True
            part = folder / "program" / codec / f"{number}.{mark}.m4s"
            whole = part.with_name(f"{number}.m4s")
            before = whole.read_bytes() if whole.exists() else b""
            added = part.read_bytes()
            if not before.endswith(added):
                kept = before[: _bytes_before(codec, before, added)]
                bridge, missing = _bridge(whole.parent, codec, kept, added)
                write_whole(whole, kept + bridge + added)
                holes += missing if codec == "opus" else []
    for name in _LINES:
        place = folder / "program" if name.startswith("gaps") else folder
        stem = name.split(".")[0]
        parts = sorted(place.glob(f"{stem}.*.*.jsonl"))
        if parts:
            found = True
            lines = dict.fromkeys((place / name).read_bytes().splitlines() if (place / name).exists() else [])
            for part in parts:
                lines.update(dict.fromkeys(part.read_bytes().splitlines()))
            write_whole(place / name, b"".join(line + b"\n" for line in lines))
    _declare(folder / "program" / "gaps.jsonl", holes)
    return found or any((folder / "tracks").glob("*.*.*.opus"))


def _bytes_before(codec: Codec, data: bytes, added: bytes) -> int:
    """How much of a segment is kept before what was `added` in another part: whole chunks, and none of what
    the part has, too. A chunk is written again there when its checksum could not be written here."""
    stored, begins = read_segment(codec, data), read_segment(codec, added).chunks
    kept = 0
    for chunk in stored.chunks:
        if begins and chunk.media_time >= begins[0].media_time:
            break
        kept = chunk.offset + sum(chunk.unit_sizes())
    return kept


def _bridge(place: Path, codec: Codec, before: bytes, added: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """What stands between two pieces of a segment: silence of the same timing, so that players meet no jump
    of decode time; its checksums go beside the others'. And the stretch that is missing, if any."""
    first, second = read_segment(codec, before).chunks, read_segment(codec, added).chunks
    if not first or not second:
        return b"", []
    seqs = range(first[-1].media_time // CHUNK_SAMPLES + 1, second[0].media_time // CHUNK_SAMPLES)
    chunks, sums = [], []
    for seq in seqs:
        begins, samples = chunk_media_time(codec, seq), units_in_chunk(codec, seq) * UNIT_SAMPLES[codec]
        chunks.append(silence(codec, Entry(begins, samples)))
        sums.append(SUM.pack(begins, len(chunks[-1]), zlib.crc32(chunks[-1])))
    if not chunks:
        return b"", []
    with (place / _BRIDGES).open("ab") as file:
        file.write(b"".join(sums))
    return b"".join(chunks), [(chunk_media_time(codec, seqs[0]), second[0].media_time)]


def _declare(path: Path, holes: list[tuple[int, int]]) -> None:
    """What a silence put in hides is declared, unless it is."""
    gaps = read_gaps(path)
    lines = [
        gap_line(begins, end - begins, 0, "lost")
        for begins, end in holes
        if not any(gap.begins <= begins and end <= gap.begins + gap.samples for gap in gaps)
    ]
    if lines:
        write_whole(path, (path.read_bytes() if path.exists() else b"") + b"".join(lines))


def cut_torn(folder: Path) -> int:
    """Segments with a chunk that is not what was written, as a power cut may leave them, are replaced by
    what comes before it; the file as it was stays beside it. Returns how many. Raises OSError."""
    found = 0
    for codec in CODECS:
        place = folder / "program" / codec
        sums: dict[int, tuple[int, int]] = {}
        for path in place.glob("sums.*"):
            data = path.read_bytes()
            for media_time, size, crc in SUM.iter_unpack(data[: len(data) // SUM.size * SUM.size]):
                sums.setdefault(media_time, (size, crc))  # what is torn comes after what is true
        if not sums:
            continue
        for _, path in segment_files(place):
            data = path.read_bytes()
            good = _good_bytes(data, read_segment(codec, data), sums)
            if good < len(data):
                found += 1
                torn = path.with_name(f"{path.name}.torn")
                if not torn.exists():
                    write_whole(torn, data)
                write_whole(path, data[:good])
    return found


def _good_bytes(data: bytes, stored: StoredSegment, sums: dict[int, tuple[int, int]]) -> int:
    begins = 0
    for chunk in stored.chunks:
        end = chunk.offset + sum(chunk.unit_sizes())
        if sums.get(chunk.media_time) != (end - begins, zlib.crc32(data[begins:end])):
            break
        begins = end
    return begins


def without_index(data: Path) -> list[Path]:
    """Folders of recordings that have no index: what a crash or a power cut has left. Raises OSError."""
    found: list[Path] = []
    for folder in sorted((data / "rooms").glob("*/*")):
        if not (is_slug(folder.parent.name) and is_broadcast_id(folder.name)) or not folder.is_dir():
            continue
        recorded = (folder / "tracks").is_dir() or (folder / "program").is_dir()
        if recorded and not is_deleted(folder) and not (folder / INDEX_NAME).exists():
            found.append(folder)
    return found


def drop_index(folder: Path) -> None:
    """The broadcast goes on: its index is no longer true (it can be made at any time)."""
    (folder / INDEX_NAME).unlink(missing_ok=True)
