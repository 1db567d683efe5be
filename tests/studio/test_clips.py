"""The page of clips as the studio publishes it: once for all of them, with places for the edge to fill."""

from __future__ import annotations

import re
from pathlib import Path

from studio_support import running_studio
from test_replays import published

from hustings.studio.context import LANGS
from hustings.studio.text import clean, clean_block

PLACES = {"broadcast", "cut", "who", "length", "from", "to", "begins_at", "day", "time", "wide", "wave"}
PLACES |= {"context", "silent", "m4a_sha256", "opus_sha256", "segments"}


async def test_a_room_that_is_on_air_and_recorded_has_a_page_for_its_clips(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.command("open")
        assert not any(name.startswith("clip.") for name in (await published(house)).pages)
        await house.command("start")
        room = await published(house)
        for lang in LANGS:
            body = room.pages[f"clip.{lang}"].body
            found = {name.decode() for name in re.findall(rb"\x02([a-z0-9_]+)", body)}
            assert found == PLACES
            assert body.count(b"\x02") == body.count(b"\x03")


def test_nobody_can_write_such_a_place() -> None:
    assert clean("a\x02who\x03b", 80) == "awhob"
    assert clean_block("a\x02who|x\x03b\nc", 80) == "awho|xb\nc"
