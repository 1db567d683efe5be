"""The recording's threads: one writes, one makes safe, one indexes what is over.

The tick, the packager and the event loop hand over what is to be recorded and never wait: the queue is
bounded, what does not fit is counted and declared. A slow fsync holds up no write, a slow write no frame.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Gauge, Histogram

from hustings.bus.messages import Codec, MediaChunk, RecordingReport, RecordingState, TimedEvent
from hustings.stage.record_broadcast import BroadcastRecorder, SyncJob, dropped
from hustings.stage.record_files import Disk, LocalDisk
from hustings.stage.record_finish import drop_index, finish_folders, resume_point, without_index
from hustings.stage.tap import Policy, TickRecord

log = structlog.get_logger()

QUEUE = 6_000
"""Ticks, chunks and events that may wait for the disk: a minute and a half of one broadcast."""
ROUND = 0.05
"""Seconds between two rounds of writing: a page of 200 ms waits no longer."""
IDLE_ROUND = 0.5
"""... while nothing is recorded ..."""
NOTHING_ROUND = 60.0
"""... and while no broadcast is open. What comes then is taken at once."""
SYNC_INTERVAL = 1.25
"""Seconds between two syncs: with what a sync takes and what is still in memory, under 2 s."""
HUNG = 3.0
"""Seconds without a round, or in one sync, after which the disk is said to hang: the host learns of it in
under 5 s."""
PROBE_BYTES = 64 * 1024

_queued = Gauge("hustings_stage_record_queue", "Ticks, chunks and events that wait to be written.")
_bytes = Counter("hustings_stage_record_bytes_total", "Bytes of recordings handed to the disk.")
_fsync = Histogram(
    "hustings_stage_record_fsync_seconds",
    "How long one sync of a broadcast's files took.",
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30),
)
_indexed = Counter(
    "hustings_stage_recordings_total", "Recordings that are over, by how they ended.", ["outcome"]
)


class _Tick(NamedTuple):
    broadcast_id: str
    record: TickRecord
    missed: dict[str, int] | None
    missed_from: int | None


class _Begin(NamedTuple):
    recorder: BroadcastRecorder


class _Finish(NamedTuple):
    broadcast_id: str
    live_since: float | None
    for_good: bool
    missed: dict[str, int]


@dataclass(slots=True)
class _Missed:
    """Ticks of one broadcast that found the queue full."""

    media_time: int
    packets: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """One broadcast's recorder, and what the event loop knows of it."""

    recorder: BroadcastRecorder
    state: RecordingState = "off"
    since: float = 0.0


