"""What the public record says of a recording: one hash for all segments of each codec."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hustings.archive.model import INDEX_NAME, Index
from hustings.cmaf.timeline import SAMPLE_RATE
from hustings.rooms.merkle import Tree
from hustings.rooms.record import Json, moment
from hustings.rooms.record_entries import Fact


def recording_fact(folder: Path, index: Index, at: float) -> Fact:
    """Of the recording in `folder`; `at`: Unix seconds. Raises OSError."""
    program: dict[str, Json] = {
        name: {"segments": len(codec.segments), "root": segments_root(index, name)}
        for name, codec in sorted(index.codecs.items())
    }
    data: dict[str, Json] = {
        "broadcast": index.broadcast,
        "live_since": moment(index.live_since),
        "milliseconds": round(index.duration * 1000 / SAMPLE_RATE),
        "whole": index.whole,
        "program": program,
        "sha256": hashlib.sha256((folder / INDEX_NAME).read_bytes()).hexdigest(),
    }
    return Fact("recording", at, data)


def segments_tree(index: Index, codec: str) -> Tree:
    """The Merkle tree over the SHA-256 of all segments of one codec, in their order."""
    return Tree([bytes.fromhex(segment.sha256) for segment in index.codecs[codec].segments])


def segments_root(index: Index, codec: str) -> str:
    """What the public record says of them."""
    return segments_tree(index, codec).root
