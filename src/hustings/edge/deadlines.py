"""When connections have to be looked at again."""

from __future__ import annotations

from typing import Protocol

LOOK_EVERY = 1.0
"""Seconds after which a connection's deadline is looked at again."""


class Timed(Protocol):
    """A connection, for this."""

    deadline: float

    def waits(self) -> bool:
        """Whether deadlines concern it."""
        ...

    def timed_out(self, now: float) -> None:
        """Its deadline is over."""
        ...


class Deadlines:
    """Connections by the second in which they have to be looked at again; no timer per connection."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Timed]] = {}

    def watch(self, connection: Timed, now: float) -> None:
        """Looks at `connection` from now on."""
        due = min(connection.deadline, now + LOOK_EVERY)
        self._buckets.setdefault(int(due), []).append(connection)

    def tick(self, now: float) -> None:
        """Tells those whose deadline is over."""
        for second in sorted(key for key in self._buckets if key + 1 <= now):
            for connection in self._buckets.pop(second):
                if connection.deadline <= now and connection.waits():
                    connection.timed_out(now)
                if connection.waits():
                    # A deadline may have moved nearer since: nobody is left alone for longer than this.
                    due = min(max(connection.deadline, now), now + LOOK_EVERY)
                    self._buckets.setdefault(int(due), []).append(connection)
