"""Salts of what is counted, in memory only: one for each broadcast on air and each day of replay.

A studio that began anew asks who has them and waits a moment for the answer; what nobody has is made anew.
"""

from __future__ import annotations

import secrets
from typing import Final

from hustings.bus.audience_messages import Salt, SaltRequest
from hustings.clock import Clock
from hustings.errors import Refused

WAIT: Final = 3.0
"""Seconds after the start in which salts may come back."""
BYTES: Final = 16
MAX_SCOPES: Final = 1024


class Salts:
    """`scopes`: what is counted now; nothing else has a salt."""

    def __init__(self, clock: Clock) -> None:
        self.scopes: set[str] = set()
        self._clock = clock
        self._begun = clock.monotonic()
        self._salts: dict[str, bytes] = {}
        self._back: set[str] = set()
        self._before: frozenset[str] = frozenset()
        """What was counted already when this studio began."""

    def recover(self, scopes: frozenset[str]) -> None:
        """These were counted before this studio began: somebody may have their salts."""
        self._before = scopes
        self._begun = self._clock.monotonic()
        self.scopes |= scopes

    def held(self, message: Salt) -> None:
        """Somebody has one. The first wins."""
        if message.scope in self._before and message.scope not in self._salts and len(message.salt) == BYTES:
            self._salts[message.scope] = message.salt
            self._back.add(message.scope)

    async def serve(self, request: SaltRequest) -> Salt:
        """Raises Refused."""
        return Salt(scope=request.scope, salt=self.of(request.scope))

    def of(self, scope: str) -> bytes:
        """Raises Refused: 404 nothing is counted there, 503 it may yet come back."""
        if scope not in self.scopes:
            raise Refused(404, "Nothing is counted there", f"'{scope}' is not on the air.", "scope")
        salt = self._salts.get(scope)
        if salt is None:
            if scope in self._before and self.waiting:
                raise Refused(503, "Not known yet", "The studio began a moment ago; ask again.")
            if len(self._salts) >= MAX_SCOPES:
                raise Refused(503, "Too much is counted", "Try again when something has ended.")
            salt = self._salts[scope] = secrets.token_bytes(BYTES)
        return salt

    @property
    def waiting(self) -> bool:
        """Whether salts may still come back."""
        return self._clock.monotonic() - self._begun < WAIT

    def lost(self, scope: str) -> bool:
        """Whether it was counted before with a salt that nobody has any more."""
        return scope in self._before and scope not in self._back

    def forget(self, scope: str) -> None:
        """Nothing is counted there any more."""
        self.scopes.discard(scope)
        self._salts.pop(scope, None)
        self._back.discard(scope)
        self._before -= {scope}
