"""Statements and corrections: what a host publishes on a room for ever. Wish + what is published already ->
an entry of the public record, or a RoomError. Pure.

A statement is an answer in somebody's own words; a correction says what was wrong and what is right. Neither
changes or removes anything: both are added, and the record keeps what they speak of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hustings.rooms.errors import AlreadyThere, TooMany, UnknownMember, WrongPlace
from hustings.rooms.record import KEY, Json
from hustings.rooms.record_entries import Fact

STATEMENT: Final = "statement"
CORRECTION: Final = "correction"
MAX_PUBLISHED: Final = 500
"""Statements and corrections of one room."""
MAX_STATEMENT: Final = 2_000
MAX_CORRECTION: Final = 1_000
"""Characters of what was wrong, and of what is right. All of them together fit into a record's line."""
MAX_POSITION: Final = 86_400
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement or correction that stands in the record, as its entry `seq`. What it does not have is "" or
    None. `position`: seconds of the broadcast; `entry`: the number of the entry that is corrected."""

    seq: int
    kind: Literal["statement", "correction"]
    id: str
    at: str
    """ISO 8601, UTC."""
    who: str = ""
    text: str = ""
    link: str = ""
    was: str = ""
    now: str = ""
    broadcast: str = ""
    position: int | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class PublishStatement:
    """`broadcast`: what it answers to; "" for the room."""

    id: str
    who: str
    text: str
    at: float
    link: str = ""
    broadcast: str = ""


@dataclass(frozen=True, slots=True)
class PublishCorrection:
    """Of a broadcast, perhaps at a `position` (seconds since it went live), or of an earlier entry."""

    id: str
    was: str
    now: str
    at: float
    broadcast: str = ""
    position: int | None = None
    entry: int | None = None


type Wish = PublishStatement | PublishCorrection


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of what a wish speaks of. `lasted`: seconds the broadcast was live so far, None when
    there is no such broadcast; `kind`: of the entry, "" when there is none."""

    lasted: float | None = None
    kind: str = ""


def decide(published: Sequence[Said], wish: Wish, subject: Subject) -> Fact | None:
    """What is to be appended; None when it stands there already (a client may repeat a wish).

    Raises TooMany, AlreadyThere (the identifier is another's), UnknownMember, WrongPlace.
    """
    fact = Fact(*_entry(wish))
    known = next((said for said in published if said.id == wish.id), None)
    if known is not None:
        if (known.kind, _data(known)) != (fact.kind, fact.data):
            raise AlreadyThere(fact.kind, wish.id)
        return None
    if len(published) >= MAX_PUBLISHED:
        raise TooMany("statements and corrections", MAX_PUBLISHED)
    if wish.broadcast and subject.lasted is None:
        raise UnknownMember("broadcast", wish.broadcast)
    if isinstance(wish, PublishCorrection):
        _check_place(wish, subject)
    return fact


def _check_place(wish: PublishCorrection, subject: Subject) -> None:
    if bool(wish.broadcast) is (wish.entry is not None):
        raise WrongPlace("A correction is of a broadcast or of an entry of the record: of one of them.")
    if wish.entry is not None:
        if subject.kind in ("", KEY):
            raise UnknownMember("entry", str(wish.entry))
        if wish.position is not None:
            raise WrongPlace("Only a broadcast has a position.")
    elif wish.position is not None and not 0 <= wish.position <= (subject.lasted or 0.0):
        raise WrongPlace(f"The broadcast has lasted {int(subject.lasted or 0)} seconds.")


def _entry(wish: Wish) -> tuple[str, float, dict[str, Json]]:
    if isinstance(wish, PublishStatement):
        data = {"id": wish.id, "who": wish.who, "text": wish.text, "link": wish.link}
        return STATEMENT, wish.at, _there({**data, "broadcast": wish.broadcast})
    more = {"broadcast": wish.broadcast, "position": wish.position, "entry": wish.entry}
    return CORRECTION, wish.at, _there({"id": wish.id, "was": wish.was, "now": wish.now, **more})


def _data(said: Said) -> dict[str, Json]:
    names = ("id", "who", "text", "link", "was", "now", "broadcast", "position", "entry")
    return _there({name: getattr(said, name) for name in names})


def _there(data: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in data.items() if value not in ("", None)}


def said_of(seq: int, at: str, kind: str, data: dict[str, Json]) -> Said | None:
    """What an entry of the record says; None when it is another kind."""
    if kind not in (STATEMENT, CORRECTION):
        return None
    known: dict[str, Json] = {name: value for name, value in data.items() if name in Said.__slots__}
    return Said(seq=seq, kind=kind, at=at, **known)  # type: ignore[arg-type]  # as _entry wrote it
