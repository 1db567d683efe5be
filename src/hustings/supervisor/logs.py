"""The children's log lines, passed on with their role's name.

Reading never waits for writing: a terminal that stands still (or a full disk behind a pipe) must not
stop a role in the middle of a log call. Lines wait in a bounded queue; what does not fit is counted.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
from collections.abc import Callable

from prometheus_client import Counter

_dropped = Counter("hustings_log_lines_dropped_total", "Log lines lost because stderr did not take them.")

MAX_LINE = 64 * 1024
"""Longer lines are passed on in pieces, bytes."""
MAX_WAITING = 4096


class LogWriter:
    """Writes lines to stderr from a thread of its own; it takes the supervisor's own too."""

    def __init__(self, *, json_lines: bool) -> None:
        self._json = json_lines
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        self._thread.start()

    def line(self, role: str, line: str) -> None:
        """Passes on one line of `role`. Roles log JSON themselves; what does not is wrapped."""
        if not self._json:
            text = f"{role:<8} {line}"
        elif line.startswith("{"):
            text = line
        else:
            text = json.dumps({"role": role, "event": line})
        self.write(text + "\n")

    def write(self, text: str) -> int:
        """Takes `text` without waiting."""
        try:
            self._waiting.put_nowait(text.encode("utf-8", "replace"))
        except queue.Full:
            _dropped.inc()
        return len(text)

    def flush(self) -> None:
        """The thread flushes after each line."""

    async def forward(
        self, role: str, stream: asyncio.StreamReader, tidy: Callable[[str], str] = str
    ) -> None:
        """Passes on `stream` until its end, each line through `tidy`; what that leaves empty is left out."""
        while True:
            try:
                raw = await stream.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                if end.partial:
                    self.line(role, _text(end.partial))
                return
            except asyncio.LimitOverrunError as long:
                raw = await stream.readexactly(max(1, long.consumed))
            if keep := tidy(_text(raw)):
                self.line(role, keep)

    def finish(self) -> None:
        """Writes what waits, for a second at most. Nothing may be written after it."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(1.0)

    def _write(self) -> None:
        while (text := self._waiting.get()) is not None:
            try:
                sys.stderr.buffer.write(text)
                sys.stderr.buffer.flush()
            except (OSError, ValueError):
                _dropped.inc()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip()
