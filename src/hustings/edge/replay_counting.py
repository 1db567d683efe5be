"""Counting replays at one edge (docs/audience.md, Replay): what went out of recordings, to whom."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from hustings.audience.bots import Bots
from hustings.audience.replays import Replays
from hustings.audience.sketch import salt_name, visitor_key
from hustings.bus.audience_messages import Played
from hustings.clock import Clock
from hustings.cmaf.playlists import TARGET_DURATION
from hustings.edge.http import Request
from hustings.edge.protocol import Connection

_SEGMENT: Final = re.compile(rb"([0-9]{8}T[0-9]{6}-[0-9a-f]{6})/(?:opus|aac)/([0-9]{1,12})\.m4s")


class ReplayCounting:
    """The salt is the day's; without it nobody is counted, which is counted."""

    def __init__(self, clock: Clock, bots: Bots, place: str, seconds: float) -> None:
        self.unkeyed = 0
        self.wanted = ""
        """The day whose salt is needed."""
        self.salts: dict[str, bytes] = {}
        self._clock = clock
        self._bots = bots
        self._place = place
        self._replays = Replays(seconds)

    @property
    def dropped(self) -> int:
        """Listeners there was no room for."""
        return self._replays.dropped

    def took(
        self, connection: Connection, request: Request, slug: str, broadcast: str, begin: float, end: float
    ) -> None:
        """So much of a recording went out, seconds since its beginning."""
        address, agent = connection.visitor(request), request.headers.get(b"user-agent", b"")
        if request.method != b"GET" or self._bots.is_bot(address, agent):
            return
        day = f"{datetime.fromtimestamp(self._clock.wall(), UTC):%Y-%m-%d}"
        salt = self.salts.get(day)
        if salt is None:
            self.wanted = day
            self.unkeyed += 1
            return
        self._replays.took(day, (slug, broadcast), visitor_key(salt, address, agent), begin, end)

    def segment(self, connection: Connection, request: Request, slug: str, path: bytes) -> None:
        """A segment of a recording's playlist went out, if `path` (below replay/) is one."""
        found = _SEGMENT.fullmatch(path)
        if found is not None and b"range" not in request.headers and b"if-none-match" not in request.headers:
            begin = float(int(found[2]) * TARGET_DURATION)
            self.took(connection, request, slug, found[1].decode(), begin, begin + TARGET_DURATION)

    def salted(self, day: str, salt: bytes) -> None:
        """The studio has given the salt of a day; older ones are forgotten once told."""
        self.salts.setdefault(day, salt)
        self.wanted = ""

    def report(self, *, everything: bool = False) -> list[Played]:
        """What is new since the last call, or all there is."""
        played = [
            Played(
                place=self._place,
                day=told.day,
                slug=told.recording[0],
                broadcast_id=told.recording[1],
                salt=salt_name(self.salts[told.day]),
                sketch=told.sketch,
                milliseconds=told.milliseconds,
            )
            for told in self._replays.drain(everything=everything)
        ]
        for day in sorted(self.salts)[:-1]:
            del self.salts[day]
        return played
