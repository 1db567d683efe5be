"""What an edge gives up under load, in which order, and when it takes it up again.

Pure. One ladder, always climbed and descended step by step:

| level | what is given up |
|---|---|
| 0 calm | nothing |
| 1 widened | batches of push grow to 400 and 800 ms (load.py): nobody is refused anything |
| 2 no_input | questions, reactions, votes, hands: 503 |
| 3 lobby | newcomers to the sound wait their turn: so many a second are let in |
| 4 pages | pages, too, are given to so many a second only; the others get the lobby's page |

Sound of whoever listens is on no level. What endangers it is lateness: a turn of the event loop, or the way
of a batch to the last listener, that takes too long. A processor that is merely busy widens batches and
stops inputs, no more: with everybody served in time there is nobody to refuse.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from hustings.edge.load import WIDEST, Load

type Kind = Literal["input", "join", "page"]


class Level(IntEnum):
    """How much is given up now."""

    CALM = 0
    WIDENED = 1
    NO_INPUT = 2
    LOBBY = 3
    PAGES = 4


GIVEN_UP: dict[Kind, Level] = {"input": Level.NO_INPUT, "join": Level.LOBBY, "page": Level.PAGES}
"""From which level on something is given up, or given to few."""
LATE = 0.25
"""Seconds sound may be late before something more is given up: a batch and a bit."""
EASY = 0.125
"""Seconds below which things are taken up again."""
FAR_LATE = 1.0
"""Seconds at which there is no waiting for a second look."""
BUSY = 0.92
QUIET = 0.80
"""Share of a core above which inputs stop, and below which they are taken again."""
RAISE_AFTER = 2
"""Samples in a row (one a second), unless it is far late."""


class Shedding:
    """Fed once a second by `update`. `load` widens the batches."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.level = Level.CALM
        self.strained = False
        """Whether sound was late in the last second."""
        self._steps = 0
        self._high = 0

    def update(self, cpu_share: float, late: float) -> None:
        """One second: share of a core used, and by how much the loop or a batch was late, in seconds."""
        self.load.update(cpu_share, late)
        self.strained = late > LATE
        if self.load.batch < WIDEST:
            if late > FAR_LATE:
                self.load.widest()
            self._steps = max(0, self._steps - 1)
            self._high = 0
        elif self.strained or (cpu_share > BUSY and not self._steps):
            self._high += 1
            if self._high >= RAISE_AFTER or late > FAR_LATE:
                self._steps = min(self._steps + 1, 3)
                self._high = 0
        else:
            self._high = 0
            # Only questions and reactions wait for the processor to rest; people wait for lateness to end.
            if late < EASY and (self._steps > 1 or cpu_share < QUIET):
                self._steps = max(0, self._steps - 1)
        base = Level.WIDENED if self.load.batch > 1 else Level.CALM
        self.level = Level(Level.WIDENED + self._steps) if self._steps else base

    def sheds(self, kind: Kind) -> bool:
        """Whether this is given up now, or given to few."""
        return self.level >= GIVEN_UP[kind]


class Pace:
    """How many a second are let through while others wait: less when sound is late, else more and more."""

    def __init__(self, *, least: float, most: float) -> None:
        self.rate = most
        self._least = least
        self._most = most
        self._limited = False

    def second(self, *, limited: bool, strained: bool, asked: int) -> None:
        """A second is over. `limited`: whether anybody is held back now; `asked`: how many came in it."""
        if not limited:
            self.rate = self._most
        elif not self._limited:
            # Half of what has just been too much.
            self.rate = asked / 2
        elif strained:
            self.rate *= 0.6
        else:
            self.rate = self.rate * 1.3 + self._least
        self.rate = min(max(self.rate, self._least), self._most)
        self._limited = limited
