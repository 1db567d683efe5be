"""The public record of how each broadcast began: planned, doors, first speaker, live, first sound, incidents.

When doors opened and when it went live is the room's own (rooms.model.Broadcast). The rest is measured and
kept here: shown at once, and written down as soon as the database takes it. Served as start.json, and in
state.json as `start`.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from hustings.bus.messages import (
    AudienceReport,
    FirstSound,
    Page,
    RecordingReport,
    RoleReady,
    StageHello,
    StageReport,
)
from hustings.clock import Clock
from hustings.errors import Unavailable
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Room
from hustings.store.starts import ONCE, Also, Note, NoteKind
from hustings.studio.board import Board
from hustings.studio.context import RoomView, StartView
from hustings.studio.start_view import start_state, start_view

log = structlog.get_logger()

MAX_INCIDENTS = 50
"""Of one broadcast; more are counted, not kept."""
MAX_UNWRITTEN = 1000
RETRY = 2.0
"""Seconds until the database is tried again."""
MAX_ROLES = 1024

_left_out = Counter("hustings_studio_incidents_left_out_total", "Incidents beyond what a broadcast keeps.")
_lost = Counter(
    "hustings_studio_start_notes_lost_total", "Notes of a start never written, while the database was away."
)


class Keeping(Protocol):
    """store.starts.StartStore."""

    async def notes(self, broadcast_ids: list[str]) -> Mapping[str, list[Note]]: ...

    async def add(self, broadcast_id: str, note: Note, also: Also | None = None) -> None: ...


class Recording(Protocol):
    """studio.record.Records: each note becomes an entry of the room's public record."""

    async def noted(self, connection: AsyncConnection, slug: str, broadcast_id: str, note: Note) -> None: ...

    def written(self, slug: str) -> None: ...


