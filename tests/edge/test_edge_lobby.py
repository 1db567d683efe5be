"""The queue: first come, first in, in waves; returns are spread; a full house lets in as many as leave."""

from __future__ import annotations

import math
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.edge.lobby import KEPT, RETURNS, SOONEST, WAVE, Lobby, Returns

TICK = 0.25


class Crowd:
    """People who do what they are told, in fake time."""

    def __init__(self, seed: int, *, per_second: int = RETURNS) -> None:
        self.chance = random.Random(seed)
        self.lobby = Lobby(Returns(self.chance.random, per_second))
        self.now = 1_000_000.0
        self.due: list[tuple[float, float, bool]] = []
        """(when, came at, new): who asks when."""
        self.entered: list[tuple[float, float]] = []
        """(came at, went in at)."""
        self.told: list[float] = []
        self.inside = 0

    def come(self, arrivals: list[float]) -> None:
        self.due += [(self.now + after, self.now + after, True) for after in arrivals]

    def step(self, *, closed: bool, rate: float, places: float = math.inf) -> None:
        """One tick."""
        self.lobby.tick(self.now, TICK, closed=closed, rate=rate, room=places - self.inside)
        self.now += TICK
        asking = sorted(each for each in self.due if each[0] < self.now)
        self.due = [each for each in self.due if each[0] >= self.now]
        for when, came, new in asking:
            if not new:
                self.lobby.came_back(came)
            if self.lobby.passes(when) or self.lobby.enter(came, new=new):
                self.entered.append((came, when))
                self.inside += 1
            else:
                wait, _ = self.lobby.wait(came, when)
                self.told.append(wait)
                self.due.append((when + wait, came, False))


def test_open_is_open() -> None:
    lobby = Lobby(Returns())
    assert lobby.open
    assert lobby.passes(5.0)
    lobby.tick(5.0, TICK, closed=False, rate=1)
    assert lobby.open


def test_the_last_place_closes_the_door_at_once() -> None:
    """A crowd comes between two ticks."""
    lobby = Lobby(Returns())
    lobby.tick(5.0, TICK, closed=False, rate=1000, room=3)
    assert [lobby.passes(5.1) for _ in range(5)] == [True, True, True, False, False]
    assert not lobby.open
    assert not lobby.enter(5.1, new=True)


def overtaken(entered: list[tuple[float, float]]) -> float:
    """Seconds by which anybody went in later than somebody who had come after him, at most."""
    worst, latest = 0.0, -math.inf
    for _, went in sorted(entered, reverse=True):
        # From the last comer to the first: the earliest entry of all who came later.
        if latest > -math.inf:
            worst = max(worst, went - latest)
        latest = went if latest == -math.inf else min(latest, went)
    return worst


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.floats(0, 30), min_size=1, max_size=400),
    st.lists(st.sampled_from([3.0, 20.0, 60.0]), min_size=4, max_size=4),
    st.integers(0, 240),
)
def test_nobody_who_came_later_is_in_earlier_by_more_than_a_wave(
    seed: int, arrivals: list[float], rates: list[float], calm_after: int
) -> None:
    crowd = Crowd(seed)
    crowd.come(arrivals)
    for number in range(4_000):
        crowd.step(closed=number < calm_after, rate=rates[number // 60 % 4])
        if not crowd.due:
            break
    assert len(crowd.entered) == len(arrivals), "everybody is in, in the end"
    assert overtaken(crowd.entered) <= WAVE + 2 * TICK


def test_so_many_a_second_and_no_more() -> None:
    crowd = Crowd(1)
    crowd.come([crowd.chance.random() * 10 for _ in range(2_000)])
    for _ in range(4 * 40):
        crowd.step(closed=True, rate=20)
    # 20 a second are due, 800 in 40 s; who is due comes within a wave.
    assert 20 * 25 <= len(crowd.entered) <= 20 * 40 + 25
    assert crowd.lobby.waiting <= 2_000 - len(crowd.entered)


def test_a_full_house_lets_in_as_many_as_leave() -> None:
    crowd = Crowd(2)
    crowd.come([each / 50 for each in range(300)])
    for _ in range(4 * 30):
        crowd.step(closed=True, rate=1_000, places=100)
    assert crowd.inside == 100
    crowd.inside -= 40
    for _ in range(4 * 25):
        crowd.step(closed=True, rate=1_000, places=100)
    assert crowd.inside == 100
    assert len(crowd.entered) == 140
    first = sorted(came for came, _ in crowd.entered)
    assert first[-1] < 1_000_000 + 300 / 50 * 0.75, "the first of those who came"


def test_after_the_rush_the_queue_is_gone_within_seconds_for_newcomers() -> None:
    """Also when those who wait never come back."""
    crowd = Crowd(3)
    crowd.come([each / 100 for each in range(500)])
    for _ in range(4 * 5):
        crowd.step(closed=True, rate=5)
    crowd.due.clear()
    seconds = 0.0
    while not crowd.lobby.open:
        crowd.step(closed=False, rate=5)
        seconds += TICK
    assert seconds <= 5


def test_returns_are_spread() -> None:
    """10,000 who are told in one moment come back at 400 a second at most, and not before they should."""
    returns = Returns(random.Random(4).random)
    moments = [returns.after(50.3, SOONEST) for _ in range(10_000)]
    seconds = Counter(int(50.3 + moment) for moment in moments)
    assert max(seconds.values()) <= RETURNS
    assert len(seconds) == 25
    assert min(moments) >= SOONEST - 1
    within = Counter(int(10 * (50.3 + moment)) for moment in moments)
    assert max(within.values()) < RETURNS / 4, "not all in the same tenth of a second"


def test_a_flood_of_places_costs_no_memory_and_no_time() -> None:
    returns = Returns(random.Random(5).random, per_second=10)
    for _ in range(20_000):
        assert returns.after(0.0, WAVE) <= 600 + WAVE
    assert len(returns._told) <= 620
    returns.tick(10_000.0)
    assert not returns._told
    lobby = Lobby(Returns(random.Random(6).random))
    lobby.tick(0.0, TICK, closed=True, rate=1)
    for number in range(20_000):
        lobby.wait(number * KEPT / 20_000, number * KEPT / 20_000)
    assert len(lobby._waiting) <= KEPT / 0.25


def test_a_clock_set_back_does_not_open_the_door_for_all() -> None:
    lobby = Lobby(Returns(random.Random(8).random))
    lobby.tick(5_000.0, TICK, closed=True, rate=4)
    for _ in range(50):
        lobby.wait(5_000.1, 5_000.1)
    lobby.tick(1_400.0, TICK, closed=True, rate=4)
    assert sum(lobby.enter(1_400.1 + each / 100) for each in range(100)) <= 2
    assert sum(lobby.enter(5_000.1) for _ in range(100)) <= 2


def test_what_a_waiting_one_is_told_is_about_true() -> None:
    lobby = Lobby(Returns(random.Random(7).random))
    lobby.tick(100.0, TICK, closed=True, rate=10)
    for number in range(1, 201):
        lobby.wait(100 + number / 10, 100 + number / 10)
    lobby.tick(120.0, TICK, closed=True, rate=0)
    assert 90 <= lobby.ahead(110.0) <= 100
    assert lobby.ahead(100.0) == 0
    assert 190 <= lobby.ahead(120.3) <= 200
