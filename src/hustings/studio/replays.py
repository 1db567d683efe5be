"""Which rooms have recordings to play: found in the data folder at the start, told by RecordingReady after.

The room's page and state.json then link to the last one. The page of a recording (`replay.{lang}`) and the
list of all (`recordings.{lang}`) are rendered once for all of a room and filled by the edges, which read what
the recordings are; of the last one the studio tells them (`replay.json`), for it knows what is to be deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from hustings.archive.about import About, OfRoom, RoomRecordings
from hustings.archive.library import Library
from hustings.bus.messages import Page, RecordingReady
from hustings.errors import Corrupt
from hustings.rooms.model import Room
from hustings.studio.board import Board
from hustings.studio.context import LANGS, RoomView
from hustings.studio.marks import each, mark
from hustings.studio.renderer import Renderer
from hustings.studio.retention import days_kept

log = structlog.get_logger()


class Replays:
    """The last recording of each room, and pages for all of them."""

    def __init__(
        self,
        data: Path,
        board: Board,
        renderer: Renderer,
        gone: Callable[[str], bool] = lambda _broadcast: False,
    ) -> None:
        self._library = Library(data, hidden=gone)
        self._recordings = RoomRecordings(self._library)
        self._board = board
        self._renderer = renderer
        self._known: dict[str, About] = {}
        board.replay = self._known.get

    async def run(self) -> None:
        """Looks for every room's last recording: the pages are out already and are rendered anew."""
        for room in list(self._board.rooms()):
            await self.look(room.slug)

    async def ready(self, message: RecordingReady) -> None:
        """A recording has become whole."""
        if self._board.room(message.slug) is not None:
            await self.look(message.slug)

    async def look(self, slug: str) -> None:
        """Takes the room's last recording from the disk; without one it has none any more."""
        try:
            found = await asyncio.to_thread(self._read, slug)
        except (Corrupt, OSError) as error:
            log.warning("a recording cannot be read", slug=slug, error=type(error).__name__)
            return
        before = self._known.get(slug)
        if found is None:
            self._known.pop(slug, None)
        else:
            self._known[slug] = found
        if found != before:
            self._board.changed(slug)

    def _read(self, slug: str) -> About | None:
        """In a thread of its own."""
        folder = self._library.folder(slug, over=True)
        return self._recordings.about(slug, folder) if folder is not None else None

    def pages(self, room: Room, view: RoomView) -> Mapping[str, Page]:
        """For `Publisher.add`: what the edges make the recordings' pages of, in each language."""
        if view.replay is None:
            return {}
        days = days_kept(room.details.keep_days, self._board.keep_days)
        return recordings_pages(self._renderer, view, OfRoom(last=view.replay, keep_days=days))


def recordings_pages(renderer: Renderer, view: RoomView, of_room: OfRoom) -> dict[str, Page]:
    """What the edges make the pages of all recordings of a room of."""
    pages = {"replay.json": Page(content_type="application/json", body=msgspec.json.encode(of_room))}
    for lang in LANGS:
        for name in ("replay", "recordings"):
            body = renderer.page(f"{name}.html", lang, room=view, mark=mark, each=each)
            pages[f"{name}.{lang}"] = Page(content_type="text/html; charset=utf-8", body=body)
    return pages
