"""The audience door: which address is answered by what. Everything of one edge process meets here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Final

import structlog

from hustings.addresses import address_key
from hustings.archive.library import Library
from hustings.archive.open_store import open_objects
from hustings.audience.bots import Bots
from hustings.audience.lanes import Door
from hustings.bus.messages import (
    CODECS,
    AudienceReport,
    Codec,
    FirstSound,
    RecordingDeleted,
    RecordingReport,
    RecordingWithheld,
    RoomEvent,
    RoomPublic,
    RoomReactions,
)
from hustings.clock import Clock
from hustings.config import Settings
from hustings.edge.asked import Asked, Known
from hustings.edge.beacon import beaconed
from hustings.edge.channel import Channel, Surroundings
from hustings.edge.counter import Visitors
from hustings.edge.counting import BroadcastCounting, EdgeCounting
from hustings.edge.deadlines import Deadlines
from hustings.edge.gate import Gate, Verdict, descriptor_cap
from hustings.edge.gatehouse import make_keeper
from hustings.edge.http import (
    Reply,
    Request,
    Resource,
    make_reply,
    problem,
    retry_after,
)
from hustings.edge.input import DOORS, Inputs
from hustings.edge.input_outbox import Outbox
from hustings.edge.kernel import resident_bytes
from hustings.edge.methods import is_page, only_post, other_method
from hustings.edge.metrics import Metrics
from hustings.edge.pages import FILES, NAMED, RoomPages, not_found
from hustings.edge.protocol import Connection
from hustings.edge.recorded import FIRST as KEPT
from hustings.edge.recorded import Recorded
from hustings.edge.replay import READERS, STORE_READERS, Replay
from hustings.edge.rooms import RoomBook
from hustings.edge.static import StaticFiles
from hustings.edge.track import BusLike
from hustings.ids import is_slug
from hustings.tls import HSTS

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
        bots: Bots | None = None,
        thread_time: Callable[[], float] = time.thread_time,
        resident: Callable[[], int] = resident_bytes,
    ) -> None:
        self.clock = clock
        self.metrics = Metrics()
        self.gate = Gate(total=descriptor_cap(settings.listeners), per_address=settings.per_address)
        self.deadlines = Deadlines()
        self.connections: set[Connection] = set()
        self.draining = False
        self.leaving = False
        self.proxies = frozenset(
            address_key(each.strip()) for each in settings.proxies.split(",") if each.strip()
        )
        self.keeper = make_keeper(settings, self.gate.total, clock, self.metrics)
        self.load = self.keeper.shedding.load
        self.place = self.keeper.place
        self.bus = bus
        self.book = RoomBook(self._room_changed, self._room_removed, self._room_happened, self._room_reacted)
        self.channels: dict[str, Channel] = {}
        self._pages: dict[str, RoomPages] = {}
        self.news = asyncio.Event()
        """Set when something is to be reported sooner than usual."""
        self.outbox = Outbox(bus, self.metrics, clock.monotonic)
        self._inputs = Inputs(self.book.get, self.outbox, self.metrics, clock, settings.audience_url)
        self._static = static if static is not None else StaticFiles()
        self._visitors = Visitors()
        self._hot: dict[bytes, tuple[Resource, BroadcastCounting]] = {}
        self.asked = Asked()
        self.counting = self._counting(settings, bots if bots is not None else Bots())
        self.replay = self._recordings(settings)
        self._recorded = Recorded(settings.data, self.replay, self._pages, self._not_found)
        self._around = Surroundings(
            *(bus, clock, self.metrics, self.load, call_soon),
            window=float(settings.window),
            bitrates={"opus": settings.program_bitrate, "aac": settings.aac_bitrate},
            remember=self._remember,
            forget=self._forget,
            counting=self.counting,
            sounded=self._sounded,
            replay=self.replay,
            roots=(settings.data, *([Path(settings.record_spare)] if settings.record_spare else [])),
        )
        self._thread_time = thread_time
        self._resident = resident
        self._sampled = (clock.monotonic(), thread_time())
        self._written, self._late = 0, 0.0
        self._second = -1
        self._date = b""
        self._always = f"Strict-Transport-Security: {HSTS}\r\n".encode() if settings.domain else b""
        self.metrics.connections = lambda: len(self.connections)
        self.metrics.listeners = self._listeners

    def _counting(self, settings: Settings, bots: Bots) -> EdgeCounting:
        seconds = settings.audience_seconds
        return EdgeCounting(self.clock, self.metrics, bots=bots, seconds=seconds, visitors=self._visitors.of)

    def _recordings(self, settings: Settings) -> Replay:
        """From the data folder, and from the store if there is one."""
        objects = open_objects(settings, hasty=True)
        if objects is not None:
            self.metrics.store_failing = lambda: int(bool(objects.problem))
        return Replay(
            Library(settings.data, objects=objects),
            metrics=self.metrics,
            now=self.clock.monotonic,
            readers=READERS if objects is None else STORE_READERS,
            counting=self.counting.replays,
        )

    def connection(self) -> Connection:
        """A protocol for a new connection."""
        return Connection(self)

    # --- rooms -------------------------------------------------------------------------------

    def _room_changed(self, room: RoomPublic) -> None:
        self._pages[room.slug] = RoomPages(room, self._pages.get(room.slug))
        if not is_slug(room.slug):
            return  # what several rooms have together
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

    def _room_happened(self, event: RoomEvent) -> None:
        channel = self.channels.get(event.slug)
        if channel is not None:
            channel.happened(event)

    def _room_reacted(self, reactions: RoomReactions) -> None:
        channel = self.channels.get(reactions.slug)
        if channel is not None:
            channel.tell({"kind": "reactions", "counts": reactions.counts})

    def recording_reported(self, report: RecordingReport) -> None:
        """The stage says how a broadcast is recorded."""
        channel = self.channels.get(report.slug)
        if channel is not None:
            channel.recording(report)

    def recording_gone(self, message: RecordingDeleted | RecordingWithheld) -> None:
        """It is gone from the disk, or not for everybody any more; from memory now, too."""
        self.replay.forget(message.slug, message.broadcast_id)
        channel = self.channels.get(message.slug)
        if channel is not None:
            channel.forget_ended(message.broadcast_id)

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
        self.counting.tick(now)
        listeners = self._listeners()
        self.keeper.tick(self.gate.inside, listeners["push"], listeners["stream"])
        for slug in list(self.channels):
            channel = self.channels[slug]
            channel.tick(now, wall)
            if self.book.get(slug) is None and not channel.tracks:
                del self.channels[slug]

    def _sample(self, now: float, at: float, used: float) -> None:
        """Once a second: how loaded we are, whose deadline is over."""
        thread_time, metrics = self._thread_time(), self.metrics
        spent = thread_time - used
        share = spent / (now - at)
        self._sampled = (now, thread_time)
        self.keeper.shedding.update(share, max(self._late, metrics.late))
        writes, self._written = metrics.writes - self._written, metrics.writes
        self.keeper.capacity.sample(now, cpu_seconds=spent, writes=writes, resident=self._resident())
        self.keeper.second()
        metrics.cpu_share, metrics.lag, metrics.batch_late = share, self._late, metrics.late
        metrics.batch, metrics.level = self.load.batch, int(self.keeper.shedding.level)
        self._late = metrics.late = 0.0
        self.deadlines.tick(now)
        self.replay.tick(now)

    def date(self) -> bytes:
        """The Date header line (RFC 9110 6.6.1), made once a second, and what else every reply has."""
        second = int(self.clock.wall())
        if second != self._second:
            self._second = second
            self._date = b"Date: " + formatdate(second, usegmt=True).encode() + b"\r\n" + self._always
        return self._date

    def audience(self, edge_id: str) -> AudienceReport:
        """Who is being delivered sound now; rooms without anybody are left out."""
        now = self.clock.monotonic()
        listening = {slug: channel.listening(now) for slug, channel in self.channels.items()}
        return AudienceReport(
            edge_id=edge_id,
            wall_clock=self.clock.wall(),
            listening={slug: doors for slug, doors in listening.items() if any(doors.values())},
            load="refusing" if self.keeper.refusing else "widened" if self.load.batch > 1 else "",
        )

    def first_sounds(self, edge_id: str) -> list[FirstSound]:
        """What to say again of the rooms that are on."""
        return [
            FirstSound(
                edge_id=edge_id,
                slug=channel.slug,
                broadcast_id=channel.sounded[0],
                epoch=channel.sounded[1],
                media_time=channel.sounded[2],
                wall_clock=channel.sounded[3],
            )
            for channel in self.channels.values()
            if channel.sounded is not None and channel.on_air
        ]

    def _sounded(self, _channel: Channel) -> None:
        self.news.set()

    def _listeners(self) -> dict[str, int]:
        channels = list(self.channels.values())
        return {
            "push": sum(len(group) for channel in channels for group in channel.push.values()),
            "stream": sum(len(group) for channel in channels for group in channel.streams.values()),
            "hls_waiting": sum(len(channel.hls.waiting) for channel in channels if channel.hls is not None),
        }

    def leave(self, within: float) -> None:
        """Another process has this door: listeners join it within so many seconds, and hear us meanwhile."""
        self.leaving = True
        self.asked.forget()  # from now on each reply is its connection's last
        for channel in self.channels.values():
            channel.leave(within)

    async def close(self) -> None:
        """Says goodbye to all listeners; new requests get 503."""
        self.draining = True
        self.asked.forget()
        for channel in list(self.channels.values()):
            await channel.close("draining", self._draining)
        self.replay.close()

    def _draining(self) -> Reply:
        self.metrics.refused["draining"] += 1
        detail = "This server process is ending; another one answers if you ask again."
        return problem(503, "Ending", detail, retry_after(1, 3), close=True)

    # --- requests ----------------------------------------------------------------------------

    def refusal(self, connection: Connection, verdict: Verdict, request: Request) -> Reply | None:
        """What a connection over a cap is told; None: it may stay, by an invitation."""
        full = verdict is Verdict.FULL
        if full and self.keeper.invited(request, connection.visitor(request)) and self.gate.let_in(verdict):
            return None
        return self.keeper.turned_away(request, 429 if verdict is Verdict.CROWDED else 503)

    def handle(self, connection: Connection, request: Request) -> None:
        """Answers one request, now or later."""
        if self.draining:
            connection.reply(self._draining())
            return
        if request.method not in _READ:
            sent = self._sent(connection, request) if request.method == b"POST" else None
            connection.reply(sent if sent is not None else other_method(request))
            return
        hot = self._hot.get(request.target)
        if hot is not None:
            # Asked before since the playlists last changed: the crowd's way, without looking again.
            resource, counting = hot
            counting.asked(connection, request, resource)
            answer = resource.reply(request)
            connection.reply(answer)
            if not self.leaving:
                connection.hot = Known(request, answer, resource, counting)
            return
        path = request.path
        if is_page(path) and (refused := self.keeper.refuse("page", request)) is not None:
            connection.reply(refused)
            return
        if path.startswith(b"/r/"):
            self._room(connection, request, path[3:].split(b"/"))
        elif path == b"/":
            connection.reply(self._page(request, ""))
        elif path in (b"/feed.xml", b"/.well-known/hustings-key"):
            connection.reply(self._file(request, "@", path.rpartition(b"/")[2]))
        elif path.startswith(b"/h/"):
            host, _, name = path[3:].partition(b"/")
            connection.reply(self._file(request, "@" + host.decode("latin-1"), name))
        elif path.startswith(b"/static/"):
            reply = self._static.reply(path[8:], request)
            connection.reply(reply if reply is not None else self._not_found(request))
        elif path == b"/healthz":
            connection.reply(self._health())
        elif path == b"/lobby":
            connection.reply(self.keeper.asked(request))
        else:
            connection.reply(self._not_found(request))

    def _sent(self, connection: Connection, request: Request) -> Reply | None:
        """What a listener sent; None when there is no such door."""
        parts = request.path.split(b"/")
        if len(parts) == 4 and parts[1] == b"r" and parts[3] == b"beacon" and self.book.loaded:
            channel = self.channels.get(parts[2].decode("latin-1"))
            counting = channel.counting if channel is not None else None
            return beaconed(counting, request, connection.visitor(request))
        if len(parts) != 4 or parts[1] != b"r" or parts[3] not in DOORS:
            return None
        if not self.book.loaded:
            return self.keeper.turned_away(request, 503)
        if self.keeper.sheds_input():
            detail = "This server has to do with keeping the sound going; send it again later."
            return problem(503, "Not now", detail, retry_after(10, 30))
        slug, door = parts[2].decode("latin-1"), parts[3].decode()
        return self._inputs.handle(slug, door, request, connection.visitor(request))

    def _not_found(self, request: Request, key: str = "no_page") -> Reply:
        return not_found(request, key)

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
            return self.keeper.turned_away(request, 503)
        return self._not_found(request, "no_room" if slug else "no_page")

    def _file(self, request: Request, slug: str, name: bytes) -> Reply:
        """What the studio gave for /r/{slug}/{name}."""
        pages = self._pages.get(slug)
        if pages is None and not self.book.loaded:
            return self.keeper.turned_away(request, 503)  # a feed that is there must not be missed for good
        if pages is None:
            return self._not_found(request, "no_page" if slug.startswith("@") else "no_room")
        kind = NAMED.get(name)
        reply = pages.page(request, kind) if kind is not None else pages.file(name, request)
        return reply if reply is not None else self._not_found(request, pages.missing(name))

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
        elif parts[1] in KEPT:
            self._recorded.handle(connection, request, slug, parts[1:])
        elif parts[1:] == [b""]:
            target = (("Location", f"/r/{slug}"), ("Cache-Control", "public, max-age=3600"))
            connection.reply(make_reply(308, "text/plain; charset=utf-8", b"", target))
        elif len(parts) == 2 and (parts[1] in FILES or parts[1] in NAMED):
            connection.reply(self._file(request, slug, parts[1]))
        elif len(parts) == 2 and (parts[1] in DOORS or parts[1] == b"beacon"):
            connection.reply(only_post())
        elif parts[1:] == [b"live"]:
            self._live(connection, request, channel)
        elif len(parts) == 2 and parts[1] in _STREAMS:
            if self._may_listen(connection, request, channel) and channel is not None:
                self._joined(channel, connection, request, "stream")
                channel.streams[_STREAMS[parts[1]]].join(connection)
        else:
            connection.reply(self._not_found(request))

    def _may_listen(self, connection: Connection, request: Request, channel: Channel | None) -> bool:
        """Whether an endless response may begin; else says why not."""
        if channel is None or not channel.on_air:
            detail = "Nothing is on the air in this room; state.json says when it begins."
            connection.reply(problem(409, "Not on the air", detail, retry_after(5, 15)))
            return False
        refused = self.keeper.refuse("join", request) if request.method == b"GET" else None
        if refused is not None:
            connection.reply(refused)
            return False
        if connection.proxied and (visitor := connection.visitor(request)):
            if not self.gate.claim(visitor):
                self.metrics.refused["crowded"] += 1
                connection.reply(self.keeper.turned_away(request, 429))
                return False
            connection.claimed = visitor
        return True

    def _forget(self) -> None:
        self._hot.clear()
        self.asked.forget()

    def _remember(self, target: bytes, resource: Resource, counting: BroadcastCounting) -> None:
        if len(self._hot) < HOT:
            self._hot[target] = (resource, counting)

    def _live(self, connection: Connection, request: Request, channel: Channel | None) -> None:
        wanted = request.parameters().get("codec", "opus") if request.query else "opus"
        codec = next((codec for codec in CODECS if codec == wanted), None)
        if codec is None:
            connection.reply(problem(400, "No such codec", "codec is opus or aac."))
        elif self._may_listen(connection, request, channel) and channel is not None:
            self._joined(channel, connection, request, "push")
            channel.push[codec].join(connection, http10=request.http10)

    @staticmethod
    def _joined(channel: Channel, connection: Connection, request: Request, door: Door) -> None:
        if channel.counting is not None and request.method == b"GET":
            channel.counting.joined(connection, request, door)

    def _hls(
        self, connection: Connection, request: Request, channel: Channel | None, path: list[bytes]
    ) -> None:
        if channel is None or channel.hls is None:
            detail = "Nothing is on the air in this room; state.json says when it begins."
            connection.reply(problem(404, "Not on the air", detail, retry_after(5, 15)))
            return
        if path == [b"index.m3u8"] and self.keeper.refusing:
            # Whoever takes parts already may look at the list again; newcomers begin with it.
            visitor, now = self._visitors.of(connection, request), self.clock.monotonic()
            refused = None if channel.audience.knows(visitor, now) else self.keeper.refuse("join", request)
            if refused is not None:
                connection.reply(refused)
                return
        if not channel.hls.handle(connection, request, path):
            connection.reply(self._not_found(request))
        elif path[-1] != b"index.m3u8" and channel.counting is not None:
            channel.counting.asked(connection, request, None)
