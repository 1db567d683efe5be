"""A room's recordings as its hosts have them: listed, deleted on demand or because they are old.

Deleting is written down with its job in one transaction; from then on nothing here shows or links to the
recording. The scribe removes the files; a tombstone stays, which is what the list shows in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from hustings.archive.library import Library
from hustings.archive.made import Made, MadeKind, read_made
from hustings.archive.model import INDEX_NAME, Index
from hustings.archive.orders import DELETE_KIND, STORE_KIND, Deletion, deletion_id, store_id
from hustings.archive.stored import STORED_NAME, freed
from hustings.archive.tombstone import Tombstone, Why, is_deleted, read_tombstone
from hustings.archive.virtual import segment_name
from hustings.bus.messages import JobsDue, RecordingDeleted
from hustings.clock import Clock
from hustings.errors import Corrupt, Refused, Unavailable
from hustings.ids import is_broadcast_id
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Room
from hustings.store.deletions import AskedFor, DeletionStore
from hustings.store.jobs import OPEN, Job, Jobs
from hustings.studio.board import Board
from hustings.studio.family import Family
from hustings.studio.retention import DAY, began_at, days_kept, kept_until

log = structlog.get_logger()

LISTED: Final = 50
"""Recordings in one answer."""
ROUND: Final = 3600.0
"""Seconds between two looks for what is too old."""
FINISHING: Final = 60.0
"""Seconds after the end of a broadcast in which the stage may still be writing its index."""

type State = Literal["on_air", "finishing", "kept", "deleting", "deleted"]
type Kept = Literal["no", "waiting", "stored", "only_there"]
"""Whether the store has it: not asked for, on its way, as well, alone."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """One recording. `began_at`, `kept_until`: Unix seconds; `seconds`: None while nobody knows."""

    broadcast: str
    state: State
    began_at: float
    seconds: float | None = None
    bytes: int = 0
    whole: bool = True
    made: dict[MadeKind, Made] | None = None
    kept_until: float | None = None
    problem: str = ""
    """Why it is not deleted yet."""
    stored: Kept = "no"
    store_problem: str = ""
    """Why it is not in the store yet."""
    stone: Tombstone | None = None
    public: bool = True
    """False: an edition stands in its place, or a part of it is being taken down."""
    edition_of: str = ""
    """Of an edition: the original's identifier."""
    edition: int = 0


