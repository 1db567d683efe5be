"""What listeners send, through a real edge, bus and studio; and over a studio that dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from edge_common import RunningEdge, edge_process
from edge_fakes import free_port, nats_server
from reactions import SLUG, Stand, ask, host, run_crowd, stand, studio_process, votes_shown

from hustings.store.tokens import operator_token

pytestmark = pytest.mark.e2e
HASH = hashlib.sha256(b"t_" + b"x" * 30).hexdigest()


@contextlib.asynccontextmanager
async def push(edge: RunningEdge) -> AsyncIterator[asyncio.StreamReader]:
    """A push listener."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(f"GET /r/{SLUG}/live HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()


async def queue(edge: RunningEdge) -> list[str]:
    """Requests to speak, as everybody sees them."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(edge.url(f"/r/{SLUG}/state.json"))
        return [str(each) for each in answer.json()["hands"]["queue"]]


async def test_an_audience_reacts_asks_and_votes() -> None:
    async with stand() as made, host(made) as seen, push(made.edge) as listener:
        taken, statuses, _ = await run_crowd(made.edge.port, 400, 3)
        assert statuses == {202: 1200}
        async with asyncio.timeout(20):
            while b'"kind":"reactions"' not in await listener.readuntil(b'"counts"'):
                pass
            while seen.total() < taken.total():
                await asyncio.sleep(0.1)
        assert seen == taken
        assert made.late, "the studio says how late its loop is"
        question_id = await ask(made)
        taken, statuses, _ = await run_crowd(made.edge.port, 200, 1, question_id)
        assert taken == {"vote": 200}
        assert await votes_shown(made, 200) == 200


async def test_a_hand_outlives_the_studio() -> None:
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        nats = stack.enter_context(nats_server())
        folder, port = Path(name), free_port()
        with contextlib.ExitStack() as first:
            pid = await asyncio.to_thread(first.enter_context, studio_process(nats.url, folder, port))
            edge = await asyncio.to_thread(stack.enter_context, edge_process(nats.url))
            made = Stand(edge, pid, f"http://127.0.0.1:{port}", operator_token(folder))
            async with made.client() as client:
                await client.post("/api/rooms", json={"title": "Hall", "slug": SLUG})
                await client.post(f"/api/rooms/{SLUG}/open", timeout=20)
            hand = {"name": "Ada", "ticket_hash": HASH, "device": "d" * 22}
            assert await post_until_taken(edge, hand) == 202
            async with asyncio.timeout(20):
                while not await queue(edge):
                    await asyncio.sleep(0.1)
        # The studio is gone; the edge takes what it can keep.
        other = {"name": "Grace", "ticket_hash": HASH[::-1], "device": "e" * 22}
        async with httpx.AsyncClient() as client:
            assert (await client.post(edge.url(f"/r/{SLUG}/hand"), json=other)).status_code == 202
        await asyncio.to_thread(stack.enter_context, studio_process(nats.url, folder, port))
        async with asyncio.timeout(30):
            while await queue(edge) != [HASH[:32], HASH[::-1][:32]]:
                await asyncio.sleep(0.2)


async def post_until_taken(edge: RunningEdge, hand: dict[str, str]) -> int:
    """The status once the edge has heard that the room is open."""
    end = time.monotonic() + 20
    async with httpx.AsyncClient() as client:
        while True:
            answer = await client.post(edge.url(f"/r/{SLUG}/hand"), json=hand)
            if answer.status_code not in (404, 409) or time.monotonic() > end:
                return answer.status_code
            await asyncio.sleep(0.1)
