"""That a segment is of a recording, provable with the public record and without the recording's others
(docs/record.md, Proofs)."""

from __future__ import annotations

from typing import Any

from hustings.archive.model import Index, Segment
from hustings.archive.record_facts import segments_tree
from hustings.rooms.merkle import Tree


class Proofs:
    """Of one codec of a recording that is over. Makes its tree once: some milliseconds for some hours."""

    def __init__(self, index: Index, codec: str) -> None:
        self._tree: Tree = segments_tree(index, codec)
        self._codec = codec
        self._index = index
        self._places = {segment.number: at for at, segment in enumerate(index.codecs[codec].segments)}

    def tree(self) -> dict[str, Any]:
        """What all proofs have in common, as clip.json has it. `begins`, `ends`: media_time of the first
        segment's first sample, and after the last one's last."""
        segments = self._index.codecs[self._codec].segments
        return {
            "codec": self._codec,
            "segments": len(segments),
            "root": self._tree.root,
            "begins": segments[0].media_time,
            "ends": segments[-1].end,
        }

    def of(self, segment: Segment) -> dict[str, Any]:
        """The segment's place among all, and its audit path (RFC 6962 section 2.1.1)."""
        at = self._places[segment.number]
        return {"leaf": at, "path": self._tree.path(at)}

    def whole(self, number: int) -> dict[str, Any] | None:
        """A proof that stands alone, of the segment with this number; None: there is none."""
        if number not in self._places:
            return None
        segment = self._index.codecs[self._codec].segments[self._places[number]]
        return {
            "version": 1,
            "slug": self._index.slug,
            "broadcast": self._index.broadcast,
            "file": f"{self._codec}/{number}.m4s",
            "bytes": segment.bytes,
            "sha256": segment.sha256,
            **self.tree(),
            **self.of(segment),
        }
