"""Sealed entries of the public record: what is in them is proved and not shown. Pure.

Instead of its data such an entry holds a SHA-256 over a random nonce and the data, as RFC 8785 writes it.
Nonce and data, the opening, are kept apart. Whoever is given it later finds out whether it is what was sealed
then; without it nobody finds out what was, not even by trying all numbers.

A file of openings has one JSON object a line, written as RFC 8785 says: `seq` (the number of the entry it
opens), `nonce` (hexadecimal digits), `data`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from hustings.rooms.record import Entry, Json, canonical

NONCE: Final = 32
"""Bytes of a nonce."""
SHOWN: Final = ("broadcast", "minute", "day")
"""Members of the data that a sealed entry shows."""
SEALED: Final = "sealed"
TOTAL: Final = "audience_total"
"""The entry after which a broadcast's figures are all there, but for those of replays."""

_NONCE: Final = re.compile(r"([0-9a-f]{2}){16,64}")
_MEMBERS: Final = frozenset(("seq", "nonce", "data"))


@dataclass(frozen=True, slots=True)
class Opening:
    """What entry `seq` was made of."""

    seq: int
    nonce: str
    data: dict[str, Any]

    def line(self) -> bytes:
        """As in a file of openings, without a line feed."""
        return canonical({"seq": self.seq, "nonce": self.nonce, "data": self.data})


def seal_of(data: dict[str, Json], nonce: str) -> str:
    """SHA-256 of nonce and data, in hexadecimal digits. Raises ValueError for data no record can hold."""
    return hashlib.sha256(bytes.fromhex(nonce) + canonical(data)).hexdigest()


def sealed(data: dict[str, Json], nonce: str) -> dict[str, Json]:
    """What stands in the record in place of `data`."""
    shown: dict[str, Json] = {name: data[name] for name in SHOWN if name in data}
    return {**shown, SEALED: seal_of(data, nonce)}


def read_openings(text: bytes) -> list[Opening]:
    """A file of openings. Raises ValueError, which names the line."""
    found: list[Opening] = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        if not line and number == text.count(b"\n") + 1:
            break  # behind the last line feed
        try:
            members = json.loads(line.decode())
            written = isinstance(members, dict) and members.keys() == _MEMBERS and canonical(members) == line
        except (ValueError, RecursionError):
            written = False
        if not written or not _is_opening(members):
            raise ValueError(f"line {number} is no opening, or not written as RFC 8785 says")
        found.append(Opening(members["seq"], members["nonce"], members["data"]))
    return found


def _is_opening(members: dict[str, Any]) -> bool:
    seq, nonce, data = members["seq"], members["nonce"], members["data"]
    number = isinstance(seq, int) and not isinstance(seq, bool) and seq >= 0
    return (
        number and isinstance(nonce, str) and _NONCE.fullmatch(nonce) is not None and isinstance(data, dict)
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """What `check_openings` found. `first_bad`: the number of the first entry that is not opened as it was
    sealed, None when all is well; `reason`: why, in one sentence. `sealed`: entries that are, `opened`:
    those of them whose opening is right."""

    sealed: int
    opened: int
    first_bad: int | None = None
    reason: str = ""


def check_openings(entries: Sequence[Entry], openings: Iterable[Opening]) -> Opened:
    """Whether `openings` are those of a record that was checked (`record.verify`).

    Of a broadcast they must be whole: everything sealed before the last of them, and once its total is in
    the record, all but what was heard again later. Broadcasts of which there is none are left alone.
    """
    closed = {entry.seq: entry for entry in entries if SEALED in entry.data}
    bad: dict[int, str] = {}
    opened: dict[int, Opening] = {}
    for opening in openings:
        why = _wrong(closed.get(opening.seq), opening, entries)
        if opening.seq in opened or opening.seq in bad:
            why = "two openings for this entry"
        if why:
            bad.setdefault(opening.seq, why)
        else:
            opened[opening.seq] = opening
    for seq in _missing(closed, opened.keys() | (bad.keys() & closed.keys())):
        bad.setdefault(seq, "its opening is missing, though there are others of the same broadcast")
    first = min(bad, default=None)
    good = len(opened.keys() - bad.keys())
    return Opened(len(closed), good, first, bad[first] if first is not None else "")


def _wrong(entry: Entry | None, opening: Opening, entries: Sequence[Entry]) -> str:
    """Why this does not open that; "" when it does."""
    if entry is None:
        there = "that entry is not sealed" if opening.seq < len(entries) else "there is no such entry"
        return f"an opening that is foreign to this record: {there}"
    if opening.data.get("broadcast") != entry.data.get("broadcast"):
        return "an opening that is foreign to this entry: it is of another broadcast"
    try:
        right = seal_of(opening.data, opening.nonce) == entry.data[SEALED]
    except ValueError:
        right = False
    return "" if right else "its opening is wrong: this is not what was sealed"


def _missing(closed: dict[int, Entry], given: AbstractSet[int]) -> Iterable[int]:
    """Entries whose opening should be among those that were given."""
    last = max(given, default=-1)
    of: dict[str, list[Entry]] = defaultdict(list)
    for entry in closed.values():
        of[str(entry.data.get("broadcast"))].append(entry)
    for found in of.values():
        if not any(entry.seq in given for entry in found):
            continue
        over = any(entry.kind == TOTAL for entry in found)
        for entry in found:
            final = over and entry.kind != "audience_replay"
            if entry.seq not in given and (entry.seq < last or final):
                yield entry.seq
