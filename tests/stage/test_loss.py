"""Loss by sequence numbers (RFC 3550 A.3), and what a seat reports of its network."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_engine_support import Hall

from hustings.bus.messages import StageLevels, StageReport, TimedEvent
from hustings.stage.engine import BroadcastEngine, ProgramFrame
from hustings.stage.loss import LossMeter
from hustings.stage.tap import TickRecord
from hustings.stage.ticker import Ticker


def meter(lost: set[int], packets: int, first: int = 65_500) -> LossMeter:
    loss = LossMeter()
    for n in range(packets):
        if n not in lost:
            loss.take((first + n) % 65_536, n * 0.02)
    return loss


def test_nothing_lost_and_nothing_known() -> None:
    assert LossMeter().share == 0
    assert meter(set(), 1).share == 0
    assert meter(set(), 1000).share == 0


@given(st.sets(st.integers(1, 199)), st.integers(0, 65_535))
def test_the_share_is_what_is_missing(lost: set[int], first: int) -> None:
    """While no more than the window has passed; the last packet shows what is missing before it."""
    assert meter(lost, 201, first).share == pytest.approx(len(lost) / 201)


def test_old_losses_are_forgotten() -> None:
    assert meter(set(range(50, 100)), 200).share == pytest.approx(0.25)
    assert meter(set(range(50, 100)), 400).share == 0


def test_order_and_repetition_do_not_look_like_loss() -> None:
    loss, shuffle = LossMeter(), random.Random(4)
    numbers = [n + shuffle.uniform(0, 6) for n in range(200)]
    for n in sorted(range(200), key=numbers.__getitem__):
        loss.take(n, 0.0)
        loss.take(n, 0.0)
    assert loss.share == 0


def test_a_sender_that_starts_anew_has_lost_nothing() -> None:
    loss = LossMeter()
    for first in (30_000, 10_000, 29_000):
        for n in range(100):
            loss.take(first + n, n * 0.02)
        if first == 10_000:
            assert loss.share == 0


@pytest.mark.parametrize("gain", [0.2, 0.0])  # 0: at rest after 0.7 s, and its packets unread
def test_a_seat_reports_loss_and_jitter(gain: float) -> None:
    hall = Hall()
    anna = hall.person("anna", 440.0)
    anna.gain = gain
    drop = random.Random(1)
    for n in range(500):
        send = anna.engine.packet
        if n and drop.random() < 0.1:
            anna.engine.packet = lambda *_: None  # type: ignore[method-assign]  # the network
        anna.send(hall.now - 0.005)
        anna.engine.packet = send  # type: ignore[method-assign]
        hall.tick()
    loss = hall.seat("anna")["loss"]
    assert isinstance(loss, float)
    assert 0.06 < loss < 0.14
    jitter = hall.seat("anna")["jitter_ms"]
    assert isinstance(jitter, float)
    assert 0 <= jitter < 1


class Told:
    """An outlet that keeps the levels."""

    def __init__(self) -> None:
        self.kept: list[StageLevels] = []

    def record(self, broadcast_id: str, record: TickRecord) -> None: ...

    def program(self, frame: ProgramFrame) -> None: ...

    def event(self, event: TimedEvent) -> None: ...

    def report(self, report: StageReport) -> None: ...

    def levels(self, levels: StageLevels) -> None:
        self.kept.append(levels)


def test_levels_are_told_five_times_a_second_while_somebody_is_there() -> None:
    hall, told = Hall(), Told()
    ticker = Ticker("stage", told)
    engine: BroadcastEngine = hall.engine
    ticker.engines["b"] = engine
    anna = hall.person("anna", 440.0, place="green")
    anna.gain = 0.1
    for n in range(100):
        if n >= 50:
            anna.send(hall.now)
        ticker._clock.begin(hall.now)
        ticker._tick_engine(engine, hall.now, hall.wall, 0)
        hall.now += 0.02
    assert len(told.kept) == 5
    assert (told.kept[-1].broadcast_id, told.kept[-1].slug) == (engine.broadcast_id, "room")
    assert told.kept[-1].levels.keys() == {"anna"}
    assert abs(told.kept[-1].levels["anna"] - -23) <= 1
