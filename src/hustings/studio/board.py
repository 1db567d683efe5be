"""What the studio knows right now: rooms as committed, what the stage measures, who listens.

All in memory and rebuilt after a restart: rooms from the database, the rest from the next reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hustings.bus.messages import AudienceReport, SeatReport, StageReport
from hustings.rooms.model import Room

AUDIENCE_AGE = 15.0
"""Seconds after which an edge's figure no longer counts."""
REPORT_AGE = 5.0
"""Seconds without a report after which nobody counts as connected."""
MAX_EDGES = 1024


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
        self._audience: dict[str, tuple[float, AudienceReport]] = {}
        self._on_change: list[Callable[[str], None]] = []

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
        talked = {} if before is None else before.talked_before
        if before is not None and before.report.stage_id != report.stage_id:
            talked = {**talked, **{s.participant_id: before.talked(s) for s in before.report.seats}}
        self._measured[report.broadcast_id] = Measured(report, now, talked)
        if before is None or _visible(before.report) != _visible(report):
            self.changed(report.slug)

    def measured(self, broadcast_id: str, now: float) -> Measured | None:
        """The broadcast's newest report, unless it is too old to say anything about now."""
        found = self._measured.get(broadcast_id)
        return found if found is not None and now - found.at <= REPORT_AGE else None

    def talked(self, broadcast_id: str) -> dict[str, float]:
        """Seconds by participant, also when the stage is silent."""
        found = self._measured.get(broadcast_id)
        if found is None:
            return {}
        return {**found.talked_before, **{s.participant_id: found.talked(s) for s in found.report.seats}}

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
        for found in self._measured.values():
            if REPORT_AGE < now - found.at <= REPORT_AGE + 2.0:
                self.changed(found.report.slug)


def _visible(report: StageReport) -> object:
    """The part of a report that anybody sees; the rest (levels, counters) changes all the time."""
    seats = [
        (s.participant_id, s.connected, s.muted, s.speaking, round(s.talked_seconds)) for s in report.seats
    ]
    return (report.stage_id, report.live, report.egress_sessions, seats)
