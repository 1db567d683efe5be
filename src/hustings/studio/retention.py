"""How long recordings are kept: what a room's host says, bounded by the server's setting. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

DAY = 86_400.0


def days_kept(room: int | None, server: int) -> int | None:
    """Days after its end; None: for ever. `room`: Details.keep_days; `server`: HUSTINGS_KEEP_DAYS, 0 none."""
    return min((days for days in (room, server) if days), default=None)


def kept_until(ended_at: float, room: int | None, server: int) -> float | None:
    """Unix seconds; None: for ever."""
    days = days_kept(room, server)
    return None if days is None else ended_at + days * DAY


def began_at(broadcast: str) -> float:
    """When a broadcast's doors opened: its identifier says so. Unix seconds."""
    return datetime.strptime(broadcast[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
