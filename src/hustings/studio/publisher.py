"""Rooms' pages and state.json as bytes on the bus, whenever they change; edges only serve them.

A room is published at most twice a second. While nothing but figures change (talk times, listeners) its
page is rendered every few seconds only; state.json, which the page's script follows, always. What an edge
has already is left out.

Events go out at once, by feeds.py. state.json says which event is the last in it, and never goes out before
that event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import structlog
from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import InputKind, Page, RoomPublic, RoomsSnapshot, RoomsSnapshotRequest
from hustings.clock import Clock
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Room
from hustings.studio import public
from hustings.studio.board import Board
from hustings.studio.context import LANGS, RoomView
from hustings.studio.feeds import Feeds, Publishing
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
WHOLE = 30.0
"""Seconds after which a room is published whole again: an edge may have missed a page without knowing."""
_NEEDED = ("page.", "state.json")
PAGES_BYTES = SNAPSHOT_BYTES - 1024
"""What one room's pages may weigh together."""
LISTED = 200
ENDED_LISTED = 30
LISTS_AGAIN = 600.0
"""Seconds after which lists that did not change are published again."""
INDEX = ""
"""The slug under which the list of rooms travels."""
SERVER = "@"
"""The one for what all rooms have together; no room's slug holds an "@"."""


def host_slug(account_id: str) -> str:
    """The slug for what a host's rooms have together."""
    return f"{SERVER}{account_id}"


_HTML = "text/html; charset=utf-8"
_published = Counter("hustings_studio_published_total", "Rooms published to the edges.")
_failed = Counter("hustings_studio_publish_failures_total", "Rooms that could not be rendered.")
_left_out = Counter(
    "hustings_studio_pages_left_out_total", "Pages that did not fit on the bus with the room's others."
)
_JSON = "application/json"

type Lists = Callable[[], Mapping[str, Mapping[str, Page]]]
"""Pages over several rooms, by SERVER or host_slug; called when the list of rooms is rendered."""
type More = Callable[[Room, RoomView], Mapping[str, Page]]
"""Further pages of a room, by the names edge.pages knows; called when the room's own page is rendered."""


@dataclass(slots=True)
class _Rendered:
    """What was last published of one slug."""

    public: RoomPublic
    """With all pages."""
    durable: object
    """What the pages were rendered from, without the figures."""
    published_at: float
    rendered_at: float
    whole_at: float = 0.0
    """When nothing was left out last."""
    since: Mapping[str, int] = field(default_factory=dict)
    """The version in which each page was sent as it is now."""


