"""What of a room is kept, at the audience's door: recordings, clips, and the public record. Who answers which
address; the answers are made in replay.py, filled.py and record.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hustings.edge.filled import FilledPages
from hustings.edge.http import Reply, Request, make_reply, problem, retry_after
from hustings.edge.pages import RoomPages
from hustings.edge.protocol import Connection
from hustings.edge.record import RecordDoor
from hustings.edge.replay import Replay
from hustings.ids import is_broadcast_id

FIRST: Final = (b"replay", b"clip", b"recordings", b"record.jsonl", b"record")
"""What follows /r/{slug}/ in these addresses."""
SERVER: Final = "@"
"""Where pages are that all rooms have together."""
_NUMBER: Final = re.compile(rb"(?:0|[1-9][0-9]{0,8})?")


class Recorded:
    """`pages`: what the studio gave for each room. `absent`: the page that says that there is nothing."""

    def __init__(
        self,
        data: Path,
        replay: Replay,
        pages: Mapping[str, RoomPages],
        absent: Callable[[Request], Reply],
    ) -> None:
        self._replay = replay
        self._pages = pages
        self._absent = absent
        self._filled = FilledPages(replay, absent)
        self._record = RecordDoor(data, replay)

    def handle(self, connection: Connection, request: Request, slug: str, path: list[bytes]) -> None:
        """Answers /r/{slug}/{path}, the first part of which is one of FIRST."""
        pages = self._pages.get(slug)
        match path:
            case [b"record.jsonl"]:
                self._log(connection, request, slug, pages)
            case [b"record", *rest]:
                self._told(connection, request, slug, rest)
            case [b"replay", *rest]:
                self._play(connection, request, slug, rest)
            case [b"clip" | b"recordings", *_] if pages is not None:
                self._page(connection, request, slug, pages, path)
            case _:
                connection.reply(self._absent(request))

    def _log(self, connection: Connection, request: Request, slug: str, pages: RoomPages | None) -> None:
        head = pages.source("record.head") if pages is not None else None
        if head is not None:
            self._record.handle(connection, request, slug, head)
        else:
            detail = "The room's record has not been received from the studio yet."
            connection.reply(problem(503, "Not here yet", detail, retry_after(2, 8)))

    def _told(self, connection: Connection, request: Request, slug: str, path: list[bytes]) -> None:
        """/r/{slug}/record: the page for readers."""
        pages, server = self._pages.get(slug), self._pages.get(SERVER)
        template = server.template("record", request) if server is not None else None
        head = pages.source("record.head") if pages is not None else None
        number = path[0] if path else b""
        if len(path) > 1 or _NUMBER.fullmatch(number) is None:
            connection.reply(self._absent(request))
        elif head is None or template is None:
            detail = "The room's record has not been received from the studio yet."
            connection.reply(problem(503, "Not here yet", detail, retry_after(2, 8)))
        else:
            before = int(number) if number else None
            self._record.page(connection, request, slug, head, template, before)

    def _play(self, connection: Connection, request: Request, slug: str, path: list[bytes]) -> None:
        """/r/{slug}/replay/..., {broadcast}/...: a recording's page, or what it plays."""
        pages = self._pages.get(slug)
        name = path[0].decode("latin-1") if path else ""
        if len(path) == 2 and path[1] == b"" and is_broadcast_id(name):
            if pages is None:
                connection.reply(self._absent(request))
            else:
                self._page(connection, request, slug, pages, [b"replay", *path])
        elif len(path) == 1 and is_broadcast_id(name):
            connection.reply(_moved(f"/r/{slug}/replay/{name}/"))
        elif path not in ([], [b""]):
            self._replay.handle(connection, request, slug, path)
        else:
            reply = self._filled.last(request, slug, pages) if pages is not None else None
            if reply is None:
                # Perhaps there was one: who follows an old link is told.
                self._replay.handle(connection, request, slug, [b"deleted.json"])
            else:
                connection.reply(reply if path else _moved(f"/r/{slug}/replay/"))

    def _page(
        self, connection: Connection, request: Request, slug: str, pages: RoomPages, path: list[bytes]
    ) -> None:
        """What the studio rendered once for all recordings or clips of a room."""
        if path[0] == b"clip":
            self._filled.clip(connection, request, slug, pages, path[1:])
        elif path[0] == b"recordings":
            self._filled.listing(connection, request, slug, pages, path[1:])
        else:
            self._filled.recording(connection, request, slug, pages, path[1])


def _moved(target: str) -> Reply:
    headers = (("Location", target), ("Cache-Control", "public, max-age=60"))
    return make_reply(308, "text/plain; charset=utf-8", b"", headers)
