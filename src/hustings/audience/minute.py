"""One minute of one broadcast at one place, as plain numbers that can be added up over places."""

from __future__ import annotations

import msgspec

from hustings.audience.countries import is_code
from hustings.audience.lanes import DOORS, LANES, MINUTE, MOMENT, MOMENTS


def _lanes() -> list[int]:
    return [0] * len(LANES)


class Minute(msgspec.Struct, kw_only=True):
    """`number`: Unix seconds // 60. Lists are by lane, in the order of LANES."""

    number: int
    milliseconds: list[int] = msgspec.field(default_factory=_lanes)
    """Of listening."""
    moments: list[list[int]] = msgspec.field(default_factory=lambda: [[0] * MOMENTS for _ in LANES])
    """Listeners at each full 5 seconds of the minute, the first at its beginning."""
    joined: list[int] = msgspec.field(default_factory=_lanes)
    left: list[int] = msgspec.field(default_factory=_lanes)
    requests: int = 0
    connections: int = 0
    sketches: dict[int, bytes] = {}
    """By lane: who joined in this minute (sketch.py)."""
    countries: dict[str, tuple[int, int]] = {}
    """By country ("": unknown): milliseconds by all doors, and listeners who listened in this minute."""

    @property
    def begins(self) -> int:
        """Unix seconds."""
        return self.number * MINUTE

    @property
    def net(self) -> int:
        """Milliseconds of listening by all doors."""
        return sum(self.milliseconds[: len(DOORS)])

    def heard_in(self, country: str, milliseconds: int, listeners: int) -> None:
        """So much more was listened there."""
        before = self.countries.get(country, (0, 0))
        self.countries[country] = (before[0] + milliseconds, before[1] + listeners)

    def is_sound(self) -> bool:
        """Whether it has the shape it must have: it comes from another process."""
        shape = len(LANES)
        lists = (self.milliseconds, self.joined, self.left, *self.moments)
        return (
            all(len(each) == shape for each in (self.milliseconds, self.moments, self.joined, self.left))
            and all(len(each) == MOMENTS for each in self.moments)
            and all(0 <= value < 2**40 for each in lists for value in each)
            and all(0 <= lane < shape for lane in self.sketches)
            and 0 <= self.requests < 2**40
            and 0 <= self.connections < 2**40
            and all(not code or is_code(code) for code in self.countries)
            and all(0 <= value < 2**40 for pair in self.countries.values() for value in pair)
            and sum(milliseconds for milliseconds, _ in self.countries.values()) <= self.net
        )


def added(minutes: list[Minute], number: int) -> Minute:
    """The sum of what several places say of minute `number`, without sketches."""
    total = Minute(number=number)
    for minute in minutes:
        for lane in range(len(LANES)):
            total.milliseconds[lane] += minute.milliseconds[lane]
            total.joined[lane] += minute.joined[lane]
            total.left[lane] += minute.left[lane]
            for moment in range(MOMENTS):
                total.moments[lane][moment] += minute.moments[lane][moment]
        total.requests += minute.requests
        total.connections += minute.connections
        for country, pair in minute.countries.items():
            total.heard_in(country, *pair)
    # Of what a place did not tell, being of another version, nobody knows where it was.
    if missing := total.net - sum(milliseconds for milliseconds, _ in total.countries.values()):
        total.heard_in("", missing, 0)
    return total


def moment_after(at: float) -> int:
    """The first full 5 seconds after `at` (Unix seconds; not `at` itself), counted since 1970."""
    return int(at // MOMENT) + 1
