"""The push door: one endless response of records, resumed when it breaks."""

from __future__ import annotations

import asyncio
import random

import httpx

from hustings.clients.api import refused
from hustings.clients.decode import ChunkDecoder
from hustings.clients.doors import with_query
from hustings.clients.push_reader import (
    Bye,
    Discontinuity,
    Init,
    Media,
    Move,
    PushReader,
    Record,
    ServerClock,
)
from hustings.clients.sink import Sink
from hustings.errors import Corrupt, HustingsError, Unavailable

SILENCE = 4.0
"""Seconds without a byte after which the connection is dead: a clock record comes every second."""
PATIENCE = 20.0
"""Seconds of failing before giving up."""
LATENCY_AGAINST = "clock records: age of each chunk's first sample on arrival"


class PushListener:
    """Follows one room's push door into a sink."""

    def __init__(self, client: httpx.AsyncClient, url: str, sink: Sink, codec: str) -> None:
        self._client = client
        self._url = with_query(url, codec=codec)
        self._sink = sink
        self._decoder: ChunkDecoder | None = None
        self._wall_of_zero: float | None = None
        self._bye = ""
        self._following: asyncio.Task[float] | None = None
        self._moving: asyncio.Task[float] | None = None
        """Towards another connection, as the server has asked."""

    async def run(self) -> str:
        """Until the broadcast ends; returns the reason. Raises Refused, Unavailable or Corrupt."""
        failing_since: float | None = None
        self._sink.result.latency_against = LATENCY_AGAINST
        while True:
            received = self._sink.result.bytes
            wait = await self._once()
            if self._bye == "ended":
                return "ended"
            now = self._sink.clock.monotonic()
            if self._sink.result.bytes > received:
                failing_since = None
                self._sink.result.reconnects += 1
            elif failing_since is None:
                failing_since = now
            elif now - failing_since > PATIENCE:
                raise Unavailable(f"{self._url} has not answered for {PATIENCE:.0f} s.")
            # Jitter, so that listeners of one edge that went away do not all come back at once.
            await asyncio.sleep(wait + random.uniform(0, 0.3))  # noqa: S311

    async def _once(self) -> float:
        """One connection, or several when we are asked to move; after how many seconds to try again."""
        self._bye = ""
        self._sink.connected()
        self._following = asyncio.create_task(self._follow())
        try:
            while True:
                task = self._following
                await asyncio.wait({task})
                if task is self._following:  # else another one has taken its place
                    return task.result()
        finally:
            for each in (self._following, self._moving):
                if each is not None:
                    each.cancel()

    async def _move(self, within: float) -> float:
        await asyncio.sleep(random.uniform(0, within))  # noqa: S311
        try:
            return await self._follow()
        except HustingsError:
            if asyncio.current_task() is self._following:
                raise
            return 0.1  # where we are is still good, until it ends

    async def _follow(self) -> float:
        reader = PushReader()
        timeout = httpx.Timeout(10.0, read=SILENCE)
        try:
            async with self._client.stream("GET", self._url, timeout=timeout) as response:
                if response.status_code in (429, 502, 503, 504):
                    return retry_after(response)
                if response.is_error:
                    await response.aread()
                    raise refused(response)
                async for data in response.aiter_raw():
                    self._sink.received(len(data))
                    for record in reader.feed(data):
                        if not self._is_heard(record):
                            return 0.1
                        self._take(record)
        except httpx.HTTPError:
            return 0.25
        return 0.1

    def _is_heard(self, record: Record) -> bool:
        """Whether records of this task's connection count: those of one we move to from its first record on,
        which comes with the newest sound; those of the former no longer."""
        me = asyncio.current_task()
        if me is self._moving:
            former, self._following, self._moving = self._following, self._moving, None
            if former is not None:
                former.cancel()
        if (
            me is self._following
            and isinstance(record, Move)
            and (self._moving is None or self._moving.done())
        ):
            self._moving = asyncio.create_task(self._move(record.within))
        return me is self._following

    def _take(self, record: Record) -> None:
        if isinstance(record, Init):
            self._decoder = ChunkDecoder(record.data)
            self._sink.result.codec = self._decoder.codec
        elif isinstance(record, ServerClock):
            self._wall_of_zero = record.wall_clock - record.media_time / 48_000
        elif isinstance(record, Media):
            self._media(record.data)
        elif isinstance(record, Discontinuity):
            self._sink.result.discontinuities += 1
        elif isinstance(record, Bye):
            self._bye = record.reason

    def _media(self, data: bytes) -> None:
        if self._decoder is None:
            raise Corrupt("A media chunk came before the init segment.")
        for media_time, samples in self._decoder.decode(data):
            left = None if self._wall_of_zero is None else self._wall_of_zero + media_time / 48_000
            self._sink.heard(media_time, samples, left)


def retry_after(response: httpx.Response) -> float:
    """Seconds a busy server asks us to wait (RFC 9110 10.2.3), at most ten."""
    text = response.headers.get("Retry-After", "")
    return min(10.0, float(text)) if text.isascii() and text.isdigit() else 1.0
