"""`listen` asked to move to another process: it hears the old connection until the new one brings sound."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from hustings.clients import listen_push
from hustings.clients.listen_push import PushListener
from hustings.clients.sink import Sink


def record(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BBHI", kind, 0, 0, len(payload)) + payload


class Line(httpx.AsyncByteStream):
    """One response that goes on until its reader leaves."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.left = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.waiting.get()

    async def aclose(self) -> None:
        self.left = True


class Door:
    """Gives a new line for each request, or no answer at all."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.closed = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.closed:
            raise httpx.ConnectError("nobody there", request=request)
        self.lines.append(Line())
        return httpx.Response(200, stream=self.lines[-1])


class Ear:
    """Stands for decoder and sink: keeps what is heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.connections = 0

    def decode(self, data: bytes) -> list[Any]:
        self.heard.append(data)
        return []


async def _until(what: Any) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.005)


MOVE = record(7, json.dumps({"reason": "draining", "within": 0}).encode())


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Ear:
    ear = Ear()
    monkeypatch.setattr(listen_push, "ChunkDecoder", lambda _init: ear)
    cast(Any, ear).codec = "opus"
    return ear


class _Sink:
    """What a listener tells the measurement."""

    def __init__(self, ear: Ear) -> None:
        self.result = cast(Any, type("Result", (), {"bytes": 0, "reconnects": 0, "discontinuities": 0})())
        self._ear = ear

    def connected(self) -> None:
        self._ear.connections += 1

    def received(self, _count: int) -> None: ...


async def test_nothing_is_missing_while_it_moves(ear: Ear) -> None:
    door = Door()
    async with httpx.AsyncClient(transport=httpx.MockTransport(door)) as client:
        listener = PushListener(client, "http://x.test/live", cast(Sink, _Sink(ear)), "opus")
        task = asyncio.create_task(listener.run())
        await _until(lambda: len(door.lines) == 1)
        old = door.lines[0]
        old.waiting.put_nowait(record(1, b"init") + record(2, b"a") + MOVE)
        await _until(lambda: len(door.lines) == 2)
        old.waiting.put_nowait(record(2, b"b"))
        await _until(lambda: ear.heard == [b"a", b"b"])
        assert not old.left
        new = door.lines[1]
        new.waiting.put_nowait(record(1, b"init") + record(2, b"b") + record(2, b"c"))
        await _until(lambda: ear.heard[-1] == b"c")
        await _until(lambda: old.left)
        assert ear.heard == [b"a", b"b", b"b", b"c"]
        assert ear.connections == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_stays_where_it_is_when_nobody_is_there_yet(ear: Ear) -> None:
    door = Door()
    async with httpx.AsyncClient(transport=httpx.MockTransport(door)) as client:
        listener = PushListener(client, "http://x.test/live", cast(Sink, _Sink(ear)), "opus")
        task = asyncio.create_task(listener.run())
        await _until(lambda: len(door.lines) == 1)
        door.closed = True
        door.lines[0].waiting.put_nowait(record(1, b"init") + MOVE)
        await _until(lambda: listener._moving is not None and listener._moving.done())
        door.lines[0].waiting.put_nowait(record(2, b"a"))
        await _until(lambda: ear.heard == [b"a"])
        assert not door.lines[0].left
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
