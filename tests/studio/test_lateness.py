"""How late the event loop is, measured between its turns."""

from __future__ import annotations

import asyncio
import socket

from hustings.studio.lateness import WatchedSelector


class Clock:
    """Moves by itself while the selector waits, as far as it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.steps: list[float] = []

    def __call__(self) -> float:
        if self.steps:
            self.now += self.steps.pop(0)
        return self.now


def test_the_longest_turn_is_what_something_was_late() -> None:
    clock = Clock()
    with WatchedSelector(clock) as selector:
        for turn in (0.001, 0.080, 0.002):
            clock.now += turn
            selector.select(0)
        assert abs(selector.worst() - 0.080) < 1e-9
        assert selector.worst() == 0.0


def test_waiting_is_not_late_but_waking_after_time_is() -> None:
    clock = Clock()
    with WatchedSelector(clock) as selector:
        clock.steps = [0.0, 0.005]
        selector.select(0.005)
        assert selector.worst() < 1e-9
        clock.steps = [0.0, 0.030]
        selector.select(0.005)
        assert abs(selector.worst() - 0.025) < 1e-9


def test_what_comes_early_is_not_late() -> None:
    clock = Clock()
    ours, theirs = socket.socketpair()
    with ours, theirs, WatchedSelector(clock) as selector:
        selector.register(ours, 1)
        theirs.send(b"x")
        clock.steps = [0.0, 0.002]
        assert selector.select(1.0)
        assert selector.worst() < 1e-9


def test_a_loop_that_is_held_up_says_so() -> None:
    selector = WatchedSelector()

    async def hold_up() -> None:
        await asyncio.sleep(0)
        selector.worst()
        end = asyncio.get_running_loop().time() + 0.02
        while asyncio.get_running_loop().time() < end:
            pass
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(hold_up())
    assert selector.worst() >= 0.02
