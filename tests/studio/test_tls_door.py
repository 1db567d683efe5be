"""Open handshakes at the studio's door: few of one address, the oldest makes room, each has its deadline."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))

from authority import Authority

from hustings.studio import tls_door
from hustings.studio.tls_door import TlsDoor
from hustings.tls.server import make_context


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Door:
    def __init__(self, folder: Path, deadline: float) -> None:
        self.authority = Authority(folder)
        pair = self.authority.issue("localhost")
        self.door = TlsDoor(Echo, make_context(pair.cert, pair.key), deadline=deadline)
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self.sock.getsockname()

    def knock(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection that says nothing."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((source, 0))
        with contextlib.suppress(BlockingIOError):
            sock.connect(self.address)
        return sock

    async def speak(self) -> bytes:
        """An honest client."""
        client = ssl.create_default_context(cafile=str(self.authority.root))
        reader, writer = await asyncio.open_connection(
            *self.address, ssl=client, server_hostname="localhost", ssl_handshake_timeout=30
        )
        writer.write(b"hello")
        said = await reader.readexactly(5)
        writer.close()
        return said

    async def until(self, count: int) -> None:
        """Until so many handshakes are under way."""
        async with asyncio.timeout(30):
            while len(self.door) != count:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def opened(folder: Path, deadline: float = 60.0) -> AsyncIterator[Door]:
    door = Door(folder, deadline)
    running = asyncio.create_task(door.door.run(door.sock))
    try:
        yield door
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await door.until(0)
        door.sock.close()


def ended(outcome: str) -> float:
    return REGISTRY.get_sample_value("hustings_studio_handshakes_total", {"outcome": outcome}) or 0.0


async def closed(sock: socket.socket) -> None:
    """Until the other side has ended it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionResetError):
            assert await loop.sock_recv(sock, 1) == b""


async def test_who_says_nothing_is_ended_at_the_deadline(tmp_path: Path) -> None:
    before = ended("late"), ended("done")
    async with opened(tmp_path, deadline=0.3) as door:
        with door.knock() as silent:
            await closed(silent)
            await door.until(0)
            assert await door.speak() == b"hello"
    assert (ended("late"), ended("done")) == (before[0] + 1, before[1] + 1)


async def test_of_one_address_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_door, "PER_ADDRESS", 3)
    before = ended("crowded")
    async with opened(tmp_path) as door:
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(door.knock("127.0.0.7"))
            await door.until(3)
            await closed(stack.enter_context(door.knock("127.0.0.7")))
            assert len(door.door) == 3
            assert await door.speak() == b"hello", "others are not concerned"
        await door.until(0)
    assert ended("crowded") == before + 1


async def test_when_all_are_taken_the_oldest_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_door, "OPEN", 4)
    before = ended("displaced")
    async with opened(tmp_path) as door:
        with contextlib.ExitStack() as stack:
            knocking = []
            for number in range(4):
                knocking.append(stack.enter_context(door.knock(f"127.0.0.{10 + number}")))
                await door.until(number + 1)
            assert await door.speak() == b"hello", "a host gets in although it is full"
            await closed(knocking[0])
            assert ended("displaced") == before + 1
    assert REGISTRY.get_sample_value("hustings_studio_handshakes_open") == 0


async def test_noise_instead_of_a_handshake_is_counted(tmp_path: Path) -> None:
    before = ended("failed")
    async with opened(tmp_path) as door:
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        await door.until(0)
    assert ended("failed") == before + 1
