"""A rush at a full house, in fake time: 700 come to 335 places, all do the effort test, then 100 leave."""

from __future__ import annotations

import json
import random

import pytest

from hustings.clock import FakeClock
from hustings.edge import effort
from hustings.edge.capacity import Capacity
from hustings.edge.doorkeeper import Doorkeeper
from hustings.edge.http import Request
from hustings.edge.load import Load
from hustings.edge.lobby import RETURNS, WAVE
from hustings.edge.metrics import Metrics
from hustings.edge.shedding import Shedding
from hustings.place_tokens import PlaceTokens

TICK = 0.25
COUNT, PLACES, LEAVING = 700, 335, 100


class Rush:
    """People who do what they are told at one edge."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = FakeClock()
        self.tokens = PlaceTokens("key")
        capacity = Capacity(connections=10_000, memory=0)
        capacity.places = {"cpu": float(PLACES)}
        self.keeper = Doorkeeper(
            self.tokens,
            clock=self.clock,
            metrics=Metrics(),
            capacity=capacity,
            shedding=Shedding(Load()),
            chance=self.chance.random,
        )
        self.inside = 0
        begun = self.clock.wall()
        arrivals = sorted(begun + self.chance.random() * 10 for _ in range(COUNT))
        self.due = [(at, at, "") for at in arrivals]
        self.entered: list[tuple[float, float]] = []
        self.moments: list[float] = []

    def tick(self) -> None:
        self.keeper.tick(self.inside, self.inside, 0)
        end = self.clock.wall() + TICK
        asking = sorted(each for each in self.due if each[0] < end)
        self.due = [each for each in self.due if each[0] >= end]
        for when, came, query in asking:
            self.clock.advance(max(0.0, when - self.clock.wall()))
            self.ask(when, came, query)
        self.clock.advance(max(0.0, end - self.clock.wall()))

    def ask(self, when: float, came: float, query: str) -> None:
        reply = self.keeper.refuse("join", Request(b"GET", f"/r/hall/live{query}".encode(), {}))
        if reply is None:
            self.entered.append((came, when))
            self.inside += 1
            return
        told = json.loads(reply.body)
        again = f"?place={told['place']}"
        wait = float(told["wait"])
        if "effort" in told:
            again += f"&effort={effort.right_answer(self.tokens, bytes.fromhex(told['effort']['salt']))}"
            wait = 0.3 + 0.7 * self.chance.random()
        self.moments.append(when + wait)
        self.due.append((when + wait, came, again))


@pytest.mark.parametrize("seed", range(3))
def test_a_rush_is_let_in_in_order_and_as_many_as_there_are_places(seed: int) -> None:
    rush = Rush(seed)
    for _ in range(int(30 / TICK)):
        rush.tick()
    assert rush.inside == PLACES
    rush.inside -= LEAVING
    for _ in range(int(40 / TICK)):
        rush.tick()
    assert rush.inside == PLACES
    assert len(rush.entered) == PLACES + LEAVING
    worst, earliest = 0.0, float("inf")
    for _, went in sorted(rush.entered, reverse=True):
        worst = max(worst, went - earliest)
        earliest = min(earliest, went)
    assert worst <= WAVE + 1.5, "a wave, and the effort test"
    seconds = [sum(1 for each in rush.moments if at <= each < at + 1) for at in rush.moments[::20]]
    assert max(seconds) <= RETURNS
