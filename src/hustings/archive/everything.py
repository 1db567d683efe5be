"""All of a recording as one archive: what was recorded, what was made of it, what it says about itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from hustings.archive.files import Files, Place, files_of
from hustings.archive.made import MADE_FOLDER, read_made
from hustings.archive.model import INDEX_NAME, Index
from hustings.archive.virtual import VirtualFile, plain_file, program_m4a, program_opus
from hustings.archive.zip_writer import Member, zip_pieces
from hustings.errors import Corrupt

ZIP_NAME: Final = "everything.zip"
ZIP_TYPE: Final = "application/zip"
_BESIDE: Final = (INDEX_NAME, "events.jsonl", "program/gaps.jsonl", f"{MADE_FOLDER}/chapters.json")
_NAME_LENGTH: Final = 60


def everything(place: Place, index: Index) -> VirtualFile:
    """The archive of what there is of the recording now. Raises Corrupt when there is nothing, OSError."""
    top = f"{index.slug}-{index.broadcast[:8]}"
    members = [
        Member(f"{top}/{name}", file.size, index.ended_at, file.read)
        for name, file in _files(files_of(place), index)
    ]
    if not members:
        raise Corrupt("nothing is recorded")
    return VirtualFile.of(zip_pieces(members))


def state_of(place: Place) -> str:
    """Another text whenever other files are in the archive."""
    return "-".join(f"{made.kind}{made.sha256[:6]}" for made in read_made(place).values())


def _files(files: Files, index: Index) -> Iterator[tuple[str, VirtualFile]]:
    for codec, name, program in (("aac", "program.m4a", program_m4a), ("opus", "program.opus", program_opus)):
        found = index.codecs.get(codec)
        if found is not None and found.segments:
            yield name, program(files, index)
    for made in read_made(files).values():
        yield f"made/{made.file}", plain_file(files, f"{MADE_FOLDER}/{made.file}")
    for number, track in enumerate(index.tracks, 1):
        name = f"tracks/{number:02} {_safe(track.name)}"
        lines = f"{track.file.removesuffix('.opus')}.jsonl"
        for file, suffix in ((track.file, ".opus"), (lines, ".jsonl")):
            with contextlib.suppress(FileNotFoundError):
                yield f"{name}{suffix}", plain_file(files, file)
    for beside in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            yield beside.rpartition("/")[2], plain_file(files, beside)


def _safe(name: str) -> str:
    """A speaker's name as a file name anywhere."""
    kept = "".join(char if char.isalnum() or char in " -_" else "_" for char in name)
    return kept.strip()[:_NAME_LENGTH].strip() or "speaker"
