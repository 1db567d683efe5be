"""What hold music is called: in a room's details, in addresses."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path

import hustings

LOOP = "loop"
"""The one that is built in (web/audio/hold.m4a, made by audio/hold.py)."""
NAME = re.compile(r"[0-9a-f]{32}")
"""Of an uploaded one: a hash of its bytes."""


def hold_address(slug: str, hold: str) -> str:
    """Path at the audience door of what a room's listeners hear before it is live; "" for nothing. Another
    sound has another address, so that caches may keep each for long."""
    if hold == LOOP:
        return f"/static/audio/hold.m4a?v={_loop_version()}"
    return f"/r/{slug}/hold.m4a?v={hold[:16]}" if hold else ""


@cache
def _loop_version() -> str:
    file = Path(hustings.__file__).parent / "web" / "audio" / "hold.m4a"
    return sha256(file.read_bytes()).hexdigest()[:16]
