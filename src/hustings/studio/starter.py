"""Does what is due in rooms by itself (rooms/due.py): opens doors, goes live, at the second.

Nothing is kept here: what is due is worked out from the rooms as committed, so after a restart it is what it
was, and each deed is one command in one transaction that looks once more whether it is still due. Between
two deeds it sleeps until the next one, and looks at the clocks every few seconds for steps.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import structlog
from prometheus_client import Counter, Histogram

from hustings.errors import Refused, Unavailable
from hustings.ids import new_broadcast_id
from hustings.rooms import commands as c
from hustings.rooms.due import Due, What, next_due
from hustings.rooms.errors import RoomError
from hustings.rooms.model import Room
from hustings.store.errors import UnknownRoom
from hustings.studio import schedule
from hustings.studio.service import Studio
from hustings.studio.trusted_time import TrustedTime

log = structlog.get_logger()

LOOK = 5.0
"""Seconds between two looks at the clocks at most."""
BACK_OFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds until a deed that failed is tried again; the last one repeats."""
OCCUPIED = 600.0
"""Seconds until it is looked again whether a room that nobody opened on air is empty."""
NOBODY_CAME = "nobody_came"

_done = Counter("hustings_studio_due_total", "What rooms did by themselves.", ["what"])
_failed = Counter(
    "hustings_studio_due_failures_total", "What was due and could not be done, each try.", ["what"]
)
_late = Histogram(
    "hustings_studio_due_late_seconds",
    "How late what was due was done; what was due already when it was planned counts from its time.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0),
)


class Starter:
    """`run` until cancelled; tests call `step`, which does what is due and says how long to sleep."""

    def __init__(self, studio: Studio, time: TrustedTime) -> None:
        self._studio = studio
        self._time = time
        self._seen: dict[str, Room] = {}
        self._due: dict[str, Due] = {}
        self._failures: dict[str, int] = {}
        self._wake = asyncio.Event()
        now = time.now()
        for room in studio.board.rooms():
            self._look(room, now)
        studio.board.on_change(self._changed)

    def _changed(self, slug: str) -> None:
        room = self._studio.board.room(slug)
        if room is None or self._seen.get(slug) is room:
            return  # a measurement: they come all the time
        self._look(room, self._time.now())
        self._wake.set()

    def _look(self, room: Room, now: float) -> None:
        self._seen[room.slug] = room
        self._failures.pop(room.slug, None)
        due = next_due(room, now)
        if due is None:
            self._due.pop(room.slug, None)
        else:
            self._due[room.slug] = due

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            delay = await self.step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    async def step(self) -> float:
        """Does all that is due; seconds until the next look."""
        now = self._time.now()
        for slug, due in list(self._due.items()):
            if due.at <= now and self._due.get(slug) is due:
                await self._do(slug, due, now)
        now = self._time.now()
        return max(0.0, min([LOOK, *(due.at - now for due in self._due.values())]))

    async def _do(self, slug: str, due: Due, now: float) -> None:
        try:
            await self._carry_out(slug, due, now)
        except (RoomError, UnknownRoom) as error:
            # Something else came first, and what is due now is another thing.
            log.info("not done by itself", what=due.what.value, why=type(error).__name__)
            self._due.pop(slug, None)
        except (Unavailable, Refused, OSError) as error:
            self._fail(slug, due, now, error)
        except Exception as error:  # one room's trouble must not keep the others from starting
            log.exception("could not be done by itself", what=due.what.value)
            self._fail(slug, due, now, error)

    def _fail(self, slug: str, due: Due, now: float, error: Exception) -> None:
        _failed.labels(due.what.value).inc()
        tried = self._failures[slug] = self._failures.get(slug, 0) + 1
        log.warning("due and not done yet", what=due.what.value, tried=tried, why=type(error).__name__)
        self._due[slug] = replace(due, at=now + BACK_OFF[min(tried, len(BACK_OFF)) - 1])

    async def _carry_out(self, slug: str, due: Due, now: float) -> None:
        studio, at = self._studio, self._studio.clock.wall()
        room = studio.room(slug)
        wanted = next_due(room, now)
        if wanted is None or wanted.what is not due.what or wanted.at > now:
            self._look(room, now)
            return
        match due.what:
            case What.DOORS:
                await studio.execute(slug, c.OpenDoors(new_broadcast_id(at), at, due=due.planned))
            case What.LIVE:
                await studio.execute(slug, c.GoLive(at, due=due.planned))
            case What.CLOSE:
                if self._occupied(room):
                    self._due[slug] = replace(due, at=now + OCCUPIED)
                    return
                # Not waiting for the stage: another room may be due.
                await studio.execute(slug, studio.ending(slug, NOBODY_CAME))
            case What.MOVE_ON:
                zone = room.details.time_zone or "UTC"
                following = schedule.next_weekly(due.planned, zone, now)
                await studio.execute(slug, c.MoveOn(due.planned, following, at))
        _done.labels(due.what.value).inc()
        _late.observe(max(0.0, now - wanted.at))
        log.info("done by itself", what=due.what.value, room=slug, late=round(now - wanted.at, 3))
        self._look(studio.room(slug), now)

    def _occupied(self, room: Room) -> bool:
        """Whether anybody is there, or nobody can say."""
        measured = self._studio.board.measured(
            room.broadcast.id if room.broadcast else "", self._studio.clock.monotonic()
        )
        return measured is None or any(seat.connected for seat in measured.report.seats)


def starter(studio: Studio, steady: Callable[[], float], synchronised: Callable[[], bool]) -> Starter:
    """One that goes by the studio's wall clock."""
    return Starter(studio, TrustedTime(studio.clock.wall, steady, synchronised))
