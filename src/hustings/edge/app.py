"""The audience door: which address is answered by what. Everything of one edge process meets here."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

import structlog

from hustings.bus.messages import CODECS, AudienceReport, Codec, RoomPublic
from hustings.clock import Clock
from hustings.config import Settings
from hustings.edge.channel import Channel, Surroundings
from hustings.edge.counter import HlsAudience, Visitors
from hustings.edge.gate import Gate, Verdict, address_key, descriptor_cap
from hustings.edge.http import (
    ANY_ORIGIN,
    Reply,
    Request,
    Resource,
    make_head,
    make_reply,
    problem,
    retry_after,
)
from hustings.edge.load import Load
from hustings.edge.metrics import Metrics
from hustings.edge.pages import RoomPages, own_reply
from hustings.edge.protocol import Connection, Deadlines
from hustings.edge.rooms import RoomBook
from hustings.edge.static import StaticFiles
from hustings.edge.track import BusLike
from hustings.ids import is_slug

log = structlog.get_logger()

TICK = 0.25
"""Seconds between two ticks."""
HOT = 4096
"""Targets remembered between two changes of the playlists."""
_READ: Final = (b"GET", b"HEAD")
_STREAMS: dict[bytes, Codec] = {b"stream.ogg": "opus", b"stream.aac": "aac"}


class Edge:
    """One edge. The shell (main.py) opens the port and calls `tick`; tests do the same in memory."""

    def __init__(
        self,
        settings: Settings,
        *,
        bus: BusLike,
        clock: Clock,
        call_soon: Callable[[Callable[[], None]], object],
        static: StaticFiles | None = None,
        thread_time: Callable[[], float] = time.thread_time,
    ) -> None:
        self.clock = clock
        self.metrics = Metrics()
        self.gate = Gate(total=descriptor_cap(settings.listeners), per_address=settings.per_address)
        self.deadlines = Deadlines()
        self.connections: set[Connection] = set()
        self.draining = False
        self.proxies = frozenset(
            address_key(each.strip()) for each in settings.proxies.split(",") if each.strip()
        )
        self.load = Load()
        self.bus = bus
        self.book = RoomBook(self._room_changed, self._room_removed)
        self.channels: dict[str, Channel] = {}
        self._pages: dict[str, RoomPages] = {}
        self._static = static if static is not None else StaticFiles()
        self._visitors = Visitors()
        self._hot: dict[bytes, tuple[Resource, HlsAudience]] = {}
        self._around = Surroundings(
            bus=bus,
            clock=clock,
            metrics=self.metrics,
            load=self.load,
            call_soon=call_soon,
            window=float(settings.window),
            bitrates={"opus": settings.program_bitrate, "aac": settings.aac_bitrate},
            remember=self._remember,
            forget=self._hot.clear,
        )
        self._thread_time = thread_time
        self._sampled = (clock.monotonic(), thread_time())
        self._late = 0.0
        self._second = -1
        self._date = b""
        self.metrics.connections = lambda: len(self.connections)
        self.metrics.listeners = self._listeners

    def connection(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    # --- rooms -------------------------------------------------------------------------------

    def _room_changed(self, room: RoomPublic) -> None:
        self._pages[room.slug] = RoomPages(room)
        if not room.slug:
            return
        channel = self.channels.get(room.slug)
        if channel is None:
            if not room.broadcast_id:
                return
            channel = self.channels[room.slug] = Channel(room.slug, self._around)
        channel.update(room)

    def _room_removed(self, slug: str) -> None:
        self._pages.pop(slug, None)
        channel = self.channels.get(slug)
        if channel is not None:
            gone = RoomPublic(slug=slug, version=0, status="ended", broadcast_id="", pages={})
            channel.update(gone)
            # The channel itself goes with the next tick that finds nobody left in it.

    def resync(self) -> None:
        """The bus was away."""
        for channel in self.channels.values():
            channel.resync()

    # --- time --------------------------------------------------------------------------------

    def tick(self, late: float = 0.0) -> None:
        """Four times a second; `late`: seconds this call came after its time."""
        now = self.clock.monotonic()
        wall = self.clock.wall()
        self._late = max(self._late, late)
        at, used = self._sampled
        if now - at >= 1.0:
            self._sample(now, at, used)
        for slug in list(self.channels):
            channel = self.channels[slug]
            channel.tick(now, wall)
            if self.book.get(slug) is None and not channel.tracks:
                del self.channels[slug]

    def _sample(self, now: float, at: float, used: float) -> None:
        """Once a second: how loaded we are, whose deadline is over."""
        thread_time = self._thread_time()
        share = (thread_time - used) / (now - at)
        self._sampled = (now, thread_time)
        self.load.update(share, self._late)
        self.metrics.cpu_share = share
        self.metrics.lag = self._late
        self.metrics.batch = self.load.batch
        self._late = 0.0
        self.deadlines.tick(now)

    def date(self) -> bytes:
        """The Date header line (RFC 9110 6.6.1), made once a second."""
        second = int(self.clock.wall())
        if second != self._second:
            self._second = second
            self._date = b"Date: " + formatdate(second, usegmt=True).encode() + b"\r\n"
        return self._date

    def audience(self, edge_id: str) -> AudienceReport:
        """Who is being delivered sound now; rooms without anybody are left out."""
        now = self.clock.monotonic()
        listening = {slug: channel.listening(now) for slug, channel in self.channels.items()}
        return AudienceReport(
            edge_id=edge_id,
            wall_clock=self.clock.wall(),
            listening={slug: doors for slug, doors in listening.items() if any(doors.values())},
        )

    def _listeners(self) -> dict[str, int]:
        channels = list(self.channels.values())
        return {
            "push": sum(len(group) for channel in channels for group in channel.push.values()),
            "stream": sum(len(group) for channel in channels for group in channel.streams.values()),
            "hls_waiting": sum(len(channel.hls.waiting) for channel in channels if channel.hls is not None),
        }

    async def close(self) -> None:
        """Says goodbye to all listeners; new requests get 503."""
        self.draining = True
        for channel in list(self.channels.values()):
            await channel.close("draining", self._draining)

    def _draining(self) -> Reply:
        self.metrics.refused["draining"] += 1
        detail = "This server process is ending; another one answers if you ask again."
        return problem(503, "Ending", detail, retry_after(1, 3), close=True)

    # --- requests ----------------------------------------------------------------------------

    def refusal(self, verdict: Verdict, request: Request) -> Reply:
        """What a connection over a cap is told."""
        if request.wants_html:
            return own_reply(429 if verdict is Verdict.CROWDED else 503, "full", request, close=True)
        if verdict is Verdict.CROWDED:
            detail = f"At most {self.gate.per_address} connections from one address; close some first."
            return problem(429, "Too many connections", detail, retry_after(5, 20), close=True)
        return self._full()

    def _full(self) -> Reply:
        detail = "This server holds as many listeners as it can; try again in a moment."
        return problem(503, "Full", detail, retry_after(4, 15), close=True)

    def handle(self, connection: Connection, request: Request) -> None:
        """Answers one request, now or later."""
        if self.draining:
            connection.reply(self._draining())
            return
        if request.method not in _READ:
            connection.reply(self._other_method(request))
            return
        hot = self._hot.get(request.target)
        if hot is not None:
            # Asked before since the playlists last changed: the crowd's way, without looking again.
            resource, audience = hot
            audience.saw(self._visitors.of(connection, request), self.clock.monotonic())
            connection.reply(resource.reply(request))
            return
        path = request.path
        if path.startswith(b"/r/"):
            self._room(connection, request, path[3:].split(b"/"))
        elif path == b"/":
            connection.reply(self._page(request, ""))
        elif path.startswith(b"/static/"):
            reply = self._static.reply(path[8:], request)
            connection.reply(reply if reply is not None else self._not_found(request))
        elif path == b"/healthz":
            connection.reply(self._health())
        else:
            connection.reply(self._not_found(request))

    def _other_method(self, request: Request) -> Reply:
        """OPTIONS (also CORS' preflight), and methods that nothing here understands."""
        if request.method == b"OPTIONS":
            allow = (("Allow", "GET, HEAD, OPTIONS"), ("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"))
            ask = (
                ("Access-Control-Allow-Headers", "Range, If-None-Match"),
                ("Access-Control-Max-Age", "86400"),
            )
            return Reply(204, make_head(204, (*allow, *ask, *ANY_ORIGIN), None), b"")
        parts = request.path.split(b"/")
        known = (
            request.path in (b"/", b"/healthz")
            or parts[1:2] == [b"static"]
            or (
                parts[1:2] == [b"r"]
                and (len(parts) == 3 or parts[3:4] in ([b"state.json"], [b"live"], [b"hls"]))
            )
            or (parts[1:2] == [b"r"] and parts[3:4] in ([b"stream.ogg"], [b"stream.aac"]))
        )
        if known and request.method != b"POST":
            return problem(405, "Method not allowed", "Use GET or HEAD.", (("Allow", "GET, HEAD, OPTIONS"),))
        if known:
            return problem(
                405, "Method not allowed", "Nothing can be sent here.", (("Allow", "GET, HEAD, OPTIONS"),)
            )
        return problem(404, "Not found", "There is nothing at this address to send anything to.")

    def _not_found(self, request: Request, key: str = "no_page") -> Reply:
        if request.wants_html:
            return own_reply(404, key, request)
        what = (
            "There is no room at this address." if key == "no_room" else "There is nothing at this address."
        )
        return problem(404, "Not found", what)

    def _health(self) -> Reply:
        if not self.book.loaded:
            return problem(503, "Not ready", "The rooms have not been received from the studio yet.")
        if not self.bus.connected:
            return problem(503, "Not ready", "The connection to the bus is lost; it is being made again.")
        return make_reply(200, "application/json", b'{"status":"ok"}\n', (("Cache-Control", "no-store"),))

    def _page(self, request: Request, slug: str) -> Reply:
        pages = self._pages.get(slug)
        reply = pages.page(request) if pages is not None else None
        if reply is not None:
            return reply
        if not self.book.loaded:
            # Started a moment ago: nobody should read "no such room" about a room that exists.
            return own_reply(503, "full", request) if request.wants_html else self._full()
        return self._not_found(request, "no_room" if slug else "no_page")

    def _room(self, connection: Connection, request: Request, parts: list[bytes]) -> None:
        """/r/{slug}/..."""
        slug = parts[0].decode("latin-1")
        channel = self.channels.get(slug)
        if len(parts) > 2 and parts[1] == b"hls":
            self._hls(connection, request, channel, parts[2:])
            return
        if not is_slug(slug) or (slug not in self._pages and self.book.loaded):
            connection.reply(self._not_found(request, "no_room"))
        elif len(parts) == 1:
            connection.reply(self._page(request, slug))
        elif parts[1:] == [b""]:
            target = (("Location", f"/r/{slug}"), ("Cache-Control", "public, max-age=3600"))
            connection.reply(make_reply(308, "text/plain; charset=utf-8", b"", target))
        elif parts[1:] == [b"state.json"]:
            pages = self._pages.get(slug)
            state = pages.state if pages is not None else None
            connection.reply(state.reply(request) if state else self._not_found(request, "no_room"))
        elif parts[1:] == [b"live"]:
            self._live(connection, request, channel)
        elif len(parts) == 2 and parts[1] in _STREAMS:
            if self._may_listen(connection, request, channel) and channel is not None:
                channel.streams[_STREAMS[parts[1]]].join(connection)
        else:
            connection.reply(self._not_found(request))

    def _may_listen(self, connection: Connection, request: Request, channel: Channel | None) -> bool:
        """Whether an endless response may begin; else says why not."""
        if channel is None or not channel.on_air:
            detail = "Nothing is on the air in this room; state.json says when it begins."
            connection.reply(problem(409, "Not on the air", detail, retry_after(5, 15)))
            return False
        if self.load.refusing and request.method == b"GET":
            self.metrics.refused["load"] += 1
            connection.reply(self._full())
            return False
        if connection.proxied and (visitor := connection.visitor(request)):
            if not self.gate.claim(visitor):
                self.metrics.refused["crowded"] += 1
                connection.reply(self.refusal(Verdict.CROWDED, request))
                return False
            connection.claimed = visitor
        return True

    def _remember(self, target: bytes, resource: Resource, audience: HlsAudience) -> None:
        if len(self._hot) < HOT:
            self._hot[target] = (resource, audience)

    def _live(self, connection: Connection, request: Request, channel: Channel | None) -> None:
        wanted = request.parameters().get("codec", "opus") if request.query else "opus"
        codec = next((codec for codec in CODECS if codec == wanted), None)
        if codec is None:
            connection.reply(problem(400, "No such codec", "codec is opus or aac."))
        elif self._may_listen(connection, request, channel) and channel is not None:
            channel.push[codec].join(connection, http10=request.http10)

    def _hls(
        self, connection: Connection, request: Request, channel: Channel | None, path: list[bytes]
    ) -> None:
        if channel is None or channel.hls is None:
            detail = "Nothing is on the air in this room; state.json says when it begins."
            connection.reply(problem(404, "Not on the air", detail, retry_after(5, 15)))
            return
        if not channel.hls.handle(connection, request, path):
            connection.reply(self._not_found(request))
        elif path[-1] != b"index.m3u8":
            channel.audience.saw(self._visitors.of(connection, request), self.clock.monotonic())
