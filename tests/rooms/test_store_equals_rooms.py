"""What the store loads again is what the events made: after any commands, on a real database."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from room_commands import codes, command_from, openings
from sqlalchemy.engine import URL

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import RoomError
from hustings.rooms.events import apply
from hustings.rooms.model import Details, Room
from hustings.store.engine import open_engine
from hustings.store.migrations import upgrade
from hustings.store.store import Store


async def execute(store: Store, room: Room, wish: c.Command, step: int) -> Room:
    """The room after `wish`, which the store and the pure functions see the same way."""
    ticket = f"ticket-{step}" if isinstance(wish, c.AskToSpeak | c.Invite) else ""
    link = f"link-{step}" if isinstance(wish, c.Invite) else ""
    try:
        expected = apply(room, decide(room, wish))
    except RoomError as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            await store.execute("r", wish, ticket_hash=ticket, link_hash=link)
        return room
    after, happened = await store.execute("r", wish, ticket_hash=ticket, link_hash=link)
    assert after == expected
    if happened:
        loaded = await store.room("r")
        assert loaded == expected
        assert list(loaded.bans) == list(expected.bans)
    return after


async def follow(path: Path, opening: list[c.Command], steps: list[int]) -> None:
    engine = open_engine(URL.create("sqlite+aiosqlite", database=str(path)))
    await upgrade(engine)
    store = Store(engine)
    try:
        other = await store.create_room("other", Details("Another room"), "", 1.0)
        room = await store.create_room("r", Details("R", scheduled_at=5.0, green_room=True), "account", 1.0)
        for number, wish in enumerate(opening):
            room = await execute(store, room, wish, -1 - number)
        for number, code in enumerate(steps):
            room = await execute(store, room, command_from(code, room, number), number)
        assert await store.all_rooms() == [other, room]
    finally:
        await store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(openings, st.lists(codes, min_size=20, max_size=60))
def test_loaded_again_equals_applied(opening: list[c.Command], steps: list[int]) -> None:
    with TemporaryDirectory(prefix="studio-store") as folder:
        asyncio.run(follow(Path(folder) / "hustings.db", opening, steps))
