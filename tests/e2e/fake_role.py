"""A role that does nothing but live: what the supervisor's own tests start in place of the real ones."""

from __future__ import annotations

import asyncio
import os
import sys

from hustings.config import Settings
from hustings.role import SUPERVISOR_PID, role_runtime
from hustings.supervisor.tether import tether


async def _main(name: str) -> None:
    async with role_runtime(name, Settings()) as runtime:
        await runtime.ready("")
        await runtime.stopped.wait()
        print(f"{name} says goodbye")


if __name__ == "__main__":
    if SUPERVISOR_PID in os.environ and "UNTIED" not in os.environ:
        tether(int(os.environ[SUPERVISOR_PID]))
    asyncio.run(_main("-".join(sys.argv[1:])))
