"""Statements and corrections of rooms: published by hosts, kept in the public record and nowhere else.

They are read back from the record when the studio begins. Rooms' pages show them, and edges those of a
recording beside it (`published.json`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from hustings.archive.said import OfBroadcasts, SaidOf
from hustings.bus.messages import Page
from hustings.clock import Clock
from hustings.rooms.model import Room
from hustings.rooms.published import (
    CORRECTION,
    STATEMENT,
    PublishCorrection,
    Said,
    Subject,
    Wish,
    decide,
    said_of,
)
from hustings.rooms.record_entries import Fact
from hustings.store.record import RecordStore
from hustings.store.store import Store
from hustings.studio.board import Board
from hustings.studio.context import RoomView, SaidView

SHOWN: Final = 12
"""Statements, and corrections, on a room's page: the newest. The record's page has all."""


class Writing(Protocol):
    """Records: appends to a room's record, says what comes first in one, and is told."""

    def created(self, room: Room) -> Fact: ...
    def written(self, slug: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """`said`: as it stands in the record; `new`: False when it stood there already."""

    said: Said
    new: bool


class Published:
    """Every room's. Raises RoomError, Unavailable."""

    def __init__(
        self, records: RecordStore, store: Store, board: Board, clock: Clock, writing: Writing
    ) -> None:
        self._records = records
        self._store = store
        self._board = board
        self._clock = clock
        self._writing = writing
        self._said: defaultdict[str, list[Said]] = defaultdict(list)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        board.published = self.views

    async def load(self) -> None:
        """Everything there is."""
        for members in await self._records.entries((STATEMENT, CORRECTION)):
            self._take(members["room"], members)

    def of(self, slug: str) -> Sequence[Said]:
        """Of one room, oldest first."""
        return tuple(self._said.get(slug, ()))

    async def publish(self, room: Room, wish: Wish) -> Done:
        """Appends it to the record, once however often it is asked for."""
        async with self._locks[room.slug]:
            subject = await self._subject(room.slug, wish)
            fact = decide(self.of(room.slug), wish, subject)
            if fact is not None:
                # Shielded: a client that hangs up must not leave what is shown behind what is committed.
                await asyncio.shield(self._append(room, fact))
            said = next(each for each in self._said[room.slug] if each.id == wish.id)
            return Done(said, fact is not None)

    async def _append(self, room: Room, fact: Fact) -> None:
        known = self._said[room.slug]
        begin = [self._writing.created(room)]
        await self._records.add(room.slug, [fact], begin=begin, once="id")
        first = known[-1].seq + 1 if known else 0
        for members in await self._records.entries((STATEMENT, CORRECTION), slug=room.slug, first=first):
            self._take(room.slug, members)
        self._writing.written(room.slug)
        self._board.changed(room.slug)

    def _take(self, slug: str, members: Mapping[str, object]) -> None:
        said = said_of(members["seq"], members["at"], members["kind"], members["data"])  # type: ignore[arg-type]  # our own line
        if said is not None:
            self._said[slug].append(said)

    async def _subject(self, slug: str, wish: Wish) -> Subject:
        if wish.broadcast:
            times = await self._store.on_air(slug, wish.broadcast)
            if times is None:
                return Subject()
            began, ended = times
            until = ended if ended is not None else self._clock.wall()
            return Subject(lasted=max(0.0, until - began) if began is not None else 0.0)
        if isinstance(wish, PublishCorrection) and wish.entry is not None:
            return Subject(kind=await self._records.kind_of(slug, wish.entry))
        return Subject()

    # --- pages -------------------------------------------------------------------------------

    def views(self, slug: str) -> tuple[SaidView, ...]:
        """For the room's page: the newest first, a statement's corrections within it."""
        all_of = self._said.get(slug, ())
        by_entry: defaultdict[int, list[SaidView]] = defaultdict(list)
        for said in all_of:
            if said.entry is not None:
                by_entry[said.entry].append(view_of(said))
        statements = {said.seq for said in all_of if said.kind == STATEMENT}
        tops = [said for said in all_of if said.entry is None or said.entry not in statements]
        return tuple(view_of(said, tuple(by_entry[said.seq])) for said in reversed(tops[-SHOWN:]))

    def pages(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For `Publisher.add`: what edges show beside the recordings it speaks of."""
        of: dict[str, list[SaidOf]] = {}
        for said in self._said.get(room.slug, ()):
            if said.broadcast:
                of.setdefault(said.broadcast, []).append(
                    SaidOf(
                        kind=said.kind,
                        at=said.at,
                        who=said.who,
                        text=said.text,
                        link=said.link,
                        was=said.was,
                        now=said.now,
                        position=said.position,
                    )
                )
        if not of:
            return {}
        body = msgspec.json.encode(OfBroadcasts(broadcasts=of))
        return {"published.json": Page(content_type="application/json", body=body)}


def view_of(said: Said, corrections: tuple[SaidView, ...] = ()) -> SaidView:
    """As templates take it."""
    return SaidView(
        seq=said.seq,
        kind=said.kind,
        at=said.at,
        who=said.who,
        text=said.text,
        link=said.link,
        was=said.was,
        now=said.now,
        broadcast=said.broadcast,
        position=said.position,
        entry=said.entry,
        corrections=corrections,
    )
