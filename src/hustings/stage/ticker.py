"""The 20 ms clock and the one thread that lives by it.

The thread takes packets from all peers, runs every broadcast's tick and sends the answers. It waits for
nothing but its own time: no disk, no bus, no lock that is held for long. Everything else reaches it as a
command (`call`), everything it has to tell goes out through the `Outlet`.
"""

from __future__ import annotations

import collections
import gc
import itertools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import structlog
from prometheus_client import Counter, Gauge, Histogram

from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS
from hustings.bus.messages import StageLevels, StageReport, TimedEvent
from hustings.stage.engine import METER_FRAMES, BroadcastEngine, ProgramFrame
from hustings.stage.socket_peer import SocketPeer
from hustings.stage.tap import TickRecord
from hustings.stage.webrtc.peer import AnsweringPeer
from hustings.stage.whep_audience import Batch

log = structlog.get_logger()

LATE = 0.005
"""Seconds after its time at which a tick counts as late."""
MAX_CATCH_UP = 25
"""Ticks that are run at once after a stall; what is missing beyond is declared as a gap."""
POLL_INTERVAL = 0.005
"""Seconds between two looks at the peers: how exactly a packet's arrival is known."""
PACKETS_A_POLL = 64
"""Of one peer; what is beyond waits in the library's own bounded queue."""
COMPLAINT_INTERVAL = 5.0
"""Seconds between two log entries about ticks that failed."""
RTCP_TICKS = 50
"""Each peer is told once a second what arrived of its sound, a fiftieth of them in each tick."""
REPORT_INTERVAL = 1.0
CHANGE_INTERVAL = 0.1
"""Seconds between two reports that are sent because something changed."""
COLLECT_INTERVAL = 5.0
"""Seconds between garbage collections, which run right after a tick ..."""
WHOLE_COLLECTIONS = 12
"""... and each so manieth is of all there is; the others, of what is young."""
TICKLESS = 70
"""Exit code of a stage whose tick has ended by an error."""

_ticks = Counter("hustings_stage_ticks_total", "Ticks run.")
_late = Counter("hustings_stage_ticks_late_total", "Ticks that began more than 5 ms late.")
_skipped = Counter("hustings_stage_ticks_skipped_total", "Ticks never run because the process was stalled.")
_lateness = Histogram(
    "hustings_stage_tick_lateness_seconds",
    "How late ticks began.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5),
)
_work = Histogram(
    "hustings_stage_tick_work_seconds",
    "How long a tick's work took.",
    buckets=(0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.02, 0.05),
)
_unsent = Counter("hustings_stage_packets_unsent_total", "Packets a peer did not take.")
_failures = Counter(
    "hustings_stage_tick_failures_total",
    "Errors in a tick: a broadcast's frame or a peer's packets were lost.",
)
_collection = Gauge("hustings_stage_collection_seconds", "Longest garbage collection so far.")


class TickClock:
    """When the next tick is due. Pure: absolute monotonic times, never drifting."""

    def __init__(self, start: float) -> None:
        self.due = start
        """Monotonic time of the next tick."""
        self.ticks = 0
        self.late = 0
        self.skipped = 0

    def begin(self, now: float) -> tuple[float, int]:
        """The due tick begins at `now`: returns (its lateness in seconds, ticks skipped before it)."""
        lateness = max(0.0, now - self.due)
        skipped = max(0, int(lateness / FRAME_SECONDS) - MAX_CATCH_UP)
        self.due += (1 + skipped) * FRAME_SECONDS
        self.ticks += 1
        self.skipped += skipped
        self.late += lateness > LATE
        return lateness, skipped


class Outlet(Protocol):
    """Where the tick's results go. Called in the tick's thread; must not wait."""

    def record(self, broadcast_id: str, record: TickRecord) -> None: ...

    def program(self, frame: ProgramFrame) -> None: ...

    def event(self, event: TimedEvent) -> None: ...

    def report(self, report: StageReport) -> None: ...

    def levels(self, levels: StageLevels) -> None: ...


