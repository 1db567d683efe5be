"""The scribe as a process: bus and database; everything that computes is in processes of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os

from hustings.config import Settings
from hustings.role import role_runtime

NICENESS = 10
"""Everything live comes first."""


async def run_scribe(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises UsageError or Unavailable (no bus)."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    async with role_runtime("scribe", settings) as runtime:
        # Only now: nobody waits for the database's library.
        from hustings.scribe.workers import open_workers

        async with open_workers(settings, runtime.bus) as workers:
            await runtime.ready()
            working = [asyncio.create_task(worker.run()) for worker in workers]
            await runtime.stopped.wait()
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
