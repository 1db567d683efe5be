"""A WebSocket client that speaks ASGI to the application: no sockets, no threads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI


class Closed(Exception):
    """The application closed the socket, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Socket:
    """One connection."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.full = asyncio.Event()
        """Set: the client does not read any more, and nothing it should be sent goes out."""

    async def taken(self, message: dict[str, Any]) -> None:
        """What the application sends."""
        if self.full.is_set() and message["type"] == "websocket.send":
            await asyncio.Event().wait()
        await self.from_app.put(message)

    async def send(self, text: str) -> None:
        await self.to_app.put({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self.to_app.put({"type": "websocket.receive", "bytes": data})

    async def receive(self) -> dict[str, Any]:
        """The next message; Closed when there is none any more."""
        loaded: dict[str, Any] = json.loads((await self._next())["text"])
        return loaded

    async def receive_bytes(self) -> bytes:
        """The next message, which has to be a binary one."""
        return bytes((await self._next())["bytes"])

    async def _next(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.from_app.get(), 20)
        if message["type"] == "websocket.close":
            raise Closed(message.get("code", 1000))
        return message


@contextlib.asynccontextmanager
async def connect(
    app: FastAPI, path: str, *, address: str = "192.0.2.1", **headers: str
) -> AsyncIterator[Socket]:
    """An accepted socket. Raises Closed when it is refused before."""
    socket = Socket()
    names = {"host": "127.0.0.1:8001", **headers}
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in names.items()],
        "client": (address, 1),
        "server": ("127.0.0.1", 8001),
        "subprotocols": [],
        "state": {},
    }
    await socket.to_app.put({"type": "websocket.connect"})
    running = asyncio.create_task(app(scope, socket.to_app.get, socket.taken))  # type: ignore[arg-type]  # plain dicts
    try:
        first = await asyncio.wait_for(socket.from_app.get(), 20)
        if first["type"] != "websocket.accept":
            raise Closed(first.get("code", 1000))
        yield socket
    finally:
        await socket.to_app.put({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(running, 20)
