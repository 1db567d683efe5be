"""What the processes that make things have in common, on their side: see child.py for the other.

The first line on stdin is a task; the end of stdin ends the process, so that nothing goes on when the
scribe is gone. On stdout go lines of JSON: {"progress": 0 to 1}, at last what was made, or {"problem":
"..."}."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Final

import msgspec

REFUSED: Final = 2
"""Exit code when it cannot be made, however often one tries."""
FAILED: Final = 3
"""Exit code when another try may help (the disk is full)."""


def first_line() -> bytes:
    """The task. From now on this process has the lowest priority: nothing live waits for it."""
    os.nice(19)
    with contextlib.suppress(OSError, AttributeError):  # not allowed, or not Linux
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    return line


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(FAILED)


class Teller:
    """Says how it gets on."""

    def __init__(self) -> None:
        self._said = 0.0

    def say(self, **line: object) -> None:
        """One line."""
        sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stdout.buffer.flush()

    def progress(self, share: float) -> None:
        """0 to 1; what is hardly more than what was said is not said."""
        if share >= self._said + 0.005:
            self._said = share
            self.say(progress=round(share, 3))

    def problem(self, text: str, code: int) -> int:
        """Why it was not made. Returns the exit code."""
        self.say(problem=text[:200])
        return code
