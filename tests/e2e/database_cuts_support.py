"""A database whose power is cut: everything that was acknowledged is there, whole (docs/recording.md, Shown).

The real store on a real file system that logs its writes (fault_fs.py); then as many cuts of that log as
wanted, each opened again by the real store.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import write_log
from disk_support import faulty_disk

sys.path.append(str(Path(__file__).parents[1] / "rooms"))
sys.path.append(str(Path(__file__).parents[1] / "store"))

from room_commands import BROUGHT_UP, command_from
from store_support import open_store

from hustings.rooms import commands as c
from hustings.rooms.errors import RoomError
from hustings.rooms.model import Details, Room

SLUG = "r"


@dataclass(slots=True)
class Told:
    """What was acknowledged, and how long the log was then."""

    moments: list[tuple[int, Room]] = field(default_factory=list)

    def allowed(self, cut: int) -> list[Room]:
        """What may be found after a cut of the log: what was acknowledged last, or was on its way."""
        known = max(number for number, (size, _) in enumerate(self.moments) if size <= cut)
        return [room for _, room in self.moments[known : known + 2]]


async def live(folder: Path, log: Path, commands: int, seed: int) -> Told:
    """Carries out commands until so many have changed something."""
    chance, told = random.Random(seed), Told()
    async with open_store(folder) as store:
        room = await store.create_room(SLUG, Details("R", green_room=True), "account", 1.0)
        told.moments.append((log.stat().st_size, room))
        number = 0
        opening: list[c.Command] = list(BROUGHT_UP)
        while len(told.moments) < commands:
            number += 1
            wish = opening.pop(0) if opening else command_from(chance.getrandbits(60), room, number)
            secrets = isinstance(wish, c.AskToSpeak | c.Invite)
            ticket, link = (f"t{number}", f"l{number}") if secrets else ("", "")
            try:
                after, happened = await store.execute(
                    SLUG, wish, ticket_hash=ticket, link_hash=link if isinstance(wish, c.Invite) else ""
                )
            except RoomError:
                continue
            if happened:
                room = after
                told.moments.append((log.stat().st_size, room))
    return told


async def found(folder: Path) -> Room:
    """The room, as the store reads it after a cut. Raises AssertionError for a database that is broken."""
    with sqlite3.connect(folder / "hustings.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    async with open_store(folder) as store:
        return await store.room(SLUG)


def cut_often(place: Path, commands: int, cuts: int, seed: int = 1) -> dict[str, int]:
    """Raises AssertionError when anything that was acknowledged is not there."""
    folder, log = place / "disk", place / "writes.log"
    with faulty_disk(place, folder, log):
        told = asyncio.run(live(folder, log, commands, seed))
    raw, chance = log.read_bytes(), random.Random(seed)
    first = told.moments[0][0]
    at = sorted(chance.randrange(first, len(raw)) for _ in range(cuts))
    disk, done, waiting = write_log.Disk(), 0, 0
    for happened in write_log.entries(raw):
        while done < cuts and at[done] < happened.end:
            with tempfile.TemporaryDirectory(dir=place) as there:
                disk.cut(Path(there), chance)
                room = asyncio.run(found(Path(there)))
            allowed = told.allowed(at[done])
            assert room in allowed, f"cut {done} at byte {at[done]}: something acknowledged is missing"
            waiting += room != allowed[0]
            done += 1
        disk.take(happened)
    last = told.moments[-1][1]
    return {
        "cuts": done,
        "acknowledged": len(told.moments),
        "not_yet_acknowledged_but_there": waiting,
        "invitations": len(last.invitations),
        "agreed": sum(last.agreed(person) for person in last.consents),
        "log_bytes": len(raw),
    }
