"""The stage as a process: says hello and ready, goes on after a kill, ends with code 0."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

import pytest
from stage_support import BROADCAST, free_port, nats_server, until

from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import Done, GoLive, MediaChunk, OpenBroadcast, RoleReady, StageHello

pytestmark = pytest.mark.e2e

PROGRAM = (
    "import asyncio; from hustings.config import Settings; from hustings.stage.main import run_stage; "
    "asyncio.run(run_stage(Settings()))"
)


async def start(url: str, port: int) -> asyncio.subprocess.Process:
    environment = {**os.environ, "HUSTINGS_BUS": url, "HUSTINGS_MEDIA_DOOR": f"127.0.0.1:{port}"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=environment, stderr=asyncio.subprocess.PIPE
    )


async def test_a_killed_stage_is_followed_by_one_that_goes_on() -> None:
    async with nats_server() as url:
        bus = await Bus.connect(url, "test")
        hellos: list[StageHello] = []
        ready: list[RoleReady] = []
        chunks: list[MediaChunk] = []
        await bus.subscribe(subjects.STAGE_HELLO, StageHello, hellos.append)
        await bus.subscribe(subjects.ROLE_READY, RoleReady, ready.append)
        await bus.subscribe(subjects.media(BROADCAST, "opus"), MediaChunk, chunks.append)
        port = free_port(socket.SOCK_DGRAM)
        first = await start(url, port)
        await until(lambda: bool(ready) and bool(hellos))
        assert ready[0].address == f"127.0.0.1:{port}"
        since = time.time()
        await bus.request(subjects.STAGE_OPEN, OpenBroadcast(broadcast_id=BROADCAST, slug="room"), Done)
        await bus.request(subjects.STAGE_LIVE, GoLive(broadcast_id=BROADCAST, live_since=since), Done)
        await until(lambda: len(chunks) >= 5)
        first.kill()
        await first.wait()
        second = await start(url, port)
        await until(lambda: len(hellos) == 2)
        assert hellos[0].stage_id != hellos[1].stage_id
        again = OpenBroadcast(broadcast_id=BROADCAST, slug="room", epoch=1, live_since=since)
        await bus.request(subjects.STAGE_OPEN, again, Done)
        before = len(chunks)
        await until(lambda: len(chunks) >= before + 5)
        seqs = [chunk.seq for chunk in chunks]
        assert seqs == sorted(set(seqs))
        assert {chunk.epoch for chunk in chunks[before:]} == {1}
        late = [chunk.wall_clock - since - chunk.media_time / 48000 for chunk in chunks[before:]]
        assert max(map(abs, late)) < 0.25
        second.terminate()
        _, errors = await asyncio.wait_for(second.communicate(), 20)
        assert second.returncode == 0
        assert b"Traceback" not in errors
        await bus.close()


async def test_two_stages_do_not_share_a_port() -> None:
    async with nats_server() as url:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            process = await start(url, taken.getsockname()[1])
            _, errors = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode != 0
        assert b"cannot be opened" in errors
