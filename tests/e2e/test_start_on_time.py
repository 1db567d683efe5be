"""A room that opens and starts by itself: in time, whatever else is dead or dies."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from harness import serve

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import start_on_time

pytestmark = pytest.mark.e2e


def test_it_starts_on_time_with_everything_optional_dead(tmp_path: Path) -> None:
    """The scribe hangs, the webhook's receiver refuses, no store is there: nothing of the start waits for
    them. How late it is on a busy machine says the benchmark, not this."""
    with serve(tmp_path, environment=start_on_time.DEAD) as server:
        (start,) = start_on_time.run(server, 1, 15.0, dead=True)
    assert start.speaker < 0, "the speaker was there before"
    assert 0 <= start.live < 3.0
    assert 0 < start.left_edge < start.heard + 0.5
    assert start.heard < 15.0


def test_a_studio_that_is_killed_in_between_starts_it_all_the_same(tmp_path: Path) -> None:
    """kill -9 while it waits: the studio is back before the time, and on time."""
    with serve(tmp_path) as server:

        async def killed() -> None:
            (pid,) = server.pids("studio")
            os.kill(pid, signal.SIGKILL)

        start = start_on_time.once(server, "hall", 25.0, meanwhile=killed)
    assert 0 <= start.live < 3.0
    assert start.heard < 15.0
    assert start.incidents == 1, "the record says that the studio restarted"
