"""Who was brought up from the audience and is not connected any more: after a minute the seat goes back.

Whether somebody is connected only the stage knows, and only as long as it reports: while it is silent, or has
begun anew, nobody's time runs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter

from hustings.bus.messages import StageReport
from hustings.clock import Clock
from hustings.rooms import commands as c
from hustings.rooms.errors import RoomError
from hustings.rooms.model import ABSENT_SECONDS, CONDUCTING, Room
from hustings.rooms.table import SeatState
from hustings.store.errors import UnknownRoom
from hustings.studio.board import REPORT_AGE

log = structlog.get_logger()

LOOKING = 5.0
"""Seconds between two looks; so much longer than ABSENT_SECONDS it may take."""

_lapsed = Counter("hustings_studio_lapsed_seats_total", "Seats given back because nobody was connected.")


@dataclass(slots=True)
class _Watched:
    """One broadcast."""

    stage_id: str
    slug: str
    heard_at: float
    away_since: dict[str, float] = field(default_factory=dict)
    """Monotonic, by participant."""


class Absences:
    """`execute` carries out a command in a room; see Studio.execute."""

    def __init__(self, execute: Callable[[str, c.Command], Awaitable[object]], clock: Clock) -> None:
        self._execute = execute
        self._clock = clock
        self._watched: dict[str, _Watched] = {}

    def stage_reported(self, report: StageReport, room: Room | None) -> None:
        """`room` as committed, None if it is unknown."""
        now = self._clock.monotonic()
        if room is None or room.broadcast is None or room.broadcast.id != report.broadcast_id:
            return
        known = self._watched.get(report.broadcast_id)
        if known is None or known.stage_id != report.stage_id or now - known.heard_at > REPORT_AGE:
            known = _Watched(report.stage_id, report.slug, now)
            self._watched[report.broadcast_id] = known
        known.heard_at = now
        here = {seat.participant_id for seat in report.seats if seat.connected}
        known.away_since = {
            person: known.away_since.get(person, now) for person in _brought_up(room) if person not in here
        }

    async def look(self) -> None:
        """Gives back what is due; forgets broadcasts that nobody reports any more."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        for broadcast_id, known in list(self._watched.items()):
            if now - known.heard_at > REPORT_AGE:
                del self._watched[broadcast_id]
                continue
            for person, since in list(known.away_since.items()):
                if now - since >= ABSENT_SECONDS:
                    with contextlib.suppress(RoomError, UnknownRoom):
                        await self._execute(known.slug, c.Lapse(person, wall - (now - since), wall))
                        _lapsed.inc()
                        log.info("a seat went back: nobody was connected", room=known.slug)
                    known.away_since.pop(person, None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOKING)
            try:
                await self.look()
            except Exception:
                log.exception("seats could not be given back")


def _brought_up(room: Room) -> list[str]:
    """Participants with a seat that came from a raised hand; whom a host made cohost is none of them."""
    return [
        person.id
        for person in room.participants.values()
        if person.state in (SeatState.SEATED, SeatState.WAITING)
        and person.role not in CONDUCTING
        and room.invitations[person.invitation_id].request_id
    ]
