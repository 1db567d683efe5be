"""One broadcast's recording in one run of the stage: what is written where, what has become safe, what to do
when the disk fails. No thread and no clock of its own: `recorder` drives it.

A file whose write or fsync failed is given up, and with it the part: everything goes on in new files, in the
spare folder if there is one. Where nothing can be written, everything is counted and declared, and from time
to time the folders are tried again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import structlog
from prometheus_client import Counter

from hustings.bus.messages import Codec, MediaChunk, TimedEvent
from hustings.cmaf.ogg_track import HOLD, Cause
from hustings.stage.record_files import Disk, RecordFile, words
from hustings.stage.record_place import Place
from hustings.stage.record_program import ProgramFiles, event_line
from hustings.stage.record_track import SpeakerTrack, Totals
from hustings.stage.tap import SeatTick, TickRecord

log = structlog.get_logger()

RETRY_FIRST = 5.0
"""Seconds after which a folder that failed is tried again; twice as long each time, to RETRY_MOST."""
RETRY_MOST = 60.0
MOST_PARTS = 200
"""Parts begun in one run of the stage; a disk that fails so often is left alone."""
MOST_LINES = 1_000
"""Events that wait for a disk."""
_SAFE_NAME = re.compile(r"[^A-Za-z0-9_-]")

dropped = Counter(
    "hustings_stage_record_dropped_total", "What did not fit into the queue, by kind.", ["kind"]
)
_failures = Counter("hustings_stage_record_failures_total", "Files given up, by what failed.", ["what"])
_unwritten = Counter(
    "hustings_stage_record_unwritten_packets_total", "Packets not recorded because of the disk."
)


@dataclass(slots=True)
class SyncJob:
    """What one fsync of everything has to cover. `probe`: folders to try out instead."""

    broadcast_id: str
    media_time: int
    place: Place | None = None
    files: list[RecordFile] = field(default_factory=list)
    closing: list[RecordFile] = field(default_factory=list)
    """Those of `files` that are to be closed."""
    left: list[RecordFile] = field(default_factory=list)
    """... and those of parts that are over."""
    folders: list[Path] = field(default_factory=list)
    totals: dict[SpeakerTrack, Totals] = field(default_factory=dict)
    probe: list[Path] = field(default_factory=list)
    failed: list[RecordFile] = field(default_factory=list)
    """Filled by the one who syncs: files whose fsync failed."""
    error: OSError | None = None
    found: Path | None = None
    """... the first of `probe` that can be written to."""
    last: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """For reports, made anew by the recorder after each round."""

    begun: bool = False
    failing: bool = False
    waiting: bool = False
    bytes: int = 0
    safe_media_time: int = 0
    totals: Totals = field(default_factory=Totals)
    problem: str = ""


def _of_program(files: Iterable[RecordFile]) -> bool:
    """Whether there is sound of the program in one of them."""
    return any(file.path.suffix == ".m4s" for file in files)


class BroadcastRecorder:
    """`folders`: where the recording goes, the best first; `init`, `silent`: by codec."""

    def __init__(
        self,
        broadcast_id: str,
        slug: str,
        epoch: int,
        *,
        folders: Sequence[Path],
        disk: Disk,
        init: dict[Codec, bytes],
        silent: dict[Codec, bytes],
        resume: bool = False,
    ) -> None:
        self.broadcast_id = broadcast_id
        self.slug = slug
        self.epoch = epoch
        self.folders = list(folders)
        self.status = Status()
        self.now = 0.0
        """Monotonic seconds; the recorder's to set."""
        self._disk = disk
        self._program = ProgramFiles(init, silent)
        self._resume = resume
        self._place: Place | None = None
        self._left: list[RecordFile] = []
        """Of parts that are over: still to be closed."""
        self._where = -1
        """Index of the folder written to, -1 for none."""
        self._part = -1
        self._tracks: dict[str, SpeakerTrack] = {}
        self._names: dict[str, str] = {}
        self._before: Totals = Totals()
        self._owed: dict[str, int] = {}
        """Packets received of which no file says anything yet; the next part declares them."""
        self._events: RecordFile | None = None
        self._lines: list[bytes] = []
        self._standing: dict[tuple[str, str], TimedEvent] = {}
        """Who is there, and who speaks, as the recording begins: by participant and kind of event."""
        self._begun = False
        self._bytes_before = 0
        self._media_time = 0
        self._waiting = False
        self._safe = 0
        self._doubtful: tuple[int, int] | None = None
        """Media times of the program in the part given up last: written, and not known to be safe."""
        self._problem = ""
        self._retry_at: float | None = None
        self._retry_after = RETRY_FIRST

    def begin(self, resume_point: Callable[[list[Path]], int | None]) -> None:
        """Before anything comes: a restarted stage looks where the last one stopped."""
        if not self._resume:
            return
        try:
            self._program.resumed_from = resume_point(self.folders)
        except OSError as error:
            log.warning("what was recorded cannot be read", error=str(error))

    @property
    def unsafe(self) -> bool:
        """Something is written that no sync has been asked for."""
        return bool(self._left) or (self._place is not None and self._place.unsynced)

    # --- what comes ------------------------------------------------------------------------------------

    def tick(self, record: TickRecord, missed: dict[str, int] | None, missed_from: int | None) -> None:
        """20 ms. `missed`: packets by participant of the ticks before that were lost on the way here, the
        first of which was at `missed_from`."""
        if not self._begun:
            self._begin(record)
        self._media_time = record.media_time
        self._waiting = record.waiting
        if missed_from is not None:
            # Nobody knows any more who was on air then.
            self._program.block(missed_from, record.media_time, "disk")
        for participant_id, packets in (missed or {}).items():
            self.refuse(participant_id, packets)
        self._try(lambda: self._program.tick(record), "program")
        there = set()
        for seat in record.seats:
            there.add(seat.participant_id)
            self._seat(seat, record)
        for participant_id, track in self._tracks.items():
            if participant_id not in there:
                track.away(record)

    def _seat(self, seat: SeatTick, record: TickRecord) -> None:
        self._names[seat.participant_id] = seat.name
        if self._place is None:
            self._owe(seat.participant_id, len(seat.packets) + seat.missed)
            return
        self._track(seat.participant_id).tick(seat, record)

    def _track(self, participant_id: str) -> SpeakerTrack:
        assert self._place is not None
        track = self._tracks.get(participant_id)
        if track is None:
            safe_id = _SAFE_NAME.sub("_", participant_id)[:64] or "_"
            track = SpeakerTrack(self._place, safe_id, self._names.get(participant_id, ""))
            self._tracks[participant_id] = track
            if owed := self._owed.pop(participant_id, 0):
                track.ogg.refuse(owed, "disk")
        return track

    def refuse(self, participant_id: str, packets: int) -> None:
        """So many packets of his were lost on the way here."""
        _unwritten.inc(packets)
        if self._place is None:
            self._owed[participant_id] = self._owed.get(participant_id, 0) + packets
        else:
            self._track(participant_id).ogg.refuse(packets, "disk")

    def _owe(self, participant_id: str, packets: int) -> None:
        if packets:
            _unwritten.inc(packets)
            self._owed[participant_id] = self._owed.get(participant_id, 0) + packets

    def chunk(self, chunk: MediaChunk, missing: Cause = "lost") -> None:
        """A chunk of the program. Before the first tick that is recorded there is nothing to write."""
        if not self._begun:
            return
        if not self._try(lambda: self._program.chunk(chunk, missing), "program"):
            self._try(lambda: self._program.chunk(chunk, missing), "program")

    def event(self, event: TimedEvent) -> None:
        """One line more, once something is recorded; of what was before, only who is there and speaks."""
        if not self._begun:
            self._before_it(event)
            return
        self._lines.append(event_line(event))
        if len(self._lines) > MOST_LINES:
            dropped.labels("event").inc()
            del self._lines[0]

    def _before_it(self, event: TimedEvent) -> None:
        who = str(event.data.get("participant_id", ""))
        if event.kind == "joined" or (event.kind == "speaking" and event.data.get("speaking")):
            self._standing[who, event.kind] = event
        elif event.kind == "speaking":
            self._standing.pop((who, "speaking"), None)
        elif event.kind == "left":
            for kind in ("joined", "speaking"):
                self._standing.pop((who, kind), None)

    def _write_events(self) -> None:
        place = self._place
        if not self._lines or place is None:
            return
        if self._events is None:
            part = f".{place.epoch}{place.mark}" if place.part else ""
            self._events = place.file(f"events{part}.jsonl", resume=True)
        self._events.write(b"".join(self._lines))
        self._lines = []

    def write(self) -> None:
        """Hands everything finished to the kernel."""
        for track in list(self._tracks.values()):
            if not self._try(track.write, "track"):
                break
        self._try(self._program.write, "program")
        self._try(self._write_events, "events")

    # --- safe ------------------------------------------------------------------------------------------

    def sync(self) -> SyncJob | None:
        """All that is to be made safe, handed to the kernel first; and folders to try out."""
        now = self.now
        job = SyncJob(self.broadcast_id, 0)
        if self._retry_at is not None and now >= self._retry_at and self._part < MOST_PARTS:
            self._retry_at = now + self._retry_after
            self._retry_after = min(RETRY_MOST, 2 * self._retry_after)
            job.probe = self.folders[: self._where] if self._where > 0 else list(self.folders)
        for track in list(self._tracks.values()):
            if not self._try(track.write_totals, "track"):
                break
        self._try(self._program.write, "program")
        left, self._left = self._left, []
        job.files, job.closing, job.left = list(left), list(left), left
        if self._place is not None:
            files, closing, job.folders = self._place.to_sync()
            job.place = self._place
            job.files += files
            job.closing += closing
            job.media_time = max(0, min(self._media_time - HOLD, self._program.end()))
            job.totals = {track: track.covered for track in self._tracks.values()}
        return job if job.files or job.folders or job.probe else None

    def synced(self, job: SyncJob) -> None:
        """The job was carried out, well or not."""
        current = [file for file in job.failed if file not in job.left]
        for file in job.failed:
            log.warning("fsync failed", file=file.path.suffix, error=str(job.error))
        if job.error is not None and len(current) < len(job.failed):
            _failures.labels("fsync").inc()
            self._problem = self._problem or words(job.error)
        if self._doubtful is not None and job.left:
            if _of_program(file for file in job.failed if file in job.left):
                self._program.declare(*self._doubtful, "disk")
            self._doubtful = None
        if job.error is not None and current:
            if job.place is self._place:  # else it is over already
                self._give_up(job.error, current, "fsync")
        elif job.media_time:
            for track, totals in job.totals.items():
                track.safe = totals
            self._safe = max(self._safe, job.media_time)
            if self._where == 0:
                self._problem, self._retry_at, self._retry_after = "", None, RETRY_FIRST
        if job.found is not None and (self._where < 0 or job.found in self.folders[: self._where]):
            self._leave(clean=True)
            self._open(self.folders.index(job.found))

    def _try(self, work: Callable[[], None], what: str) -> bool:
        """Whether `work` could be done; if not, the part has been given up."""
        try:
            work()
        except OSError as error:
            log.warning("recording failed", what=what, error=str(error))
            self._give_up(error, [], what)
            return False
        return True

    # --- parts -----------------------------------------------------------------------------------------

    def _begin(self, record: TickRecord) -> None:
        self._begun = True
        for event in self._standing.values():
            now = max(event.media_time, record.media_time)
            wall = event.wall_clock if event.media_time == now else record.wall_clock
            self._lines.append(event_line(msgspec.structs.replace(event, media_time=now, wall_clock=wall)))
        self._standing = {}
        self._open(0)

    def _open(self, where: int) -> None:
        """A new part in folder number `where`."""
        self._part += 1
        self._where = where
        self._place = Place(self._disk, self.folders[where], self.epoch, self._part)
        self._program.move(self._place)
        self._events = None
        if where == 0 and self._part:
            self._problem = ""
            self._retry_at = None

    def _leave(self, *, clean: bool) -> None:
        """Ends the part; what no file says is owed to the next."""
        for participant_id, track in self._tracks.items():
            kept, owed = track.retire(self._media_time, clean=clean)
            self._before += kept
            self._owe(participant_id, owed)
        self._tracks = {}
        if self._place is not None:
            self._bytes_before += self._place.bytes
            self._left += self._place.leave()
        self._place = None
        self._where = -1
        self._events = None
        self._program.move(None)

    def _give_up(self, error: OSError, failed: Sequence[RecordFile], what: str) -> None:
        """The part is over, the next begins in the next folder."""
        if self._place is None:
            return
        _failures.labels(what).inc()
        was = self._where
        if _of_program(failed):
            self._program.declare(self._safe, self._media_time, "disk")
        elif what != "fsync":
            self._doubtful = (self._safe, self._media_time)  # the last fsync of its files will tell
        self._leave(clean=False)
        exists = isinstance(error, FileExistsError)
        if not exists:
            self._problem = words(error)
            if self._retry_at is None:
                self._retry_at = self.now + self._retry_after
        following = was if exists else was + 1
        if following < len(self.folders) and self._part < MOST_PARTS:
            if not exists:
                self._problem += " The recording goes on in the spare folder."
            self._open(following)

    # --- the end ---------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The broadcast is over: all files are ended; `sync` covers them once more."""
        for track in list(self._tracks.values()):
            self._try(partial(track.finish, self._media_time), "track")
        self._try(self._program.finish, "program")
        self._try(self._write_events, "events")
        if self._events is not None:
            self._events.over = True

    def round(self) -> None:
        """Renews `status`."""
        totals = self._before
        for track in self._tracks.values():
            totals += track.totals
        owed = sum(self._owed.values())
        if owed:
            totals += Totals(owed, 0, owed)
        place = self._place
        self.status = Status(
            begun=self._begun,
            failing=self._begun and place is None,
            waiting=self._waiting,
            bytes=self._bytes_before + (place.bytes if place is not None else 0),
            safe_media_time=self._safe,
            totals=totals,
            problem=self._problem,
        )
