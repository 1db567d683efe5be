"""The public record of every room: what happened is appended where it is committed; a copy lies in the data
folder.

The copy, records/{slug}.entries, is what edges serve. The line that closes it, the head, goes to the
edges with the room's pages: it says how much of the file is published, so a file that is just being written
is never served half. Beside each recording lies the record as it was when that was over (record.jsonl).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from hustings.archive.index import write_whole
from hustings.archive.library import Library
from hustings.archive.model import INDEX_NAME, read_index
from hustings.archive.record_facts import recording_fact
from hustings.archive.record_file import NAME, Published, entries_path, published_file
from hustings.archive.tombstone import read_tombstone
from hustings.bus.messages import Page, RecordingDeleted, RecordingReady
from hustings.clock import Clock
from hustings.errors import Corrupt, Unavailable
from hustings.rooms import events as e
from hustings.rooms.model import Room
from hustings.rooms.record import Json, head_line, line_hash, moment
from hustings.rooms.record_entries import Fact, facts
from hustings.store.record import RecordStore, Signing
from hustings.store.starts import Note
from hustings.studio.board import Board
from hustings.studio.context import RoomView

log = structlog.get_logger()

RETRY: Final = 5.0
"""Seconds until what could not be written is tried again."""
NAME_LENGTH: Final = 80
SPEAKERS: Final = 20
"""Speakers whose talk times one entry holds."""

_failed = Counter("hustings_studio_record_failures_total", "Copies of a public record that were not written.")


class Renew(Protocol):
    """Publisher.renew."""

    def __call__(self, slug: str) -> None: ...


@dataclass(slots=True)
class _Copy:
    entries: int = 0
    size: int = 0
    last: str = ""


class Records:
    """`also` and `noted` are called in the transactions of what they record, `committed` after them."""

    def __init__(
        self, store: RecordStore, board: Board, data: Path, clock: Clock, signer: Signing, renew: Renew
    ) -> None:
        self.store = store
        self._store = store
        self._board = board
        self._data = data
        self._library = Library(data)
        self._clock = clock
        self._signer = signer
        self._renew = renew
        self._copies: dict[str, _Copy] = {}
        self._heads: dict[str, Published] = {}
        self._beside: dict[str, Path] = {}
        """By room, the recording beside which its record is to be laid."""
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        board.on_change(self._see)

    # --- what happened -----------------------------------------------------------------------

    async def also(
        self, connection: AsyncConnection, before: Room, after: Room, happened: list[e.Event]
    ) -> None:
        """For Studio.also: in the transaction that commits `happened`."""
        found: list[Fact] = []
        for fact in facts(before, after, happened):
            if fact.kind == "ended":
                found += self._talk_times(after, fact.at)
            found.append(fact)
        try:
            await self._store.append(connection, after.slug, found, [self.created(before)])
        except ValueError:  # the room goes on, whatever cannot be written down
            _failed.inc()
            log.exception("an entry of a public record cannot be written", slug=after.slug)

    def committed(self, room: Room, _happened: Sequence[e.Event]) -> None:
        """For Studio.on_events."""
        self._mark(room.slug)

    def _see(self, slug: str) -> None:
        """For Board.on_change: a room that is new."""
        if slug not in self._copies and slug not in self._dirty:
            self._dirty.add(slug)
            self._wake.set()

    def _talk_times(self, room: Room, at: float) -> list[Fact]:
        """Of all who talked, by name; so many in one entry that it stays short."""
        assert room.broadcast is not None
        talked = self._board.talked(room.broadcast.id)
        seats = room.participants
        speakers: list[Json] = [
            {"name": seats[person].name[:NAME_LENGTH], "seconds": round(seconds)}
            for person, seconds in sorted(talked.items())
            if person in seats and round(seconds)
        ]
        of = room.broadcast.id
        return [
            Fact("talk_time", at, {"broadcast": of, "speakers": speakers[first : first + SPEAKERS]})
            for first in range(0, len(speakers), SPEAKERS)
        ]

    async def noted(self, connection: AsyncConnection, slug: str, broadcast_id: str, note: Note) -> None:
        """How a broadcast began (studio/starts.py), in the transaction that writes the note."""
        kind = {"speaker": "first_speaker", "sound": "first_sound", "incident": "incident"}[note.kind]
        what: dict[str, str] = {"what": note.what} if note.what else {}
        await self._store.append(connection, slug, [Fact(kind, note.at, {"broadcast": broadcast_id, **what})])

    @staticmethod
    def created(room: Room) -> Fact:
        """The first entry after the key's."""
        when = moment(room.scheduled_at) if room.scheduled_at is not None else None
        return Fact("created", room.created_at, {"title": room.title, "scheduled": when})

    def written(self, slug: str) -> None:
        """Something was appended to the record of `slug` and committed."""
        self._mark(slug)

    async def recording_ready(self, message: RecordingReady) -> None:
        """A recording is whole: its segments are from now on what they are."""
        await self._look(message.slug, message.broadcast_id)

    async def recording_deleted(self, message: RecordingDeleted) -> None:
        """A recording is gone."""
        await self._look(message.slug, message.broadcast_id)

    async def _look(self, slug: str, broadcast_id: str) -> None:
        """Appends what is not in the record yet of a recording on the disk, or deleted from it."""
        try:
            fact = await asyncio.to_thread(self._recording, slug, broadcast_id)
            if fact is None:
                return
            await self._store.add(slug, [fact], once="broadcast")
            if fact.kind == "recording":
                self._beside[slug] = self._library.folder_of(slug, broadcast_id)
            self._mark(slug)
        except (Corrupt, OSError, Unavailable) as error:
            _failed.inc()
            log.warning("a recording is not in the public record", slug=slug, why=str(error))

    def _recording(self, slug: str, broadcast_id: str) -> Fact | None:
        """In a thread."""
        folder = self._library.folder_of(slug, broadcast_id)
        stone = read_tombstone(folder)
        if stone is not None:
            if stone.live_since is None:
                return None  # a draft that nobody ever heard
            data = {"broadcast": broadcast_id, "sha256": stone.sha256, "why": stone.why}
            return Fact("recording_deleted", self._clock.wall(), {**data})
        if not (folder / INDEX_NAME).exists() or self._library.withheld(slug, broadcast_id) is not None:
            return None
        return recording_fact(folder, read_index(folder), self._clock.wall())

    # --- the copy ----------------------------------------------------------------------------

    def pages(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For Publisher.add: how much of the file is published, and the head."""
        published = self._heads.get(room.slug)
        if published is None:
            return {}
        body = msgspec.json.encode(published)
        return {"record.head": Page(content_type="application/json", body=body)}

    async def run(self) -> None:
        """Looks for recordings the record lacks, then writes copies, until cancelled."""
        for room in list(self._board.rooms()):
            self._mark(room.slug)
            if room.broadcast is not None and room.broadcast.ended_at is not None:
                await self._look(room.slug, room.broadcast.id)
        while True:
            await self._wake.wait()
            self._wake.clear()
            for slug in sorted(self._dirty):
                self._dirty.discard(slug)
                try:
                    await self._copy(slug)
                except (OSError, Unavailable) as error:
                    _failed.inc()
                    log.warning("a public record is not copied yet", slug=slug, why=str(error))
                    self._dirty.add(slug)
                except Exception:
                    _failed.inc()
                    log.exception("a public record cannot be copied", slug=slug)
            if self._dirty:
                await asyncio.sleep(RETRY)
                self._wake.set()

    def _mark(self, slug: str) -> None:
        self._dirty.add(slug)
        self._wake.set()

    async def _copy(self, slug: str) -> None:
        """Brings the file of one room up to the database, then publishes the head."""
        copy = self._copies.get(slug)
        path = entries_path(self._data, slug)
        if copy is None:
            copy = await self._resume(slug, path)
        if not copy.entries and (room := self._board.room(slug)) is not None:
            await self._store.add(slug, [], begin=[self.created(room)])
        while lines := await self._store.lines(slug, copy.entries):
            await asyncio.to_thread(_append, path, lines, copy.size)
            copy.entries += len(lines)
            copy.size += sum(len(line) + 1 for line in lines)
            copy.last = line_hash(lines[-1])
        self._copies[slug] = copy
        published = self._heads.get(slug)
        if copy.entries and (published is None or published.entries != copy.entries):
            self._publish(slug, copy)
        folder = self._beside.pop(slug, None)
        if folder is not None and slug in self._heads and not (folder / NAME).exists():
            file = published_file(path, self._heads[slug])
            await asyncio.to_thread(write_whole, folder / NAME, file.read(0, file.size))

    def _publish(self, slug: str, copy: _Copy) -> None:
        head = head_line(
            room=slug, entries=copy.entries, last=copy.last, at=self._clock.wall(), sign=self._signer.sign
        )
        self._heads[slug] = Published(entries=copy.entries, size=copy.size, head=head.decode())
        self._renew(slug)

    async def _resume(self, slug: str, path: Path) -> _Copy:
        """What of the file is the database's; a file that is not is begun anew."""
        copy = await asyncio.to_thread(_measure, path)
        if copy.entries and await self._store.hash_of(slug, copy.entries - 1) != copy.last:
            log.warning("the copy of a public record was not the database's; written anew", slug=slug)
            return _Copy()
        return copy


def _measure(path: Path) -> _Copy:
    """The whole lines of the file there is."""
    copy = _Copy()
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # cut off when the server died
                copy.entries += 1
                copy.size += len(line)
                copy.last = line_hash(line[:-1])
    except FileNotFoundError:
        pass
    return copy


def _append(path: Path, lines: Sequence[bytes], at: int) -> None:
    """Writes `lines` from byte `at` on and cuts off what was behind it. On the disk when it returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(exist_ok=True)
    with path.open("r+b") as file:
        file.truncate(at)
        file.seek(at)
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
