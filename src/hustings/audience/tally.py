"""Listeners of one broadcast at one place: sessions in, minutes out (docs/audience.md).

Whoever knows a door tells what was delivered to whom and when; here it is decided who counts. Times are
monotonic seconds of the caller's; `offset` makes Unix seconds of them and stays as it is, so that a clock
that is set does not move anybody's minutes.
"""

from __future__ import annotations

from typing import Final

from hustings.audience.lanes import (
    DOORS,
    FINAL,
    LANES,
    MINUTE,
    MOMENT,
    MOMENTS,
    NUMBER,
    SECONDS,
    WITHIN,
    Lane,
)
from hustings.audience.minute import Minute, moment_after
from hustings.audience.sketch import Unique

MAX_SESSIONS: Final = 100_000
MAX_PIECES: Final = 16
"""Stretches of delivered sound remembered of one who does not count yet; the oldest goes first."""
KEEP: Final = 10
"""Minutes kept, for whoever adds them up and was away."""
JOINED: Final = 0.05
"""Seconds between two stretches that are one."""


class Session:
    """One listener, perhaps. `until`: what was delivered to him last ended then; None: nothing was. `minute`:
    the last one in which he is among the listeners of his country."""

    __slots__ = ("_delivered", "_pieces", "counted", "country", "key", "lane", "minute", "over", "until")

    def __init__(self, lane: Lane, key: int, country: str) -> None:
        self.lane = NUMBER[lane]
        self.key = key
        self.country = country
        self.minute = -1
        self.counted = False
        self.over = False
        self.until: float | None = None
        self._pieces: list[tuple[float, float]] | None = None
        self._delivered = 0.0

    def wait(self, begin: float, end: float, within: float) -> tuple[float, int]:
        """Takes in one more stretch, forgets what is too old; (seconds delivered so far, stretches that
        were forgotten for want of room)."""
        pieces = self._pieces if self._pieces is not None else []
        self._pieces = pieces
        if pieces and begin - pieces[-1][1] <= JOINED:
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((begin, end))
        self._delivered += end - begin
        lost = 0
        while pieces[0][1] <= end - within or len(pieces) > MAX_PIECES:
            lost += pieces[0][1] > end - within
            gone = pieces.pop(0)
            self._delivered -= gone[1] - gone[0]
        if pieces[0][0] < end - within:
            self._delivered -= end - within - pieces[0][0]
            pieces[0] = (end - within, pieces[0][1])
        return self._delivered, lost

    def count(self) -> list[tuple[float, float]]:
        """It counts from now on; what was delivered to it so far."""
        pieces, self._pieces = self._pieces or [], None
        self.counted = True
        return pieces


