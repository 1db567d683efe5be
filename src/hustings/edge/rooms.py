"""The edge's copies of the rooms: what the studio publishes, kept up to date by version.

`RoomBook` is pure; `RoomSync` is the shell that listens to ROOMS_UPDATE, ROOMS_EVENT and ROOMS_REACTIONS
and asks for ROOMS_SNAPSHOT at the start, after each reconnection, when a page is missing and every half
minute. It says what it has: covers and pages that have not changed are not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec
import structlog

from hustings.bus import subjects
from hustings.bus.messages import (
    RoomEvent,
    RoomPublic,
    RoomReactions,
    RoomsSnapshot,
    RoomsSnapshotRequest,
)
from hustings.edge.track import BusLike, Sleep
from hustings.errors import Refused, Unavailable

log = structlog.get_logger()

RESYNC = 30.0
"""Seconds between two snapshots when nothing asks for one."""
RETRY = 0.5
PAGES_CAP = 10_000
"""Snapshot pages fetched in one go: more is a studio that does not end."""
MAX_HAVE = 5_000
"""Rooms whose versions one request names: with the longest slugs 400 kB of the bus's 1 MB."""


class RoomBook:
    """Rooms by slug; the room "" is the list of rooms. `changed(room)` is called for each news, and
    `removed(slug)` for a room that is no more. `happened` and `reacted` get what passes by."""

    def __init__(
        self,
        changed: Callable[[RoomPublic], None] | None = None,
        removed: Callable[[str], None] | None = None,
        happened: Callable[[RoomEvent], None] | None = None,
        reacted: Callable[[RoomReactions], None] | None = None,
    ) -> None:
        self.happened = happened
        self.reacted = reacted
        self.incomplete: Callable[[], None] | None = None
        """Called when a page is missing that an update leaves out: a snapshot is needed."""
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
        if room.kept:
            if known is None or known.version < room.kept_since or not known.pages.keys() >= set(room.kept):
                if self.incomplete is not None:
                    self.incomplete()
                return False
            pages = {**room.pages, **{name: known.pages[name] for name in room.kept}}
            room = msgspec.structs.replace(room, pages=pages, kept=[])
        self.rooms[room.slug] = room
        if self._changed is not None:
            self._changed(room)
        return True

    def versions(self, after_slug: str | None) -> dict[str, int]:
        """What is here, of the next rooms after `after_slug` in the order of slugs (None: from the first)."""
        slugs = sorted(slug for slug in self.rooms if after_slug is None or slug > after_slug)
        return {slug: self.rooms[slug].version for slug in slugs[:MAX_HAVE]}

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
        self._whole = False
        """What is here is not to be built on: a page is missing."""
        book.incomplete = self._incomplete

    def resync(self) -> None:
        """Fetches a snapshot soon."""
        self._wake.set()

    def _incomplete(self) -> None:
        self._whole = True
        self.resync()

    async def run(self) -> None:
        """Subscribes, then fetches snapshots until cancelled."""
        await self._bus.subscribe(subjects.ROOMS_UPDATE, RoomPublic, self._on_update)
        if self._book.happened is not None:
            await self._bus.subscribe(subjects.ROOMS_EVENT, RoomEvent, self._book.happened)
        if self._book.reacted is not None:
            await self._bus.subscribe(subjects.ROOMS_REACTIONS, RoomReactions, self._book.reacted)
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
        whole, self._whole = self._whole, False
        request = RoomsSnapshotRequest(have={} if whole else self._book.versions(None))
        try:
            for _ in range(PAGES_CAP):
                answer = await self._bus.request(subjects.ROOMS_SNAPSHOT, request, RoomsSnapshot, timeout=2.0)
                for room in answer.rooms:
                    self._book.update(room)
                    seen.append(room.slug)
                if not answer.more or not answer.rooms:
                    break
                after = answer.rooms[-1].slug
                have = {} if whole else self._book.versions(after)
                request = RoomsSnapshotRequest(after_slug=after, first=False, have=have)
        except (Unavailable, Refused):
            self._whole = self._whole or whole
            return False
        self._book.end_snapshot(seen)
        return True
