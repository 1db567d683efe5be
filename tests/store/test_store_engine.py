"""What the engine leaves of a connection whose opener leaves first."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from store_support import sqlite


async def _ask(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


def _open_files(folder: Path) -> int:
    links = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(str(folder) in str(each.readlink()) for each in links)


async def test_whoever_leaves_while_a_connection_opens_leaves_no_open_file(tmp_path: Path) -> None:
    # An unclosed connection that is dropped is a ResourceWarning too, and so an error here.
    for steps in range(40):
        engine = sqlite(tmp_path)
        opening = asyncio.ensure_future(_ask(engine))
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await engine.dispose()
    for _ in range(200):
        gc.collect()
        if _open_files(tmp_path) == 0:
            break
        await asyncio.sleep(0.01)  # the drivers' threads end in their own time
    assert _open_files(tmp_path) == 0
