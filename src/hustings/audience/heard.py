"""HLS, and what players say of themselves: many short requests at several edges become listeners.

An edge collects who took how much for some seconds (`Collector`) and sends that as packed records; at the
studio they meet (`Hearers`), so that one browser with connections to two edges is one listener.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from hustings.audience.countries import is_code
from hustings.audience.lanes import LANES, NUMBER, Lane
from hustings.audience.tally import Session, Tally
from hustings.errors import Corrupt

AHEAD: Final = 18.0
"""Seconds of fetched sound that may lie ahead of the clock: three segments."""
TOLD: Final = 6.0
"""Seconds after which every edge has told what was fetched there."""
SLACK: Final = 5
"""... by which sound may be fetched later than it ought to be heard: pieces come in lumps."""
STEP: Final = 5.0
MOST_FETCHED: Final = 60.0
"""Seconds of sound taken from one message: more lie ahead of what anybody can have heard."""
QUIET_BEACON: Final = 45.0
"""... for players that say something every 20 s."""
QUIET: Final = 15.0
"""Seconds without anything fetched that end a listener."""
MAX_COLLECTED: Final = 40_000
"""Listeners in one message: with 24 bytes each it fits on the bus."""
REMEMBERED: Final = 3
"""Messages whose listeners' countries are remembered: who comes again within QUIET is not looked up again."""
MAX_HEARERS: Final = 200_000
_RECORD: Final = struct.Struct("<QQHBBBB")
_MOST: Final = 0xFFFF


class Taken(NamedTuple):
    """What one listener took within one message's time. `who`: the same for one listener at all edges; `key`:
    visitor_key, 0 for unknown. `first`, `last`: seconds after its beginning when he asked; `seconds`: of
    sound; `piece`: length of the last piece; `country`: its code, "" for unknown."""

    who: int
    key: int
    seconds: float
    first: float
    last: float
    piece: float
    lane: Lane
    country: str = ""


class _Collected:
    __slots__ = ("country", "first", "key", "lane", "last", "piece", "seconds", "who")

    def __init__(self, who: int, key: int, lane: Lane, at: float, country: str | None) -> None:
        self.who = who
        self.key = key
        self.lane = lane
        self.country = country
        self.first = at
        self.last = at
        self.seconds = 0.0
        self.piece = 0.0