class Held(NamedTuple):
    """A peer in the tick's care."""

    broadcast_id: str
    peer: AnsweringPeer | SocketPeer


class Ticker:
    """The thread. Engines and peers belong to it; others reach them through `call` only."""

    def __init__(self, stage_id: str, outlet: Outlet) -> None:
        self.engines: dict[str, BroadcastEngine] = {}
        self._speakers: dict[str, Held] = {}
        self._listeners: dict[str, Held] = {}
        """By session."""
        self._stage_id = stage_id
        self._outlet = outlet
        self._commands: collections.deque[tuple[Callable[[], object], Future[object]]] = collections.deque()
        self._wake = threading.Event()
        self._stopping = False
        self._clock = TickClock(0.0)
        self._reported: dict[str, float] = {}
        self._collected = 0.0
        self._collections = 0
        self._complained = -COMPLAINT_INTERVAL
        self._thread = threading.Thread(target=self._run_or_end, name="tick", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread. Waits for it."""
        self._stopping = True
        self._wake.set()
        self._thread.join(5)

    def hold(self, session_id: str, held: Held, *, speaks: bool) -> None:
        """Takes a peer into care. Only in the tick's thread."""
        (self._speakers if speaks else self._listeners)[session_id] = held

    def drop(self, session_id: str) -> None:
        """... and lets it go; of the unknown there is none. Only in the tick's thread."""
        self._speakers.pop(session_id, None)
        self._listeners.pop(session_id, None)

    def call[R](self, command: Callable[[], R]) -> Future[R]:
        """Runs `command` in the tick's thread between two ticks; its result or error is the future's."""
        future: Future[R] = Future()
        self._commands.append((command, future))  # type: ignore[arg-type]  # Future is invariant
        self._wake.set()
        return future

    # --- the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._run_commands()
            if not self.engines:
                self._wake.wait(1.0)
                self._wake.clear()
                continue
            self._wait()
            self._tick()

    def _run_or_end(self) -> None:
        """A stage without its tick is none: the process ends, and the supervisor starts another."""
        try:
            self._run()
        except BaseException:
            log.exception("the tick has ended")
            os._exit(TICKLESS)

    def _wait(self) -> None:
        """Until the next tick is due; meanwhile packets are taken so that their arrival times are right."""
        while not self._stopping:
            now = time.monotonic()
            remaining = self._clock.due - now
            if remaining <= 0:
                break
            if remaining <= POLL_INTERVAL or not self._speakers:
                time.sleep(remaining)
                break
            time.sleep(POLL_INTERVAL)
            self._poll()
        self._run_commands()
        self._poll()

    def _run_commands(self) -> None:
        while self._commands:
            if not self.engines:
                self._clock.due = time.monotonic()  # the clock starts with the first broadcast
            command, future = self._commands.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(command())
            except Exception as error:  # noqa: BLE001  # it is the caller's
                future.set_exception(error)

    def _failed(self) -> None:
        """Counts the error being handled; tells the log at most once in some seconds."""
        _failures.inc()
        now = time.monotonic()
        if now - self._complained > COMPLAINT_INTERVAL:
            self._complained = now
            log.exception("tick failed")

    def _poll(self) -> None:
        now = time.monotonic()
        for session_id, (broadcast_id, peer) in self._speakers.items():
            engine = self.engines.get(broadcast_id)
            if engine is None:
                continue
            try:
                for _ in range(PACKETS_A_POLL):
                    data = peer.receive()
                    if data is None:
                        break
                    engine.packet(session_id, data, now)
            except Exception:  # noqa: BLE001  # one peer's packets must never stop the others' sound
                self._failed()

    def _tick(self) -> None:
        scheduled = self._clock.due
        now = time.monotonic()
        lateness, skipped = self._clock.begin(now)
        # The frame's own time: the wall clock of when this tick should have been.
        scheduled += skipped * FRAME_SECONDS
        wall = time.time() - (now - scheduled)
        for engine in self.engines.values():
            try:
                self._tick_engine(engine, scheduled, wall, skipped)
            except Exception:  # noqa: BLE001  # nor one broadcast the others
                self._failed()
        try:
            self._report_to_peers()
        except Exception:  # noqa: BLE001  # reports are told again in a second
            self._failed()
        end = time.monotonic()
        _ticks.inc()
        _lateness.observe(lateness)
        _work.observe(end - now)
        if lateness > LATE:
            _late.inc()
        if skipped:
            _skipped.inc(skipped)
        if self._clock.due - end > FRAME_SECONDS / 2 and end - self._collected > COLLECT_INTERVAL:
            self._collected = end
            if gc.isenabled():
                return  # Python collects by itself: this process is not a stage's own (main.py)
            self._collections += 1
            gc.collect(2 if self._collections % WHOLE_COLLECTIONS == 0 else 1)
            _collection.set(max(_collection._value.get(), time.monotonic() - end))

    def _report_to_peers(self) -> None:
        """To a fiftieth of them. What listeners send is RTCP alone, and read here."""
        turn = self._clock.ticks % RTCP_TICKS
        for peers in (self._speakers, self._listeners):
            for session_id, held in itertools.islice(peers.items(), turn, None, RTCP_TICKS):
                if isinstance(held.peer, SocketPeer):
                    continue
                if peers is self._listeners:
                    for _ in range(PACKETS_A_POLL):
                        if held.peer.receive() is None:
                            break
                held.peer.report()
                far, engine = held.peer.far, self.engines.get(held.broadcast_id)
                if far is not None and engine is not None:
                    engine.far(session_id, far.lost, self._clock.due - far.at)

    def _tick_engine(self, engine: BroadcastEngine, now: float, wall: float, skipped: int) -> None:
        output = engine.tick(now, wall, skipped)
        for session_id, payload in output.packets:
            held = self._speakers.get(session_id)
            if held is None:
                continue
            stream = held.peer.stream
            if skipped:
                stream.skip(skipped * FRAME_SAMPLES)
            if not held.peer.send(stream.next(payload)):
                _unsent.inc()
        for batch in output.audience:
            self._send_batch(batch)
        if output.record is not None:  # before the program: a chunk finds its ticks known
            self._outlet.record(engine.broadcast_id, output.record)
        if output.program is not None:
            self._outlet.program(output.program)
        for event in engine.drain_events():
            self._outlet.event(event)
        since = now - self._reported.get(engine.broadcast_id, -REPORT_INTERVAL)
        if since >= (CHANGE_INTERVAL if engine.changed else REPORT_INTERVAL):
            self._reported[engine.broadcast_id] = now
            engine.changed = False
            self._outlet.report(self.report(engine))
        if self._clock.ticks % METER_FRAMES == 0 and (levels := engine.levels()):
            self._outlet.levels(
                StageLevels(broadcast_id=engine.broadcast_id, slug=engine.slug, levels=levels)
            )

    def _send_batch(self, batch: Batch) -> None:
        for session_id in batch.sessions:
            held = self._listeners.get(session_id)
            if held is None:
                continue
            stream, send = held.peer.stream, held.peer.send
            for payload, samples in batch.parts:
                if not payload:
                    stream.skip(samples)
                elif not send(stream.next(payload, samples)):
                    _unsent.inc()

    def next_wall(self) -> float:
        """Unix time of the tick that is due next, late or not. Only in the tick's thread."""
        return time.time() - (time.monotonic() - self._clock.due)

    def report(self, engine: BroadcastEngine) -> StageReport:
        """The broadcast as it stands. Only in the tick's thread."""
        return StageReport(
            broadcast_id=engine.broadcast_id,
            slug=engine.slug,
            stage_id=self._stage_id,
            live=engine.live,
            media_time=engine.media_time,
            seats=engine.seat_reports(),
            egress_sessions=engine.egress_sessions,
            ticks=self._clock.ticks,
            ticks_late=self._clock.late,
        )

    def forget(self, broadcast_id: str) -> None:
        """The broadcast is over. Only in the tick's thread."""
        self.engines.pop(broadcast_id, None)
        self._reported.pop(broadcast_id, None)
