"""Tokens by which a player behind a cache says that it plays on: HMAC over who it is and when that was said.

A token is worth at most the time since it was given, so whoever repeats or invents one gains nothing; whoever
asks for many is many, which is why these figures stand apart.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple

EVERY: Final = 20
"""Seconds between two beacons of a player."""
MOST: Final = 30.0
"""Seconds of sound one beacon can be worth."""
VALID: Final = 90.0
"""Seconds after which a token is worth nothing: the player begins anew."""
_MAC: Final = 12
LENGTH: Final = 32
"""Characters of a token."""


class Told(NamedTuple):
    """Who said it (64 bits), and how many seconds he has played since he was given the token."""

    session: int
    seconds: float


def _key(salt: bytes) -> bytes:
    """Another key than the visitors'."""
    return hmac.digest(salt, b"hustings beacon", "sha256")


def give(salt: bytes, session: int, now: float) -> str:
    """A token for `session`, at `now` (Unix seconds)."""
    content = session.to_bytes(8) + int(now).to_bytes(4)
    return urlsafe_b64encode(content + hmac.digest(_key(salt), content, "sha256")[:_MAC]).decode()


def take(salt: bytes, token: str, seconds: float, now: float) -> Told | None:
    """What a token is worth with `seconds` its player says it has played; None: it is not one of ours, or
    too old."""
    if len(token) != LENGTH or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token)
    except ValueError:
        return None
    content, mac = raw[:12], raw[12:]
    if not hmac.compare_digest(mac, hmac.digest(_key(salt), content, "sha256")[:_MAC]):
        return None
    since = now - int.from_bytes(content[8:])
    if not -1.0 <= since <= VALID:
        return None
    return Told(int.from_bytes(content[:8]), min(max(0.0, seconds), max(0.0, since), MOST))
