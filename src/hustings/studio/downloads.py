"""What is made of recordings for downloading: ordered here as jobs, made by the scribe, listed for hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from hustings.archive.library import Library
from hustings.archive.made import (
    MADE_KINDS,
    Episode,
    Made,
    MadeKind,
    MakingState,
    Order,
    read_made,
    read_states,
    sound_of,
)
from hustings.archive.model import EditedFrom, Index, read_index
from hustings.archive.orders import KIND, job_id
from hustings.bus.messages import DownloadReport, JobsDue, RecordingReady
from hustings.clock import Clock
from hustings.errors import Corrupt, Refused, Unavailable
from hustings.ids import is_broadcast_id
from hustings.rooms.model import Room
from hustings.store.jobs import DEAD, OPEN, Job, Jobs
from hustings.studio.board import Board
from hustings.studio.podcasts import EPISODES, Recordings

log = structlog.get_logger()

AT_ONCE: Final[tuple[MadeKind, ...]] = ("mp3", "m4a")
"""Made of every recording without being asked; FLAC is large and for whoever wants it."""
LISTED: Final = 20
"""Recordings in the hosts' list."""
_PEOPLE: Final = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """One kind of one recording. `state`: absent, waiting, making, made, failed."""

    broadcast: str
    kind: MadeKind
    state: str
    progress: float = 0.0
    problem: str = ""
    made: Made | None = None


