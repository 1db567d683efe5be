"""The public record at the audience's door: /r/{slug}/record.jsonl (docs/record.md).

The studio's head says how much of the file in the data folder is published; file and head together are the
record. The disk is read in the threads of the replay door.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.record_file import Published, entries_path, published_file
from hustings.edge.http import ANY_ORIGIN, Headers, Request, problem, retry_after
from hustings.edge.protocol import Connection
from hustings.edge.replay import Found, Replay
from hustings.edge.replay_sender import LongFile
from hustings.errors import Corrupt

RECORD_TYPE: Final = "application/jsonl; charset=utf-8"
_HEADERS: Final[Headers] = (("Cache-Control", "public, max-age=2"), *ANY_ORIGIN)


class RecordDoor:
    """One edge's. `data`: the data folder, which the studio writes."""

    def __init__(self, data: Path, replay: Replay) -> None:
        self._data = data
        self._replay = replay

    def handle(self, connection: Connection, request: Request, slug: str, head: bytes) -> None:
        """Answers now or when it is read. `head`: the room's page "record.head"."""
        try:
            published = msgspec.json.decode(head, type=Published)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"no head of a record: {error}") from None

        def read() -> tuple[Found, bool]:
            try:
                file = published_file(entries_path(self._data, slug), published)
            except FileNotFoundError:
                detail = "The record lies with the studio, and is not here (yet)."
                return problem(503, "Not here yet", detail, retry_after(2, 8)), False
            tag = f"record-{published.entries}-{published.size:x}"
            return LongFile(RECORD_TYPE, file, _HEADERS, etag=tag), False

        def answer(found: Found) -> None:
            if not connection.closed:
                self._replay.reply(connection, request, found)

        self._replay.read((slug, b"record/%d" % published.entries), read, answer)
