"""Keeps one track (codec of a broadcast) whole: subscribed to the bus, filled up from the stage.

The thin shell around `assembler.Assembler`: one task per track, none per listener.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from hustings.bus import subjects
from hustings.bus.messages import Codec, MediaChunk, Message, Window, WindowRequest
from hustings.edge.assembler import Arrived, Assembler
from hustings.edge.metrics import Metrics
from hustings.errors import Refused, Unavailable

log = structlog.get_logger()

REQUEST_TIMEOUT = 2.0
"""Seconds to wait for one window."""
RETRY = 0.3
"""Seconds between two fetches when the last one brought nothing."""
QUIET = 3.0
"""Seconds without a chunk of a live broadcast after which the stage is asked."""

type Sleep = Callable[[float], Awaitable[None]]


class BusLike(Protocol):
    """What the edge uses of `bus.client.Bus`."""

    @property
    def connected(self) -> bool: ...
    def on_reconnect(self, callback: Callable[[], None]) -> None: ...
    async def publish(self, subject: str, message: Message) -> None: ...
    async def subscribe[M: Message](
        self, subject: str, message_type: type[M], handler: Callable[[M], None]
    ) -> Any: ...
    async def request[M: Message](
        self, subject: str, message: Message, answer_type: type[M], timeout: float = 5.0
    ) -> M: ...


class Track:
    """`deliver` gets chunks in their order, `init` each init segment the stage gives."""

    def __init__(
        self,
        broadcast_id: str,
        codec: Codec,
        *,
        bus: BusLike,
        metrics: Metrics,
        deliver: Callable[[list[Arrived]], None],
        init: Callable[[bytes], None],
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], float],
    ) -> None:
        self.filled = asyncio.Event()
        """Set once all the stage has had is here."""
        self._broadcast_id = broadcast_id
        self._codec: Codec = codec
        self._bus = bus
        self._metrics = metrics
        self._deliver = deliver
        self._init = init
        self._sleep = sleep
        self._now = now
        self._assembler = Assembler()
        self._have_init = False
        self._held: list[Arrived] = []
        self._wake = asyncio.Event()
        self._heard = now()
        self._subscription: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def last_seq(self) -> int:
        """The newest chunk delivered, -1 when none."""
        return self._assembler.last_seq

    def start(self) -> None:
        """Subscribes and fills, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends both."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._subscription is not None:
            with contextlib.suppress(Exception):
                await self._subscription.unsubscribe()
            self._subscription = None

    def resync(self) -> None:
        """The bus was away: ask the stage for what is missing."""
        self._assembler.resync()
        self._wake.set()

    def tick(self, now: float, *, live: bool) -> None:
        """Asks the stage when a live broadcast has been quiet for too long."""
        if live and now - self._heard > QUIET:
            self._heard = now
            self.resync()

    def _on_chunk(self, chunk: MediaChunk) -> None:
        self._heard = self._now()
        before = self._assembler.duplicates, self._assembler.dropped
        ready = self._assembler.live(chunk)
        self._metrics.chunks["duplicate"] += self._assembler.duplicates - before[0]
        self._metrics.chunks["dropped"] += self._assembler.dropped - before[1]
        self._hand_on(ready, "live")
        if self._assembler.fetching or not self._have_init:
            self._wake.set()

    async def _run(self) -> None:
        # Subscribed before the first fetch: what comes meanwhile waits in the assembler.
        subject = subjects.media(self._broadcast_id, self._codec)
        while self._subscription is None:
            try:
                self._subscription = await self._bus.subscribe(subject, MediaChunk, self._on_chunk)
            except Exception:
                log.exception("edge could not subscribe")
                await self._sleep(1.0)
        while True:
            if self._assembler.fetching or not self._have_init:
                if not await self._fetch():
                    await self._sleep(RETRY)
                    if not self._assembler.fetching and self._assembler.last_seq < 0:
                        await self._idle()
                continue
            await self._idle()

    async def _idle(self) -> None:
        """Whole as far as anybody knows: wait for a sign that something is missing."""
        self.filled.set()
        self._wake.clear()
        await self._wake.wait()

    async def _fetch(self) -> bool:
        """Asks for one window; says whether it brought something."""
        request = WindowRequest(
            broadcast_id=self._broadcast_id, codec=self._codec, after_seq=self._assembler.last_seq
        )
        try:
            window = await self._bus.request(subjects.MEDIA_WINDOW, request, Window, timeout=REQUEST_TIMEOUT)
        except (Unavailable, Refused):
            self._hand_on(self._assembler.unanswered(), "live")
            return False
        if window.init:
            self._have_init = True
            self._init(window.init)
        ready = self._assembler.window(window)
        self._hand_on(ready, "fetched")
        return bool(ready)

    def _hand_on(self, ready: list[Arrived], kind: str) -> None:
        if not ready and not self._held:
            return
        if not self._have_init:
            # Nothing can be played before the init segment: it is asked for, the chunks wait.
            self._held += ready
            return
        if self._held:
            ready = self._held + ready
            self._held = []
        self._metrics.chunks[kind] += len(ready)
        for arrived in ready:
            if arrived.reason:
                self._metrics.gaps[arrived.reason] += 1
        self._deliver(ready)
