"""A speaker whose server is gone: he tries again, ever more seldom. The clock is a fake."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hustings.clients import speaker
from hustings.clients.backoff import FIRST, LONGEST, LONGEST_REFUSED, Backoff
from hustings.clients.script import Steer
from hustings.clients.speaker import FIRST_PATIENCE, Speaker
from hustings.errors import HustingsError, Refused, Unavailable


def test_waits_double_up_to_the_longest_and_differ() -> None:
    backoff = Backoff(random.Random(1))
    waits = [backoff.wait() for _ in range(12)]
    for n, wait in enumerate(waits):
        interval = min(FIRST * 2**n, LONGEST)
        assert interval / 2 <= wait <= interval
    assert len(set(waits[6:])) == 6
    assert {Backoff().wait() for _ in range(3)} != {Backoff().wait()}


def test_a_server_that_answers_is_asked_more_often() -> None:
    backoff = Backoff(random.Random(1))
    assert max(backoff.wait(LONGEST_REFUSED) for _ in range(20)) <= LONGEST_REFUSED
    assert backoff.wait(LONGEST) <= 2 * LONGEST_REFUSED


class World:
    """A clock that moves while somebody waits, and a server that always fails in the same way."""

    def __init__(self, error: HustingsError, until: float) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.tries = 0
        self._error = error
        self._end = self.now + until

    def monotonic(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self._end

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def open(self, *_: object, **__: object) -> None:
        self.tries += 1
        raise self._error


def run(
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    *,
    sessions: int,
    first: Callable[[], None] | None = None,
) -> Speaker:
    monkeypatch.setattr(speaker, "time", SimpleNamespace(monotonic=world.monotonic, time=world.monotonic))
    monkeypatch.setattr(speaker, "RtcSession", SimpleNamespace(open=world.open))
    script: Any = SimpleNamespace(frame=lambda _number: object(), steer=Steer())
    one = Speaker("http://gone.example/whip/r", "ticket", script, first=first)
    one.stats.sessions = sessions
    stop: Any = world
    one.run(stop)
    return one


def test_an_hour_without_the_server_costs_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Unavailable("nobody there"), until=3600.0)
    run(monkeypatch, world, sessions=1)
    assert 360 <= world.tries <= 730
    assert max(world.waits) <= LONGEST
    assert sum(world.waits[:3]) <= FIRST * 7  # a restart of some seconds is over soon


def test_doors_that_are_closed_are_tried_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Refused(409, "Not open yet", "wait"), until=60.0)
    one = run(monkeypatch, world, sessions=0)
    assert max(world.waits) <= LONGEST_REFUSED
    assert one.stats.state == "over"


def test_a_server_that_was_never_there_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Unavailable("nobody there"), until=3600.0)
    with pytest.raises(Unavailable):
        run(monkeypatch, world, sessions=0)
    assert FIRST_PATIENCE <= world.now - 1000.0 <= FIRST_PATIENCE + 1.0


def test_agreeing_is_tried_until_it_is_done_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Refused(409, "Not open yet"), until=10.0)
    agreed: list[float] = []

    def first() -> None:
        if world.now < 1003.0:
            raise Unavailable("not there yet")
        assert world.tries == 0, "no session before it"
        agreed.append(world.now)

    run(monkeypatch, world, sessions=0, first=first)
    assert len(agreed) == 1
    assert world.tries > 3
