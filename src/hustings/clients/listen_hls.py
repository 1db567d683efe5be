"""The LL-HLS door: playlists by blocking reload, parts ahead of their listing by preload hint."""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin

import httpx

from hustings.clients.api import refused
from hustings.clients.decode import ChunkDecoder
from hustings.clients.doors import with_query
from hustings.clients.hls_playlist import MediaPlaylist, is_multivariant, parse_media, parse_multivariant
from hustings.clients.hls_reader import Fetch, HlsReader, choose
from hustings.clients.listen_push import PATIENCE, retry_after
from hustings.clients.sink import Sink
from hustings.errors import Corrupt, Refused, Unavailable

LATENCY_AGAINST = "EXT-X-PROGRAM-DATE-TIME: age of each part's first sample on arrival"
_AGAIN = (404, 429, 500, 502, 503, 504)
"""Worth asking again: not live yet, a part that is gone, or a busy edge."""


class _Again(Exception):
    """Try again after so many seconds."""

    def __init__(self, seconds: float, reason: Exception) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.reason = reason


class HlsListener:
    """Follows one room's playlists into a sink."""

    def __init__(self, client: httpx.AsyncClient, url: str, sink: Sink, codec: str) -> None:
        self._client = client
        self._url = url
        self._sink = sink
        self._codec = codec
        self._reader = HlsReader()
        self._media_url = ""
        self._playlist: MediaPlaylist | None = None
        self._decoder: ChunkDecoder | None = None
        self._map_url = ""

    async def run(self) -> str:
        """Until EXT-X-ENDLIST; returns the reason. Raises Refused, Unavailable or Corrupt."""
        self._sink.result.latency_against = LATENCY_AGAINST
        failing_since: float | None = None
        while True:
            try:
                await self._step()
                failing_since = None
            except _Again as again:
                now = self._sink.clock.monotonic()
                failing_since = failing_since or now
                if now - failing_since > PATIENCE:
                    raise again.reason from None
                await asyncio.sleep(again.seconds)
            if self._reader.ended:
                return "endlist"

    async def _step(self) -> None:
        """One playlist and what is new in it."""
        if not self._media_url:
            self._media_url = await self._find_media()
        playlist = await self._load()
        self._playlist = playlist
        lost = self._reader.lost_segments
        fetches = self._reader.take(playlist)
        self._sink.result.discontinuities = self._reader.discontinuities
        if self._reader.lost_segments > lost:
            self._sink.result.discontinuities += self._reader.lost_segments - lost
        for fetch in fetches:
            await self._play(fetch)
        if not playlist.can_block_reload and not playlist.ended:
            await asyncio.sleep(playlist.target_duration / 2)

    async def _find_media(self) -> str:
        response = await self._get(self._url)
        if not is_multivariant(response.text):
            return str(response.url)
        variant = choose(parse_multivariant(response.text), self._codec)
        return urljoin(str(response.url), variant.uri)

    async def _load(self) -> MediaPlaylist:
        """The next playlist; while it blocks, the hinted part is already asked for."""
        before = self._playlist
        if before is None:
            return parse_media((await self._get(self._media_url)).text)
        url = with_query(self._media_url, **self._reader.reload(before))
        hinted = self._reader.hinted(before)
        if hinted is None:
            return parse_media((await self._get(url)).text)
        part = asyncio.create_task(self._fetch_hint(hinted))
        try:
            playlist = parse_media((await self._get(url)).text)
            await part
        finally:
            part.cancel()
        return playlist

    async def _fetch_hint(self, fetch: Fetch) -> None:
        """Plays the hinted part as soon as it is whole; a hint that proves wrong is no error (6.3.8)."""
        try:
            await self._play(fetch)
        except (_Again, Refused):
            return
        self._reader.hint_taken(fetch)

    async def _play(self, fetch: Fetch) -> None:
        uri = urljoin(self._media_url, fetch.uri)
        if fetch.map_uri:
            await self._load_map(urljoin(self._media_url, fetch.map_uri))
        data = (await self._get(uri)).content
        if self._decoder is None:
            raise Corrupt("The media playlist has no EXT-X-MAP, so nothing can be decoded.")
        wall = fetch.wall_clock
        for media_time, samples in self._decoder.decode(data):
            self._sink.heard(media_time, samples, wall)
            # Only the part's first sample is aged: a part arrives whole.
            wall = None

    async def _load_map(self, url: str) -> None:
        if url != self._map_url:
            self._decoder = ChunkDecoder((await self._get(url)).content)
            self._map_url = url
            self._sink.result.codec = self._decoder.codec

    async def _get(self, url: str) -> httpx.Response:
        """Raises _Again, or Refused for what asking again will not change."""
        try:
            response = await self._client.get(url)
        except httpx.HTTPError as error:
            raise _Again(0.5, Unavailable(f"{url} does not answer.")) from error
        self._sink.received(len(response.content))
        if response.status_code in _AGAIN:
            raise _Again(min(2.0, retry_after(response)) / 2, refused(response))
        if response.is_error:
            raise refused(response)
        return response
