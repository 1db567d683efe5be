"""How late the studio's event loop is: what listeners send must not be felt by hosts and speakers."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge

LOOK = 0.05
"""Seconds between two looks."""

_late = Gauge("hustings_studio_loop_late_seconds", "Most the event loop was late in the last second.")


async def watch_loop() -> None:
    """Measures until cancelled."""
    loop = asyncio.get_running_loop()
    worst, second = 0.0, loop.time() + 1.0
    while True:
        due = loop.time() + LOOK
        await asyncio.sleep(LOOK)
        now = loop.time()
        worst = max(worst, now - due)
        if now >= second:
            _late.set(worst)
            worst, second = 0.0, now + 1.0
