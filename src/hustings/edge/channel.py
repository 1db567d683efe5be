"""One room at one edge: its tracks from the bus, and everybody who listens.

Listeners belong to the room, not to a broadcast: who comes while doors are open waits, and sound begins
by itself when the room goes live.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from hustings.bus import subjects
from hustings.bus.messages import CODECS, Codec, RoomPublic, TimedEvent
from hustings.clock import Clock
from hustings.edge.assembler import Arrived
from hustings.edge.counter import TAKEN_WITHIN, HlsAudience
from hustings.edge.hls import HlsBroadcast
from hustings.edge.http import Reply, Resource
from hustings.edge.load import Load
from hustings.edge.metrics import Metrics
from hustings.edge.push import PushGroup
from hustings.edge.streams import AdtsWriter, OggWriter, StreamGroup
from hustings.edge.track import BusLike, Track

log = structlog.get_logger()

ON_AIR = ("open", "live", "paused")
LAST_WORDS = 1.5
"""Seconds after the end in which the last chunks may still arrive."""
KEEP_ENDED = 600.0
"""Seconds for which an ended broadcast's HLS stays, so that who lags behind hears the end."""


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
    remember: Callable[[bytes, Resource, HlsAudience], None]
    """Takes note of what a target is answered with until `forget`."""
    forget: Callable[[], None]


class Channel:
    """`update` follows the room; `tick` is called a few times a second."""

    def __init__(self, slug: str, around: Surroundings) -> None:
        self.slug = slug
        self.status = "scheduled"
        self.broadcast_id = ""
        self.hls: HlsBroadcast | None = None
        self.audience = HlsAudience()
        self.tracks: dict[Codec, Track] = {}
        now = around.clock.monotonic
        metrics, call_soon = around.metrics, around.call_soon
        self.push: dict[Codec, PushGroup] = {
            codec: PushGroup(metrics=metrics, now=now, call_soon=call_soon) for codec in CODECS
        }
        # One serial for all edges of a room, so that who changes edge meets the same stream again.
        ogg = OggWriter(zlib.crc32(slug.encode()), slug)
        self.streams: dict[Codec, StreamGroup] = {
            "opus": StreamGroup(ogg, metrics=metrics, now=now, call_soon=call_soon),
            "aac": StreamGroup(AdtsWriter(), metrics=metrics, now=now, call_soon=call_soon),
        }
        self._around = around
        self._events: Any = None
        self._ends_at: float | None = None
        self._forget_at: float | None = None
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
        self._around.forget()
        if room.broadcast_id != self.broadcast_id:
            if self.tracks:
                self._end("ended")
            self.broadcast_id = room.broadcast_id
            self.hls = None
        if self.on_air:
            self._ends_at = None
            if not self.tracks and self.broadcast_id:
                self._begin()
        elif self.tracks and self._ends_at is None:
            self._ends_at = self._around.clock.monotonic() + LAST_WORDS

    def _begin(self) -> None:
        around = self._around
        hls = self.hls = HlsBroadcast(
            self.broadcast_id,
            window=around.window,
            bitrates=around.bitrates,
            now=around.clock.monotonic,
            call_soon=around.call_soon,
            remember=lambda target, resource: around.remember(target, resource, self.audience),
        )
        self._forget_at = None
        for codec in CODECS:
            self.tracks[codec] = Track(
                self.broadcast_id,
                codec,
                bus=around.bus,
                metrics=around.metrics,
                deliver=self._deliverer(codec, hls),
                init=self._initialiser(codec, hls),
                now=around.clock.monotonic,
            )
            self.tracks[codec].start()
        self._spawn(self._subscribe_events(self.broadcast_id))

    def _deliverer(self, codec: Codec, hls: HlsBroadcast) -> Callable[[list[Arrived]], None]:
        load, forget = self._around.load, self._around.forget

        def deliver(arrived: list[Arrived]) -> None:
            forget()
            self.push[codec].chunks(arrived, load.batch)
            self.streams[codec].chunks(arrived)
            hls.append(codec, arrived)

        return deliver

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
            self._forget_at = self._around.clock.monotonic() + KEEP_ENDED
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

    def tick(self, now: float, wall: float) -> None:
        """Clock records, time-outs, the end after its last words."""
        if self._ends_at is not None and now >= self._ends_at:
            self._end("ended")
        if self._forget_at is not None and now >= self._forget_at:
            self._forget_at = None
            self.hls = None
            self._around.forget()
        for track in self.tracks.values():
            track.tick(now, live=self.status == "live")
        for group in self.push.values():
            if len(group):
                group.tick(now, wall)
        for stream in self.streams.values():
            stream.tick(now)
        if self.hls is not None:
            self.hls.waiting.tick(now)

    async def close(self, reason: str, refusal: Callable[[], Reply]) -> None:
        """Says goodbye to all and ends; the channel is not used again."""
        if self.hls is not None:
            self.hls.waiting.refuse(refusal)
        hls, self.hls = self.hls, None
        self._end(reason)
        self.hls = hls
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
