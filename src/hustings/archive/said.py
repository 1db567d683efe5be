"""Statements and corrections on broadcasts, as the studio hands them to the edges: a room's page
"published.json", which nobody asks for by that name."""

from __future__ import annotations

from typing import Literal

import msgspec


class SaidOf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One. `at`: ISO 8601, UTC; `position`: seconds of the broadcast."""

    kind: Literal["statement", "correction"]
    at: str
    who: str = ""
    text: str = ""
    link: str = ""
    was: str = ""
    now: str = ""
    position: int | None = None


class OfBroadcasts(msgspec.Struct, frozen=True, kw_only=True):
    """By broadcast, oldest first."""

    broadcasts: dict[str, list[SaidOf]]
