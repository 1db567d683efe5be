"""HLS, and what players say of themselves: many short requests at several edges become listeners.

An edge collects who took how much for some seconds (`Collector`) and sends that as packed records; at the
studio they meet (`Hearers`), so that one browser with connections to two edges is one listener.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from hustings.audience.lanes import LANES, NUMBER, Lane
from hustings.audience.tally import Session, Tally
from hustings.errors import Corrupt

AHEAD: Final = 18.0
"""Seconds of fetched sound that may lie ahead of the clock: three segments."""
QUIET: Final = 15.0
"""Seconds without anything fetched that end a listener."""
MAX_COLLECTED: Final = 40_000
"""Listeners in one message: with 22 bytes each it fits on the bus."""
MAX_HEARERS: Final = 200_000
_RECORD: Final = struct.Struct("<QQHBBBB")
_MOST: Final = 0xFFFF


class Taken(NamedTuple):
    """What one listener took within one message's time. `who`: the same for one listener at all edges; `key`:
    visitor_key, 0 for unknown. `first`, `last`: seconds after its beginning when he asked; `seconds`: of
    sound; `piece`: length of the last piece."""

    who: int
    key: int
    seconds: float
    first: float
    last: float
    piece: float
    lane: Lane


class _Collected:
    __slots__ = ("first", "key", "lane", "last", "piece", "seconds", "who")

    def __init__(self, who: int, key: int, lane: Lane, at: float) -> None:
        self.who = who
        self.key = key
        self.lane = lane
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

    def begin(self, visitor: int, who: int, key: int, lane: Lane, now: float) -> bool:
        """Who `visitor` is; False when there is no room for one more."""
        if len(self._taken) >= MAX_COLLECTED:
            self.dropped += 1
            return False
        self._taken[visitor] = _Collected(who, key, lane, now)
        return True

    def drain(self, now: float) -> tuple[float, bytes]:
        """(when it began, records) since the last call; at most 25.5 s lie between two calls."""
        begin, taken = self._begin, self._taken
        self._begin, self._taken = now, {}

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
        return begin, b"".join(packed)


def read_records(data: bytes) -> Iterator[Taken]:
    """Of one message. Raises Corrupt."""
    if len(data) % _RECORD.size or len(data) > MAX_COLLECTED * _RECORD.size:
        raise Corrupt(f"{len(data)} bytes are no records")
    for who, key, seconds, first, last, piece, lane in _RECORD.iter_unpack(data):
        if lane >= len(LANES):
            raise Corrupt(f"no lane {lane}")
        yield Taken(who, key, seconds / 10, first / 10, last / 10, piece / 10, LANES[lane])


class _Hearer:
    __slots__ = ("covered", "last", "piece", "session")

    def __init__(self, session: Session, at: float) -> None:
        self.session = session
        self.covered = at
        """Up to when he has sound."""
        self.last = at
        """When he asked for some last."""
        self.piece = 0.0
        session.until = at


class Hearers:
    """All of one broadcast, in a tally. Times as the tally's."""

    def __init__(self, tally: Tally) -> None:
        self.dropped = 0
        self._tally = tally
        self._hearers: dict[tuple[int, int], _Hearer] = {}

    def __len__(self) -> int:
        return len(self._hearers)

    def took(self, taken: Taken, begin: float) -> None:
        """One record of a message that began at `begin`."""
        who = (NUMBER[taken.lane], taken.who)
        first, last = begin + taken.first, begin + taken.last
        hearer = self._hearers.get(who)
        if hearer is not None and first - hearer.last > QUIET:
            self._leaves(self._hearers.pop(who))
            hearer = None
        if hearer is None:
            session = self._tally.begin(taken.lane, taken.key) if len(self._hearers) < MAX_HEARERS else None
            if session is None:
                self.dropped += 1
                return
            hearer = self._hearers[who] = _Hearer(session, first)
        elif not hearer.session.counted and not hearer.session.key:
            hearer.session.key = taken.key
        # Where he has run dry, nothing was heard; what is fetched now is for now.
        self._heard(hearer, first)
        hearer.covered = min(max(hearer.covered, first) + taken.seconds, max(last, hearer.last) + AHEAD)
        self._heard(hearer, last)
        hearer.last = max(hearer.last, last)
        hearer.piece = taken.piece

    def _heard(self, hearer: _Hearer, now: float) -> None:
        """What he had has been heard up to `now`."""
        session, until = hearer.session, hearer.session.until
        assert until is not None
        self._tally.took(session, until, min(now, hearer.covered))
        session.until = max(until, now)

    def _leaves(self, hearer: _Hearer) -> None:
        """Half of the last piece is what he has heard of it, on the average."""
        until = hearer.session.until
        assert until is not None
        self._tally.took(hearer.session, until, min(hearer.covered, hearer.last + hearer.piece / 2))
        self._tally.end(hearer.session)

    def tick(self, now: float) -> None:
        """Lets go of those who have fetched nothing for too long. Some seconds late do no harm."""
        for who in [who for who, hearer in self._hearers.items() if now - hearer.last > QUIET]:
            self._leaves(self._hearers.pop(who))

    def end(self) -> None:
        """The broadcast is over: for all."""
        for hearer in self._hearers.values():
            self._leaves(hearer)
        self._hearers.clear()
