"""One room at one edge: its tracks from the bus, and everybody who listens.

Listeners belong to the room, not to a broadcast: who comes while doors are open waits, and sound begins
by itself when the room goes live.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from hustings.bus import subjects
from hustings.bus.messages import (
    CODECS,
    Codec,
    MediaChunk,
    RecordingReport,
    RoomEvent,
    RoomPublic,
    TimedEvent,
)
from hustings.clock import Clock
from hustings.edge.assembler import Arrived
from hustings.edge.counter import TAKEN_WITHIN, HlsAudience
from hustings.edge.counting import BroadcastCounting, EdgeCounting
from hustings.edge.going_back import GoingBack
from hustings.edge.hls import HlsBroadcast
from hustings.edge.http import Reply, Request, Resource
from hustings.edge.load import Load
from hustings.edge.metrics import Metrics
from hustings.edge.past import PastOf
from hustings.edge.protocol import Connection
from hustings.edge.push import PushGroup
from hustings.edge.replay import Replay
from hustings.edge.room_news import RoomNews
from hustings.edge.streams import AdtsWriter, OggWriter, StreamGroup
from hustings.edge.track import BusLike, Track

log = structlog.get_logger()

ON_AIR = ("open", "live", "paused")
LAST_WORDS = 1.5
"""Seconds after the end in which the last chunks may still arrive."""
KEEP_ENDED = 600.0
"""Seconds for which an ended broadcast's HLS stays, so that who lags behind hears the end."""
LOOK_AGAIN = 20.0
"""Seconds between two looks whether it was deleted meanwhile, for whoever has missed RecordingDeleted."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all channels of an edge share."""

    bus: BusLike
    clock: Clock
    metrics: Metrics
    load: Load
    call_soon: Callable[[Callable[[], None]], object]
    window: float
    bitrates: dict[Codec, int]
    remember: Callable[[bytes, Resource, BroadcastCounting], None]
    """Takes note of what a target is answered with until `forget`."""
    forget: Callable[[], None]
    counting: EdgeCounting
    sounded: Callable[[Channel], None]
    """The first sound of a room's broadcast is out."""
    replay: Replay | None = None
    """Where to go back in; None: in memory only."""
    roots: tuple[Path, ...] = ()
    """What a broadcast that is on air is recorded below."""


