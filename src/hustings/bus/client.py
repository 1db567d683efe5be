"""The bus as the roles see it: publish, subscribe, request and serve typed messages over NATS core.

Delivery is at most once: whoever must not miss anything carries a sequence number and asks again
(edge resynchronisation). Every queue here is bounded; what is dropped is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.protocol.parser import PERMISSIONS_ERR
from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import UNDECODABLE, Message, Refusal, encode
from hustings.bus.rights import inbox
from hustings.errors import Refused, Unavailable

log = structlog.get_logger()

MAX_PAYLOAD = 1024 * 1024
"""NATS' default limit for one message, in bytes."""
MAX_PENDING = 4096
"""Messages that may wait in one subscription before the oldest reader loses the newest."""
MAX_UNSENT = 16 * 1024 * 1024
"""Bytes that may wait for the bus to take them before `publish` drops."""
RECONNECT_WAIT = 0.25
"""Seconds between two attempts to connect."""

_undecodable = Counter("hustings_bus_undecodable_total", "Bus messages that did not decode.", ["subject"])
_dropped = Counter("hustings_bus_dropped_total", "Bus messages dropped because a queue was full.")
_forbidden = Counter(
    "hustings_bus_forbidden_total", "Bus messages and subscriptions for which the role has no right."
)
_reconnects = Counter("hustings_bus_reconnects_total", "Reconnections to the bus.")

type Handler[M] = Callable[[M], None] | Callable[[M], Awaitable[None]]
type Server[M] = Callable[[M], Awaitable[Message]]


class Bus:
    """One connection. Reconnects for ever; `publish` while away is dropped and counted."""

    def __init__(self) -> None:
        self._nats = Client()
        self._on_reconnect: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = True
        """While connecting for the first time and while closing, being disconnected is no news."""
        self._why = "no connection"

    @classmethod
    async def connect(cls, url: str, name: str, patience: float = 10.0) -> Bus:
        """Connects to `url` (nats://user:password@host:port) as the role `name`, which shows in the
        server's log and in the subjects of answers (`rights.inbox`).

        Tries for `patience` seconds (a bus that is just starting), then raises Unavailable.
        """
        bus = cls()
        try:
            async with asyncio.timeout(patience):
                await bus._nats.connect(
                    url,
                    name=name,
                    inbox_prefix=inbox(name),
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT,  # type: ignore[arg-type]  # annotated as int
                    ping_interval=5,
                    max_outstanding_pings=2,
                    allow_reconnect=True,
                    pending_size=0,
                    error_cb=bus._error,
                    reconnected_cb=bus._reconnected,
                    disconnected_cb=bus._disconnected,
                )
        except TimeoutError:
            await bus.close()
            raise Unavailable(f"The bus does not answer ({bus._why}). Is it running?") from None
        except (OSError, nats.errors.Error, ValueError) as error:
            raise Unavailable(f"The bus cannot be used: {error}.") from error
        bus._quiet = False
        return bus

    @property
    def connected(self) -> bool:
        return bool(self._nats.is_connected)

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Calls `callback` in the event loop after each reconnection."""
        self._on_reconnect.append(callback)

    async def close(self) -> None:
        """Flushes what was published, then disconnects."""
        self._quiet = True
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            if self._nats.is_connected:
                await self._nats.flush(timeout=1)
        with contextlib.suppress(nats.errors.Error, OSError):
            await self._nats.close()

    async def publish(self, subject: str, message: Message) -> None:
        """Sends to whoever listens now. Never raises for a lost connection or a full buffer: the
        message is dropped and counted."""
        # nats-py bounds its buffer only while disconnected; a server that does not read must not
        # cost memory either.
        if self._nats.pending_data_size > MAX_UNSENT:
            _dropped.inc()
            return
        try:
            await self._nats.publish(subject, encode(message))
        except (nats.errors.Error, OSError):
            _dropped.inc()

    async def subscribe[M: Message](
        self, subject: str, message_type: type[M], handler: Handler[M]
    ) -> Subscription:
        """Calls `handler` (plain or async) for every message, one after the other."""
        decoder = msgspec.msgpack.Decoder(message_type)

        async def on_message(raw: Msg) -> None:
            try:
                message = decoder.decode(raw.data)
            except UNDECODABLE:
                _undecodable.labels(subjects.family(subject)).inc()
                return
            try:
                result = handler(message)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                log.exception("bus handler failed", subject=subject)

        return await self._nats.subscribe(subject, cb=on_message, pending_msgs_limit=MAX_PENDING)

    async def serve[M: Message](self, subject: str, message_type: type[M], handler: Server[M]) -> None:
        """Answers requests. A `Refused` raised by `handler` reaches the caller as `Refused`."""
        decoder = msgspec.msgpack.Decoder(message_type)

        async def answer(raw: Msg) -> None:
            reply: Message
            try:
                reply = await handler(decoder.decode(raw.data))
            except Refused as error:
                reply = Refusal(
                    status=error.status, title=error.title, detail=error.detail, where=error.where
                )
            except UNDECODABLE as error:
                _undecodable.labels(subjects.family(subject)).inc()
                reply = Refusal(status=400, title="Undecodable bus message", detail=str(error))
            except Exception:
                log.exception("bus server failed", subject=subject)
                reply = Refusal(status=500, title="Internal error", detail="See the server's log.")
            with contextlib.suppress(nats.errors.Error, OSError):
                await raw.respond(encode(reply))

        async def on_message(raw: Msg) -> None:
            if len(self._tasks) >= MAX_PENDING:
                _dropped.inc()
                return
            task = asyncio.create_task(answer(raw))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        await self._nats.subscribe(subject, cb=on_message, pending_msgs_limit=MAX_PENDING)

    async def request[M: Message](
        self, subject: str, message: Message, answer_type: type[M], timeout: float = 5.0
    ) -> M:
        """One question, one answer. Raises Refused (the other side said no) or Unavailable."""
        try:
            raw = await self._nats.request(subject, encode(message), timeout=timeout)
        except nats.errors.NoRespondersError as error:
            raise Unavailable(f"Nobody serves {subject} yet; try again in a moment.") from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(f"No answer to {subject} within {timeout:g} s.") from error
        decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(answer_type | Refusal)
        try:
            reply = decoder.decode(raw.data)
        except UNDECODABLE as error:
            _undecodable.labels(subjects.family(subject)).inc()
            raise Unavailable(f"The answer to {subject} could not be read: {error}") from error
        if isinstance(reply, Refusal) and not issubclass(answer_type, Refusal):
            raise Refused(reply.status, reply.title, reply.detail, reply.where)
        assert isinstance(reply, answer_type)
        return reply

    async def _error(self, error: Exception) -> None:
        if self._quiet:
            # A refused credential is the reason, whatever the attempts after it ran into.
            if "Authorization" not in self._why:
                self._why = str(error).strip("'\" ") or type(error).__name__
            return
        if isinstance(error, nats.errors.SlowConsumerError):
            _dropped.inc()
        elif PERMISSIONS_ERR in str(error):
            _forbidden.inc()
            log.error("bus rights", error=str(error))
            return
        log.warning("bus error", error=type(error).__name__)

    async def _disconnected(self) -> None:
        if not self._quiet:
            log.warning("bus disconnected")

    async def _reconnected(self) -> None:
        _reconnects.inc()
        log.info("bus reconnected")
        for callback in self._on_reconnect:
            callback()
