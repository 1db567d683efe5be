"""What of a running broadcast is recorded, and what of it may not be heard again. Pure.

While a room is off the record, or somebody on air has not agreed, the live sound goes on and the recording
holds silence. Who goes back must get the recording then, not what is still in memory.
"""

from __future__ import annotations

from typing import Final

_RECORDED: Final = frozenset({"on", "off_record", "waiting", "failing"})
_UNKEPT: Final = frozenset({"off_record", "waiting"})
_MARGIN: Final = 1.0
"""Seconds by which a report may be later than what it tells of."""
_MOST: Final = 10_000


class Kept:
    """Times are Unix seconds, by the stage's clock. `recorded`: there is a recording to go back in."""

    def __init__(self) -> None:
        self.recorded = False
        self._stretches: list[tuple[float, float]] = []
        self._since: float | None = None

    def report(self, state: str, since: float, wall: float) -> None:
        """The stage says how the recording stands since `since`; `wall`: now."""
        self.recorded = self.recorded or state in _RECORDED
        if state in _UNKEPT:
            self._since = since if self._since is None else min(self._since, since)
        elif self._since is not None:
            self.unkept(self._since, min(since, wall) if since > self._since else wall)
            self._since = None

    def unkept(self, begins: float, ends: float) -> None:
        """A stretch of which only the live sound was heard."""
        if len(self._stretches) < _MOST:
            self._stretches.append((begins, ends))

    def private(self, begins: float, ends: float) -> bool:
        """Whether something between was not for keeping."""
        if self._since is not None and ends > self._since - _MARGIN:
            return True
        return any(a - _MARGIN < ends and begins < b + _MARGIN for a, b in self._stretches)