class Publisher:
    """Times are monotonic; `version` is wall clock in ns, so that it grows over restarts, too."""

    def __init__(
        self, feeds: Feeds, board: Board, bus: Publishing, renderer: Renderer, urls: Urls, clock: Clock
    ) -> None:
        self.feeds = feeds
        self.accepts: Callable[[Room], list[InputKind] | None] = lambda _room: None
        """What listeners may send to a room now."""
        self._board = board
        self._bus = bus
        self._renderer = renderer
        self._urls = urls
        self._clock = clock
        self._more: list[More] = []
        self._lists: list[Lists] = []
        self._done: dict[str, _Rendered] = {}
        self._dirty: set[str] = {room.slug for room in board.rooms()} | {INDEX}
        self._wake = asyncio.Event()
        self._version = 0
        self._repeated_at = clock.monotonic()
        board.on_change(self.mark)
        feeds.on_change(self.mark)

    def add(self, more: More) -> None:
        """Publishes what `more` gives beside each room's own pages."""
        self._more.append(more)

    def add_lists(self, lists: Lists) -> None:
        """Publishes what `lists` gives beside the list of rooms."""
        self._lists.append(lists)

    def mark(self, slug: str) -> None:
        """`slug` looks different now."""
        self._dirty.add(slug)
        self._wake.set()

    def renew(self, slug: str) -> None:
        """What `add` gives for `slug` is another now, though nothing in the room itself changed."""
        if (done := self._done.get(slug)) is not None:
            done.rendered_at = float("-inf")
        self.mark(slug)
        self.mark(INDEX)

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
            if slug == INDEX:
                await self._publish_lists(now)
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
        await self.feeds.flush()  # an edge knows an event before the state with it
        _published.inc()
        await self._bus.publish(subjects.ROOMS_UPDATE, _shortened(rendered, before, now))
        await asyncio.sleep(0)  # rendering takes milliseconds: let requests through between rooms

    async def _publish_lists(self, now: float) -> None:
        """Those that changed, and empty ones in place of those that are no more."""
        try:
            lists: dict[str, dict[str, Page]] = {}
            for each in self._lists:
                for slug, pages in each().items():
                    lists.setdefault(slug, {}).update(pages)
        except Exception:
            _failed.inc()
            log.exception("a list cannot be rendered")
            return
        gone: dict[str, dict[str, Page]] = {slug: {} for slug in self._done if slug.startswith(SERVER)}
        for slug, pages in (gone | lists).items():
            before = self._done.get(slug)
            same = before is not None and before.public.pages == pages
            if same and before is not None and now - before.published_at < LISTS_AGAIN:
                continue
            message = RoomPublic(
                slug=slug,
                version=self._next_version(),
                status="scheduled",
                broadcast_id="",
                pages=_fitting(slug, pages, before),
            )
            self._done[slug] = _Rendered(message, None, now, now)
            await self._bus.publish(subjects.ROOMS_UPDATE, message)

    def _render(self, slug: str, before: _Rendered | None, now: float) -> _Rendered | None:
        if slug == INDEX:
            return self._render_index(now)
        room = self._board.room(slug)
        view = self.feeds.shown(slug)
        if room is None or view is None:
            return None
        durable = _durable(view)
        pages = {"state.json": Page(content_type=_JSON, body=public.state_json(view))}
        rendered_at = now
        if before is not None and before.durable == durable and now - before.rendered_at < PAGE_INTERVAL:
            pages |= {name: page for name, page in before.public.pages.items() if name != "state.json"}
            rendered_at = before.rendered_at
        else:
            pages |= self._pages(room, view)
        if before is None or before.durable != durable:
            self._dirty.add(INDEX)
        version = self._next_version()
        message = RoomPublic(
            slug=slug,
            version=version,
            status=view.status,
            broadcast_id=view.broadcast,
            pages=_fitting(slug, pages, before),
            accepts=self.accepts(room),
            stream=view.stream,
            seq=view.seq,
        )
        return _Rendered(message, durable, now, rendered_at, *_since(message, before))

    def _pages(self, room: Room, view: RoomView) -> dict[str, Page]:
        pages = {"oembed.json": Page(content_type=_JSON, body=self._renderer.oembed(view))}
        for lang in LANGS:
            pages[f"page.{lang}"] = Page(content_type=_HTML, body=self._renderer.room(view, lang))
            pages[f"embed.{lang}"] = Page(content_type=_HTML, body=self._renderer.embed(view, lang))
        for more in self._more:
            pages |= more(room, view)
        return pages

    def _render_index(self, now: float) -> _Rendered:
        views = self.listed(now)
        feed = "/feed.xml" if self._urls.knows_audience and views else ""
        pages = {
            f"page.{lang}": Page(content_type=_HTML, body=self._renderer.rooms(views, lang, feed=feed))
            for lang in LANGS
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
            public_room = _since_version(self._done[slug], request.have.get(slug, 0))
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
    """The view without what changes by itself while people talk and listeners come, go and vote."""
    people = tuple(replace(p, speaking=False, talked_seconds=0.0) for p in view.participants)
    questions = replace(view.questions, list=tuple(replace(q, votes=0) for q in view.questions.list))
    return replace(
        view, listeners=0, listeners_by_door={}, participants=people, questions=questions, stream="", seq=0
    )


def _fitting(slug: str, pages: dict[str, Page], before: _Rendered | None) -> dict[str, Page]:
    """`pages` as far as they fit on the bus: the largest of those a room can do without go first. A page
    that is as it was before is the same object."""
    known = before.public.pages if before is not None else {}
    pages = {name: known[name] if known.get(name) == page else page for name, page in pages.items()}
    while sum(len(page.body) for page in pages.values()) > PAGES_BYTES:
        largest = max(pages, key=lambda name: (not name.startswith(_NEEDED), len(pages[name].body)))
        log.error("a room's pages do not fit on the bus", slug=slug, left_out=largest)
        _left_out.inc()
        del pages[largest]
    return pages


def _since(message: RoomPublic, before: _Rendered | None) -> tuple[float, dict[str, int]]:
    """When it last went out whole, and the version in which each page did."""
    known = before.public.pages if before is not None else {}
    since = {
        name: before.since[name] if before is not None and known.get(name) is page else message.version
        for name, page in message.pages.items()
    }
    return (before.whole_at if before is not None else float("-inf")), since


def _since_version(rendered: _Rendered, known: int) -> RoomPublic:
    """The message without the pages that are as they were in version `known` (0: none is known)."""
    message = rendered.public
    if known == message.version:
        return msgspec.structs.replace(message, pages={}, kept=sorted(message.pages), kept_since=known)
    kept = sorted(name for name, since in rendered.since.items() if since <= known)
    if not kept:
        return message
    pages = {name: page for name, page in message.pages.items() if name not in kept}
    return msgspec.structs.replace(
        message, pages=pages, kept=kept, kept_since=max(rendered.since[name] for name in kept)
    )


def _shortened(rendered: _Rendered, before: _Rendered | None, now: float) -> RoomPublic:
    """The message without the pages that edges have, unless they had nothing whole for a while."""
    message = rendered.public
    shortened = _since_version(rendered, message.version - 1)
    if before is None or not shortened.kept or now - rendered.whole_at >= WHOLE:
        rendered.whole_at = now
        return message
    return shortened