class Recorder:
    """`folders`: data folder first, the spare one after it if there is one. `ready` is called, in a thread of
    the recorder's, with (broadcast_id, slug) of each recording that has an index."""

    def __init__(
        self,
        folders: list[Path],
        init: dict[Codec, bytes],
        silent: dict[Codec, bytes],
        ready: Callable[[str, str], None],
        *,
        disk: Disk | None = None,
    ) -> None:
        self._folders = folders
        self._init, self._silent = init, silent
        self._ready = ready
        self.disk: Disk = disk or LocalDisk()
        self._queue: deque[_Tick | _Begin | _Finish | MediaChunk | TimedEvent] = deque()
        self._missed: dict[str, _Missed] = {}
        self._chunks_missed: set[str] = set()
        self._recorders: dict[str, BroadcastRecorder] = {}
        self._open: dict[str, _Open] = {}
        self._syncing: deque[SyncJob] = deque()
        self._synced: deque[SyncJob] = deque()
        self._sync_wake = threading.Event()
        self._under_way: set[str] = set()
        self._sync_began: float | None = None
        self._last_sync = 0.0
        self._over: deque[tuple[list[Path], float | None, bool | None]] = deque()
        self._over_wake = threading.Event()
        self._work = threading.Event()
        """Something waits that is not to wait longer than a round."""
        self._ending: list[tuple[BroadcastRecorder, _Finish]] = []
        self._round_at = time.monotonic()
        self._counted = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name="record", daemon=True),
            threading.Thread(target=self._run_sync, name="record-sync", daemon=True),
            threading.Thread(target=self._run_index, name="record-index", daemon=True),
        ]

    # --- from the event loop ---------------------------------------------------------------------------

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Writes and syncs what there is; waits some seconds at most for the disk."""
        self._stopping = True
        self._work.set()
        self._threads[0].join(timeout)
        self._sync_wake.set()
        self._over_wake.set()
        self._threads[1].join(timeout)
        self._threads[2].join(timeout)

    def open(self, broadcast_id: str, slug: str, epoch: int) -> None:
        """From now on ticks of this broadcast are recorded when they come. Repeating it changes nothing."""
        if broadcast_id in self._open:
            return
        recorder = BroadcastRecorder(
            broadcast_id,
            slug,
            epoch,
            folders=self._places(slug, broadcast_id),
            disk=self.disk,
            init=self._init,
            silent=self._silent,
            resume=epoch > 0,
        )
        self._open[broadcast_id] = _Open(recorder)
        self._queue.append(_Begin(recorder))
        self._work.set()

    def report(self, broadcast_id: str, policy: Policy, live: bool, wall: float) -> RecordingReport | None:
        """How it stands; None for what is not open."""
        known = self._open.get(broadcast_id)
        if known is None:
            return None
        status = known.recorder.status
        now, began = time.monotonic(), self._sync_began
        hung = status.begun and now - self._round_at > HUNG
        slow = status.begun and began is not None and now - began > HUNG
        state: RecordingState = "on"
        if not (policy.on and live):
            state = "off"
        elif hung or status.failing:
            state = "failing"
        elif policy.off_record:
            state = "off_record"
        elif status.waiting:
            state = "waiting"
        if state != known.state or not known.since:
            known.state, known.since = state, wall
        totals = status.totals
        return RecordingReport(
            broadcast_id=broadcast_id,
            slug=known.recorder.slug,
            state=state,
            since=known.since,
            bytes=status.bytes,
            safe_media_time=status.safe_media_time,
            received=totals.received,
            written=totals.written,
            declared=totals.declared,
            problem="The disk does not answer." if hung or slow else status.problem,
        )

    def finish(self, broadcast_id: str, live_since: float | None, *, index: bool = True) -> None:
        """The broadcast is over after what was handed over so far: no tick comes. `index`: for good."""
        if self._open.pop(broadcast_id, None) is not None:
            missed = self._missed.pop(broadcast_id, None)
            self._queue.append(_Finish(broadcast_id, live_since, index, missed.packets if missed else {}))
            self._work.set()

    # --- from the tick, the packager: never wait -------------------------------------------------------

    def tick(self, broadcast_id: str, record: TickRecord) -> None:
        """One tick's record, in order. In the tick's thread."""
        if len(self._queue) >= QUEUE:
            missed = self._missed.setdefault(broadcast_id, _Missed(record.media_time))
            for seat in record.seats:
                if packets := len(seat.packets) + seat.missed:
                    missed.packets[seat.participant_id] = missed.packets.get(seat.participant_id, 0) + packets
            dropped.labels("tick").inc()
            return
        before = self._missed.pop(broadcast_id, None) if self._missed else None
        if before is None:
            self._queue.append(_Tick(broadcast_id, record, None, None))
        else:
            self._queue.append(_Tick(broadcast_id, record, before.packets, before.media_time))
        if not self._work.is_set():
            self._work.set()

    def chunk(self, chunk: MediaChunk) -> None:
        """One chunk, after the ticks it is made of. In the packager's thread."""
        if len(self._queue) >= QUEUE:
            dropped.labels("chunk").inc()
            self._chunks_missed.add(chunk.broadcast_id)
            return
        self._queue.append(chunk)

    def event(self, event: TimedEvent) -> None:
        """In the tick's thread."""
        if len(self._queue) >= QUEUE:
            dropped.labels("event").inc()
            return
        self._queue.append(event)

    # --- the thread that writes ------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            stopping = self._stopping
            try:
                self.round(time.monotonic(), sync_all=stopping)
            except Exception:
                log.exception("the recorder failed; it goes on")
            if stopping and not self._queue and not self._ending:
                return
            self._rest()

    def _rest(self) -> None:
        """A round long where something is recorded; else until there is something."""
        begun = any(recorder.status.begun for recorder in self._recorders.values())
        if not (begun or self._ending or self._stopping):
            self._work.wait(IDLE_ROUND if self._recorders else NOTHING_ROUND)
        self._work.clear()
        time.sleep(ROUND)

    def round(self, now: float, *, sync_all: bool = False) -> None:
        """Everything that waits is written; now and then it is given to the other thread to be made safe."""
        for recorder in self._recorders.values():
            recorder.now = now
        for _ in range(len(self._queue)):
            self._take(self._queue.popleft(), now)
        for recorder in self._recorders.values():
            recorder.write()
        while self._synced:
            job = self._synced.popleft()
            self._under_way.discard(job.broadcast_id)
            if (known := self._recorders.get(job.broadcast_id)) is not None:
                known.synced(job)
        if sync_all or self._ending or now - self._last_sync >= SYNC_INTERVAL:
            self._last_sync = now
            for recorder in self._recorders.values():
                self._sync(recorder)
        self._end_what_is_safe()
        for recorder in self._recorders.values():
            recorder.round()
        total = sum(recorder.status.bytes for recorder in self._recorders.values())
        _bytes.inc(max(0, total - self._counted))
        self._counted = total
        _queued.set(len(self._queue))
        self._round_at = time.monotonic()

    def _take(self, item: _Tick | _Begin | _Finish | MediaChunk | TimedEvent, now: float) -> None:
        if isinstance(item, _Begin):
            item.recorder.now = now
            item.recorder.begin(_resume)
            self._recorders[item.recorder.broadcast_id] = item.recorder
            return
        recorder = self._recorders.get(item.broadcast_id)
        if recorder is None:
            return
        if isinstance(item, _Tick):
            recorder.tick(item.record, item.missed, item.missed_from)
        elif isinstance(item, MediaChunk):
            missing = item.broadcast_id in self._chunks_missed
            self._chunks_missed.discard(item.broadcast_id)
            recorder.chunk(item, "disk" if missing else "lost")
        elif isinstance(item, TimedEvent):
            recorder.event(item)
        else:
            for participant_id, packets in item.missed.items():
                recorder.refuse(participant_id, packets)
            recorder.finish()
            self._ending.append((recorder, item))

    def _sync(self, recorder: BroadcastRecorder) -> None:
        if recorder.broadcast_id in self._under_way:
            return  # the disk is slow: what came since then is made safe next time
        job = recorder.sync()
        if job is not None:
            self._under_way.add(recorder.broadcast_id)
            self._syncing.append(job)
            self._sync_wake.set()

    def _end_what_is_safe(self) -> None:
        """Broadcasts that are over go to the index as soon as the last sync is done."""
        for recorder, finish in list(self._ending):
            if recorder.broadcast_id in self._under_way:
                continue
            if recorder.unsafe:
                self._sync(recorder)
                continue
            self._ending.remove((recorder, finish))
            self._recorders.pop(recorder.broadcast_id, None)
            self._counted -= recorder.status.bytes
            if recorder.status.begun and finish.for_good:
                self._index_later(recorder.folders, finish.live_since, None)

    # --- the thread that makes safe --------------------------------------------------------------------

    def _run_sync(self) -> None:
        _ordinary()
        while not (self._stopping and not self._threads[0].is_alive() and not self._syncing):
            if not self._sync_once():
                self._sync_wake.wait(30)
                self._sync_wake.clear()

    def _sync_once(self) -> bool:
        """Carries out the next job, if there is one."""
        if not self._syncing:
            return False
        job = self._syncing.popleft()
        self._sync_began = began = time.monotonic()
        carry_out(self.disk, job)
        self._sync_began = None
        if job.files:
            _fsync.observe(time.monotonic() - began)
        self._synced.append(job)
        return True

    # --- the thread that indexes -----------------------------------------------------------------------

    def _run_index(self) -> None:
        _ordinary()
        while not (self._stopping and not self._threads[1].is_alive() and not self._over):
            if not self._over:
                self._over_wake.wait(30)
                self._over_wake.clear()
                continue
            self._index(*self._over.popleft())

    def recover(self, known: Container[str]) -> None:
        """Indexes what an earlier run has left without, but for the broadcasts that are `known` (going on, or
        just over). Raises OSError."""
        for folder in without_index(self._folders[0]):
            if folder.name not in known:
                self._index_later(self._places(folder.parent.name, folder.name), None, False)

    def _index_later(self, folders: list[Path], live_since: float | None, whole: bool | None) -> None:
        self._over.append((folders, live_since, whole))
        self._over_wake.set()

    def _index(self, folders: list[Path], live_since: float | None, whole: bool | None) -> None:
        folder = folders[0]
        try:
            finish_folders(folders, live_since=live_since, whole=whole)
        except Exception:
            _indexed.labels("failed").inc()
            log.exception("recording not indexed; the next start tries again", room=folder.parent.name)
            return
        _indexed.labels("recovered" if whole is False else "ended").inc()
        self._ready(folder.name, folder.parent.name)

    def _places(self, slug: str, broadcast_id: str) -> list[Path]:
        return [folder / "rooms" / slug / broadcast_id for folder in self._folders]


def carry_out(disk: Disk, job: SyncJob) -> None:
    """Syncs files and folders, closes what is over, tries folders out."""
    for file in job.files:
        try:
            file.sync()
        except OSError as error:
            job.failed.append(file)
            job.error = error
    for file in job.closing:
        file.close()
    for folder in job.folders:
        try:
            disk.sync_folder(folder)
        except OSError as error:
            job.error = error
            job.failed += [file for file in job.files if file not in job.failed]
    for folder in job.probe:
        if probe(disk, folder):
            job.found = folder
            break


def probe(disk: Disk, folder: Path) -> bool:
    """Whether a file can be written and made safe in `folder`."""
    path = folder / ".probe"
    try:
        disk.make_folder(folder)
        handle = disk.resume(path)
        try:
            written = disk.write(handle, bytes(PROBE_BYTES))
            disk.sync(handle)
        finally:
            disk.close(handle)
        disk.remove(path)
    except OSError:
        with contextlib.suppress(OSError):
            disk.remove(path)
        return False
    return written == PROBE_BYTES


def _resume(folders: list[Path]) -> int | None:
    drop_index(folders[0])
    return resume_point(folders)


def _ordinary() -> None:
    """This thread waits for the disk and reads files: it needs none of the tick's priority."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
