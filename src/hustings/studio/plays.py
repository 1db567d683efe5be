"""Replays by day and recording, added up over edges (docs/audience.md, Replay)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import Counter

from hustings.audience.sketch import Unique
from hustings.bus.audience_messages import Played
from hustings.clock import Clock
from hustings.errors import Corrupt
from hustings.rooms.record_entries import Fact

SETTLE: Final = 900.0
"""Seconds after midnight until yesterday is final: what was begun before may go on for a while."""
MAX_RECORDINGS: Final = 10_000
"""In one day."""

_dropped = Counter("hustings_studio_plays_dropped_total", "Reports of replays that could not be taken.")


def day_of(wall: float) -> str:
    """UTC."""
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d}"


class _Recording:
    def __init__(self) -> None:
        self.unique: dict[str, Unique] = {}
        """By salt."""
        self.milliseconds: dict[str, int] = {}
        """By place."""

    def sums(self) -> tuple[int, int]:
        """(plays, seconds)."""
        plays = sum(unique.count() for unique in self.unique.values())
        return plays, (sum(self.milliseconds.values()) + 500) // 1000


class Plays:
    """Figures only; of whom they are is in sketches with the day's salt."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._days: dict[str, dict[tuple[str, str], _Recording]] = {}
        self._changed: set[str] = set()

    def scope(self) -> str:
        """The salt's, of today."""
        return day_of(self._clock.wall())

    def scopes(self) -> set[str]:
        """Of all days that are not final yet."""
        return {self.scope(), *self._days}

    def played(self, message: Played) -> None:
        """What an edge says, in place of what it said before."""
        today = self.scope()
        if message.day not in self._days and message.day not in (today, day_of(self._clock.wall() - SETTLE)):
            _dropped.inc()
            return
        day = self._days.setdefault(message.day, {})
        key = (message.slug, message.broadcast_id)
        if key not in day and len(day) >= MAX_RECORDINGS:
            _dropped.inc()
            return
        recording = day.setdefault(key, _Recording())
        try:
            recording.unique.setdefault(message.salt, Unique()).merge(message.sketch)
        except Corrupt:
            _dropped.inc()
            return
        recording.milliseconds[message.place] = message.milliseconds
        self._changed.add(message.slug)

    def changed(self) -> set[str]:
        """Rooms whose figures changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def passing(self, slug: str) -> list[dict[str, Any]]:
        """Of a room, the newest day first."""
        return [
            _row(day, key[1], recording)
            for day, recordings in sorted(self._days.items(), reverse=True)
            for key, recording in recordings.items()
            if key[0] == slug
        ]

    def final(self) -> Iterable[tuple[str, list[Fact]]]:
        """By room, the entries of days that are over; each is given once."""
        wall = self._clock.wall()
        facts: dict[str, list[Fact]] = {}
        for day in [day for day in self._days if day < day_of(wall - SETTLE)]:
            for (slug, broadcast_id), recording in self._days.pop(day).items():
                if any(recording.sums()):
                    fact = Fact("audience_replay", wall, _row(day, broadcast_id, recording))
                    facts.setdefault(slug, []).append(fact)
        return facts.items()


def _row(day: str, broadcast_id: str, recording: _Recording) -> dict[str, Any]:
    plays, seconds = recording.sums()
    return {"broadcast": broadcast_id, "day": day, "plays": plays, "seconds": seconds}
