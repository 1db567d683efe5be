"""Who goes in now, and what the others are told: the gate's rules put together for one edge.

`join` and `page` are asked with each request that may have to wait; while nobody has to, they cost a
comparison. A place is the parameter `place` of the address: a signed time of arrival (place_tokens.py).
"""

from __future__ import annotations

import json
import math
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from hustings.clock import Clock
from hustings.edge import effort
from hustings.edge.capacity import Capacity
from hustings.edge.http import ANY_ORIGIN, Reply, Request, make_reply
from hustings.edge.lobby import KEPT, WAVE, Lobby, Returns
from hustings.edge.lobby_page import lobby_reply
from hustings.edge.metrics import Metrics
from hustings.edge.shedding import Pace, Shedding
from hustings.edge.uses import Uses
from hustings.place_tokens import Place, PlaceTokens

type Doorway = Literal["join", "page"]

EFFORT_AFTER = 5.0
"""Seconds for which somebody has to have waited before newcomers are asked for an effort."""
INSIDE_FOR = 6 * 3600.0
"""Seconds for which whoever was inside comes back before others."""
AHEAD_OF_CLOCK = 5.0
"""Seconds another machine's clock may be ahead of ours."""
USES: dict[str, int] = {"waiting": 12, "tested": 12, "inside": 6, "pass": 50}
"""How often a place lets in: a page, its sound, and some lost lines."""
GUESTS = 1000
GUEST_FOR = 120.0
"""Seconds for which an address with a pass has connections beyond the cap, and how many are remembered."""
JOINS = (20.0, 20_000.0)
PAGES = (50.0, 50_000.0)
"""Let in a second at least and at most, while others wait."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody who asks is told. Without `wait` he goes in."""

    place: str
    """To come back with; "" when there was none and none was needed."""
    wait: float | None = None
    """Seconds after which to ask again."""
    ahead: int | None = None
    """How many of those who wait here came before; None: nobody knows."""
    effort: dict[str, object] | None = None
    """The effort test, if it has to be done first."""

    def fields(self) -> dict[str, object]:
        """For JSON."""
        every = {"place": self.place, "wait": self.wait, "ahead": self.ahead, "effort": self.effort}
        return {name: value for name, value in every.items() if value is not None}


