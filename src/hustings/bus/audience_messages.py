"""Counting listeners: what edges, stage and studio say to one another. Addresses and browsers go nowhere."""

from __future__ import annotations

from hustings.audience.minute import Minute
from hustings.bus.messages import Message, SessionOffer


class SaltRequest(Message, frozen=True, kw_only=True):
    """Of one scope: a broadcast on air, or a day ("2026-11-29") of replay. Answered by Salt; Refused (503)
    while the studio does not know it yet, (404) when nothing is counted there."""

    scope: str


class Salt(Message, frozen=True, kw_only=True):
    """In memory only: never to be written or logged. Also published by who has it, when SaltWanted asks."""

    scope: str
    salt: bytes


class SaltWanted(Message, frozen=True, kw_only=True):
    """The studio began anew: who has salts says so, and tells everything it has counted once more."""


class Counted(Message, frozen=True, kw_only=True):
    """Every few seconds from each place: minutes that changed, each whole, to replace what was said before.
    `older`: only after SaltWanted."""

    place: str
    broadcast_id: str
    slug: str
    salt: str
    """salt_name; "" as long as there is none."""
    minutes: list[Minute]
    older: dict[int, bytes] = {}  # noqa: RUF012 (msgspec copies it)


class CountedOffer(SessionOffer, frozen=True, kw_only=True, tag="SessionOffer"):
    """Who listens by WHEP, for the stage to count: the visitor's key (0: unknown), made with the salt of this
    name, and the country's code ("": unknown). No address or browser goes to the stage. The tag is
    SessionOffer's: the stage reads both so."""

    key: int = 0
    salt: str = ""
    bot: bool = False
    country: str = ""


class Heard(Message, frozen=True, kw_only=True):
    """Who took HLS at this edge from `begin` on for a few seconds, or said that he plays it: packed records
    (audience.heard). The same listener may ask several edges: they meet at the studio."""

    place: str
    broadcast_id: str
    salt: str
    begin: float
    """Unix seconds."""
    records: bytes
    countries: bytes = b""
    """Of each record, in their order; nothing where none is known (and of edges of an older version)."""


class Played(Message, frozen=True, kw_only=True):
    """Plays of one recording on one day at this edge, so far. `sketch`: of those who took 60 s."""

    place: str
    day: str
    slug: str
    broadcast_id: str
    salt: str
    sketch: bytes
    milliseconds: int
