"""The stage as a process: one UDP port, one tick, the bus."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import os
import sys
from collections.abc import AsyncIterator

from hustings.config import Settings, host_port
from hustings.errors import UsageError
from hustings.role import role_runtime
from hustings.stage.engine import warm_up
from hustings.stage.service import StageService
from hustings.stage.webrtc.peer import SETTLE_TIME, MediaDoor

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that computes must let the tick have the interpreter."""
NICENESS = -10
"""Asked for where real-time scheduling is not allowed."""


async def run_stage(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Raises UsageError or Unavailable (UDP port taken, no bus)."""
    host, port = host_port(settings.media_door)
    public = public_addresses(settings.public_ip)
    async with role_runtime("stage", settings) as runtime, preferred():
        held = MediaDoor(host, port, public).listen()
        try:
            service = StageService(runtime.bus, settings, held.door)
            await service.start()
            # What lives now lives for ever: no collection need look at it again.
            gc.collect()
            gc.freeze()
            gc.disable()  # the ticker collects, right after a tick
            await runtime.ready(f"{host}:{held.door.port}")
            await runtime.stopped.wait()
            await service.close()
        finally:
            gc.unfreeze()
            gc.enable()
            held.stop()
            # libdatachannel's threads end in their own time; the process must not overtake them.
            await asyncio.sleep(SETTLE_TIME)


def prepare() -> None:
    """Runs encoders and decoders once, which takes longer the first time. For a process in reserve."""
    warm_up()


def public_addresses(text: str) -> tuple[str, ...]:
    """Splits "ADDRESS,ADDRESS"; raises UsageError for what is no IP address."""
    addresses = [part.strip() for part in text.split(",") if part.strip()]
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise UsageError(
                f"'{address}' is no IP address; --public-ip takes for example 203.0.113.5."
            ) from None
    return tuple(addresses)


@contextlib.asynccontextmanager
async def preferred() -> AsyncIterator[None]:
    """`prefer_the_tick` meanwhile. Children inherit the scheduling, so it must not outlive the stage in a
    process that goes on."""
    before = sys.getswitchinterval()
    prefer_the_tick()
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def prefer_the_tick() -> None:
    """Small switch interval and real-time scheduling, or else niceness, where allowed.

    Called before any thread starts: they inherit it, libdatachannel's too, since the tick waits for
    whoever holds the interpreter and for the packets that those threads bring. Niceness alone does not
    help on a busy machine: with autogroups it counts only within the stage's own session, and the tick
    was seen to wait 160 ms for a processor. The kernel keeps 5 % for all others whatever happens here.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (OSError, AttributeError):  # not allowed, or not Linux
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
