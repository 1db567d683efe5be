"""What happens in a room by itself, and when. Pure; times are Unix seconds.

Doors open so many minutes before the time a room is planned for (`Details.opens_itself`, `doors_minutes`):
nobody but the invited is heard then, so it takes no decision. Going live by itself has to be asked for
(`starts_itself`), for it opens microphones. What was missed, because nobody was there to do it, is done late
rather than not, within bounds; a room's state says what has been done, so nothing is done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hustings.rooms.model import Details, Room
from hustings.rooms.table import RoomStatus

LATE_START = 15 * 60.0
"""Seconds after its time at which a room still goes live by itself; later, hosts decide."""
GIVE_UP = 2 * 3600.0
"""Seconds after its time until which doors still open by themselves. Then those that did close again, if
nobody came, and a weekly room goes on to its next time."""
NEAR_BEFORE = 24 * 3600.0
NEAR_AFTER = 12 * 3600.0
"""How far from its time a broadcast may begin and still count as the planned one."""


class What(Enum):
    """What is due."""

    DOORS = "doors"
    LIVE = "live"
    CLOSE = "close"
    """Nobody came."""
    MOVE_ON = "move on"
    """To the next week."""


@dataclass(frozen=True, slots=True)
class Due:
    """`at` may lie in the past: then it is due now. `planned` is the time the room is planned for."""

    what: What
    at: float
    planned: float


def next_due(room: Room, now: float) -> Due | None:
    """The next thing that happens by itself, as far as `room` says now; None for nothing."""
    if room.status is RoomStatus.OPEN:
        return _open_due(room, now)
    planned = room.scheduled_at
    if planned is None or room.status not in (RoomStatus.SCHEDULED, RoomStatus.ENDED):
        return None
    opens = doors_due(room)
    if opens is not None and now < planned + GIVE_UP:
        return Due(What.DOORS, opens, planned)
    return Due(What.MOVE_ON, planned + GIVE_UP, planned) if room.details.weekly else None


def _open_due(room: Room, now: float) -> Due | None:
    broadcast = room.broadcast
    if broadcast is None:
        return None
    starts = broadcast.starts_at
    if starts is not None and now < starts + LATE_START:
        return Due(What.LIVE, starts, starts)
    planned = broadcast.planned_at
    if planned is not None and doors_at(room.details) is not None:
        return Due(What.CLOSE, planned + GIVE_UP, planned)
    return None


def doors_at(details: Details) -> float | None:
    """When doors open by themselves. A room that goes live by itself opens by then at the latest."""
    planned = details.scheduled_at
    if planned is None or not (details.opens_itself or details.starts_itself):
        return None
    return planned - (details.doors_minutes * 60.0 if details.opens_itself else 0.0)


def doors_due(room: Room) -> float | None:
    """When its doors open by themselves next. None when they do not, or when the planned broadcast has been:
    one that ended after that moment (an earlier one was a rehearsal)."""
    opens = doors_at(room.details)
    if opens is None or room.status not in (RoomStatus.SCHEDULED, RoomStatus.ENDED):
        return None
    ended = room.broadcast.ended_at if room.broadcast is not None else None
    if room.status is RoomStatus.ENDED and ended is not None and ended > opens:
        return None
    return opens


def planned_near(details: Details, at: float) -> float | None:
    """The time a broadcast whose doors open at `at` is planned for."""
    planned = details.scheduled_at
    if planned is None or not planned - NEAR_BEFORE <= at <= planned + NEAR_AFTER:
        return None
    return planned


def start_ahead(details: Details, at: float) -> float | None:
    """When a broadcast that is open at `at` goes live by itself: only at a time that is still to come."""
    planned = details.scheduled_at
    return planned if details.starts_itself and planned is not None and planned > at else None
