"""Endless plain streams for players and radios: /stream.ogg (Ogg/Opus) and /stream.aac (ADTS).

One bytes object per chunk for all listeners, not chunked and ended by closing: any HTTP/1.0 player
reads it. A slow listener is moved to the live edge at a page or frame boundary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import structlog

from hustings.bus.messages import MediaChunk
from hustings.cmaf.adts import adts_frame
from hustings.cmaf.chunker import read_chunk
from hustings.cmaf.init_segment import read_init
from hustings.cmaf.ogg import OggOpusWriter
from hustings.edge.assembler import Arrived
from hustings.edge.fanout import CatchUp, Fanout
from hustings.edge.http import ANY_ORIGIN, make_head
from hustings.edge.metrics import Metrics
from hustings.edge.protocol import Connection
from hustings.errors import Corrupt

log = structlog.get_logger()

TAIL = 5
"""Chunks a joiner gets at once: players buffer a second before they begin."""
KEEP = 25
BURST = 150


class Writer(Protocol):
    """Turns chunks into the bytes of one stream."""

    content_type: str

    def init(self, data: bytes) -> None:
        """Takes the init segment."""
        ...

    def opening(self, first_seq: int) -> bytes:
        """What a listener needs before the chunk `first_seq`."""
        ...

    def encode(self, chunk: MediaChunk) -> bytes:
        """The chunk's bytes; raises Corrupt."""
        ...


class OggWriter:
    """Ogg/Opus: a page for each chunk; page number is seq + 2, after the two header pages."""

    content_type = "audio/ogg; codecs=opus"

    def __init__(self, serial: int, title: str) -> None:
        self._writer = OggOpusWriter(serial, title=title)

    def init(self, data: bytes) -> None:
        self._writer.pre_skip = read_init(data).pre_skip

    def opening(self, first_seq: int) -> bytes:
        return self._writer.headers(first_seq + 2, joining=first_seq > 0)

    def encode(self, chunk: MediaChunk) -> bytes:
        samples = read_chunk(chunk.data).samples
        packets = [chunk.data[at : at + size] for at, size, _ in samples]
        return self._writer.page(
            packets, media_time=chunk.media_time, samples=chunk.duration, number=chunk.seq + 2
        )


class AdtsWriter:
    """AAC: every access unit with its own header, so nothing is needed before the first."""

    content_type = "audio/aac"

    def __init__(self) -> None:
        self._config = b""

    def init(self, data: bytes) -> None:
        self._config = read_init(data).audio_specific_config

    def opening(self, first_seq: int) -> bytes:
        return b""

    def encode(self, chunk: MediaChunk) -> bytes:
        data = chunk.data
        return b"".join(
            adts_frame(data[at : at + size], self._config) for at, size, _ in read_chunk(data).samples
        )


class _Sent(NamedTuple):
    seq: int
    data: bytes


class StreamGroup:
    """Everybody who listens to one room by one kind of stream."""

    def __init__(
        self,
        writer: Writer,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._writer = writer
        self._tail: deque[_Sent] = deque(maxlen=KEEP)
        headers = (
            ("Content-Type", writer.content_type),
            ("Cache-Control", "no-store, no-transform"),
            ("X-Accel-Buffering", "no"),
            *ANY_ORIGIN,
        )
        self._head = make_head(200, headers, None)
        self._hello = b""
        self._fan = Fanout(
            metrics=metrics,
            door="stream",
            now=now,
            call_soon=call_soon,
            catch_up=self._catch_up,
            farewell=bytes,
        )

    def __len__(self) -> int:
        return len(self._fan)

    def delivered(self, now: float, within: float) -> int:
        """Listeners that have taken media in the last `within` seconds."""
        return self._fan.delivered(now, within)

    def init(self, data: bytes) -> None:
        """The init segment says what the stream's headers need to know."""
        try:
            self._writer.init(data)
        except Corrupt:
            log.warning("init segment could not be read")

    def chunks(self, arrived: Sequence[Arrived]) -> None:
        """Chunks in order; goes out at once."""
        parts: list[bytes] = []
        if not self._tail:
            # Whoever is here already waits for the beginning.
            parts.append(self._writer.opening(arrived[0].chunk.seq))
        for chunk, _ in arrived[-BURST:]:
            try:
                data = self._writer.encode(chunk)
            except Corrupt:
                log.warning("chunk could not be read", seq=chunk.seq)
                continue
            parts.append(data)
            self._tail.append(_Sent(chunk.seq, data))
        self._hello = b""
        self._fan.send(b"".join(parts), arrived[-1].chunk.seq)

    def join(self, sink: Connection) -> bool:
        """Headers and the last second; then what comes."""
        if not self._hello and self._tail:
            last = list(self._tail)[-TAIL:]
            self._hello = self._writer.opening(last[0].seq) + b"".join(sent.data for sent in last)
        return self._fan.join(sink, self._head, self._hello)

    def tick(self, now: float) -> None:
        """Cuts listeners that take nothing."""
        self._fan.tick(now)

    def end(self) -> None:
        """The broadcast is over: closes all."""
        self._fan.end(b"")
        self._tail.clear()
        self._hello = b""

    def _catch_up(self, mark: int) -> CatchUp:
        missed = [sent for sent in self._tail if sent.seq > mark]
        skipped = bool(missed) and self._tail[0].seq > mark
        if skipped:
            missed = missed[-TAIL:]
        return CatchUp(b"".join(sent.data for sent in missed), skipped=skipped)
