"""What all places say of one broadcast, added up, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hustings.audience.countries import named
from hustings.audience.lanes import DOORS, FINAL, LANES, MINUTE, MOMENT, NUMBER
from hustings.audience.minute import Minute, added
from hustings.audience.sketch import Unique
from hustings.errors import Corrupt

MAX_PLACES: Final = 1024
"""That one minute is heard of from: edges that died count, too."""
MAX_SALTS: Final = 8
NET: Final = len(LANES)
"""Beside the lanes: who came by any door."""
_DOORS: Final = tuple(NUMBER[door] for door in DOORS)

type Figures = dict[str, Any]
"""`data` of an entry "audience" (docs/audience.md) without `broadcast`."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was recorded of the broadcast before this process began. `last`: the last minute; `unique`: by
    lane and NET; `lost`: their salt is gone, so that who comes again is a new one."""

    last: int = -1
    unique: tuple[int, ...] = (0,) * (NET + 1)
    salts: int = 0
    lost: bool = False


class _Sets:
    """Who came so far, by salt: each with a set for each lane and one for all doors."""

    def __init__(self) -> None:
        self.by_salt: dict[str, dict[int, Unique]] = {}

    def merge(self, salt: str, sketches: Mapping[int, bytes]) -> bool:
        """Takes sketches in; False when there is something wrong with them."""
        if salt not in self.by_salt and len(self.by_salt) >= MAX_SALTS:
            return False
        sets = self.by_salt.setdefault(salt, {})
        try:
            for lane, data in sketches.items():
                for each in (lane, NET) if lane in _DOORS else (lane,):
                    sets.setdefault(each, Unique()).merge(data)
        except Corrupt:
            return False
        return True

    def copy(self) -> _Sets:
        other = _Sets()
        for salt, sets in self.by_salt.items():
            for number, unique in sets.items():
                other.by_salt.setdefault(salt, {}).setdefault(number, Unique()).merge(unique.to_bytes())
        return other

    def counts(self) -> list[int]:
        """By lane and NET. Nobody can be matched over two salts: they add up, to "at most"."""
        counts = [0] * (NET + 1)
        for sets in self.by_salt.values():
            for number, unique in sets.items():
                counts[number] += unique.count()
        return counts


class Merged:
    """Times are Unix seconds. `since`: when it went live; `countries`: whether these are told of."""

    def __init__(self, since: float, before: Before | None = None, *, countries: bool = False) -> None:
        self.before = before if before is not None else Before()
        self.dropped = 0
        """Minutes and sketches that could not be taken: too late, too many, not sound."""
        self._countries = countries
        self._since = int(since // MINUTE)
        self._last = self.before.last
        self._minutes: dict[int, dict[str, tuple[str, Minute]]] = {}
        self._sets = _Sets()
        self._unique = list(self.before.unique)

    def take(
        self, place: str, salt: str, minutes: Iterable[Minute], older: Mapping[int, bytes], now: float
    ) -> None:
        """What `place` says, in place of what it said of the same minutes before. `salt`: salt_name."""
        newest = int(now // MINUTE) + 1
        if older and not self._sets.merge(salt, {k: v for k, v in older.items() if 0 <= k < NET}):
            self.dropped += 1
        for minute in minutes:
            number = minute.number
            if not minute.is_sound() or number > newest:
                self.dropped += 1
            elif number > self._last and number >= self._since:
                places = self._minutes.setdefault(number, {})
                if place in places or len(places) < MAX_PLACES:
                    places[place] = (salt, minute)
                else:
                    self.dropped += 1
            elif any(minute.sketches.values()):
                # Told again after a restart: its figures stand already, who came is to be known once more.
                self._sets.merge(salt, minute.sketches)

    def final(self, now: float, ended: float | None, settle: float = FINAL) -> list[Figures]:
        """Minutes that nobody will add to any more, in order; each is given once. After `ended` nobody comes
        to count: then all are final once the last reports are there. `settle`: seconds."""
        done = int((now - settle) // MINUTE) - 1
        if ended is not None:
            done = int(ended // MINUTE)
        figures = []
        for number in sorted(n for n in self._minutes if n <= done):
            places = self._minutes.pop(number)
            minute = self._fold(self._sets, places, number)
            self._unique = [max(pair) for pair in zip(self._unique, self._counted(self._sets), strict=True)]
            figures.append(self._figures(minute, self._unique))
            self._last = number
        return figures

    def passing(self, now: float) -> list[Figures]:
        """Minutes that are not final yet, as they stand."""
        sets, unique = self._sets.copy() if self._minutes else self._sets, self._unique
        figures = []
        for number in sorted(self._minutes):
            minute = self._fold(sets, self._minutes[number], number)
            unique = [max(pair) for pair in zip(unique, self._counted(sets), strict=True)]
            # What is delivered is told of every 5 s: of the last moments nobody has told yet.
            moment = min(MINUTE // MOMENT - 1, int((now - 2 * MOMENT - number * MINUTE) // MOMENT))
            figures.append(self._figures(minute, unique, max(0, moment)))
        return figures

    def _figures(self, minute: Minute, unique: list[int], moment: int = MINUTE // MOMENT - 1) -> Figures:
        figures = figures_of(minute, unique, self.salts, moment)
        if self._countries:
            figures["countries"] = named(minute.countries, figures["net"]["seconds"])
        return figures

    @property
    def salts(self) -> int:
        return max(1, len(self._sets.by_salt) + (self.before.salts if self.before.lost else 0))

    def _fold(self, sets: _Sets, places: Mapping[str, tuple[str, Minute]], number: int) -> Minute:
        for salt, minute in places.values():
            if minute.sketches and not sets.merge(salt, minute.sketches):
                self.dropped += 1
        return added([minute for _, minute in places.values()], number)

    def _counted(self, sets: _Sets) -> list[int]:
        counts = sets.counts()
        if self.before.lost:
            counts = [a + b for a, b in zip(counts, self.before.unique, strict=True)]
        return counts


def figures_of(minute: Minute, unique: list[int], salts: int, moment: int) -> Figures:
    """`unique`: by lane and NET, since the broadcast began. `moment`: the last one that is known."""

    def of(lanes: tuple[int, ...], count: int) -> dict[str, int]:
        sums = [sum(column) for column in zip(*(minute.moments[lane] for lane in lanes), strict=True)]
        return {
            "concurrent": sums[moment],
            "peak": max(sums),
            "seconds": (sum(minute.milliseconds[lane] for lane in lanes) + 500) // 1000,
            "unique": count,
        }

    joined, left = (sum(each[lane] for lane in _DOORS) for each in (minute.joined, minute.left))
    doors = {door: of((NUMBER[door],), unique[NUMBER[door]]) for door in DOORS}
    return {
        "minute": minute.begins,
        "net": {**of(_DOORS, unique[NET]), "joined": joined, "left": left},
        "doors": {door: each for door, each in doors.items() if any(each.values())},
        "beacon": of((NUMBER["beacon"],), unique[NUMBER["beacon"]]),
        "bots": of((NUMBER["bots"],), unique[NUMBER["bots"]]),
        "requests": minute.requests,
        "connections": minute.connections,
        "salts": salts,
    }
