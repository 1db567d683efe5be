"""The stage on the bus: opens and ends broadcasts, answers offers, publishes chunks, events and reports."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from hustings import ids
from hustings.bus import subjects
from hustings.bus.audience_messages import CountedOffer, SaltWanted
from hustings.bus.client import Bus
from hustings.bus.messages import (
    CODECS,
    AnnounceEvent,
    Codec,
    Done,
    GoLive,
    MediaChunk,
    Message,
    MuteParticipant,
    OpenBroadcast,
    PlaceParticipant,
    RecordingReady,
    RemoveParticipant,
    SessionAnswer,
    SessionDelete,
    SessionOffer,
    SessionTrickle,
    SetRecording,
    StageHello,
    StageLevels,
    StageReport,
    StopBroadcast,
    TimedEvent,
    Window,
    WindowRequest,
)
from hustings.bus.socket_messages import SpeakerPacket
from hustings.config import Settings, host_port
from hustings.errors import Refused, UsageError
from hustings.stage.counting import REPORT_EVERY as COUNTED_EVERY
from hustings.stage.counting import EarCounting
from hustings.stage.engine import BroadcastEngine, ProgramFrame, warm_up
from hustings.stage.on_air import OnAir
from hustings.stage.packager import Packager, PackagerThread, init_segments
from hustings.stage.record_program import silent_units
from hustings.stage.recorder import Recorder
from hustings.stage.sessions import Sessions
from hustings.stage.tap import Policy, TickRecord
from hustings.stage.ticker import Ticker
from hustings.stage.webrtc.peer import MediaDoor
from hustings.stage.window import MediaWindow
from hustings.turn import read_relays

log = structlog.get_logger()

MAX_BROADCASTS = 24
"""Broadcasts open at once on one stage."""
KEPT_AFTER_END = 120.0
"""Seconds for which the window of an ended broadcast can still be asked for."""
RECOVER_AFTER = 20.0
"""Seconds after its start for which a stage waits for its broadcasts to be opened again; what has no index
then is over."""
REPORT_INTERVAL = 1.0
"""Seconds between two reports of how a recording stands; looked at ten times as often."""
OUTBOX = 4096
"""Messages that may wait for the event loop; beyond, the oldest is lost and counted."""

_chunks = Counter("hustings_stage_chunks_total", "Chunks published.", ["codec"])
_outbox_lost = Counter("hustings_stage_outbox_lost_total", "Messages lost because the event loop was stuck.")
_broadcasts = Gauge("hustings_stage_broadcasts", "Broadcasts open now.")
_speakers = Gauge("hustings_stage_speakers", "Speakers connected now.")


@dataclass(slots=True)
class Broadcast:
    """An open broadcast, or one that ended `ended` (monotonic) seconds ago."""

    engine: BroadcastEngine
    windows: dict[Codec, MediaWindow]
    ended: float | None = None
    last_report: StageReport | None = None
    live_since: float | None = None
    over: bool = True
    """Ended for good, not because the stage stops."""


class StageService:
    """All of the stage but the media itself. Lives in the event loop; also the ticker's Outlet."""

    def __init__(self, bus: Bus, settings: Settings, door: MediaDoor) -> None:
        self.stage_id = ids.new_id()
        self._bus = bus
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._broadcasts: dict[str, Broadcast] = {}
        self._outbox: deque[tuple[str, Message]] = deque()
        self._posted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._opening = asyncio.Lock()
        self.ticker = Ticker(self.stage_id, self)
        self.packager = PackagerThread(self._chunk, self._packaged)
        self.counting = EarCounting(self.stage_id, settings.audience_seconds)
        self.sessions = Sessions(door, self.ticker, counting=self.counting)
        self._door = door
        self._init: dict[Codec, bytes] = {}
        self._on_air = OnAir()

    async def start(self) -> None:
        """Starts the threads and serves the bus."""
        self._init = init_segments(warm_up(), self._settings.aac_bitrate)
        spare = self._settings.record_spare
        folders = [self._settings.data] + ([Path(spare)] if spare else [])
        self.recorder = Recorder(folders, self._init, silent_units(self._settings.aac_bitrate), self._ready)
        self._open_relay_door()
        self.ticker.start()
        self.packager.start()
        self.recorder.start()
        work = (self._publish_outbox, self.sessions.watch, self._forget_ended, self._report, self._recover)
        for each in (*work, self._publish_returns, self._publish_counted):
            self._tasks.append(asyncio.create_task(_lasting(each)))
        serve = self._bus.serve
        await serve(subjects.STAGE_OPEN, OpenBroadcast, self.open)
        await serve(subjects.STAGE_LIVE, GoLive, self.go_live)
        await serve(subjects.STAGE_STOP, StopBroadcast, self.stop_broadcast)
        await serve(subjects.STAGE_OFFER, CountedOffer, self.offer)
        await serve(subjects.STAGE_TRICKLE, SessionTrickle, self.trickle)
        await serve(subjects.STAGE_DELETE, SessionDelete, self.delete)
        await serve(subjects.STAGE_MUTE, MuteParticipant, self.mute)
        await serve(subjects.STAGE_PLACE, PlaceParticipant, self.place)
        await serve(subjects.STAGE_REMOVE, RemoveParticipant, self.remove)
        await serve(subjects.STAGE_ANNOUNCE, AnnounceEvent, self.announce)
        await serve(subjects.STAGE_RECORD, SetRecording, self.set_recording)
        await serve(subjects.MEDIA_WINDOW, WindowRequest, self.window)
        await self._bus.subscribe(subjects.AUDIENCE_SALT_WANTED, SaltWanted, self._tell_counted)
        await self._bus.subscribe(subjects.STAGE_PACKETS, SpeakerPacket, self.sessions.sockets.packet)
        self._bus.on_reconnect(self._repeat_reports)
        await self._bus.publish(subjects.STAGE_HELLO, StageHello(stage_id=self.stage_id))

    async def close(self) -> None:
        """Ends all broadcasts' sessions and the threads; what is packaged goes out first."""
        for broadcast_id, broadcast in self._broadcasts.items():
            if broadcast.ended is None:
                broadcast.over = False
                await self._end(broadcast_id, broadcast)
        await asyncio.to_thread(self.ticker.stop)
        await asyncio.to_thread(self.packager.stop)
        await asyncio.to_thread(self.recorder.stop, 2.0)
        await asyncio.sleep(0)
        await self._flush()
        await self.sessions.sockets.flush(self._bus)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sessions.relay_door.close()

    def _open_relay_door(self) -> None:
        """Where speakers may come by way of a relay over TCP or TLS. Raises UsageError."""
        settings = self._settings
        if all(relay.transport == "udp" for relay in read_relays(settings.turn, settings.turn_secret)):
            return
        host, port = self._door.bind_address or "0.0.0.0", self._door.port + 1  # noqa: S104  # as the media door
        if settings.relay_door:
            try:
                host, port = host_port(settings.relay_door)
            except UsageError as error:
                raise UsageError(f"HUSTINGS_RELAY_DOOR: {error}") from None
        self.sessions.relay_door.listen(host, port)

    # --- requests ------------------------------------------------------------------------------------

    async def open(self, message: OpenBroadcast) -> Done:
        """Doors open. Idempotent; with `live_since` the program is live at once."""
        async with self._opening:
            broadcast = self._broadcasts.get(message.broadcast_id)
            if broadcast is not None and broadcast.ended is not None:
                raise Refused(409, "The broadcast has ended", "open a new one")
            if broadcast is None:
                broadcast = await self._open(message)
            if message.live_since is not None:
                await self._live(broadcast, message.live_since)
        return Done()

    async def _open(self, message: OpenBroadcast) -> Broadcast:
        if sum(1 for b in self._broadcasts.values() if b.ended is None) >= MAX_BROADCASTS:
            raise Refused(503, "The stage is full", f"{MAX_BROADCASTS} broadcasts are open already")
        settings = self._settings
        engine = BroadcastEngine(
            message.broadcast_id,
            message.slug,
            epoch=message.epoch,
            levelling=message.levelling and settings.levelling,
            max_voices=message.max_voices,
            bitrate=settings.program_bitrate,
            wall=time.time(),
        )
        windows = {codec: MediaWindow(self._init[codec], settings.window) for codec in CODECS}
        broadcast = Broadcast(engine, windows)
        self._broadcasts[message.broadcast_id] = broadcast
        self.packager.open(Packager(message.broadcast_id, message.epoch, settings.aac_bitrate))
        engine.tap.policy = Policy(on=message.recording)
        self.recorder.open(message.broadcast_id, message.slug, message.epoch)
        await self._in_tick(lambda: self.ticker.engines.update({message.broadcast_id: engine}))
        _broadcasts.inc()
        log.info("doors open", room=message.slug, epoch=message.epoch)
        return broadcast

    async def go_live(self, message: GoLive) -> Done:
        """Program output begins. Idempotent."""
        await self._live(self._active(message.broadcast_id), message.live_since)
        return Done()

    async def _live(self, broadcast: Broadcast, live_since: float) -> None:
        engine = broadcast.engine
        await self._in_tick(lambda: engine.go_live(live_since, self.ticker.next_wall()))
        if broadcast.live_since is None:
            broadcast.live_since = live_since
        log.info("live", room=engine.slug, media_time=engine.media_time)

    async def stop_broadcast(self, message: StopBroadcast) -> Done:
        """Ended. Idempotent: what is not known here is not on either."""
        broadcast = self._broadcasts.get(message.broadcast_id)
        if broadcast is not None and broadcast.ended is None:
            await self._end(message.broadcast_id, broadcast)
        return Done()

    async def _end(self, broadcast_id: str, broadcast: Broadcast) -> None:
        engine = broadcast.engine
        broadcast.ended = time.monotonic()

        def end() -> tuple[list[str], StageReport]:
            sessions = engine.close()
            for event in engine.drain_events():
                self.event(event)
            report = self.ticker.report(engine)
            self.ticker.forget(broadcast_id)
            return sessions, report

        sessions, report = await self._in_tick(end)
        self.counting.end(broadcast_id)
        self.packager.finish(broadcast_id)
        await self.sessions.close_all(sessions, "ended")
        self.report(report)
        _broadcasts.dec()
        log.info("ended", room=engine.slug)

    async def offer(self, message: SessionOffer) -> SessionAnswer:
        """WHIP and WHEP offers."""
        return await self.sessions.offer(self._active(message.broadcast_id).engine, message)

    async def trickle(self, message: SessionTrickle) -> Done:
        self.sessions.trickle(message)
        return Done()

    async def delete(self, message: SessionDelete) -> Done:
        await self.sessions.delete(message.session_id)
        return Done()

    async def mute(self, message: MuteParticipant) -> Done:
        engine = self._active(message.broadcast_id).engine
        await self._in_tick(lambda: engine.mute(message.participant_id, message.muted))
        return Done()

    async def place(self, message: PlaceParticipant) -> Done:
        """Where a participant is heard. Idempotent. Raises Refused: 404 nobody of that id is here."""
        engine = self._active(message.broadcast_id).engine
        await self._in_tick(lambda: engine.place(message.participant_id, message.place, message.aside))
        return Done()

    async def remove(self, message: RemoveParticipant) -> Done:
        """A participant is no longer of the broadcast. Idempotent."""
        engine = self._active(message.broadcast_id).engine
        session_id = await self._in_tick(lambda: engine.remove(message.participant_id))
        if session_id:
            await self.sessions.close_all([session_id], "removed")
        return Done()

    async def announce(self, message: AnnounceEvent) -> Done:
        """An event on the timeline. Raises Refused: 422."""
        engine = self._active(message.broadcast_id).engine
        await self._in_tick(lambda: engine.announce(message.kind, message.data))
        return Done()

    async def set_recording(self, message: SetRecording) -> Done:
        """How the broadcast is recorded, from the next tick on. Idempotent."""
        tap = self._active(message.broadcast_id).engine.tap
        policy = Policy(message.on, message.off_record, frozenset(message.consents))

        def change() -> None:
            tap.policy = policy

        await self._in_tick(change)
        return Done()

    async def window(self, message: WindowRequest) -> Window:
        """For edges that come late or missed something."""
        broadcast = self._broadcasts.get(message.broadcast_id)
        if broadcast is None:
            raise _unknown()
        return broadcast.windows[message.codec].after(message.after_seq, message.max_bytes)

    # --- Outlet, called in the tick's and the packager's thread ------------------------------------------

    def record(self, broadcast_id: str, record: TickRecord) -> None:
        self.recorder.tick(broadcast_id, record)

    def program(self, frame: ProgramFrame) -> None:
        self.packager.push(frame)

    def event(self, event: TimedEvent) -> None:
        self.recorder.event(event)
        self._post(subjects.timed(event.broadcast_id), event)

    def report(self, report: StageReport) -> None:
        self._post(subjects.STAGE_REPORT, report)

    def levels(self, levels: StageLevels) -> None:
        self._post(subjects.STAGE_LEVELS, levels)

    def _chunk(self, chunk: MediaChunk) -> None:
        self.recorder.chunk(chunk)
        self._post(subjects.media(chunk.broadcast_id, chunk.codec), chunk)

    def _packaged(self, broadcast_id: str) -> None:
        broadcast = self._broadcasts.get(broadcast_id)
        if broadcast is not None:
            self.recorder.finish(broadcast_id, broadcast.live_since, index=broadcast.over)

    def _ready(self, broadcast_id: str, slug: str) -> None:
        self._post(subjects.RECORDING_READY, RecordingReady(broadcast_id=broadcast_id, slug=slug))

    def _post(self, subject: str, message: Message) -> None:
        self._outbox.append((subject, message))
        if len(self._outbox) > OUTBOX:
            self._outbox.popleft()
            _outbox_lost.inc()
        self._loop.call_soon_threadsafe(self._posted.set)

    # --- in the event loop -------------------------------------------------------------------------------

    async def _publish_returns(self) -> None:
        await self.sessions.sockets.run(self._bus)

    async def _publish_counted(self) -> None:
        while True:
            await asyncio.sleep(COUNTED_EVERY)
            for message in self.counting.report():
                await self._bus.publish(subjects.AUDIENCE_COUNTED, message)

    async def _tell_counted(self, _message: SaltWanted) -> None:
        """A studio began anew."""
        for message in self.counting.report(everything=True):
            await self._bus.publish(subjects.AUDIENCE_COUNTED, message)

    async def _publish_outbox(self) -> None:
        while True:
            await self._posted.wait()
            self._posted.clear()
            await self._flush()

    async def _flush(self) -> None:
        while self._outbox:
            subject, message = self._outbox.popleft()
            self._remember(message)
            await self._bus.publish(subject, message)

    def _remember(self, message: Message) -> None:
        if isinstance(message, MediaChunk):
            _chunks.labels(message.codec).inc()
            self._on_air.chunk(message.broadcast_id, time.monotonic(), silent=message.silent)
            broadcast = self._broadcasts.get(message.broadcast_id)
            if broadcast is not None:
                broadcast.windows[message.codec].append(message)
        elif isinstance(message, StageReport) and message.broadcast_id in self._broadcasts:
            self._broadcasts[message.broadcast_id].last_report = message
            reports = [b.last_report for b in self._broadcasts.values() if b.last_report and b.ended is None]
            _speakers.set(sum(seat.connected for report in reports for seat in report.seats))

    def _repeat_reports(self) -> None:
        """After the bus was away: whoever missed the last reports gets them again."""
        for broadcast in self._broadcasts.values():
            if broadcast.last_report is not None:
                self._outbox.append((subjects.STAGE_REPORT, broadcast.last_report))
        self._posted.set()

    async def _report(self) -> None:
        """How each recording stands: once a second, and soon after it changes."""
        told: dict[str, tuple[float, str, str]] = {}
        while True:
            now, wall = time.monotonic(), time.time()
            states: dict[str, str] = {}
            for broadcast_id, broadcast in list(self._broadcasts.items()):
                engine = broadcast.engine
                report = self.recorder.report(broadcast_id, engine.tap.policy, engine.live, wall)
                if report is None:
                    told.pop(broadcast_id, None)
                    continue
                if engine.live and broadcast.ended is None:
                    states[broadcast_id] = report.state
                at, state, problem = told.get(broadcast_id, (0.0, "", ""))
                if now - at >= REPORT_INTERVAL or (state, problem) != (report.state, report.problem):
                    told[broadcast_id] = (now, report.state, report.problem)
                    await self._bus.publish(subjects.RECORDING_REPORT, report)
            live = [each for each, b in self._broadcasts.items() if b.ended is None and b.engine.live]
            self._on_air.look(live, states.values(), now)
            await asyncio.sleep(REPORT_INTERVAL / 10 if told else REPORT_INTERVAL)

    async def _recover(self) -> None:
        """Once: recordings that an earlier stage has left and nobody goes on with."""
        await asyncio.sleep(RECOVER_AFTER)
        await asyncio.to_thread(self.recorder.recover, set(self._broadcasts))
        await asyncio.Event().wait()

    async def _forget_ended(self) -> None:
        while True:
            await asyncio.sleep(5)
            now = time.monotonic()
            for broadcast_id, broadcast in list(self._broadcasts.items()):
                if broadcast.ended is not None and now - broadcast.ended > KEPT_AFTER_END:
                    del self._broadcasts[broadcast_id]

    def _active(self, broadcast_id: str) -> Broadcast:
        broadcast = self._broadcasts.get(broadcast_id)
        if broadcast is None or broadcast.ended is not None:
            raise _unknown()
        return broadcast

    async def _in_tick[R](self, command: Callable[[], R]) -> R:
        return await asyncio.wrap_future(self.ticker.call(command))


def _unknown() -> Refused:
    return Refused(404, "The doors are closed", "this broadcast is not open on this stage")


async def _lasting(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs `work`, which never ends, again whenever it fails."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("a task of the stage failed; it goes on")
            await asyncio.sleep(0.1)
