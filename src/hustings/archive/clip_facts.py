"""clip.json: what a clip is and where it comes from, so that anybody can check it. Reads the disk.

A clip's file can be made again from the segments it names (`clip_made_again`): whoever has those, and their
SHA-256, has a proof that nothing was put in or left out but at the two ends. When the recording is over, each
of them comes with its place in the tree whose root stands in the public record (proofs.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from hustings.archive.clip import Cut, clip_m4a, clip_opus, cut_from
from hustings.archive.figures import program_levels
from hustings.archive.files import Place
from hustings.archive.library import Recorded
from hustings.archive.model import Index
from hustings.archive.proofs import Proofs
from hustings.archive.virtual import VirtualFile
from hustings.cmaf.timeline import CHUNK_SAMPLES, SAMPLE_RATE, Codec
from hustings.wording import iso

CLIP_TYPES: Final = {"m4a": "audio/mp4", "opus": "audio/ogg; codecs=opus"}
CLIP_FILES: Final[dict[str, tuple[Codec, Callable[[Place, Index, Cut], VirtualFile]]]] = {
    "m4a": ("aac", clip_m4a),
    "opus": ("opus", clip_opus),
}
_PIECE: Final = 128 * 1024
_SPEAKERS: Final = 50
_GAPS: Final = 100


def clip_facts(recorded: Recorded, cut: Cut) -> dict[str, Any]:
    """The members of clip.json (docs/recording.md, Clips). Raises Corrupt, OSError."""
    index = recorded.index
    first = cut.begins // CHUNK_SAMPLES
    kinds = [kind for kind, (codec, _) in CLIP_FILES.items() if codec in index.codecs]
    return {
        "version": 1,
        "slug": index.slug,
        "broadcast": index.broadcast,
        "from": cut.first,
        "to": cut.last,
        "seconds": (cut.last - cut.first) / 1000,
        "begins_at": iso(index.live_since + cut.begins / SAMPLE_RATE),
        "position": round((cut.begins - recorded.begins) / SAMPLE_RATE, 3),
        "over": recorded.over,
        "speakers": _speakers(index, cut),
        "gaps": _gaps(index, cut),
        "levels": list(program_levels(recorded.folder, first, -(-cut.end // CHUNK_SAMPLES) - first)),
        "files": [_file(recorded, cut, kind) for kind in kinds],
    }


def _file(recorded: Recorded, cut: Cut, kind: str) -> dict[str, Any]:
    codec, make = CLIP_FILES[kind]
    file = make(recorded.files, recorded.index, cut)
    digest = hashlib.sha256()
    for at in range(0, file.size, _PIECE):
        digest.update(file.read(at, at + _PIECE))
    # While it goes on there is no root that anybody has signed.
    proofs = Proofs(recorded.index, codec) if recorded.over else None
    return {
        "name": f"{cut.name}.{kind}",
        "type": CLIP_TYPES[kind],
        "bytes": file.size,
        "sha256": digest.hexdigest(),
        **({"tree": proofs.tree()} if proofs is not None else {}),
        "cut_from": [
            {
                "file": f"{codec}/{segment.number}.m4s",
                "media_time": segment.media_time,
                "samples": segment.duration,
                "bytes": segment.bytes,
                "sha256": segment.sha256,
                **(proofs.of(segment) if proofs is not None else {}),
            }
            for segment in cut_from(recorded.index, codec, cut)
        ],
    }


def _speakers(index: Index, cut: Cut) -> list[dict[str, Any]]:
    """Who speaks in it, first come first."""
    found: list[tuple[int, str, int]] = []
    for who, spans in index.speaking.items():
        inside = [(max(a, cut.begins), min(b, cut.end)) for a, b in spans if a < cut.end and cut.begins < b]
        if inside:
            found.append((inside[0][0], who, sum(b - a for a, b in inside)))
    return [
        {"id": who, "name": index.names.get(who, ""), "seconds": round(samples / SAMPLE_RATE, 2)}
        for _, who, samples in sorted(found)[:_SPEAKERS]
    ]


def _gaps(index: Index, cut: Cut) -> list[dict[str, Any]]:
    """What is silent or missing in it, in milliseconds of media time."""
    return [
        {
            "from": max(gap.begins, cut.begins) * 1000 // SAMPLE_RATE,
            "to": min(gap.begins + gap.samples, cut.end) * 1000 // SAMPLE_RATE,
            "cause": gap.cause,
        }
        for gap in index.gaps
        if gap.begins < cut.end and cut.begins < gap.begins + gap.samples
    ][:_GAPS]
