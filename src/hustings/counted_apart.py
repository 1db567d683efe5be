"""Reads the lists of who is counted apart: programs (published with the pages) and data centres (the
operator's)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import hustings
from hustings.audience.bots import Bots
from hustings.config import Settings
from hustings.errors import Corrupt, UsageError

AGENTS: Final = Path(hustings.__file__).parent / "web" / "audience" / "agents.txt"
MAX_BYTES: Final = 4 << 20


def read_bots(settings: Settings) -> Bots:
    """Raises UsageError when the operator's file cannot be used."""
    agents = AGENTS.read_text()
    if not settings.audience_ranges:
        return Bots(agents)
    path = Path(settings.audience_ranges)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(
                f"{path} has more than {MAX_BYTES} bytes; give a list of ranges (CIDR), one a line."
            )
        return Bots(agents, path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"HUSTINGS_AUDIENCE_RANGES: {path} cannot be read: {error}.") from error
    except Corrupt as error:
        raise UsageError(f"HUSTINGS_AUDIENCE_RANGES: {path}: {error}.") from error
