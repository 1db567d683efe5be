"""What listeners are counted by, and the few numbers of the method (docs/audience.md)."""

from __future__ import annotations

from typing import Final, Literal

type Door = Literal["push", "hls", "stream", "whep"]
type Lane = Literal["push", "hls", "stream", "whep", "beacon", "bots"]

DOORS: Final[tuple[Door, ...]] = ("push", "hls", "stream", "whep")
LANES: Final[tuple[Lane, ...]] = (*DOORS, "beacon", "bots")
"""The doors are net; what players say of themselves and what programs take stand apart."""
NUMBER: Final[dict[Lane, int]] = {lane: number for number, lane in enumerate(LANES)}

VERSION: Final = 1
"""Of the method."""
SECONDS: Final = 60.0
"""Of sound delivered, from which on a listener counts."""
WITHIN: Final = 90.0
"""Seconds in which they must have been."""
MINUTE: Final = 60
MOMENT: Final = 5
"""Seconds between two moments at which listeners are counted."""
MOMENTS: Final = MINUTE // MOMENT
SETTLE: Final = 15.0
"""Seconds for the last figures of all edges to be where they are added up."""
FINAL: Final = WITHIN + SETTLE
"""Seconds after its end when a minute is final."""