class Shelf:
    """`changed`: takes the room's recordings anew from the disk, for whoever shows them. Raises Refused,
    Unavailable."""

    def __init__(
        self,
        data: Path,
        board: Board,
        store: DeletionStore,
        jobs: Jobs,
        wake: Callable[[JobsDue], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._library = Library(data)
        self._board = board
        self._store = store
        self._jobs = jobs
        self._wake = wake
        self._clock = clock
        self._asked: dict[str, AskedFor] = {}
        self.family = Family(self.gone)
        """Editions, as studio.edits keeps them."""
        self._weighed: dict[Path, tuple[tuple[int, ...], int]] = {}
        self._changed: list[Callable[[str], Awaitable[None]]] = []

    def on_change(self, callback: Callable[[str], Awaitable[None]]) -> None:
        """`callback(slug)` when one of the room's recordings is one no more."""
        self._changed.append(callback)

    async def load(self) -> None:
        """Takes up what the database holds."""
        self._asked = {asked.broadcast: asked for asked in await self._store.all()}

    def gone(self, broadcast: str) -> bool:
        """Whether this one was given up; its files may still be there."""
        return broadcast in self._asked

    def why(self, broadcast: str) -> Why | None:
        """Why it was given up; None: it was not."""
        asked = self._asked.get(broadcast)
        return msgspec.convert(asked.why, Why) if asked is not None else None

    async def state(self, slug: str, broadcast: str) -> State | None:
        """How this one is; None: there is none."""
        room = self._board.room(slug)
        found = await asyncio.to_thread(self._one, room, broadcast, {}) if room is not None else None
        return found.state if found is not None else None

    async def listed(self, slug: str, before: str = "") -> list[Shelved]:
        """Newest first, LISTED + 1 at most, those that were deleted included, editions that never were public
        not. `before`: older than this."""
        room = self._board.room(slug)
        if room is None:
            return []
        standing = await self._jobs.standing(DELETE_KIND)
        problems = {name: note for name, (_, note) in standing.items() if note}
        found = await asyncio.to_thread(self._list, room, before, problems)
        stores = await self._jobs.standing(STORE_KIND)
        return [_with_store(one, *stores.get(store_id(one.broadcast), ("", ""))) for one in found]

    async def delete(self, slug: str, broadcast: str, why: Why = "host") -> Shelved:
        """Repeating it changes nothing. Refused with 404 for what there never was, 409 while it is on."""
        room = self._board.room(slug)
        if room is None or not is_broadcast_id(broadcast):
            raise Refused(404, "No such recording", where="path")
        problems = {name: note for name, (_, note) in (await self._jobs.standing(DELETE_KIND)).items()}
        found = await asyncio.to_thread(self._one, room, broadcast, problems)
        if found is None:
            raise Refused(404, "No such recording", where="path")
        if found.state == "on_air":
            raise Refused(409, "The broadcast is on", "Its recording can be deleted when it is over.")
        if found.state == "finishing":
            raise Refused(409, "The recording is being finished", "Try again in a minute.")
        if found.state == "kept":
            at = self._clock.wall()
            asked = AskedFor(broadcast, slug, why, at)
            body = msgspec.json.encode(Deletion(slug=slug, broadcast=broadcast, why=why)).decode()
            await self._store.add(asked, Job(deletion_id(broadcast), DELETE_KIND, broadcast, body, at, at))
            self._asked[broadcast] = asked
            log.info("a recording is to be deleted", slug=slug, why=why)
            await self._wake(JobsDue(kind=DELETE_KIND))
            await self.tell(slug)
            if why != "take_down":
                await self._delete_editions(slug, broadcast, why)
            found = Shelved(broadcast, "deleting", found.began_at, found.seconds, found.bytes, found.whole)
        return found

    async def _delete_editions(self, slug: str, broadcast: str, why: Why) -> None:
        for edition in self.family.editions(broadcast):
            with contextlib.suppress(Refused):  # it was not made yet, and its job is gone with the original's
                await self.delete(slug, edition, why)

    async def deleted(self, message: RecordingDeleted) -> None:
        """The scribe has done it."""
        if self._board.room(message.slug) is not None:
            await self.tell(message.slug)

    async def run(self) -> None:
        """Deletes what is too old, now and then."""
        while True:
            try:
                await self.expire()
            except Exception:
                log.exception("old recordings cannot be deleted")
            await asyncio.sleep(ROUND)

    async def expire(self) -> None:
        """One look at all rooms."""
        for room in list(self._board.rooms()):
            days = days_kept(room.details.keep_days, self._board.keep_days)
            if days is None:
                continue
            try:
                for broadcast in await asyncio.to_thread(self._old, room, days):
                    await self.delete(room.slug, broadcast, "retention")
            except Refused:
                continue  # it is on, or being finished: the next look finds it
            except (OSError, Unavailable) as error:
                log.warning("old recordings not deleted", slug=room.slug, error=type(error).__name__)

    async def tell(self, slug: str) -> None:
        """What there is of the room's recordings has changed."""
        for callback in self._changed:
            await callback(slug)

    # --- in a thread -------------------------------------------------------------------------

    def _old(self, room: Room, days: int) -> list[str]:
        """Recordings whose time is over, oldest first."""
        now = self._clock.wall()
        found: list[str] = []
        for folder in reversed(self._library.folders(room.slug)):
            begun = began_at(folder.name)
            if begun + days * DAY > now:
                break
            if folder.name in self._asked or is_deleted(folder) or not _has_sound(folder):
                continue
            index = self._index(folder)
            # Without an index nobody knows when it ended; none lasts longer than a day.
            ended = index.ended_at if index is not None else begun + DAY
            if ended + days * DAY <= now:
                found.append(folder.name)
        return found

    def _list(self, room: Room, before: str, problems: dict[str, str]) -> list[Shelved]:
        found: list[Shelved] = []
        for folder in self._library.folders(room.slug):
            if before and folder.name >= before:
                continue
            one = self._one(room, folder.name, problems)
            if one is not None and self.family.was_public(folder.name):
                found.append(self._with_edition(one))
            if len(found) > LISTED:
                break
        return found

    def _with_edition(self, one: Shelved) -> Shelved:
        edit = self.family.edition(one.broadcast)
        named = replace(one, public=self.family.is_public(one.broadcast))
        return named if edit is None else replace(named, edition_of=edit.broadcast, edition=edit.number)

    def _one(self, room: Room, broadcast: str, problems: dict[str, str]) -> Shelved | None:
        folder = self._library.folder_of(room.slug, broadcast)
        begun = began_at(broadcast)
        if is_deleted(folder):
            return _buried(folder, begun)
        asked = self._asked.get(broadcast)
        if asked is not None and asked.slug == room.slug:
            return Shelved(broadcast, "deleting", begun, problem=problems.get(deletion_id(broadcast), ""))
        if not _has_sound(folder):
            return None
        index = self._index(folder)
        now = room.broadcast if room.broadcast is not None and room.broadcast.id == broadcast else None
        if now is not None and room.status in CONNECTABLE:
            return Shelved(broadcast, "on_air", begun, bytes=self._weight(folder))
        if index is None:
            state: State = "kept"
            if now is not None and self._clock.wall() - (now.ended_at or 0.0) < FINISHING:
                state = "finishing"
            return Shelved(broadcast, state, begun, bytes=self._weight(folder), whole=False)
        return Shelved(
            broadcast,
            "kept",
            index.live_since,
            index.duration / 48_000,
            self._weight(folder),
            index.whole,
            read_made(folder),
            kept_until(index.ended_at, room.details.keep_days, self._board.keep_days),
            stored=_where(folder, index),
        )

    def _index(self, folder: Path) -> Index | None:
        try:
            return self._library.open(folder).index if (folder / INDEX_NAME).is_file() else None
        except (Corrupt, OSError):
            return None

    def _weight(self, folder: Path) -> int:
        """Bytes of all files; looked at anew only when something came or went."""
        try:
            places = (folder, folder / INDEX_NAME, folder / "made", folder / "program" / "opus")
            stamp = tuple(place.stat().st_mtime_ns for place in places if place.exists())
            known = self._weighed.get(folder)
            if known is None or known[0] != stamp:
                total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                total += sum(each.bytes for each in freed(folder).values())
                known = self._weighed[folder] = (stamp, total)
        except OSError:
            return 0
        return known[1]


def _with_store(one: Shelved, job: str, note: str) -> Shelved:
    """`job`: the state of the job that stores it, "" if there is none any more; `note`: why it failed."""
    waits = one.state == "kept" and job == OPEN
    return replace(one, stored="waiting", store_problem=note) if waits else one


def _where(folder: Path, index: Index) -> Kept:
    if not (folder / STORED_NAME).is_file():
        return "no"
    return "only_there" if _is_freed(folder, index) else "stored"


def _is_freed(folder: Path, index: Index) -> bool:
    firsts = [(codec, each.segments[0]) for codec, each in index.codecs.items() if each.segments]
    return any(not (folder / segment_name(codec, segment)).exists() for codec, segment in firsts)


def _has_sound(folder: Path) -> bool:
    return (folder / INDEX_NAME).is_file() or (folder / "program").is_dir() or (folder / "tracks").is_dir()


def _buried(folder: Path, begun: float) -> Shelved:
    try:
        stone = read_tombstone(folder)
    except (Corrupt, OSError):
        stone = None
    seconds = stone.duration / 48_000 if stone is not None and stone.duration is not None else None
    return Shelved(folder.name, "deleted", begun, seconds, stone=stone)
