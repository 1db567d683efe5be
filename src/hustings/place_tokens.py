"""Small signed tokens that say when somebody came, or that somebody is invited: a place at the audience's
door.

Pure. A token is 27 bytes as base64url (36 characters): kind (1), time in ms since 1970 (6, big endian), a
random number (8), and HMAC-SHA256 over these, cut to 96 bits (RFC 2104 5). It holds nothing about anybody.
Whoever has the key can check it: every edge of a server, and the studio, which gives passes to the invited.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

type Kind = Literal["waiting", "tested", "inside", "pass"]
"""Waits since `at`; the same, and has done the effort test; was let in at `at`; is invited, until `at`."""

LENGTH = 36
"""Characters of a token."""
_LETTERS: dict[Kind, bytes] = {"waiting": b"w", "tested": b"t", "inside": b"i", "pass": b"p"}
_KINDS: dict[bytes, Kind] = {letter: kind for kind, letter in _LETTERS.items()}
_MAC = 12


@dataclass(frozen=True, slots=True)
class Place:
    """What a token says."""

    kind: Kind
    at: float
    """Seconds since 1970, to the millisecond."""
    number: bytes
    """Random, the same for as long as somebody waits."""


class PlaceTokens:
    """Writes and reads tokens. `key`: any secret text, the same wherever a token is to count."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"hustings place\0" + key.encode()).digest()

    def write(self, kind: Kind, at: float, number: bytes = b"") -> str:
        """A token; with a new random number unless `number` (8 bytes) is given."""
        milliseconds = min(max(0, round(at * 1000)), (1 << 48) - 1)
        content = _LETTERS[kind] + milliseconds.to_bytes(6) + (number or secrets.token_bytes(8))
        return base64.urlsafe_b64encode(content + self._mac(content)).decode()

    def read(self, token: str) -> Place | None:
        """What `token` says; None for what none of us has written."""
        if len(token) != LENGTH or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        content, mac = raw[:-_MAC], raw[-_MAC:]
        kind = _KINDS.get(content[:1])
        if kind is None or not hmac.compare_digest(mac, self._mac(content)):
            return None
        return Place(kind, int.from_bytes(content[1:7]) / 1000, content[7:])

    def digest(self, purpose: bytes, number: bytes) -> bytes:
        """32 bytes that only a holder of the key can foresee."""
        return hmac.digest(self._key, purpose + b"\0" + number, hashlib.sha256)

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)[:_MAC]
