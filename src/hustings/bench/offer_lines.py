"""How load generator and peers talk: by TCP, a JSON line {"room", "sdp"} for each offer, a line {"sdp"} for
its answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

type Answering = Callable[[str, str], Awaitable[str]]
"""Room and offer (SDP) in, answer (SDP) out."""


async def take_offers(answering: Answering, port: int = 0) -> asyncio.Server:
    """Listens at `port` of 127.0.0.1 (0: a free one) and has each offer answered."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked = json.loads(line)
            answer = await answering(asked["room"], asked["sdp"])
            writer.write(json.dumps({"sdp": answer}).encode() + b"\n")
        writer.close()

    return await asyncio.start_server(take, "127.0.0.1", port, limit=2**20)
