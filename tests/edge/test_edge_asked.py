"""A request that came before is known by its bytes; sockets are written to directly and lose nothing."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import cast

import pytest
import uvloop
from edge_memory import make_house

from hustings.edge.asked import KNOWN, LONGEST, Asked, Known
from hustings.edge.direct import direct_socket
from hustings.edge.fanout import _Shard
from hustings.edge.http import Request, Resource, make_reply
from hustings.edge.protocol import Connection

TEXT = b"GET /p HTTP/1.1\r\nHost: h\r\n\r\n"


class NobodyCounts:
    def asked(self, connection: Connection, request: Request, resource: Resource | None) -> None: ...


def known(**changes: object) -> Known:
    values: dict[str, object] = {"method": b"GET", "target": b"/p", "headers": {b"host": b"h"}}
    values |= changes
    request = Request(**values)  # type: ignore[arg-type]
    resource = Resource("text/plain", b"x", ())
    return Known(request, make_reply(200, "text/plain", b"x"), resource, NobodyCounts())


def test_one_whole_get_is_learned() -> None:
    asked = Asked()
    asked.learn(TEXT, known())
    assert list(asked.known) == [TEXT]
    asked.forget()
    assert not asked.known


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (TEXT, {"method": b"HEAD"}),
        (TEXT, {"keep_alive": False}),
        (TEXT, {"http10": True}),
        (TEXT, {"body": b"x"}),
        (TEXT, {"headers": {b"host": b"h", b"x-forwarded-for": b"192.0.2.1"}}),
        (TEXT, {"headers": {b"host": b"h", b"content-length": b"0"}}),
        (TEXT + b"GET /q HT", {}),
        (TEXT + TEXT, {}),
        (TEXT[:-4] + b"\r\nX: " + b"y" * LONGEST + b"\r\n\r\n", {}),
    ],
)
def test_what_is_not_one_plain_request_is_not(data: bytes, changes: dict[str, object]) -> None:
    asked = Asked()
    asked.learn(data, known(**changes))
    assert not asked.known


def test_there_is_a_bound() -> None:
    asked = Asked()
    for index in range(3 * KNOWN):
        asked.learn(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % index, known())
    assert len(asked.known) <= KNOWN


async def test_the_answer_to_known_bytes_is_that_to_parsed_ones(web: Path) -> None:
    house = make_house(web)
    await house.live(30)
    first, second = house.client(), house.client("192.0.2.2")
    path = "/r/hall/hls/opus.m3u8"
    answers = [first.ask(path) for _ in range(3)] + [second.ask(path) for _ in range(2)]
    assert len({(answer.status, answer.body, answer.headers["etag"]) for answer in answers}) == 1
    assert answers[0].status == 200
    assert house.edge.asked.known
    assert house.edge.metrics.replies[200] == 5
    channel = house.edge.channels["hall"]
    assert channel.audience.count(house.clock.monotonic()) == 2, "known or not, they are heard of"
    house.produce(3)
    assert not house.edge.asked.known, "the playlist went on"
    assert first.ask(path).body != answers[0].body
    await house.end()


async def test_known_bytes_are_asked_anew_once_the_edge_leaves(web: Path) -> None:
    house = make_house(web)
    await house.live(30)
    client = house.client()
    for _ in range(3):
        client.ask("/r/hall/hls/opus.m3u8")
    house.edge.leave(5.0)
    assert client.ask("/r/hall/hls/opus.m3u8").headers["connection"] == "close"
    await house.end()


class Listener(asyncio.Protocol):
    """A server's side of a connection, as far as a shard needs it."""

    def __init__(self) -> None:
        self.direct: socket.socket | None = None
        self.made = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.direct = direct_socket(self.transport)
        self.made.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.direct is not None:
            self.direct.detach()


def test_a_slow_listener_gets_every_byte_in_order_directly_or_not() -> None:
    async def talk() -> tuple[bytes, bytes, bool]:
        loop = asyncio.get_running_loop()
        listener = Listener()
        server = await loop.create_server(lambda: listener, "127.0.0.1", 0)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            await listener.made
            shard = _Shard(0, -1)
            sink = cast(Connection, listener)
            shard.sinks[sink] = listener.transport.write
            listener.transport.write(b"hello ")
            said = [b"hello "]
            shard.write(b"first ")
            said.append(b"first ")
            await asyncio.sleep(0)
            heard = b""
            for number in range(200):
                piece = bytes([number]) * 40_000
                shard.write(piece)
                said.append(piece)
                if number % 50 == 49 and number < 150:
                    heard += await loop.sock_recv(client, 1 << 20)
                    await asyncio.sleep(0)
            overflowed = sink in shard.sinks
            whole = b"".join(said)
            while len(heard) < len(whole):
                heard += await loop.sock_recv(client, 1 << 20)
            shard.write(b"last")
            heard += await loop.sock_recv(client, 10)
            assert sink in shard.direct
            listener.transport.abort()
            await asyncio.sleep(0)
        server.close()
        return whole + b"last", heard, overflowed

    said, heard, overflowed = uvloop.run(talk())
    assert overflowed, "the listener was slow enough for this test to mean something"
    assert heard == said
