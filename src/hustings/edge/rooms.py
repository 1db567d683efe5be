"""The edge's copies of the rooms: what the studio publishes, kept up to date by version.

`RoomBook` is pure; `RoomSync` is the shell that listens to ROOMS_UPDATE and asks for ROOMS_SNAPSHOT at
the start, after each reconnection and every half minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from hustings.bus import subjects
from hustings.bus.messages import RoomPublic, RoomsSnapshot, RoomsSnapshotRequest
from hustings.edge.track import BusLike, Sleep
from hustings.errors import Refused, Unavailable

log = structlog.get_logger()

RESYNC = 30.0
"""Seconds between two snapshots when nothing asks for one."""
RETRY = 0.5
PAGES_CAP = 10_000
"""Snapshot pages fetched in one go: more is a studio that does not end."""


class RoomBook:
    """Rooms by slug; the room "" is the list of rooms. `changed(room)` is called for each news, and
    `removed(slug)` for a room that is no more."""

    def __init__(
        self,
        changed: Callable[[RoomPublic], None] | None = None,
        removed: Callable[[str], None] | None = None,
    ) -> None:
        self.rooms: dict[str, RoomPublic] = {}
        self.loaded = False
        self._changed = changed
        self._removed = removed
        self._touched: set[str] = set()

    def get(self, slug: str) -> RoomPublic | None:
        """The room, or None."""
        return self.rooms.get(slug)

    def update(self, room: RoomPublic) -> bool:
        """Takes `room` unless its version is not newer; says whether it was."""
        known = self.rooms.get(room.slug)
        self._touched.add(room.slug)
        if known is not None and known.version >= room.version:
            return False
        self.rooms[room.slug] = room
        if self._changed is not None:
            self._changed(room)
        return True

    def begin_snapshot(self) -> None:
        """A snapshot is asked for: rooms touched from here on are newer than it may be."""
        self._touched = set()

    def end_snapshot(self, slugs: Iterable[str]) -> None:
        """The snapshot held exactly `slugs` (already given to `update`): other rooms are gone."""
        for slug in set(self.rooms) - set(slugs) - self._touched:
            del self.rooms[slug]
            if self._removed is not None:
                self._removed(slug)
        self.loaded = True


class RoomSync:
    """Keeps a `RoomBook` current over the bus."""

    def __init__(self, bus: BusLike, book: RoomBook, *, sleep: Sleep = asyncio.sleep) -> None:
        self.loaded = asyncio.Event()
        self._bus = bus
        self._book = book
        self._sleep = sleep
        self._wake = asyncio.Event()

    def resync(self) -> None:
        """Fetches a snapshot soon."""
        self._wake.set()

    async def run(self) -> None:
        """Subscribes, then fetches snapshots until cancelled."""
        await self._bus.subscribe(subjects.ROOMS_UPDATE, RoomPublic, self._on_update)
        while True:
            self._wake.clear()
            if not await self._snapshot():
                await self._sleep(RETRY)
                continue
            self.loaded.set()
            try:
                await asyncio.wait_for(self._wake.wait(), RESYNC)
            except TimeoutError:
                pass

    def _on_update(self, room: RoomPublic) -> None:
        self._book.update(room)

    async def _snapshot(self) -> bool:
        """All pages of one snapshot; False when the studio did not answer."""
        self._book.begin_snapshot()
        seen: list[str] = []
        request = RoomsSnapshotRequest()
        try:
            for _ in range(PAGES_CAP):
                answer = await self._bus.request(subjects.ROOMS_SNAPSHOT, request, RoomsSnapshot, timeout=2.0)
                for room in answer.rooms:
                    self._book.update(room)
                    seen.append(room.slug)
                if not answer.more or not answer.rooms:
                    break
                request = RoomsSnapshotRequest(after_slug=answer.rooms[-1].slug, first=False)
        except (Unavailable, Refused):
            return False
        self._book.end_snapshot(seen)
        return True
