"""The 20 ms clock: absolute, honest about lateness, bounded in catching up; and the thread's commands."""

from __future__ import annotations

import queue
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.bus.messages import StageLevels, StageReport, TimedEvent
from hustings.stage.engine import BroadcastEngine, ProgramFrame
from hustings.stage.tap import TickRecord
from hustings.stage.ticker import MAX_CATCH_UP, TICKLESS, TickClock, Ticker


def test_ticks_do_not_drift() -> None:
    clock = TickClock(100.0)
    for n in range(1000):
        lateness, skipped = clock.begin(100.0 + n * 0.02 + 0.001)
        assert abs(lateness - 0.001) < 1e-6
        assert skipped == 0
    assert clock.due == pytest.approx(120.0)
    assert (clock.ticks, clock.late) == (1000, 0)


def test_a_short_stall_is_caught_up_and_counted() -> None:
    clock = TickClock(0.0)
    now = 0.2
    ran = 0
    while clock.due <= now:
        assert clock.begin(now)[1] == 0
        ran += 1
    assert ran == 11
    assert clock.late == 10
    assert clock.due == pytest.approx(0.22)


def test_a_long_stall_is_a_gap() -> None:
    clock = TickClock(0.0)
    lateness, skipped = clock.begin(10.0)
    assert lateness == 10.0
    assert skipped == 500 - MAX_CATCH_UP
    ran = 1
    while clock.due <= 10.0:
        assert clock.begin(10.0)[1] == 0
        ran += 1
    assert ran + skipped == 501
    assert ran <= MAX_CATCH_UP + 1


@given(st.lists(st.floats(0, 3), max_size=60))
def test_every_20_ms_is_run_or_skipped(stalls: list[float]) -> None:
    """Whatever the stalls, ticks + skipped ticks is the time that has passed."""
    clock, now = TickClock(0.0), 0.0
    for stall in stalls:
        now = max(now, clock.due) + stall
        while clock.due <= now:
            clock.begin(now)
        assert clock.ticks + clock.skipped == round(clock.due / 0.02)
        assert 0 <= clock.due - now <= 0.02 + 1e-9


class Nowhere:
    def record(self, broadcast_id: str, record: TickRecord) -> None: ...

    def program(self, frame: ProgramFrame) -> None: ...

    def event(self, event: TimedEvent) -> None: ...

    def report(self, report: StageReport) -> None: ...

    def levels(self, levels: StageLevels) -> None: ...


def test_commands_run_in_the_threads_and_errors_come_back() -> None:
    ticker = Ticker("stage", Nowhere())
    ticker.start()
    try:
        assert ticker.call(lambda: 6 * 7).result(10) == 42
        with pytest.raises(ZeroDivisionError):
            ticker.call(lambda: 1 / 0).result(10)
    finally:
        ticker.stop()


def test_the_clock_starts_with_the_first_broadcast() -> None:
    """Two commands in one go: the second already sees the right time of the next tick."""
    ticker = Ticker("stage", Nowhere())
    engine = BroadcastEngine("b", "room", epoch=1)
    ticker.call(lambda: ticker.engines.update(b=engine))
    live = ticker.call(lambda: engine.go_live(time.time() - 100, ticker.next_wall()))
    ticker.start()
    try:
        live.result(10)
        assert abs(engine.media_time - 100 * 48000) < 48000
    finally:
        ticker.stop()


def test_a_stage_whose_tick_fails_beyond_repair_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold the doors open without a sound; another is there within a second."""
    ended: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr("hustings.stage.ticker.os._exit", ended.put)
    ticker = Ticker("stage", Nowhere())
    monkeypatch.setattr(ticker, "_run_commands", lambda: 1 / 0)
    ticker.start()
    assert ended.get(timeout=30) == TICKLESS
