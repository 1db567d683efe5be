"""A bus in memory: same methods, same encoding, same errors, no sockets. For tests of the studio."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from typing import Any

import msgspec

from hustings.bus.messages import Message, Refusal, encode
from hustings.errors import Refused, Unavailable


class FakeSubscription:
    """What `subscribe` gives."""

    def __init__(self, handlers: list[tuple[Any, Any]], own: tuple[Any, Any]) -> None:
        self._handlers, self._own = handlers, own

    async def unsubscribe(self) -> None:
        self._handlers.remove(self._own)


class FakeBus:
    """Requests to a subject nobody serves raise Unavailable, as on the real bus."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Message]] = []
        self.requested: list[tuple[str, Message]] = []
        self.connected = True
        self._handlers: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
        self._servers: dict[str, tuple[Any, Any]] = {}

    async def publish(self, subject: str, message: Message) -> None:
        self.published.append((subject, message))
        raw = encode(message)
        for message_type, handler in self._handlers[subject]:
            result = handler(msgspec.msgpack.decode(raw, type=message_type))
            if inspect.isawaitable(result):
                await result

    async def subscribe(self, subject: str, message_type: Any, handler: Any) -> FakeSubscription:
        self._handlers[subject].append((message_type, handler))
        return FakeSubscription(self._handlers[subject], (message_type, handler))

    def subscribers(self, subject: str) -> int:
        return len(self._handlers[subject])

    async def serve(self, subject: str, message_type: Any, handler: Any) -> None:
        self._servers[subject] = (message_type, handler)

    def silence(self, subject: str) -> None:
        """From now on nobody serves `subject`."""
        self._servers.pop(subject, None)

    def on_reconnect(self, callback: Any) -> None:
        """Never called: this bus does not break."""

    async def request[M: Message](
        self, subject: str, message: Message, answer_type: type[M], timeout: float = 5.0
    ) -> M:
        await asyncio.sleep(0)
        if subject not in self._servers:
            raise Unavailable(f"Nobody serves {subject} yet; try again in a moment.")
        self.requested.append((subject, message))
        message_type, handler = self._servers[subject]
        try:
            reply = await handler(msgspec.msgpack.decode(encode(message), type=message_type))
        except Refused as error:
            reply = Refusal(status=error.status, title=error.title, detail=error.detail, where=error.where)
        decoded = msgspec.msgpack.Decoder(answer_type | Refusal).decode(encode(reply))
        if isinstance(decoded, Refusal):
            raise Refused(decoded.status, decoded.title, decoded.detail, decoded.where)
        assert isinstance(decoded, answer_type)
        return decoded
