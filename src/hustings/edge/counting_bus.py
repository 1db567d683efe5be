"""The bus side of counting: gets salts from the studio, tells it what was counted."""

from __future__ import annotations

import asyncio
from typing import Final

from hustings.bus import subjects
from hustings.bus.audience_messages import Counted, Heard, Played, Salt, SaltRequest, SaltWanted
from hustings.bus.messages import Message
from hustings.edge.counting import EdgeCounting
from hustings.edge.track import BusLike, Sleep
from hustings.errors import Refused, Unavailable

REPORT_EVERY: Final = 5.0
"""Seconds between two reports: the most that dies with an edge."""
LOOK_EVERY: Final = 0.25
"""... two looks whether a salt is missing."""

_SUBJECTS: Final = {
    Counted: subjects.AUDIENCE_COUNTED,
    Heard: subjects.AUDIENCE_HEARD,
    Played: subjects.AUDIENCE_PLAYED,
}


class CountingBus:
    """Run until cancelled; `report` once more at the end."""

    def __init__(self, bus: BusLike, counting: EdgeCounting, *, sleep: Sleep = asyncio.sleep) -> None:
        self._bus = bus
        self._counting = counting
        self._sleep = sleep
        self._wanted = False

    async def run(self) -> None:
        """Subscribes, then looks and reports."""
        await self._bus.subscribe(subjects.AUDIENCE_SALT_WANTED, SaltWanted, self._on_wanted)
        due = self._counting.clock.monotonic() + REPORT_EVERY
        while True:
            await self.salts()
            if self._wanted:
                self._wanted = False
                await self._tell_all()
            if self._counting.clock.monotonic() >= due:
                due += REPORT_EVERY
                await self.report()
            await self._sleep(LOOK_EVERY)

    def _on_wanted(self, _message: SaltWanted) -> None:
        self._wanted = True

    async def salts(self) -> None:
        """Asks for those that are missing, once."""
        for scope in self._counting.unsalted():
            try:
                answer = await self._bus.request(
                    subjects.AUDIENCE_SALT, SaltRequest(scope=scope), Salt, timeout=2.0
                )
            except (Unavailable, Refused):
                continue
            self._counting.salted(scope, answer.salt)

    async def report(self) -> None:
        """What is new."""
        await self._publish(self._counting.report())

    async def _tell_all(self) -> None:
        """A studio that began anew gets the salts back and everything once more, salts first."""
        for scope, salt in self._counting.salts().items():
            await self._bus.publish(subjects.AUDIENCE_SALT_HELD, Salt(scope=scope, salt=salt))
        await self._publish(self._counting.report(everything=True))

    async def _publish(self, messages: list[Counted | Heard | Played]) -> None:
        for message in messages:
            subject: str = _SUBJECTS[type(message)]
            sent: Message = message
            await self._bus.publish(subject, sent)
