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
    PushReader,
    Record,
    ServerClock,
)
from hustings.clients.sink import Sink
from hustings.errors import Corrupt, Unavailable

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
        """One connection; returns after how many seconds to try again."""
        reader = PushReader()
        self._bye = ""
        self._sink.connected()
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
                        self._take(record)
        except httpx.HTTPError:
            return 0.25
        return 0.1

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
