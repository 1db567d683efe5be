"""Who gets the processor first when there is not enough of it: the stage, then the studio, then the edges."""

from __future__ import annotations

import contextlib
import os
from typing import Final

NICENESS: Final = {"bus": -10, "stage": -10, "studio": -5, "edge": 0, "certificates": 5, "scribe": 5}
"""Asked for where a process may raise its own priority (root, CAP_SYS_NICE, LimitNICE)."""
LOWERED: Final = {"bus": 0, "stage": 0, "studio": 1, "edge": 5, "certificates": 7, "scribe": 7}
"""Elsewhere: the same order, below what others of this user have. The kernel's weights: an edge gets a third
of what the stage gets when both want the same core."""
KILLED_FIRST: Final = {"bus": 0, "stage": 0, "studio": 100, "edge": 300, "certificates": 0, "scribe": 600}
"""oom_score_adj: whom the kernel ends first when the machine has no memory left."""
RESERVE: Final = 10
"""Niceness of a spare process while it loads: where nothing is left, 19 would take it minutes."""


def take_priority(kind: str) -> int:
    """Sets this process's niceness and its place before the kernel's killer; the niceness it has then.

    Called before any thread starts: they inherit it.
    """
    with contextlib.suppress(OSError):
        own = int(open("/proc/self/oom_score_adj").read())  # noqa: SIM115, PTH123  # a line of the kernel's
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write(str(max(own, KILLED_FIRST[kind])))
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS[kind])
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, max(LOWERED[kind], os.getpriority(os.PRIO_PROCESS, 0)))
    return os.getpriority(os.PRIO_PROCESS, 0)


def step_back() -> None:
    """A low priority while this process loads in reserve, if it can be left again."""
    try:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, own - 1)
    except OSError:
        return
    os.setpriority(os.PRIO_PROCESS, 0, RESERVE)
