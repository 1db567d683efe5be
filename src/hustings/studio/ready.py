"""Whether the studio can serve, for load balancers and whoever watches (docs/operating.md, Is it up?)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from hustings.clock import Clock

ASKED_FOR: Final = 1.0
"""Seconds an answer of the database counts, however many ask."""
ANSWERS_WITHIN: Final = 2.0


class Readiness:
    """`connected`: whether the studio has its bus, without which no command reaches the stage."""

    def __init__(self, connected: Callable[[], bool], engine: AsyncEngine, clock: Clock) -> None:
        self._connected = connected
        self._engine = engine
        self._clock = clock
        self._asking = asyncio.Lock()
        self._known: tuple[float, bool] | None = None

    async def why_not(self) -> str:
        """Why it cannot serve now, in words; "" when it can."""
        if not self._connected():
            return "The connection to the bus is lost; it is being made again."
        if not await self._database():
            return "The database does not answer."
        return ""

    async def _database(self) -> bool:
        async with self._asking:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] >= ASKED_FOR:
                self._known = (now, await self._ask())
            return self._known[1]

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True
