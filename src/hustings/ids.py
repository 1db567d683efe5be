"""Names, identifiers and secrets: made here, checked here."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from datetime import UTC, datetime

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""What a room's slug may look like: 1-64 characters, safe in paths, subjects and file names."""

_BROADCAST = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{6}")
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "o", "å": "a"})


def is_slug(text: str) -> bool:
    """Whether `text` can stand in a path, a bus subject and a file name as a room's slug."""
    return SLUG.fullmatch(text) is not None


def is_broadcast_id(text: str) -> bool:
    """Whether `text` has the form `new_broadcast_id` gives."""
    return _BROADCAST.fullmatch(text) is not None


def slugify(title: str) -> str:
    """A slug from a title; a random one when nothing of the title can stand in it."""
    spelled = title.casefold().translate(_SPELLED)
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:48].strip("-")
    return slug or f"room-{secrets.token_hex(3)}"


def new_broadcast_id(wall: float) -> str:
    """Sorts by time; safe in paths, bus subjects and file names."""
    return f"{datetime.fromtimestamp(wall, UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def new_id() -> str:
    """A short random identifier that is no secret (72 bit, lower-case hexadecimal)."""
    return secrets.token_hex(9)


def new_secret() -> str:
    """A ticket or token: 192 random bits, URL-safe. Never begins like one kind of secret, as "t_...": by
    its first two characters a secret is told from others (about one try in sixty is thrown away)."""
    while (secret := secrets.token_urlsafe(24))[1] == "_":
        pass
    return secret


def secret_hash(secret: str) -> str:
    """What is stored instead of a secret. The secret is random, so a plain SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
