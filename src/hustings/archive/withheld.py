"""`withheld.json` in a recording's folder: it is there for its hosts, and for nobody else.

An edition has it from the beginning until it is published; the original, while an edition stands in its place
or somebody's part is being taken out of it. It is the one file the studio writes into a recording.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from hustings.archive.small import put, read_struct
from hustings.errors import Corrupt

WITHHELD_NAME: Final = "withheld.json"

type WithheldWhy = Literal["draft", "edited", "being_edited"]


class Withheld(msgspec.Struct, frozen=True, kw_only=True):
    """`draft`: was never public. `edited`: `instead` is public in its place. `being_edited`: for the time
    being nothing is. `since`: ISO 8601, UTC."""

    version: int = 1
    why: WithheldWhy
    since: str
    instead: str = ""


def is_withheld(folder: Path) -> bool:
    """Whether nobody but the hosts may have the recording in `folder`."""
    return (folder / WITHHELD_NAME).exists()


def read_withheld(folder: Path) -> Withheld | None:
    """None: it is public, or nothing is there. What cannot be read counts as a draft. Raises OSError."""
    try:
        return read_struct(folder / WITHHELD_NAME, Withheld)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Corrupt:
        return Withheld(why="draft", since="")


def withhold(folder: Path, withheld: Withheld | None) -> bool:
    """Writes it, or removes it. Whether anything changed. Raises OSError."""
    if withheld is None:
        known = is_withheld(folder)
        (folder / WITHHELD_NAME).unlink(missing_ok=True)
        return known
    before = read_withheld(folder)
    if before is not None and (before.why, before.instead) == (withheld.why, withheld.instead):
        return False
    put(folder / WITHHELD_NAME, msgspec.json.encode(withheld) + b"\n")
    return before is None
