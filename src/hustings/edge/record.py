"""The public record at the audience's door: /r/{slug}/record.jsonl, and its page /r/{slug}/record
(docs/record.md).

The studio's head says how much of the file in the data folder is published; file and head together are the
record. The disk is read in the threads of the replay door.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.record_file import Published, entries_path, published_file
from hustings.edge.filled import fill
from hustings.edge.http import ANY_ORIGIN, Headers, Request, Resource, problem, retry_after
from hustings.edge.protocol import Connection
from hustings.edge.record_page import take, values
from hustings.edge.replay import Found, Replay
from hustings.edge.replay_sender import LongFile
from hustings.errors import Corrupt

RECORD_TYPE: Final = "application/jsonl; charset=utf-8"
_ELSEWHERE: Final = "The record lies with the studio, and is not here (yet)."
_HEADERS: Final[Headers] = (("Cache-Control", "public, max-age=2"), *ANY_ORIGIN)


class RecordDoor:
    """One edge's. `data`: the data folder, which the studio writes."""

    def __init__(self, data: Path, replay: Replay) -> None:
        self._data = data
        self._replay = replay

    def handle(self, connection: Connection, request: Request, slug: str, head: bytes) -> None:
        """Answers now or when it is read. `head`: the room's page "record.head"."""
        published = _published(head)

        def read() -> tuple[Found, bool]:
            try:
                file = published_file(entries_path(self._data, slug), published)
            except FileNotFoundError:
                return problem(503, "Not here yet", _ELSEWHERE, retry_after(2, 8)), False
            tag = f"record-{published.entries}-{published.size:x}"
            return LongFile(RECORD_TYPE, file, _HEADERS, etag=tag), False

        def answer(found: Found) -> None:
            if not connection.closed:
                self._replay.reply(connection, request, found)

        self._replay.read((slug, b"record/%d" % published.entries), read, answer)

    def page(
        self,
        connection: Connection,
        request: Request,
        slug: str,
        head: bytes,
        template: tuple[bytes, Headers],
        before: int | None,
    ) -> None:
        """The record told to readers (record_page.py). `template`: record.html with its marks, and headers;
        `before`: shows what was before this entry."""
        published = _published(head)
        if before is not None and before >= published.entries:
            before = None  # all of them: what is read and kept once need not be twice
        body, headers = template
        lang = next((value for name, value in headers if name == "Content-Language"), "en")

        def read() -> tuple[Found, bool]:
            path = entries_path(self._data, slug)
            try:
                if path.stat().st_size < published.size:
                    raise FileNotFoundError(path)
                taken = take(slug, _lines(path, published.size), before)
            except FileNotFoundError:
                return problem(503, "Not here yet", _ELSEWHERE, retry_after(2, 8)), False
            except (ValueError, KeyError, TypeError) as error:
                raise Corrupt(f"no entry of a record: {error}") from None
            filled = fill(body, values(taken, json.loads(published.head), body, lang))
            return Resource("text/html; charset=utf-8", filled, headers, compress=True), False

        def answer(found: Found) -> None:
            if not connection.closed:
                self._replay.reply(connection, request, found)

        key = b"record/page/%s/%d/%d" % (lang.encode(), published.entries, -1 if before is None else before)
        self._replay.read((slug, key), read, answer)


def _published(head: bytes) -> Published:
    try:
        return msgspec.json.decode(head, type=Published)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"no head of a record: {error}") from None


def _lines(path: Path, size: int) -> Iterator[bytes]:
    """The file's first `size` bytes, line by line, without line feeds."""
    with path.open("rb") as file:
        for line in file:
            size -= len(line)
            if size < 0:
                return
            yield line[:-1]
