"""What the store loads again is what the events made: after any commands, on a real database."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from room_commands import walk
from sqlalchemy.engine import URL

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import RoomError
from hustings.rooms.events import apply
from hustings.store.engine import open_engine
from hustings.store.migrations import upgrade
from hustings.store.store import Store


async def follow(path: Path, commands: list[c.Command]) -> None:
    engine = open_engine(URL.create("sqlite+aiosqlite", database=str(path)))
    await upgrade(engine)
    store = Store(engine)
    try:
        room = await store.create_room("r", "R", 5.0, 1.0)
        used = set[str]()
        for wish in commands:
            if isinstance(wish, c.OpenDoors):
                if wish.broadcast_id in used:
                    continue
                used.add(wish.broadcast_id)
            if isinstance(wish, c.Invite) and wish.invitation_id in room.invitations:
                continue
            ticket = f"hash-{wish.invitation_id}" if isinstance(wish, c.Invite) else ""
            try:
                expected = apply(room, decide(room, wish))
            except RoomError as error:
                with pytest.raises(type(error), match=re.escape(str(error))):
                    await store.execute("r", wish, ticket_hash=ticket)
                continue
            room, _ = await store.execute("r", wish, ticket_hash=ticket)
            assert room == expected
            assert await store.room("r") == expected
        assert await store.room("r") == room
        assert await store.all_rooms() == [room]
    finally:
        await store.close()


@settings(max_examples=25, deadline=None)
@given(walk)
def test_loaded_again_equals_applied(commands: list[c.Command]) -> None:
    with TemporaryDirectory(prefix="studio-store") as folder:
        asyncio.run(follow(Path(folder) / "hustings.db", commands))