class Channel:
    """`update` follows the room; `tick` is called a few times a second."""

    def __init__(self, slug: str, around: Surroundings) -> None:
        self.slug = slug
        self.status = "scheduled"
        self.broadcast_id = ""
        self.hls: HlsBroadcast | None = None
        self.audience = HlsAudience()
        self.counting: BroadcastCounting | None = None
        """Of the broadcast that is on, or was last."""
        self.tracks: dict[Codec, Track] = {}
        self.looked_back = asyncio.Event()
        """Set once it is known what was recorded before this edge began."""
        now = around.clock.monotonic
        metrics, call_soon = around.metrics, around.call_soon
        self._news = RoomNews()
        self.push: dict[Codec, PushGroup] = {
            codec: PushGroup(metrics=metrics, now=now, call_soon=call_soon, greeting=self._news.greeting)
            for codec in CODECS
        }
        # One serial for all edges of a room, so that who changes edge meets the same stream again.
        ogg = OggWriter(zlib.crc32(slug.encode()), slug)
        self.streams: dict[Codec, StreamGroup] = {
            "opus": StreamGroup(ogg, metrics=metrics, now=now, call_soon=call_soon),
            "aac": StreamGroup(AdtsWriter(), metrics=metrics, now=now, call_soon=call_soon),
        }
        self._around = around
        self.sounded: tuple[str, int, int, float] | None = None
        """Of the first chunk with sound that left this door: broadcast_id, epoch, media_time, wall clock."""
        self._to_sound: MediaChunk | None = None
        self._events: Any = None
        self._ends_at: float | None = None
        self._forget_at: float | None = None
        self._look_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def on_air(self) -> bool:
        """Whether listeners may connect: doors are open or sound goes out."""
        return self.status in ON_AIR

    def listening(self, now: float) -> dict[str, int]:
        """How many are being delivered sound now, by door; see counter.py."""
        heard = {
            "push": sum(group.delivered(now, TAKEN_WITHIN) for group in self.push.values()),
            "stream": sum(group.delivered(now, TAKEN_WITHIN) for group in self.streams.values()),
        }
        if self.status != "live":
            heard = dict.fromkeys(heard, 0)
        return heard | {"hls": self.audience.count(now)}

    # --- the room ----------------------------------------------------------------------------

    def update(self, room: RoomPublic) -> None:
        """The studio says how the room stands."""
        self.status = room.status
        self._news.state(room.stream, room.seq, self._around.clock.monotonic())
        for group in self.push.values():
            group.forget_greeting()
        self._around.forget()
        if room.broadcast_id != self.broadcast_id:
            if self.tracks:
                self._end("ended")
            self.broadcast_id = room.broadcast_id
            self.sounded = self._to_sound = None
            self.hls = None
        if self.on_air:
            self._ends_at = None
            if not self.tracks and self.broadcast_id:
                self._begin()
        elif self.tracks and self._ends_at is None:
            self._ends_at = self._around.clock.monotonic() + LAST_WORDS

    def forget_ended(self, broadcast_id: str) -> None:
        """Of a broadcast that is over nothing is left: who lags behind hears no end."""
        if broadcast_id == self.broadcast_id:
            if self.tracks:
                self._end("ended")  # deleted before its last words were out, or before we knew
            self._forget_at = None
            self.hls = None
            self._around.forget()

    def happened(self, event: RoomEvent) -> None:
        """The studio says what happened in the room."""
        content = self._news.event(event)
        if content is not None:
            self.tell(content)

    def tell(self, content: Mapping[str, object]) -> None:
        """Sends to all who listen by push."""
        for group in self.push.values():
            group.room(content)

    def _begin(self) -> None:
        around = self._around
        counting = self.counting = around.counting.open(self.slug, self.broadcast_id, self.audience)
        hls = self.hls = HlsBroadcast(
            self.broadcast_id,
            window=around.window,
            bitrates=around.bitrates,
            now=around.clock.monotonic,
            call_soon=around.call_soon,
            remember=lambda target, resource: around.remember(target, resource, counting),
            taken=counting.took,
            back=self._back if around.replay is not None else None,
        )
        if around.replay is not None:
            around.replay.past(self.slug, self.broadcast_id, lambda past: self._precede(hls, past))
        self._forget_at = None
        for codec in CODECS:
            self.tracks[codec] = Track(
                self.broadcast_id,
                codec,
                bus=around.bus,
                metrics=around.metrics,
                deliver=self._deliverer(codec, hls, counting),
                init=self._initialiser(codec, hls),
                now=around.clock.monotonic,
            )
            self.tracks[codec].start()
        self._spawn(self._subscribe_events(self.broadcast_id))

    def _back(
        self, connection: Connection, request: Request, codec: Codec, number: int, span: tuple[int, int]
    ) -> None:
        """A segment of this broadcast out of its recording."""
        if self._around.replay is not None:
            back = GoingBack(self._around.replay, self._around.roots, self.slug, self.broadcast_id)
            (back.on_air if self.tracks else back.over)(connection, request, codec, number, span)

    def _precede(self, hls: HlsBroadcast, past: PastOf | None) -> None:
        self.looked_back.set()
        if past is not None and hls is self.hls:
            self._around.forget()
            hls.precede(past.segments, past.unkept)

    def recording(self, report: RecordingReport) -> None:
        """The stage says how the recording stands."""
        if self.hls is not None and report.broadcast_id == self.broadcast_id:
            self.hls.recording(report.state, report.since, self._around.clock.wall())

    def _deliverer(
        self, codec: Codec, hls: HlsBroadcast, counting: BroadcastCounting
    ) -> Callable[[list[Arrived]], None]:
        load, forget, now = self._around.load, self._around.forget, self._around.clock.monotonic

        def deliver(arrived: list[Arrived]) -> None:
            forget()
            counting.sound.flows(now())
            self.push[codec].chunks(arrived, load.batch)
            self._notice_sound(self.push[codec], arrived)
            self.streams[codec].chunks(arrived)
            hls.append(codec, arrived)

        return deliver

    def _notice_sound(self, group: PushGroup, arrived: list[Arrived]) -> None:
        if self.sounded is not None and self.sounded[0] == self.broadcast_id:
            return
        if self._to_sound is None:
            self._to_sound = next((chunk for chunk, _ in arrived if not chunk.silent), None)
        if (first := self._to_sound) is not None and group.all_out:
            self._to_sound = None
            self.sounded = (first.broadcast_id, first.epoch, first.media_time, self._around.clock.wall())
            self._around.sounded(self)

    def _initialiser(self, codec: Codec, hls: HlsBroadcast) -> Callable[[bytes], None]:
        def initialise(data: bytes) -> None:
            self._around.forget()
            self.push[codec].init(data)
            self.streams[codec].init(data)
            hls.set_init(codec, data)

        return initialise

    async def _subscribe_events(self, broadcast_id: str) -> None:
        subscription = await self._around.bus.subscribe(
            subjects.timed(broadcast_id), TimedEvent, self._on_event
        )
        if broadcast_id == self.broadcast_id and self.tracks and self._events is None:
            self._events = subscription
        else:
            await subscription.unsubscribe()

    def _on_event(self, event: TimedEvent) -> None:
        if event.broadcast_id == self.broadcast_id:
            for group in self.push.values():
                group.event(event)

    def _end(self, reason: str) -> None:
        """Sound is over: says so to all, and lets go of the bus."""
        self._ends_at = None
        self._around.forget()
        for group in self.push.values():
            group.end(reason)
        for stream in self.streams.values():
            stream.end()
        if self.hls is not None:
            self.hls.finish()
            now = self._around.clock.monotonic()
            self._forget_at, self._look_at = now + KEEP_ENDED, now + LOOK_AGAIN
        if self.counting is not None:
            self.counting.end(self._around.clock.monotonic())
        tracks, self.tracks = self.tracks, {}
        for track in tracks.values():
            self._spawn(track.stop())
        events, self._events = self._events, None
        if events is not None:
            self._spawn(events.unsubscribe())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("edge channel task failed", error=type(task.exception()).__name__)

    def resync(self) -> None:
        """The bus was away."""
        for track in self.tracks.values():
            track.resync()
        self._look_for_tombstone(self._around.clock.monotonic())

    def _look_for_tombstone(self, now: float) -> None:
        """A broadcast that is over may have been deleted, and nobody told us."""
        self._look_at = now + LOOK_AGAIN
        if self.hls is not None and not self.tracks and self._around.replay is not None:
            forget = partial(self.forget_ended, self.broadcast_id)
            self._around.replay.deleted(self.slug, self.broadcast_id, forget)

    def tick(self, now: float, wall: float) -> None:
        """Clock records, time-outs, the end after its last words."""
        if self._ends_at is not None and now >= self._ends_at:
            self._end("ended")
        if self._forget_at is not None and now >= self._forget_at:
            self._forget_at = None
            self.hls = None
            self._around.forget()
        if now >= self._look_at:
            self._look_for_tombstone(now)
        missed = self._news.overdue(now)
        if missed is not None:
            self.tell(missed)
        for track in self.tracks.values():
            track.tick(now, live=self.status == "live")
        for group in self.push.values():
            if len(group):
                group.tick(now, wall)
        for stream in self.streams.values():
            stream.tick(now)
        if self.hls is not None:
            self.hls.waiting.tick(now)

    def leave(self, within: float) -> None:
        """Another process has this door: who listens by push is asked to join there."""
        for group in self.push.values():
            group.move(within)

    async def close(self, reason: str, refusal: Callable[[], Reply]) -> None:
        """Says goodbye to all and ends; the channel is not used again."""
        if self.hls is not None:
            self.hls.waiting.refuse(refusal)
        hls, self.hls = self.hls, None
        self._end(reason)
        self.hls = hls
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
