"""The page of who listened as the studio publishes it: of every room, and only once."""

from __future__ import annotations

from pathlib import Path

from studio_support import running_studio
from test_replays import published

from hustings.studio.context import LANGS


async def test_every_room_has_it_before_and_after_it_was_live(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        first = (await published(house)).pages
        bodies = {lang: first[f"audience.{lang}"].body for lang in LANGS}
        assert b">Audience<" in bodies["en"]
        assert b"Publikum" in bodies["de"]
        await house.command("open")
        await house.command("start")
        later = (await published(house)).pages
        # The same bytes: edges and the bus need not have them again whatever happens in the room.
        assert {lang: later[f"audience.{lang}"].body for lang in LANGS} == bodies