class Downloads:
    """Raises Refused, Unavailable."""

    def __init__(
        self,
        data: Path,
        board: Board,
        jobs: Jobs,
        wake: Callable[[JobsDue], Awaitable[None]],
        renew: Callable[[str], None],
        clock: Clock,
        gone: Callable[[str], bool] = lambda _broadcast: False,
    ) -> None:
        self._data = data
        self._library = Library(data, hidden=gone)
        self._board = board
        self._jobs = jobs
        self._wake = wake
        self._renew = renew
        self._clock = clock
        self._made: dict[str, Recordings] = {}

    def recordings(self, slug: str) -> Recordings:
        """What was made of the room's recordings, newest first, as last looked at."""
        return self._made.get(slug, [])

    async def run(self) -> None:
        """After a start: what there is, and orders for what was recorded while nobody ordered."""
        for room in list(self._board.rooms()):
            try:
                await self.look(room.slug)
                newest = await asyncio.to_thread(self._broadcasts, room.slug)
                for broadcast in newest[:1]:
                    await self._order_missing(room.slug, broadcast)
            except (OSError, Corrupt, Unavailable, Refused) as error:
                log.warning("downloads cannot be read", slug=room.slug, error=type(error).__name__)

    async def ready(self, message: RecordingReady) -> None:
        """A recording is whole: its files are ordered."""
        if self._board.room(message.slug) is None:
            return
        try:
            await self._order_missing(message.slug, message.broadcast_id)
        except Refused as error:
            log.warning("nothing to make of a recording", slug=message.slug, why=error.detail)

    async def published(self, slug: str, broadcast: str) -> None:
        """A recording or an edition has become public: its files are ordered."""
        await self.ready(RecordingReady(broadcast_id=broadcast, slug=slug))

    async def reported(self, message: DownloadReport) -> None:
        """The scribe says how one gets on."""
        if message.state == "made" and self._board.room(message.slug) is not None:
            await self.look(message.slug)
            # It may be of a recording that has gone on since.
            with contextlib.suppress(Refused):
                await self._order_missing(message.slug, message.broadcast_id)

    async def look(self, slug: str) -> None:
        """Takes what was made of the room's recordings from the disk."""
        found = await asyncio.to_thread(self._read, slug)
        if found != self._made.get(slug, []):
            self._made[slug] = found
            self._renew(slug)

    async def order(self, slug: str, kind: MadeKind, broadcast: str = "") -> Listed:
        """Has a file made, unless it is there or on its way. Without `broadcast`: of the last recording."""
        room = self._board.room(slug)
        if broadcast and not is_broadcast_id(broadcast):
            raise Refused(404, "No such recording", where="body: broadcast")
        folder = await asyncio.to_thread(self._library.folder, slug, broadcast, over=True)
        if room is None or folder is None:
            raise Refused(404, "No such recording", "It is there when its broadcast is over.", where="path")
        try:
            index = await asyncio.to_thread(read_index, folder)
        except (Corrupt, OSError) as error:
            raise Refused(409, "The recording cannot be read", str(error)) from error
        if "opus" not in index.codecs:
            raise Refused(409, "Nothing was recorded", "There is no sound in this recording.")
        made = (await asyncio.to_thread(read_made, folder)).get(kind)
        if made is not None and made.sound == sound_of(index):
            return Listed(folder.name, kind, "made", 1.0, made=made)
        order = Order(slug=slug, broadcast=folder.name, kind=kind, episode=episode(room, index))
        at = self._clock.wall()
        body = msgspec.json.encode(order).decode()
        await self._jobs.add(Job(job_id(folder.name, kind), KIND, folder.name, body, at, at))
        await self._wake(JobsDue(kind=KIND))
        return Listed(folder.name, kind, "waiting")

    async def listed(self, slug: str) -> list[Listed]:
        """Every kind of the room's last recordings."""
        standing = await self._jobs.standing(KIND)
        return await asyncio.to_thread(self._list, slug, standing)

    async def _order_missing(self, slug: str, broadcast: str) -> None:
        standing = await self._jobs.standing(KIND)
        for kind in AT_ONCE:
            # What has failed for good is tried again only when somebody asks.
            if standing.get(job_id(broadcast, kind), ("", ""))[0] not in (OPEN, DEAD):
                await self.order(slug, kind, broadcast)

    # --- in a thread -------------------------------------------------------------------------

    def _broadcasts(self, slug: str) -> list[str]:
        """Recordings that are over, newest first."""
        try:
            names = sorted((path.name for path in (self._data / "rooms" / slug).iterdir()), reverse=True)
        except OSError:
            return []
        return [name for name in names if self._library.folder(slug, name, over=True) is not None]

    def _folder(self, slug: str, broadcast: str) -> Path:
        return self._data / "rooms" / slug / broadcast

    def _read(self, slug: str) -> Recordings:
        found = (
            (broadcast, read_made(self._folder(slug, broadcast)))
            for broadcast in self._broadcasts(slug)[:EPISODES]
        )
        return [(broadcast, made) for broadcast, made in found if made]

    def _list(self, slug: str, standing: dict[str, tuple[str, str]]) -> list[Listed]:
        listed: list[Listed] = []
        for broadcast in self._broadcasts(slug)[:LISTED]:
            folder = self._folder(slug, broadcast)
            made, states = read_made(folder), read_states(folder)
            listed += [
                _listed(
                    broadcast, kind, made.get(kind), states.get(kind), standing.get(job_id(broadcast, kind))
                )
                for kind in MADE_KINDS
            ]
        return listed


def _listed(
    broadcast: str,
    kind: MadeKind,
    made: Made | None,
    state: MakingState | None,
    job: tuple[str, str] | None,
) -> Listed:
    if made is not None:
        return Listed(broadcast, kind, "made", 1.0, made=made)
    if job is not None and job[0] == DEAD:
        return Listed(broadcast, kind, "failed", problem=job[1])
    if job is not None and job[0] == OPEN:
        if state is not None and state.state != "failed":
            return Listed(broadcast, kind, state.state, state.progress, state.problem)
        return Listed(broadcast, kind, "waiting")
    return Listed(broadcast, kind, "absent")


def episode(room: Room, index: Index) -> Episode:
    """What the broadcast was, as the room says now."""
    heard = [name for name in index.names if index.speaking.get(name)] or list(index.names)
    people = []
    for participant_id in heard[:_PEOPLE]:
        person = room.participants.get(participant_id)
        people.append((index.names[participant_id], person.role.value if person is not None else "speaker"))
    order = {"host": 0, "cohost": 1}
    return Episode(
        title=room.title,
        description=room.details.description,
        language=room.details.language,
        people=sorted(people, key=lambda each: order.get(each[1], 2)),
        cover=room.details.cover,
        origin=index.edited_from.origin if isinstance(index.edited_from, EditedFrom) else "",
    )
