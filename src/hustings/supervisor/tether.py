"""Ties a child's life to its supervisor's: when that is killed (even by kill -9), so is the child.

Standard library only. Roles call `tether()` first thing; for programs that are not ours the supervisor
starts `python -I -S tether.py SUPERVISOR_PID NICENESS,OR_ELSE PROGRAM ARGUMENTS...`, which ties itself and
then becomes the program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when its parent ends. Kept over execve."""


def tether(parent: int) -> None:
    """Has the kernel kill this process when process `parent` ends; exits at once if it already has.

    Linux only; elsewhere a role notices through `role_runtime` within seconds.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


if __name__ == "__main__":
    tether(int(sys.argv[1]))
    for niceness in sys.argv[2].split(","):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, int(niceness))
            break
        except OSError:
            continue
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606  # no shell is the point
