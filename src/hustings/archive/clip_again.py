"""A clip's file made once more, out of nothing but its facts and the segments it was cut from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hustings.archive.clip import Cut
from hustings.archive.clip_facts import CLIP_FILES
from hustings.archive.files import Files
from hustings.archive.model import CodecIndex, Index, Segment
from hustings.archive.virtual import VirtualFile


class Beside(Files):
    """Segments as anybody has them who fetched them: `opus/12.m4s` in one folder, without the rest."""

    def read(self, name: str, first: int, end: int) -> bytes:
        """As `Files.read`. Raises FileNotFoundError, other OSError."""
        return super().read(name.removeprefix("program/"), first, end)


def clip_made_again(
    folder: Path, kind: str, broadcast: str, cut: Cut, segments: Sequence[Segment], ends: tuple[int, int]
) -> VirtualFile:
    """`folder`: with the segments and their codec's init.mp4; `kind`: "m4a" or "opus"; `ends`: media_time of
    the whole recording's first sample and after its last, between which the cut was made. Raises Corrupt,
    OSError."""
    codec, make = CLIP_FILES[kind]
    first, last = ends
    # Where the recording begins and ends says how much comes before the cut; there is nothing in these two.
    framed = [Segment(-1, first, 0, 0, ""), *segments, Segment(-1, last, 0, 0, "")]
    index = Index(
        slug="",
        broadcast=broadcast,
        live_since=0.0,
        ended_at=0.0,
        duration=last,
        whole=True,
        codecs={codec: CodecIndex(init_bytes=0, segments=framed)},
        tracks=[],
        gaps=[],
        speaking={},
        names={},
        chapters=[],
    )
    return make(Beside(folder), index, cut)
