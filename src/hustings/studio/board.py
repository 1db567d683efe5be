"""What the studio knows right now: rooms as committed, what the stage measures, who listens.

All in memory and rebuilt after a restart: rooms from the database, the rest from the next reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hustings.archive.about import About
from hustings.bus.messages import AudienceReport, RecordingReport, SeatReport, StageReport
from hustings.rooms.model import Room
from hustings.studio.context import SaidView, StartView

AUDIENCE_AGE = 15.0
"""Seconds after which an edge's figure no longer counts."""
REPORT_AGE = 5.0
"""Seconds without a report after which nobody counts as connected."""
MAX_EDGES = 1024


class Questions(Protocol):
    """What the audience asks, from whoever keeps it. Whoever changes it calls `Board.changed`."""

    def summary(self, slug: str) -> Mapping[str, Any]:
        """What everybody may read: `asked`, and `list` as in state.json; `open` when it knows better."""
        ...

    def pending(self, slug: str) -> Sequence[Mapping[str, Any]]:
        """What waits for a host to let it through: id, text, name, asked_at."""
        ...


class NoQuestions:
    """Nobody asks anything."""

    def summary(self, slug: str) -> Mapping[str, Any]:
        return {}

    def pending(self, slug: str) -> Sequence[Mapping[str, Any]]:
        return ()


@dataclass(slots=True)
class Measured:
    """The newest report of one broadcast, and talk time kept over restarts of the stage."""

    report: StageReport
    at: float
    talked_before: dict[str, float] = field(default_factory=dict)

    def talked(self, seat: SeatReport) -> float:
        return self.talked_before.get(seat.participant_id, 0.0) + seat.talked_seconds