class Doorkeeper:
    """`tick` a few times a second, `second` once a second."""

    def __init__(
        self,
        tokens: PlaceTokens,
        *,
        clock: Clock,
        metrics: Metrics,
        capacity: Capacity,
        shedding: Shedding,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.tokens = tokens
        self.capacity = capacity
        self.shedding = shedding
        self._clock = clock
        self._metrics = metrics
        self._returns = Returns(chance)
        self.lobbies: dict[Doorway, Lobby] = {"join": Lobby(self._returns), "page": Lobby(self._returns)}
        self.paces: dict[Doorway, Pace] = {
            "join": Pace(least=JOINS[0], most=JOINS[1]),
            "page": Pace(least=PAGES[0], most=PAGES[1]),
        }
        self._uses = Uses()
        self._guests: dict[str, float] = {}
        self._ticked = clock.monotonic()
        self._asked: dict[Doorway, int] = dict.fromkeys(self.lobbies, 0)
        metrics.waiting = lambda: {door: lobby.waiting for door, lobby in self.lobbies.items()}

    # --- time --------------------------------------------------------------------------------

    def tick(self, connections: int, push: int, streams: int) -> None:
        """Who is here now; lets in whose turn it is."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        seconds, self._ticked = max(0.0, now - self._ticked), now
        self.capacity.count(connections=connections, push=push, streams=streams)
        room = self.capacity.room
        joins, pages = self.lobbies["join"], self.lobbies["page"]
        closed = room < 1 or self.shedding.sheds("join")
        joins.tick(wall, seconds, closed=closed, rate=self.paces["join"].rate, room=float(room))
        pages.tick(wall, seconds, closed=self.shedding.sheds("page"), rate=self.paces["page"].rate)
        self._returns.tick(wall)
        self._metrics.places = {str(bound): most for bound, most in self.capacity.places.items()}
        self._metrics.places_free = room

    def second(self) -> None:
        """After `shedding.update`: how many a second are let in from now on."""
        for door, pace in self.paces.items():
            limited, strained = self.shedding.sheds(door), self.shedding.strained
            pace.second(limited=limited, strained=strained, asked=self._asked[door])
            self._asked[door] = 0

    @property
    def refusing(self) -> bool:
        """Whether newcomers to the sound have to wait."""
        return not self.lobbies["join"].open

    @property
    def effort_since(self) -> float:
        """From when on newcomers have to do the effort test, Unix time; infinite: they do not."""
        since = min(lobby.since for lobby in self.lobbies.values()) + EFFORT_AFTER
        return since if since <= self._clock.wall() else math.inf

    # --- questions ---------------------------------------------------------------------------

    def sheds_input(self) -> bool:
        """Whether what listeners send is refused now; it is counted."""
        shed = self.shedding.sheds("input")
        self._metrics.shed["input"] += shed
        return shed

    def refuse(self, door: Doorway, request: Request) -> Reply | None:
        """What one who has to wait is told; None: he goes in."""
        self._asked[door] += 1
        if self.lobbies[door].passes(self._clock.wall()):
            return None
        told = self._ask(door, _parameters(request))
        if told.wait is None:
            return None
        self._metrics.shed[door] += 1
        self._metrics.refused["load"] += 1
        return lobby_reply(told.fields(), request, 503)

    def asked(self, request: Request) -> Reply:
        """`GET /lobby?door=page|join&place=...&effort=...`: whether it is one's turn, else when to ask
        again."""
        parameters = _parameters(request)
        door: Doorway = "page" if parameters.get("door") == "page" else "join"
        free = self.lobbies[door].passes(self._clock.wall())
        told = Told(self._kept(parameters)) if free else self._ask(door, parameters)
        body = json.dumps({"in": told.wait is None, **told.fields()}, separators=(",", ":")).encode()
        return make_reply(200, "application/json", body, (("Cache-Control", "no-store"), *ANY_ORIGIN))

    def turned_away(self, request: Request, status: int) -> Reply:
        """For who is refused before anybody could queue: no connection is left, or one address has too
        many, or this edge has only just begun."""
        token = self._kept(_parameters(request)) or self.tokens.write("waiting", self._clock.wall())
        wait = self._returns.after(self._clock.wall(), self._returns.some_time())
        return lobby_reply(Told(token, wait).fields(), request, status, close=True)

    def invited(self, request: Request, visitor: str) -> bool:
        """Whether a valid pass comes with it, or came from this address a moment ago: with the page come its
        scripts and pictures, over connections of their own."""
        now = self._clock.monotonic()
        place = self.tokens.read(_parameters(request).get("place", ""))
        if place is not None and place.kind == "pass" and self._passes(place):
            self._guests.pop(visitor, None)
            self._guests[visitor] = now
            if len(self._guests) > GUESTS:
                del self._guests[next(iter(self._guests))]
            return True
        return bool(visitor) and now - self._guests.get(visitor, -math.inf) <= GUEST_FOR

    def place(self) -> bytes:
        """The header line that lets a listener come back before others when his line breaks."""
        return b"Hustings-Place: " + self.tokens.write("inside", self._clock.wall()).encode() + b"\r\n"

    # --- the rules ---------------------------------------------------------------------------

    def _kept(self, parameters: dict[str, str]) -> str:
        """The place that came with a request, if we gave it."""
        token = parameters.get("place", "")
        return token if self.tokens.read(token) is not None else ""

    def _passes(self, place: Place) -> bool:
        """Whether it lets in at once: invited, or back after a lost line."""
        wall = self._clock.wall()
        if place.kind == "pass":
            good = place.at >= wall
        else:
            good = place.kind == "inside" and -AHEAD_OF_CLOCK <= wall - place.at <= INSIDE_FOR
        return good and self._uses.take(place.number, USES[place.kind])

    def _ask(self, door: Doorway, parameters: dict[str, str]) -> Told:
        """Whether it is his turn at a door where people wait."""
        outcomes, token, wall = self._metrics.lobby, parameters.get("place", ""), self._clock.wall()
        place = self.tokens.read(token) if token else None
        if place is None:
            outcomes["forged"] += bool(token)
        elif place.kind in ("pass", "inside"):
            if self._passes(place):
                outcomes["invited" if place.kind == "pass" else "returned"] += 1
                return Told(token)
            outcomes["used"] += 1
            place = None
        elif not -AHEAD_OF_CLOCK <= wall - place.at <= KEPT:
            outcomes["expired"] += 1
            place = None
        if place is None:
            outcomes["new"] += 1
            return self._queue(door, self._new(), "", new=True)
        outcomes["kept"] += 1
        if place.kind == "tested" or place.at < self.effort_since:
            self.lobbies[door].came_back(place.at)
        return self._queue(door, place, parameters.get("effort", ""))

    def _new(self) -> Place:
        return Place("waiting", round(self._clock.wall(), 3), secrets.token_bytes(8))

    def _queue(self, door: Doorway, place: Place, answer: str, *, new: bool = False) -> Told:
        outcomes, wall, lobby = self._metrics.lobby, self._clock.wall(), self.lobbies[door]
        if place.kind != "tested" and self.effort_since < math.inf:
            right = effort.solved(self.tokens, place.number, answer)
            outcomes["tested" if right else "failed"] += bool(answer)
            if not right:
                # In no queue until then: whoever makes places by the thousand holds up nobody.
                todo = effort.challenge(self.tokens, place.number)
                return Told(self._write(place), self._returns.after(wall, WAVE - 1.0), effort=todo)
            place = Place("tested", place.at, place.number)
        if lobby.enter(place.at, new=new):
            if self._uses.take(place.number, USES[place.kind]):
                outcomes["let_in"] += 1
                return Told(self._write(place))
            outcomes["used"] += 1
            place = self._new()
        elif new and place.at <= lobby.front:
            # In the same millisecond as the last who was let in: behind him.
            place = replace(place, at=lobby.front + 0.001)
        wait, ahead = lobby.wait(place.at, wall)
        return Told(self._write(place), wait, ahead)

    def _write(self, place: Place) -> str:
        return self.tokens.write(place.kind, place.at, place.number)


def _parameters(request: Request) -> dict[str, str]:
    return request.parameters() if request.query else {}