class Starts:
    """`load`, then `run` until cancelled; the bus's messages come in by the methods named after them."""

    def __init__(
        self,
        board: Board,
        store: Keeping,
        clock: Clock,
        renew: Callable[[str], None],
        record: Recording | None = None,
    ) -> None:
        self._board = board
        self._store = store
        self._clock = clock
        self._renew = renew
        self._record = record
        self._notes: defaultdict[str, list[Note]] = defaultdict(list)
        self._unwritten: deque[tuple[str, str, Note]] = deque()
        self._wake = asyncio.Event()
        self._stage = ""
        self._roles: dict[str, int] = {}
        self._loads: dict[str, str] = {}
        board.start = self.of

    async def load(self) -> None:
        """What was noted before; whose broadcast is on had a studio that restarted."""
        ids = [room.broadcast.id for room in self._board.rooms() if room.broadcast is not None]
        for broadcast_id, notes in (await self._store.notes(ids)).items():
            self._notes[broadcast_id] = list(notes)
        self.incident("studio_restarted")

    # --- what is asked -----------------------------------------------------------------------

    def of(self, room: Room) -> StartView | None:
        """For Board.start."""
        notes = self._notes.get(room.broadcast.id, []) if room.broadcast is not None else []
        first = {kind: next((n.at for n in notes if n.kind == kind), None) for kind in ONCE}
        incidents = tuple((n.at, n.what) for n in notes if n.kind == "incident")
        return start_view(room, first["speaker"], first["sound"], incidents)

    def pages(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For Publisher.add: start.json."""
        view = self.of(room)
        if view is None:
            return {}
        of = room.broadcast.id if room.broadcast is not None and view.opened_at else None
        content = {"slug": room.slug, "broadcast": of, **start_state(view)}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return {"start.json": Page(content_type="application/json", body=body)}

    # --- what happens ------------------------------------------------------------------------

    def stage_reported(self, report: StageReport) -> None:
        """Somebody is connected on the stage."""
        self._stage = report.stage_id
        if any(seat.connected and seat.place == "stage" for seat in report.seats):
            room = self._current(report.slug, report.broadcast_id)
            if room is not None:
                self._note(room, "speaker", self._clock.wall())

    def stage_said_hello(self, hello: StageHello) -> None:
        """A stage began; not the one that has the broadcasts that are on."""
        if hello.stage_id != self._stage:
            self._stage = hello.stage_id
            self.incident("stage_restarted")

    def first_sound(self, message: FirstSound) -> None:
        """The first sound of a broadcast has left an edge. The first to say so counts."""
        room = self._current(message.slug, message.broadcast_id)
        if room is not None and room.broadcast is not None and room.broadcast.live_since is not None:
            self._note(room, "sound", message.wall_clock)

    def role_ready(self, ready: RoleReady) -> None:
        """Said by each role every two seconds: another process is one that restarted."""
        if not ready.role.startswith("edge"):
            return
        known = self._roles.get(ready.role)
        if known is None and len(self._roles) >= MAX_ROLES:
            return
        self._roles[ready.role] = ready.pid
        if known is not None and known != ready.pid:
            self.incident("edge_restarted")

    def bus_was_lost(self) -> None:
        """The studio has its bus back."""
        self.incident("bus_lost")

    def audience_reported(self, report: AudienceReport) -> None:
        """How an edge carries its load; told when it gets worse."""
        before = self._loads.get(report.edge_id, "")
        if report.load == before or (not before and len(self._loads) >= MAX_ROLES):
            return
        if report.load:
            self._loads[report.edge_id] = report.load
        else:
            self._loads.pop(report.edge_id, None)
        if report.load == "refusing" or (report.load == "widened" and not before):
            for slug in report.listening:
                room = self._board.room(slug)
                if room is not None and room.status in CONNECTABLE:
                    self._note(room, "incident", self._clock.wall(), f"edge_{report.load}")

    def recording_reported(self, report: RecordingReport) -> None:
        """Called before the board has it."""
        if report.state != "failing":
            return
        before = self._board.recording(report.broadcast_id, self._clock.monotonic())
        room = self._current(report.slug, report.broadcast_id)
        if room is not None and (before is None or before.state != "failing"):
            self._note(room, "incident", self._clock.wall(), "recording_failing")

    def incident(self, what: str) -> None:
        """Something that concerns every broadcast that is on."""
        at = self._clock.wall()
        for room in list(self._board.rooms()):
            if room.status in CONNECTABLE:
                self._note(room, "incident", at, what)

    def _current(self, slug: str, broadcast_id: str) -> Room | None:
        room = self._board.room(slug)
        on = room is not None and room.status in CONNECTABLE and room.broadcast is not None
        return (
            room if on and room is not None and room.broadcast and room.broadcast.id == broadcast_id else None
        )

    def _note(self, room: Room, kind: NoteKind, at: float, what: str = "") -> None:
        assert room.broadcast is not None
        broadcast_id = room.broadcast.id
        notes = self._notes[broadcast_id]
        if kind in ONCE and any(note.kind == kind for note in notes):
            return
        if kind == "incident" and sum(note.kind == kind for note in notes) >= MAX_INCIDENTS:
            _left_out.inc()
            return
        note = Note(kind, at, what)
        notes.append(note)
        self._forget_past()
        if len(self._unwritten) >= MAX_UNWRITTEN:
            self._unwritten.popleft()
            _lost.inc()
        self._unwritten.append((room.slug, broadcast_id, note))
        self._wake.set()
        self._board.changed(room.slug)
        self._renew(room.slug)

    def _forget_past(self) -> None:
        """Of a room's earlier broadcasts nothing is shown any more."""
        if len(self._notes) % 100:
            return
        current = {room.broadcast.id for room in self._board.rooms() if room.broadcast is not None}
        for broadcast_id in self._notes.keys() - current:
            del self._notes[broadcast_id]

    # --- written down ------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while not await self.write():
                await asyncio.sleep(RETRY)

    async def write(self) -> bool:
        """Whether all there is to write is written."""
        while self._unwritten:
            first = slug, broadcast_id, note = self._unwritten[0]
            try:
                await self._store.add(broadcast_id, note, self._also(slug, broadcast_id, note))
            except Unavailable as error:
                log.warning("a note of a start is not written yet", why=str(error))
                return False
            if self._record is not None:
                self._record.written(slug)
            if self._unwritten and self._unwritten[0] == first:
                self._unwritten.popleft()
        return True

    def _also(self, slug: str, broadcast_id: str, note: Note) -> Also | None:
        record = self._record
        if record is None:
            return None
        return lambda connection: record.noted(connection, slug, broadcast_id, note)
