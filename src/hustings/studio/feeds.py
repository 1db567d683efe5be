"""All rooms' feeds: what changes on the board becomes events, on the bus and on the sockets.

`happened` takes what was decided, `mark` that something looks different; `advance` makes events of both.
What people do is told at once. What is measured is looked at every 50 ms at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import structlog
from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import Message, RoomEvent
from hustings.clock import Clock
from hustings.rooms import events as e
from hustings.rooms.model import Room
from hustings.studio import desk, news, public
from hustings.studio.board import Board
from hustings.studio.context import RoomView
from hustings.studio.feed import News, RoomFeed
from hustings.studio.urls import Urls

log = structlog.get_logger()

SETTLE = 0.05
"""Seconds between two looks at a room in which nothing was decided."""
IDLE = 10.0
MAX_RINGS = 200
"""Rooms whose events are kept; of others whoever was away gets a snapshot."""
MAX_PRIVATE = 200
"""Private news kept for sockets that have not been woken yet."""
MAX_OUTBOX = 10_000

_events = Counter("hustings_studio_events_total", "Events of all rooms.", ["kind"])
_failed = Counter("hustings_studio_event_failures_total", "Rooms whose state could not be worked out.")
_unsent = Counter("hustings_studio_events_unsent_total", "Events given up while the bus did not take them.")


class Publishing(Protocol):
    """The part of the bus that is needed here."""

    async def publish(self, subject: str, message: Message) -> None: ...


class Hosts:
    """What only those who conduct are told: the last of it, counted."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[News] = deque(maxlen=MAX_PRIVATE)

    def add(self, told: Iterable[News]) -> None:
        for each in told:
            self.count += 1
            self._kept.append(each)

    def since(self, count: int) -> list[News]:
        """What came after the first `count`, as far as it is kept."""
        missed = min(self.count - count, len(self._kept))
        return [self._kept[n] for n in range(len(self._kept) - missed, len(self._kept))]


class Feeds:
    """`on_change` callbacks are called with the slug after its events are in the feed."""

    def __init__(self, board: Board, bus: Publishing, urls: Urls, clock: Clock) -> None:
        self.stream = f"{int(clock.wall() * 1000):012x}-{secrets.token_hex(3)}"
        """Of this run; a later run's sorts after it."""
        self._board = board
        self._bus = bus
        self._urls = urls
        self._clock = clock
        self._feeds: dict[str, RoomFeed] = {}
        self._views: dict[str, RoomView] = {}
        """What the feeds' states were made of."""
        self._hosts: dict[str, Hosts] = {}
        self._news: dict[str, list[News]] = {}
        self._dirty: dict[str, float] = {}
        """slug -> monotonic time from when it may be looked at."""
        self._looked: dict[str, float] = {}
        self._rings: OrderedDict[str, None] = OrderedDict()
        self._outbox: deque[RoomEvent] = deque(maxlen=MAX_OUTBOX)
        self._sending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._on_change: list[Callable[[str], None]] = []
        board.on_change(self.mark)

    def on_change(self, callback: Callable[[str], None]) -> None:
        self._on_change.append(callback)

    # --- what comes in -----------------------------------------------------------------------

    def happened(self, room: Room, events: list[e.Event]) -> None:
        """`events` were committed and made `room`. Called before the board has it."""
        self.feed(room.slug)  # begins before the change
        told = news.tell(room, events, self._board.room(room.slug))
        if told.public:
            self._news.setdefault(room.slug, []).extend(told.public)
        if told.private:
            self.hosts(room.slug).add(told.private)
        self._mark(room.slug, self._clock.monotonic())

    def mark(self, slug: str) -> None:
        """`slug` may look different now."""
        now = self._clock.monotonic()
        self._mark(slug, max(now, self._looked.get(slug, now - SETTLE) + SETTLE))

    def _mark(self, slug: str, at: float) -> None:
        if slug:
            self._dirty[slug] = min(at, self._dirty.get(slug, at))
            self._wake.set()

    # --- what can be asked -------------------------------------------------------------------

    def feed(self, slug: str) -> RoomFeed | None:
        """The room's feed; it begins with how the room stands when first asked for."""
        feed = self._feeds.get(slug)
        if feed is None:
            room = self._board.room(slug)
            if room is None:
                return None
            view = self._views[slug] = self._view(room)
            feed = self._feeds[slug] = RoomFeed(slug, self.stream, public.state(view))
        return feed

    def hosts(self, slug: str) -> Hosts:
        return self._hosts.setdefault(slug, Hosts())

    def shown(self, slug: str) -> RoomView | None:
        """What the feed's last event left everybody with, and who is speaking now; None for no such room."""
        feed, room = self.current(slug), self._board.room(slug)
        if feed is None or room is None:
            return None
        view = self._views[slug]
        speaks = desk.speaking(room, self._board, self._clock.monotonic())
        people = tuple(replace(p, speaking=p.id in speaks) for p in view.participants)
        return replace(view, participants=people, stream=feed.stream, seq=feed.seq)

    def _view(self, room: Room) -> RoomView:
        return public.room_view(room, self._board, self._urls, self._clock.monotonic())

    # --- what goes out -----------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            delay = self.advance()
            await self.flush()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    def advance(self) -> float:
        """Looks at every room whose time has come; seconds until the next one's."""
        now = self._clock.monotonic()
        for slug in [slug for slug, at in self._dirty.items() if at <= now]:
            del self._dirty[slug]
            self._look(slug, now)
        return min([at - now for at in self._dirty.values()], default=IDLE)

    def current(self, slug: str) -> RoomFeed | None:
        """The room's feed, with everything in it that is known now."""
        if slug in self._dirty:
            del self._dirty[slug]
            self._look(slug, self._clock.monotonic())
        return self.feed(slug)

    def _look(self, slug: str, now: float) -> None:
        self._looked[slug] = now
        room = self._board.room(slug)
        feed = self.feed(slug)
        if room is None or feed is None:
            return
        try:
            view = self._view(room)
            events = feed.advance(public.state(view), self._news.pop(slug, ()), self._clock.wall(), now)
        except Exception:
            # The one room whose state cannot be worked out must not end the others' events.
            _failed.inc()
            log.exception("a room's state cannot be worked out", slug=slug)
            return
        if feed.due is not None:
            self._dirty[slug] = feed.due
        if events:
            self._views[slug] = view
            self._keep_ring(slug)
        elif (before := self._views.get(slug)) is not None:
            # Pages say more than state.json does: another recording, or a statement, has no event.
            self._views[slug] = replace(
                before, replay=view.replay, kept_until=view.kept_until, published=view.published
            )
        for event in events:
            _events.labels(event.kind).inc()
            if len(self._outbox) == MAX_OUTBOX:
                _unsent.inc()
            self._outbox.append(event)
        for callback in self._on_change:
            callback(slug)

    def _keep_ring(self, slug: str) -> None:
        self._rings[slug] = None
        self._rings.move_to_end(slug)
        if len(self._rings) > MAX_RINGS:
            oldest, _ = self._rings.popitem(last=False)
            self._feeds[oldest].forget()

    async def flush(self) -> None:
        """Everything that is in the feeds is given to the bus, in order."""
        async with self._sending:
            while self._outbox:
                await self._bus.publish(subjects.ROOMS_EVENT, self._outbox.popleft())
