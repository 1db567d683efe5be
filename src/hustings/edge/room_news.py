"""What of a room's events goes out in band, and what a joiner needs so that none is missed. Pure.

A listener has state.json with some `seq`, and joins the push a moment later. So the greeting holds where
this edge's state.json stands ("here") and every event after it: who has an older state sees the gap and
fetches state.json, anybody else goes on from there. The same is said when an event got lost on the bus,
and to one who was slow for a moment.
"""

from __future__ import annotations

from collections import deque

import msgspec

from hustings.bus.messages import RoomEvent

MAX_RECENT = 100
"""Events kept until state.json has them: it follows within half a second."""
MAX_RECORD = 16 * 1024
"""A larger change is only announced: state.json, compressed, serves a crowd better."""
PATIENCE = 0.75
"""Seconds an event may come after the state that has it already."""
HERE = "here"

type Content = dict[str, object]

_size = msgspec.json.Encoder()


class RoomNews:
    """Of one room. Positions are (stream, seq); streams sort by when they began."""

    def __init__(self) -> None:
        self._state = ("", 0)
        """What this edge's state.json has."""
        self._told = ("", 0)
        """What listeners were sent last."""
        self._recent: deque[tuple[tuple[str, int], Content]] = deque()
        """Events that were sent and are not in state.json."""
        self._behind_since: float | None = None

    def state(self, stream: str, seq: int, now: float) -> None:
        """Another state.json."""
        if not stream or (stream, seq) <= self._state:
            return
        self._state = (stream, seq)
        if not self._told[0]:
            self._told = self._state
        while self._recent and self._recent[0][0] <= self._state:
            self._recent.popleft()
        if self._told < self._state and self._behind_since is None:
            self._behind_since = now

    def event(self, event: RoomEvent) -> Content | None:
        """What to send; None when all have it already."""
        position = (event.stream, event.seq)
        if position <= self._told and self._told[0]:
            return None
        content: Content = {
            "kind": "room",
            "stream": event.stream,
            "seq": event.seq,
            "at": event.at,
            "what": event.kind,
            "data": event.data,
            "changed": event.changed,
        }
        if len(_size.encode(content)) > MAX_RECORD:
            del content["changed"]
        self._told = position
        if self._told >= self._state:
            self._behind_since = None
        if position > self._state:
            self._recent.append((position, content))
            if len(self._recent) > MAX_RECENT:
                self._recent.popleft()
        return content

    def overdue(self, now: float) -> Content | None:
        """state.json has what never came as an event: says so, once."""
        if self._behind_since is None or now - self._behind_since < PATIENCE:
            return None
        self._behind_since = None
        self._told = self._state
        return _here(self._state)

    def greeting(self) -> list[Content]:
        """For who has a state.json from somewhen, in order."""
        if not self._state[0]:
            return []
        return [_here(self._state), *(content for _, content in self._recent)]


def _here(position: tuple[str, int]) -> Content:
    return {"kind": "room", "stream": position[0], "seq": position[1], "what": HERE}