class Collector:
    """One broadcast at one edge. Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self.dropped = 0
        self._begin = now
        self._taken: dict[int, _Collected] = {}
        self._countries: list[dict[int, str]] = []
        """By visitor, of late."""

    def __len__(self) -> int:
        return len(self._taken)

    def took(self, visitor: int, seconds: float, now: float) -> bool:
        """`seconds` of sound went to `visitor`, the caller's name for him; False when nothing was taken since
        the last `drain`: then `begin` comes first."""
        taken = self._taken.get(visitor)
        if taken is None:
            return False
        taken.last = now
        taken.seconds += seconds
        taken.piece = seconds
        return True

    def country(self, visitor: int) -> str | None:
        """As it was said when `visitor` was here last; None: he was not of late."""
        return next((each[visitor] for each in self._countries if visitor in each), None)

    def begin(
        self, visitor: int, who: int, key: int, lane: Lane, now: float, country: str | None = None
    ) -> bool:
        """Who `visitor` is; False when there is no room for one more. `country`: None where nobody looks."""
        if len(self._taken) >= MAX_COLLECTED:
            self.dropped += 1
            return False
        self._taken[visitor] = _Collected(who, key, lane, now, country)
        return True

    def drain(self, now: float) -> tuple[float, bytes, bytes]:
        """(when it began, records, countries) since the last call; at most 25.5 s lie between two calls.
        Countries are two letters for each record, zeros for unknown; nothing when there are none."""
        begin, taken = self._begin, self._taken
        self._begin, self._taken = now, {}
        said = {visitor: each.country for visitor, each in taken.items() if each.country is not None}
        self._countries = [said, *self._countries[: REMEMBERED - 1]]

        def tenths(seconds: float, most: int) -> int:
            return min(most, max(0, round(seconds * 10)))

        packed = [
            _RECORD.pack(
                each.who,
                each.key,
                tenths(each.seconds, _MOST),
                tenths(each.first - begin, 255),
                tenths(each.last - begin, 255),
                tenths(each.piece, 255),
                NUMBER[each.lane],
            )
            for each in taken.values()
        ]
        known = any(said.values())
        countries = b"".join((each.country or "\0\0").encode() for each in taken.values()) if known else b""
        return begin, b"".join(packed), countries


def read_records(data: bytes, countries: bytes = b"") -> Iterator[Taken]:
    """Of one message. Raises Corrupt."""
    count = len(data) // _RECORD.size
    if len(data) % _RECORD.size or count > MAX_COLLECTED:
        raise Corrupt(f"{len(data)} bytes are no records")
    if len(countries) not in (0, 2 * count):
        raise Corrupt(f"{len(countries)} bytes are no countries of {count}")
    for at, (who, key, seconds, first, last, piece, lane) in enumerate(_RECORD.iter_unpack(data)):
        if lane >= len(LANES):
            raise Corrupt(f"no lane {lane}")
        country = countries[2 * at : 2 * at + 2].decode("latin-1").strip("\0")
        if country and not is_code(country):
            raise Corrupt(f"no country {country!r}")
        yield Taken(who, key, seconds / 10, first / 10, last / 10, piece / 10, LANES[lane], country)


class _Hearer:
    __slots__ = ("credit", "fetched", "last", "piece", "reach", "session", "until")

    def __init__(self, session: Session, at: float) -> None:
        self.session = session
        self.last = at
        """When he asked for sound last."""
        self.piece = 0.0
        self.until = at
        """Up to here it is settled what he heard."""
        self.credit = 0.0
        """Seconds fetched and not heard yet, of those up to `reach`."""
        self.reach = int(at)
        self.fetched: dict[int, float] = {}
        """By second, after `reach`."""


class Hearers:
    """All of one broadcast, in a tally. Times as the tally's.

    Edges tell of the same seconds one after the other and at different moments, so what was fetched is spread
    over the time in which it was, and heard from only when all have told.
    """

    def __init__(self, tally: Tally) -> None:
        self.dropped = 0
        self._tally = tally
        self._hearers: dict[tuple[int, int], _Hearer] = {}

    def __len__(self) -> int:
        return len(self._hearers)

    def took(self, taken: Taken, begin: float) -> None:
        """One record of a message that began at `begin`."""
        who = (NUMBER[taken.lane], taken.who)
        first, last = begin + taken.first, begin + max(taken.first, taken.last)
        piece, quiet = max(taken.piece, 0.1), QUIET
        if taken.lane == "beacon":  # said afterwards
            first, piece, quiet = first - taken.seconds, 0.0, QUIET_BEACON
        hearer = self._hearers.get(who)
        if hearer is not None and first - hearer.last > quiet:
            self._leaves(self._hearers.pop(who))
            hearer = None
        if hearer is None:
            session = None
            if len(self._hearers) < MAX_HEARERS:
                session = self._tally.begin(taken.lane, taken.key, taken.country)
            if session is None:
                self.dropped += 1
                return
            hearer = self._hearers[who] = _Hearer(session, first)
        elif not hearer.session.counted:
            hearer.session.key = hearer.session.key or taken.key
            hearer.session.country = hearer.session.country or taken.country
        hearer.last = max(hearer.last, last)
        hearer.piece = piece
        self._fetched(hearer, first, max(first + 0.1, last + piece), min(taken.seconds, MOST_FETCHED))

    @staticmethod
    def _fetched(hearer: _Hearer, begin: float, end: float, seconds: float) -> None:
        """So much, evenly between `begin` and `end`."""
        for second in range(int(begin), int(end) + 1):
            part = seconds * max(0.0, min(end, second + 1) - max(begin, second)) / (end - begin)
            if second < hearer.reach:
                hearer.credit += part
            else:
                hearer.fetched[second] = hearer.fetched.get(second, 0.0) + part

    def _hears(self, hearer: _Hearer, horizon: float) -> None:
        """What he had has been heard up to `horizon`, or to the middle of the last piece: that is how much of
        it is heard by one who leaves, on the average."""
        limit = min(horizon, hearer.last + hearer.piece / 2)
        run = hearer.until
        while hearer.until < limit:
            second = int(hearer.until)
            end = min(second + 1.0, limit)
            while hearer.reach <= second + SLACK:
                hearer.credit += hearer.fetched.pop(hearer.reach, 0.0)
                hearer.reach += 1
            hearer.credit = min(hearer.credit, AHEAD)
            heard = min(end - hearer.until, hearer.credit)
            hearer.credit -= heard
            if heard < end - hearer.until:
                # He has run dry: the rest of this second was silent.
                self._tally.took(hearer.session, run, hearer.until + heard)
                run = end
            hearer.until = end
        self._tally.took(hearer.session, run, hearer.until)

    def _leaves(self, hearer: _Hearer) -> None:
        self._hears(hearer, float("inf"))
        self._tally.end(hearer.session)

    def tick(self, now: float) -> None:
        """Once a second. Settles what all edges have told of, and lets go of those who fetch no more."""
        for who, hearer in list(self._hearers.items()):
            quiet = QUIET_BEACON if who[0] == NUMBER["beacon"] else QUIET
            if now - hearer.last > quiet + TOLD:
                self._leaves(self._hearers.pop(who))
            elif now - TOLD - SLACK - hearer.until >= STEP:
                self._hears(hearer, now - TOLD - SLACK)

    def end(self) -> None:
        """The broadcast is over: for all."""
        for hearer in self._hearers.values():
            self._leaves(hearer)
        self._hearers.clear()
