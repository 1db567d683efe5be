"""How a broadcast began, for pages, state.json and start.json. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.due import doors_due
from hustings.rooms.model import Room
from hustings.rooms.table import RoomStatus
from hustings.studio.context import IncidentView, StartView
from hustings.studio.text import utc


def start_view(
    room: Room, speaker_at: float | None, sound_at: float | None, incidents: tuple[tuple[float, str], ...]
) -> StartView | None:
    """Of the broadcast that is on or was last; of a room that is only planned, what is meant to happen. None
    for a room that is neither. Times are Unix seconds."""
    broadcast = room.broadcast
    if room.status is RoomStatus.SCHEDULED or broadcast is None:
        planned = room.scheduled_at
        if planned is None or room.status is not RoomStatus.SCHEDULED:
            return None
        live_due = planned if room.details.starts_itself else None
        return StartView(utc(planned), doors_due=utc(doors_due(room)), live_due=utc(live_due))
    live = broadcast.live_since
    late = None if live is None or broadcast.planned_at is None else round(live - broadcast.planned_at, 2)
    waits = live is None and room.status in CONNECTABLE
    return StartView(
        utc(broadcast.planned_at),
        live_due=utc(broadcast.starts_at) if waits else "",
        opened_at=exact(broadcast.opened_at),
        speaker_at=exact(speaker_at),
        live_at=exact(live),
        sound_at=exact(sound_at),
        late_seconds=late,
        incidents=tuple(IncidentView(exact(at), what) for at, what in incidents),
    )


def start_state(view: StartView) -> dict[str, Any]:
    """As in state.json."""
    return {
        "planned_at": view.planned_at or None,
        "doors_due": view.doors_due or None,
        "live_due": view.live_due or None,
        "opened_at": view.opened_at or None,
        "speaker_at": view.speaker_at or None,
        "live_at": view.live_at or None,
        "sound_at": view.sound_at or None,
        "late_seconds": view.late_seconds,
        "incidents": [{"at": each.at, "what": each.what} for each in view.incidents],
    }


def exact(seconds: float | None) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond; "" for None."""
    if seconds is None:
        return ""
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
