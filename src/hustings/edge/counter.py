"""Who is being delivered sound right now, by room and door; the method is in docs/push-protocol.md.

Push and streams: open connections whose buffers have drained within the last 10 s while media went
out. HLS has no connection to count, so: distinct visitors (keyed hash of address and browser, kept in
memory for 15 s, key made anew with each process) that took a media playlist, part or segment within
the last 15 s. Nothing here says who they are, and nothing is kept.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from hustings.edge.http import Request

if TYPE_CHECKING:
    from hustings.edge.protocol import Connection

TAKEN_WITHIN = 10.0
"""Seconds within which a push or stream listener must have taken media."""
HLS_WITHIN = 15.0
"""Seconds within which an HLS listener must have asked for media: twice a segment and some."""
HLS_CAP = 200_000
"""Visitors remembered per room: beyond these the count is too low rather than the memory too full."""


class HlsAudience:
    """Distinct visitors of one room's HLS of late."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}

    def saw(self, visitor: int, now: float) -> None:
        """`visitor` took media."""
        if visitor in self._seen or len(self._seen) < HLS_CAP:
            self._seen[visitor] = now

    def knows(self, visitor: int, now: float) -> bool:
        """Whether `visitor` listens: has taken media within HLS_WITHIN."""
        return now - self._seen.get(visitor, float("-inf")) <= HLS_WITHIN

    def count(self, now: float) -> int:
        """Visitors within HLS_WITHIN; forgets the others."""
        self._seen = {visitor: at for visitor, at in self._seen.items() if now - at <= HLS_WITHIN}
        return len(self._seen)


class Visitors:
    """Makes the hashes."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)

    def of(self, connection: Connection, request: Request) -> int:
        """A number that is the same for the same address and browser, in this process only."""
        if connection.proxied or not connection.audience_key:
            agent = request.headers.get(b"user-agent", b"")
            text = connection.visitor(request).encode() + b"\0" + agent
            digest = hashlib.blake2b(text, digest_size=8, key=self._key).digest()
            connection.audience_key = int.from_bytes(digest)
        return connection.audience_key
