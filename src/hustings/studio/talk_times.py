"""How long everybody has talked, kept in the database: equal time must not begin anew with the studio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import structlog

from hustings.rooms.decide import CONNECTABLE
from hustings.studio.board import Board

log = structlog.get_logger()

EVERY = 10.0
"""Seconds between two savings: what a crash may cost, when the stage has not counted on."""
SMALLEST = 0.5
"""Seconds that are not worth a write."""


class Keeping(Protocol):
    """The part of the store that is needed here."""

    async def talked(self, broadcast_id: str) -> dict[str, float]: ...

    async def save_talked(self, broadcast_id: str, seconds: Mapping[str, float]) -> None: ...


class TalkTimes:
    """`load` at the start, then `run`, at the end `save` once more."""

    def __init__(self, board: Board, store: Keeping) -> None:
        self._board = board
        self._store = store
        self._saved: dict[str, dict[str, float]] = {}
        """Of broadcasts that go on: what the store has."""

    async def load(self) -> None:
        """Of every broadcast that was on the air, for ended ones still show it."""
        for room in list(self._board.rooms()):
            if room.broadcast is not None and room.broadcast.live_since is not None:
                talked = await self._store.talked(room.broadcast.id)
                self._board.recall(room.broadcast.id, talked)
                self._saved[room.broadcast.id] = talked

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.save()
            except Exception:
                log.exception("talk times could not be saved")

    async def save(self) -> None:
        """Writes down what has changed."""
        current = {room.broadcast.id: room for room in self._board.rooms() if room.broadcast is not None}
        for broadcast_id, room in current.items():
            saved = self._saved.get(broadcast_id, {})
            talked = {
                person: round(seconds, 1)
                for person, seconds in self._board.talked(broadcast_id).items()
                if abs(seconds - saved.get(person, 0.0)) >= SMALLEST
            }
            if talked:
                await self._store.save_talked(broadcast_id, talked)
                self._saved[broadcast_id] = {**saved, **talked}
            elif room.status not in CONNECTABLE:
                self._saved.pop(broadcast_id, None)