class Board:
    """`on_change` callbacks are called with the slug of whatever looks different now."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._measured: dict[str, Measured] = {}
        self._recordings: dict[str, tuple[float, RecordingReport]] = {}
        self._recalled: dict[str, dict[str, float]] = {}
        """Talk times from before this studio began, by broadcast."""
        self._audience: dict[str, tuple[float, AudienceReport]] = {}
        self._on_change: list[Callable[[str], None]] = []
        self.questions: Questions = NoQuestions()
        self.reactions: Callable[[str], Mapping[str, int]] = lambda _slug: {}
        """A room's reactions of the last minute, by kind."""
        self.keep_days = 0
        """Days the server keeps recordings at most; 0: no bound."""
        self.start: Callable[[Room], StartView | None] = lambda _room: None
        """How a room's broadcast began, or is to begin."""
        self.replay: Callable[[str], About | None] = lambda _slug: None
        """A room's last recording."""
        self.published: Callable[[str], tuple[SaidView, ...]] = lambda _slug: ()
        """A room's statements and corrections, the newest."""

    def on_change(self, callback: Callable[[str], None]) -> None:
        self._on_change.append(callback)

    def changed(self, slug: str) -> None:
        for callback in self._on_change:
            callback(slug)

    # --- rooms -------------------------------------------------------------------------------

    def put(self, room: Room) -> None:
        """Takes over what was committed."""
        before = self._rooms.get(room.slug)
        self._rooms[room.slug] = room
        if before is not None and before.broadcast is not None:
            ended = room.broadcast is None or room.broadcast.id != before.broadcast.id
            if ended:
                self._measured.pop(before.broadcast.id, None)
                self._recalled.pop(before.broadcast.id, None)
                self._recordings.pop(before.broadcast.id, None)
        if before != room:
            self.changed(room.slug)

    def room(self, slug: str) -> Room | None:
        return self._rooms.get(slug)

    def rooms(self) -> Iterable[Room]:
        return self._rooms.values()

    # --- measurements ------------------------------------------------------------------------

    def stage_reported(self, report: StageReport, now: float) -> None:
        """Keeps the newest report; a stage that began anew does not take talk time away."""
        room = self._rooms.get(report.slug)
        if room is None or room.broadcast is None or room.broadcast.id != report.broadcast_id:
            return
        before = self._measured.get(report.broadcast_id)
        if before is None:
            # The stage may have counted on while we were away: what it says is then in what was recalled.
            says = {s.participant_id: s.talked_seconds for s in report.seats}
            recalled = self._recalled.get(report.broadcast_id, {})
            talked = {person: max(0.0, known - says.get(person, 0.0)) for person, known in recalled.items()}
        else:
            talked = before.talked_before
        if before is not None and before.report.stage_id != report.stage_id:
            talked = {**talked, **{s.participant_id: before.talked(s) for s in before.report.seats}}
        self._measured[report.broadcast_id] = Measured(report, now, talked)
        if before is None or _visible(before.report) != _visible(report):
            self.changed(report.slug)

    def measured(self, broadcast_id: str, now: float) -> Measured | None:
        """The broadcast's newest report, unless it is too old to say anything about now."""
        found = self._measured.get(broadcast_id)
        return found if found is not None and now - found.at <= REPORT_AGE else None

    def recording_reported(self, report: RecordingReport, now: float) -> None:
        """Keeps the newest. What has to alarm somebody is shown at once, figures with the next look."""
        room = self._rooms.get(report.slug)
        if room is None or room.broadcast is None or room.broadcast.id != report.broadcast_id:
            return
        before = self._recordings.get(report.broadcast_id)
        self._recordings[report.broadcast_id] = (now, report)
        was = None if before is None or now - before[0] > REPORT_AGE else before[1]
        if was is None or (was.state, was.problem) != (report.state, report.problem):
            self.changed(report.slug)

    def recording(self, broadcast_id: str, now: float) -> RecordingReport | None:
        """How the recording stands, unless nothing was heard of it for too long."""
        found = self._recordings.get(broadcast_id)
        return found[1] if found is not None and now - found[0] <= REPORT_AGE else None

    def talked(self, broadcast_id: str) -> dict[str, float]:
        """Seconds by participant, also when the stage is silent."""
        found = self._measured.get(broadcast_id)
        if found is None:
            return self._recalled.get(broadcast_id, {})
        return {**found.talked_before, **{s.participant_id: found.talked(s) for s in found.report.seats}}

    def recall(self, broadcast_id: str, talked: Mapping[str, float]) -> None:
        """Talk times as they were kept, before any report of the broadcast."""
        if talked:
            self._recalled[broadcast_id] = dict(talked)

    def audience_reported(self, report: AudienceReport, now: float) -> None:
        """Replaces what this edge said before."""
        before = self._audience.get(report.edge_id)
        if before is None and len(self._audience) >= MAX_EDGES:
            return
        self._audience[report.edge_id] = (now, report)
        old = {} if before is None else before[1].listening
        for slug in old.keys() | report.listening.keys():
            if old.get(slug) != report.listening.get(slug) and slug in self._rooms:
                self.changed(slug)

    def listeners(self, slug: str, now: float) -> dict[str, int]:
        """Listening now, by door, over all edges heard of in the last 15 s."""
        doors: dict[str, int] = {}
        for at, report in self._audience.values():
            if now - at <= AUDIENCE_AGE:
                for door, count in report.listening.get(slug, {}).items():
                    doors[door] = doors.get(door, 0) + max(0, count)
        return {door: count for door, count in sorted(doors.items()) if count}

    def tick(self, now: float) -> None:
        """Once in a while: what has become too old changes the picture, too."""
        for edge_id, (at, report) in list(self._audience.items()):
            if now - at > AUDIENCE_AGE:
                del self._audience[edge_id]
                for slug in report.listening:
                    self.changed(slug)
        heard = [(found.at, found.report.slug) for found in self._measured.values()]
        heard += [(at, recorded.slug) for at, recorded in self._recordings.values()]
        for at, slug in heard:
            if REPORT_AGE < now - at <= REPORT_AGE + 2.0:
                self.changed(slug)


def _visible(report: StageReport) -> object:
    """The part of a report that anybody sees; the rest (levels, counters) changes all the time."""
    seats = [
        (s.participant_id, s.connected, s.muted, s.speaking, round(s.talked_seconds)) for s in report.seats
    ]
    return (report.stage_id, report.live, report.egress_sessions, seats)
