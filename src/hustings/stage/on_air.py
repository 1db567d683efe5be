"""What goes out of the stage, for those who watch the server: how many are live, how long one has been
silent, how recordings stand. No broadcast has a series of its own.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final, get_args

from prometheus_client import Gauge

from hustings.bus.messages import RecordingState

STATES: Final = get_args(RecordingState.__value__)

_live = Gauge("hustings_stage_live", "Broadcasts live now.")
_silent = Gauge(
    "hustings_stage_silent_seconds", "Longest time for which a live broadcast has held nothing but silence."
)
_recording = Gauge(
    "hustings_stage_recording", "Broadcasts live now by how their recording stands.", ["state"]
)


class OnAir:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        """When a live broadcast was heard last, or went live."""

    def chunk(self, broadcast_id: str, now: float, *, silent: bool) -> None:
        """One chunk of the program."""
        if not silent or broadcast_id not in self._heard:
            self._heard[broadcast_id] = now

    def look(self, live: Iterable[str], states: Iterable[str], now: float) -> None:
        """`live`: the broadcasts that are; `states`: of their recordings."""
        live = list(live)
        self._heard = {each: self._heard.get(each, now) for each in live}
        _live.set(len(live))
        _silent.set(max((now - at for at in self._heard.values()), default=0.0))
        counted = Tally(states)
        for state in STATES:
            _recording.labels(state).set(counted[state])
