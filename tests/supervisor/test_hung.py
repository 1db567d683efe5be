"""A role that hangs is found; one that gets no processor is waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from hustings.supervisor.hung import AT_MOST, LOOKS, SILENT_FOR, Hung, waited


def looks(seconds: float, *, waits: float = 0.0, others: bool = True) -> float | None:
    """When the stage, silent from 0 on and waiting a share of the time, is taken for hung."""
    hung, now = Hung(), 0.0
    while now < seconds:
        now += LOOKS
        roles = {"stage": (0.0, waits * now)}
        if others:
            roles["edge-0"] = (now - 1.0, 0.0)
        found = hung.look(now, roles)
        assert "edge-0" not in found
        if found:
            return now
    return None


def test_who_is_silent_is_hung() -> None:
    found = looks(600.0)
    assert found is not None
    assert SILENT_FOR < found <= SILENT_FOR + LOOKS


def test_who_waits_a_little_is_not_excused() -> None:
    assert looks(600.0, waits=0.3) == looks(600.0)


def test_who_gets_no_processor_is_waited_for_but_not_for_ever() -> None:
    found = looks(2 * AT_MOST, waits=0.9)
    assert found is not None
    assert AT_MOST < found <= AT_MOST + LOOKS


def test_silence_of_all_is_no_roles_fault() -> None:
    assert looks(600.0, others=False) is None


def test_a_machine_that_stood_still_is_no_roles_fault() -> None:
    hung = Hung()
    hung.look(5.0, {"stage": (4.0, 0.0), "edge-0": (4.0, 0.0)})
    assert hung.look(65.0, {"stage": (4.0, 0.0), "edge-0": (64.0, 0.0)}) == []
    assert hung.look(70.0, {"stage": (4.0, 0.0), "edge-0": (69.0, 0.0)}) == ["stage"]


def test_a_role_that_speaks_again_begins_anew() -> None:
    hung = Hung()
    for now in range(5, 300, 5):
        heard = 25.0 * (now // 25)
        assert hung.look(float(now), {"stage": (heard, 0.0), "edge-0": (float(now), 0.0)}) == []


def test_what_the_kernel_says() -> None:
    only = {min(os.sched_getaffinity(0))}
    busy = [sys.executable, "-c", "while True: pass"]
    rivals = [subprocess.Popen(busy) for _ in range(3)]
    try:
        for each in rivals:
            os.sched_setaffinity(each.pid, only)
        ends = time.monotonic() + 60.0
        while not all(waited(each.pid) > 0.05 for each in rivals):
            assert time.monotonic() < ends
            time.sleep(0.05)
    finally:
        for each in rivals:
            each.kill()
            each.wait()
    assert waited(rivals[0].pid) == 0.0
