"""Rooms' pages and state.json as bytes on the bus, whenever they change; edges only serve them.

A room is published at most twice a second. While nothing but figures change (levels of talk, listeners)
its page is rendered every few seconds only; state.json, which the page's script follows, always.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import Message, Page, RoomPublic, RoomsSnapshot, RoomsSnapshotRequest
from hustings.clock import Clock
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Room
from hustings.studio import public
from hustings.studio.board import Board
from hustings.studio.context import LANGS, RoomView
from hustings.studio.renderer import Renderer
from hustings.studio.urls import Urls

log = structlog.get_logger()

INTERVAL = 0.5
"""Seconds between two publications of one room, at least."""
PAGE_INTERVAL = 5.0
"""Seconds between two renderings of a page when only figures changed."""
REPEAT = 10.0
"""Seconds after which active rooms and the list are published again: the bus may have lost one."""
SNAPSHOT_BYTES = 900 * 1024
"""The bus takes messages of 1 MB."""
LISTED = 200
ENDED_LISTED = 30
INDEX = ""
"""The slug under which the list of rooms travels."""

_HTML = "text/html; charset=utf-8"
_published = Counter("hustings_studio_published_total", "Rooms published to the edges.")
_failed = Counter("hustings_studio_publish_failures_total", "Rooms that could not be rendered.")


class Publishing(Protocol):
    """The part of the bus that is needed here."""

    async def publish(self, subject: str, message: Message) -> None: ...


@dataclass(slots=True)
class _Rendered:
    """What was last published of one slug."""

    public: RoomPublic
    durable: object
    """What the page was rendered from, without the figures."""
    published_at: float
    rendered_at: float


class Publisher:
    """Times are monotonic; `version` is wall clock in ns, so that it grows over restarts, too."""

    def __init__(self, board: Board, bus: Publishing, renderer: Renderer, urls: Urls, clock: Clock) -> None:
        self._board = board
        self._bus = bus
        self._renderer = renderer
        self._urls = urls
        self._clock = clock
        self._done: dict[str, _Rendered] = {}
        self._dirty: set[str] = {room.slug for room in board.rooms()} | {INDEX}
        self._wake = asyncio.Event()
        self._version = 0
        self._repeated_at = clock.monotonic()
        board.on_change(self.mark)

    def mark(self, slug: str) -> None:
        """`slug` looks different now."""
        self._dirty.add(slug)
        self._wake.set()

    async def run(self) -> None:
        """Publishes what changes, until cancelled."""
        while True:
            self._wake.clear()
            delay = await self.publish_due()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    async def publish_due(self) -> float:
        """Publishes every changed room whose time has come; seconds until the next one's."""
        now = self._clock.monotonic()
        if now - self._repeated_at >= REPEAT:
            self._repeated_at = now
            self._dirty |= {room.slug for room in self._board.rooms() if room.status in CONNECTABLE}
            self._dirty.add(INDEX)
        delay = REPEAT
        # The list last: rendering rooms tells whether it changed.
        for slug in sorted(self._dirty, reverse=True):
            before = self._done.get(slug)
            wait = 0.0 if before is None else before.published_at + INTERVAL - now
            if wait > 0:
                delay = min(delay, wait)
                continue
            self._dirty.discard(slug)
            await self._publish(slug, before, now)
        if self._dirty:
            delay = min(delay, INTERVAL)
        return delay

    async def _publish(self, slug: str, before: _Rendered | None, now: float) -> None:
        try:
            rendered = self._render(slug, before, now)
        except Exception:
            _failed.inc()
            log.exception("page cannot be rendered", slug=slug)
            return
        if rendered is None:
            return
        self._done[slug] = rendered
        _published.inc()
        await self._bus.publish(subjects.ROOMS_UPDATE, rendered.public)
        await asyncio.sleep(0)  # rendering takes milliseconds: let requests through between rooms

    def _render(self, slug: str, before: _Rendered | None, now: float) -> _Rendered | None:
        if slug == INDEX:
            return self._render_index(now)
        room = self._board.room(slug)
        if room is None:
            return None
        view = public.room_view(room, self._board, self._urls, now)
        durable = _durable(view)
        pages = {"state.json": Page(content_type="application/json", body=public.state_json(view))}
        rendered_at = now
        if before is not None and before.durable == durable and now - before.rendered_at < PAGE_INTERVAL:
            pages |= {name: page for name, page in before.public.pages.items() if name != "state.json"}
            rendered_at = before.rendered_at
        else:
            for lang in LANGS:
                pages[f"page.{lang}"] = Page(content_type=_HTML, body=self._renderer.room(view, lang))
        if before is None or before.durable != durable:
            self._dirty.add(INDEX)
        message = RoomPublic(
            slug=slug,
            version=self._next_version(),
            status=view.status,
            broadcast_id=view.broadcast,
            pages=pages,
        )
        return _Rendered(message, durable, now, rendered_at)

    def _render_index(self, now: float) -> _Rendered:
        views = self.listed(now)
        pages = {
            f"page.{lang}": Page(content_type=_HTML, body=self._renderer.rooms(views, lang)) for lang in LANGS
        }
        message = RoomPublic(
            slug=INDEX, version=self._next_version(), status="scheduled", broadcast_id="", pages=pages
        )
        return _Rendered(message, None, now, now)

    def listed(self, now: float) -> list[RoomView]:
        """The rooms of the list: on now, then coming, then the last that ended; bounded."""
        rooms = list(self._board.rooms())
        on_now = sorted((r for r in rooms if r.status in CONNECTABLE), key=_opened, reverse=True)
        coming = sorted(
            (r for r in rooms if r.status.value == "scheduled"),
            key=lambda r: (r.scheduled_at is None, r.scheduled_at or 0.0, r.created_at),
        )
        ended = sorted((r for r in rooms if r.status.value == "ended"), key=_opened, reverse=True)
        chosen = [*on_now, *coming, *ended[:ENDED_LISTED]][:LISTED]
        return [public.room_view(room, self._board, self._urls, now) for room in chosen]

    async def snapshot(self, request: RoomsSnapshotRequest) -> RoomsSnapshot:
        """What an edge asks for when it begins or was away; a page of it."""
        rooms: list[RoomPublic] = []
        size = 0
        for slug in sorted(self._done):
            if slug <= request.after_slug and not (request.first and slug == INDEX == request.after_slug):
                continue
            public_room = self._done[slug].public
            weight = 512 + sum(len(page.body) for page in public_room.pages.values())
            if weight > SNAPSHOT_BYTES:
                log.error("a room's pages do not fit on the bus", slug=slug, bytes=weight)
                continue
            if size + weight > SNAPSHOT_BYTES:
                return RoomsSnapshot(rooms=rooms, more=True)
            rooms.append(public_room)
            size += weight
        return RoomsSnapshot(rooms=rooms, more=False)

    def _next_version(self) -> int:
        self._version = max(self._version + 1, int(self._clock.wall() * 1e9))
        return self._version


def _opened(room: Room) -> float:
    return room.broadcast.opened_at if room.broadcast else room.created_at


def _durable(view: RoomView) -> object:
    """The view without what changes by itself while people talk and listeners come and go."""
    people = tuple(replace(p, speaking=False, talked_seconds=0.0) for p in view.participants)
    return replace(view, listeners=0, listeners_by_door={}, participants=people)