class Tally:
    """`seconds` and `within`: as in the method; tests have less patience."""

    def __init__(self, offset: float, *, seconds: float = SECONDS, within: float = WITHIN) -> None:
        self.sessions = 0
        """That are not over, counted or not."""
        self.dropped = dict.fromkeys(("session", "stretch", "unkeyed"), 0)
        """What did not fit, and listeners who count but in no `unique`: their salt was not there yet."""
        self._offset = offset
        self._seconds = seconds
        self._within = within
        self._minutes: dict[int, Minute] = {}
        self._unique: dict[int, dict[int, Unique]] = {}
        """By minute and lane: who joined."""
        self._older: dict[int, Unique] = {}
        """Of the minutes that are kept no more."""
        self._dirty: set[int] = set()

    # --- what happens ------------------------------------------------------------------------

    def begin(self, lane: Lane, key: int, country: str = "") -> Session | None:
        """A listener, perhaps; None when there is no room for one more. `key`: visitor_key, 0 for unknown;
        `country`: its code, "" for unknown."""
        if self.sessions >= MAX_SESSIONS:
            self.dropped["session"] += 1
            return None
        self.sessions += 1
        return Session(lane, key, country)

    def took(self, session: Session, begin: float, end: float) -> None:
        """From `begin` to `end` sound was delivered. Stretches of one session come in order."""
        if end <= begin or session.over:
            return
        session.until = end
        if session.counted:
            self._add(session, begin, end)
            return
        delivered, lost = session.wait(begin, end, self._within)
        self.dropped["stretch"] += lost
        if delivered >= self._seconds - 1e-6:
            pieces = session.count()
            for piece in pieces:
                self._add(session, *piece)
            number = self._number(pieces[0][0])
            self._minute(number).joined[session.lane] += 1
            self._met(number, session)

    def end(self, session: Session) -> None:
        """Nothing more is delivered. May be repeated."""
        if session.over:
            return
        session.over = True
        self.sessions -= 1
        if session.counted and session.until is not None:
            self._minute(self._number(session.until)).left[session.lane] += 1

    def asked(self, now: float, *, requests: int = 0, connections: int = 0) -> None:
        """Gross: who asked, whatever becomes of it."""
        minute = self._minute(self._number(now))
        minute.requests += requests
        minute.connections += connections

    def on_air(self, now: float) -> None:
        """There is something to listen to: this minute is told of, also when nobody does."""
        self._minute(self._number(now))

    # --- what is told ------------------------------------------------------------------------

    def drain(self) -> list[Minute]:
        """The minutes that changed since the last call, each whole: to put in place of what was said of it
        before."""
        numbers, self._dirty = sorted(self._dirty & self._minutes.keys()), set()
        return [self._told(number) for number in numbers]

    def all(self) -> tuple[list[Minute], dict[int, bytes]]:
        """Everything that is kept, and who joined in minutes that are not kept any more, by lane."""
        self._dirty = set()
        minutes = [self._told(number) for number in sorted(self._minutes)]
        return minutes, {lane: unique.to_bytes() for lane, unique in self._older.items()}

    def forget(self, now: float) -> None:
        """Lets go of minutes that have long been final. Call after what they say was told."""
        for number in [n for n in self._minutes if n < self._number(now) - KEEP]:
            del self._minutes[number]
            for lane, unique in self._unique.pop(number, {}).items():
                self._older.setdefault(lane, Unique()).merge(unique.to_bytes())

    def _told(self, number: int) -> Minute:
        minute = self._minutes[number]
        minute.sketches = {lane: each.to_bytes() for lane, each in self._unique.get(number, {}).items()}
        return minute

    # --- minutes -----------------------------------------------------------------------------

    def _number(self, at: float) -> int:
        return int((at + self._offset) // MINUTE)

    def _minute(self, number: int) -> Minute:
        minute = self._minutes.get(number)
        if minute is None:
            minute = self._minutes[number] = Minute(number=number)
        self._dirty.add(number)
        return minute

    def _add(self, session: Session, begin: float, end: float) -> None:
        """One who counts listened from `begin` to `end`."""
        lane = session.lane
        first, last = begin + self._offset, end + self._offset
        at = first
        while at < last:
            number = int(at // MINUTE)
            stop = min(last, (number + 1) * MINUTE)
            # Sums of many short stretches must not drift: each is rounded by its ends, not by its length.
            minute, spent = self._minute(number), round(stop * 1000) - round(at * 1000)
            minute.milliseconds[lane] += spent
            if lane < len(DOORS):
                minute.heard_in(session.country, spent, number > session.minute)
                session.minute = number
            at = stop
        moment = moment_after(first)
        while moment * MOMENT <= last:
            number, place = divmod(moment, MOMENTS)
            self._minute(number).moments[lane][place] += 1
            moment += 1

    def _met(self, number: int, session: Session) -> None:
        if not session.key:
            self.dropped["unkeyed"] += 1
            return
        lanes = self._unique.setdefault(number, {})
        lanes.setdefault(session.lane, Unique()).add(session.key)


assert KEEP * MINUTE > 2 * FINAL
assert len(LANES) == len(NUMBER)
