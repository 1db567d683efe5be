"""Going back while a broadcast is on air: its segments that have left memory, out of its recording.

Where the recording holds nothing (a disk that failed, recording switched off) there is silence of the same
length, as in the replay: a player that goes back meets no error and no hole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hustings.archive.live_segment import live_segment
from hustings.cmaf.timeline import Codec
from hustings.edge.http import ANY_ORIGIN, Headers, Request, Resource
from hustings.edge.protocol import Connection
from hustings.edge.replay import MEDIA_TYPE, Absent, Found, Replay

_WHOLE: Headers = (("Cache-Control", "public, max-age=86400"), *ANY_ORIGIN)
"""As of the recording: it may be deleted."""
_SILENT: Headers = (("Cache-Control", "no-store"), *ANY_ORIGIN)
"""More of it may be there once the disk is well."""


class Back(Protocol):
    """Answers with a segment of the broadcast, chunks `first` to `last`."""

    def __call__(
        self, connection: Connection, request: Request, codec: Codec, number: int, span: tuple[int, int]
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class GoingBack:
    """`roots`: the data folder and, where the recording goes on when that fails, the spare one."""

    replay: Replay
    roots: Sequence[Path]
    slug: str
    broadcast: str

    def on_air(
        self, connection: Connection, request: Request, codec: Codec, number: int, span: tuple[int, int]
    ) -> None:
        """Out of what has been written so far."""
        folders = [root / "rooms" / self.slug / self.broadcast for root in self.roots]

        def read() -> tuple[Found, bool]:
            data, whole = live_segment(folders, codec, number, *span)
            tag = hashlib.sha256(data).hexdigest()[:24]
            return Resource(MEDIA_TYPE, data, _WHOLE if whole else _SILENT, etag=tag), whole

        def done(found: Found) -> None:
            if not connection.closed:
                self.replay.reply(connection, request, found)

        self.replay.read((self.slug, f"on air/{self.broadcast}/{codec}/{number}".encode()), read, done)

    def over(
        self, connection: Connection, request: Request, codec: Codec, number: int, span: tuple[int, int]
    ) -> None:
        """Out of the recording, which may have been deleted meanwhile, or lie elsewhere."""

        def done(found: Found) -> None:
            if isinstance(found, Absent) and found.status == 404:
                self.on_air(connection, request, codec, number, span)
            elif not connection.closed:
                self.replay.reply(connection, request, found)

        name = f"{self.broadcast}/{codec}/{number}.m4s".encode()
        self.replay.fetch(self.slug, name.split(b"/"), done)
