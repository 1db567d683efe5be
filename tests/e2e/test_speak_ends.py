"""`hustings speak` ends when it is told to, whatever it is doing at that moment."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from harness import HUSTINGS

VOICE = Path(__file__).parents[2] / "src" / "hustings" / "web" / "demo" / "host.opus"
OWN_WAY = (0, 130, -signal.SIGTERM)
"""Done, interrupted, or told before there was anybody to hear it."""


def test_it_ends_at_whatever_moment_it_is_told() -> None:
    """At moments over its start: loading libraries, reading the file, trying to reach a studio that is not
    there. Once told, it must not go on."""
    command = [*HUSTINGS, "speak", "library", "--ticket", "t_x", "--file", str(VOICE), "--loop"]
    environment = {"HUSTINGS_STUDIO": "http://127.0.0.1:9", "PATH": "/usr/bin:/bin"}
    quiet = subprocess.DEVNULL
    begun = [
        (time.monotonic() + n * 0.15, subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet))
        for n in range(12)
    ]
    try:
        for at, process in begun:
            time.sleep(max(0.0, at - time.monotonic()))
            process.terminate()
        for _, process in begun:
            assert process.wait(60) in OWN_WAY
    finally:
        for _, process in begun:
            process.kill()
