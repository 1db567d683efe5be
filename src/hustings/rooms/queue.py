"""The order in which requests to speak are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hustings.rooms.model import Request
from hustings.rooms.table import RequestState


def ordered(requests: Iterable[Request], by_talk: bool, talked: Mapping[str, float]) -> list[Request]:
    """Who waits, first come first; with `by_talk` who has talked least comes first.

    `talked` is by participant, in seconds of this broadcast, and newer than what a request remembers.
    """

    def place(request: Request) -> tuple[float, float, str]:
        seconds = max(request.talked_seconds, talked.get(request.participant_id, 0.0)) if by_talk else 0.0
        return seconds, request.asked_at, request.id

    return sorted((r for r in requests if r.state is RequestState.WAITING), key=place)
