"""`hustings restart`: asks a running server to restart its roles one by one, and waits for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from hustings.errors import HustingsError
from hustings.supervisor.folder import restart_state, server_pid

WITHIN = 1800.0
"""Seconds that are waited for: up to a minute for each edge."""


def restart(data: Path, say: Callable[[str], None]) -> None:
    """Until all roles have been restarted. Raises HustingsError when they were not."""
    pid = server_pid(data)
    was = restart_state(data)[0]
    try:
        os.kill(pid, signal.SIGUSR2)
    except PermissionError:
        raise HustingsError(
            "The server is another user's; run this as root, or as the user that runs it."
        ) from None
    say("restarting edges, studio, stage and scribe, one after the other")
    end = time.monotonic() + WITHIN
    begun = was == "running"
    while time.monotonic() < end:
        state, detail = restart_state(data)
        begun |= state == "running"
        if begun and state == "done":
            say("all roles run the installed version now")
            return
        if begun and state == "failed":
            raise HustingsError(
                f"The new {detail} did not start; the former goes on where it can. The log says why."
            )
        time.sleep(0.05)
        server_pid(data)  # raises when it is gone
    raise HustingsError("The restart did not end in time; the server's log says how far it came.")
