"""Low-latency push: records over one endless response (docs/push-protocol.md).

A record is `type u8, flags u8, reserved u16, length u32` (big endian) and its payload. One batch of
records is one immutable bytes object, chunked framing (RFC 9112 7.1) included, for every listener of
a room and codec.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hustings.bus.messages import MediaChunk, TimedEvent
from hustings.edge.assembler import Arrived
from hustings.edge.fanout import CatchUp, Fanout
from hustings.edge.http import ANY_ORIGIN, make_head
from hustings.edge.metrics import Metrics
from hustings.edge.protocol import Connection

INIT, MEDIA, EVENT, CLOCK, DISCONTINUITY, BYE, MOVE = 1, 2, 3, 4, 5, 6, 7

TAIL = 3
"""Chunks a joiner gets at once: 600 ms, enough to start without a stall (FACTS 6)."""
KEEP = 25
"""Chunks at hand for a listener that was slow for a moment: 5 s."""
BURST = 150
"""Chunks that may come at once after the edge was cut off, 30 s; of more only the newest go out."""
CLOCK_EVERY = 1.0
"""Seconds between two clock records at most."""
CLOCK_SOON = 0.75
"""A batch takes the clock along when the last one is this old, which saves a write of its own."""
NOT_YET = -1
"""media_time of clock records before the broadcast is live."""
PENDING_EVENTS = 64

_HEADERS = (
    ("Content-Type", "application/octet-stream"),
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),
    *ANY_ORIGIN,
)
HEAD = make_head(200, (*_HEADERS, ("Transfer-Encoding", "chunked")), None)
HEAD_10 = make_head(200, _HEADERS, None)


def record(kind: int, payload: bytes) -> bytes:
    """One record's bytes."""
    return struct.pack(">BBHI", kind, 0, 0, len(payload)) + payload


def json_record(kind: int, content: dict[str, object]) -> bytes:
    """A record with a JSON object."""
    return record(kind, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())


def framed(data: bytes) -> bytes:
    """`data` as one chunk of the chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Sent(NamedTuple):
    """A chunk that goes out: `data` is its media record, `before` what has to precede it for one who
    has heard the chunk before it, `init` a new init segment that it is the first to need."""

    seq: int
    media_time: int
    before: bytes
    data: bytes
    init: bytes


class PushGroup:
    """Everybody who listens to one room in one codec by push."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
        greeting: Callable[[], Sequence[Mapping[str, object]]] = tuple,
    ) -> None:
        """`greeting`: what a joiner is told of the room, as contents of event records."""
        self._now = now
        self._room_greeting = greeting
        self._metrics = metrics
        self._tail: deque[_Sent] = deque(maxlen=KEEP)
        self._tail_init = b""
        self._waiting: list[bytes] = []
        self._waiting_chunks: list[_Sent] = []
        self._marked = -1
        self._init = b""
        self._init_changed = False
        self._clock: dict[str, object] = {"media_time": NOT_YET, "wall_clock": 0.0}
        self._live_clock = False
        self._clock_sent = -1e9
        self._hello = b""
        self._move = b""

        def fan(wrap: Callable[[bytes], bytes], end: bytes) -> Fanout:
            return Fanout(
                metrics=metrics,
                door="push",
                now=now,
                call_soon=call_soon,
                catch_up=lambda mark: self._catch_up(mark, wrap),
                farewell=lambda: wrap(json_record(BYE, {"reason": "slow"})) + end,
            )

        self._chunked = fan(framed, b"0\r\n\r\n")
        # HTTP/1.0 knows no chunked coding, and that is what nginx speaks to us unless told otherwise.
        self._plain = fan(bytes, b"")

    def __len__(self) -> int:
        return len(self._chunked) + len(self._plain)

    @property
    def all_out(self) -> bool:
        """Whether nothing waits for the rest of its batch."""
        return not self._waiting_chunks

    def delivered(self, now: float, within: float) -> int:
        """Listeners that have taken media in the last `within` seconds."""
        return self._chunked.delivered(now, within) + self._plain.delivered(now, within)

    # --- the broadcast -----------------------------------------------------------------------

    def init(self, data: bytes) -> None:
        """The init segment; goes out before the next chunk when it is new."""
        if data and data != self._init:
            self._init = data
            self._init_changed = True

    def chunks(self, arrived: Sequence[Arrived], batch: int) -> None:
        """Chunks in order. They go out when `batch` of them are together."""
        if len(arrived) > BURST:
            arrived = [arrived[-TAIL]._replace(reason="gap"), *arrived[1 - TAIL :]]
        for chunk, reason in arrived:
            self._add(chunk, reason)
        if len(self._waiting_chunks) >= batch:
            self.flush()

    def _add(self, chunk: MediaChunk, reason: str) -> None:
        before = init = b""
        if reason:
            before = json_record(DISCONTINUITY, {"media_time": chunk.media_time, "reason": reason})
        if self._init_changed:
            init = self._init
            before += record(INIT, init)
            self._init_changed = False
        sent = _Sent(chunk.seq, chunk.media_time, before, record(MEDIA, chunk.data), init)
        self._waiting += (sent.before, sent.data)
        self._waiting_chunks.append(sent)
        end = chunk.wall_clock + chunk.duration / 48_000
        self._clock = {"media_time": chunk.media_time + chunk.duration, "wall_clock": round(end, 3)}
        self._live_clock = True

    def event(self, event: TimedEvent) -> None:
        """Something that happened in the sound; goes out with the next batch."""
        content = {
            **event.data,
            "media_time": event.media_time,
            "wall_clock": event.wall_clock,
            "kind": event.kind,
        }
        self._tell(content)

    def room(self, content: Mapping[str, object]) -> None:
        """Something that happened in the room: at the end of what is sent by now, as far as sound goes."""
        self._hello = b""
        self._tell({**self._clock, **content})

    def _tell(self, content: dict[str, object]) -> None:
        if len(self._waiting) >= PENDING_EVENTS + 2 * BURST:
            self._metrics.events_dropped += 1
            return
        self._waiting.append(json_record(EVENT, content))

    def forget_greeting(self) -> None:
        """The room's greeting is another one now."""
        self._hello = b""

    def flush(self) -> None:
        """Sends what is together, with a clock record when it is time for one."""
        now = self._now()
        if now - self._clock_sent >= CLOCK_SOON:
            self._waiting.append(json_record(CLOCK, self._clock))
            self._clock_sent = now
        for sent in self._waiting_chunks:
            if sent.init:
                # What came before cannot be decoded with the new init segment: nobody gets it any more.
                self._tail.clear()
                self._tail_init = sent.init
            self._tail.append(sent)
            self._marked = sent.seq
        self._waiting_chunks.clear()
        self._hello = b""
        data = b"".join(self._waiting)
        self._waiting.clear()
        if not data:
            # An empty chunk would end the response (RFC 9112 7.1).
            return
        if len(self._chunked):
            self._chunked.send(framed(data), self._marked)
        self._chunked.mark = self._marked
        if len(self._plain):
            self._plain.send(data, self._marked)
        self._plain.mark = self._marked

    def tick(self, now: float, wall: float) -> None:
        """Once a second or oftener: the clock goes out when no batch took it along."""
        if not self._live_clock:
            self._clock = {"media_time": NOT_YET, "wall_clock": round(wall, 3)}
            self._hello = b""
        # Before sound there are no batches that would take events along.
        if now - self._clock_sent >= CLOCK_EVERY - 0.05 or (self._waiting and not self._live_clock):
            self.flush()
        self._chunked.tick(now)
        self._plain.tick(now)

    def move(self, within: float) -> None:
        """Another process has this door: asks all, and who comes yet, to join there within so many seconds,
        and to leave here once they hear it."""
        self._move = json_record(MOVE, {"reason": "draining", "within": within})
        self._waiting.append(self._move)
        self._hello = b""
        if not self._live_clock:
            self.flush()

    def end(self, reason: str) -> None:
        """Says goodbye to all; the group may be used for the room's next broadcast."""
        self.flush()
        bye = json_record(BYE, {"reason": reason})
        self._chunked.end(framed(bye) + b"0\r\n\r\n")
        self._plain.end(bye)
        self._tail.clear()
        self._tail_init = self._init = b""
        self._init_changed = False
        self._live_clock = False
        self._marked = -1
        self._hello = b""

    # --- listeners ---------------------------------------------------------------------------

    def join(self, sink: Connection, *, http10: bool) -> bool:
        """Init, clock and the last chunks in one write; then what comes."""
        if http10:
            return self._plain.join(sink, HEAD_10, self._greeting())
        if not self._hello:
            self._hello = framed(self._greeting())
        return self._chunked.join(sink, HEAD, self._hello)

    def _greeting(self) -> bytes:
        parts = []
        if self._tail:
            parts.append(record(INIT, self._tail_init))
        parts += (json_record(CLOCK, self._clock), *self._of_the_room())
        last = list(self._tail)[-TAIL:]
        parts += [part for sent in last for part in (sent.before if sent is not last[0] else b"", sent.data)]
        return b"".join((*parts, self._move))

    def _of_the_room(self) -> list[bytes]:
        return [json_record(EVENT, {**self._clock, **content}) for content in self._room_greeting()]

    def _catch_up(self, mark: int, wrap: Callable[[bytes], bytes]) -> CatchUp:
        """What a listener who has heard up to `mark` needs to be where all are."""
        missed = [sent for sent in self._tail if sent.seq > mark]
        if not missed:
            return CatchUp(b"", skipped=False)
        if self._tail[0].seq <= mark:
            # The chunk before the first missed one is still at hand, so nothing lies between.
            # Events went by; where the room stands makes good for them.
            whole = [part for sent in missed for part in (sent.before, sent.data)]
            return CatchUp(wrap(b"".join([*whole, *self._of_the_room()])), skipped=False)
        missed = missed[-TAIL:]
        parts = [json_record(DISCONTINUITY, {"media_time": missed[0].media_time, "reason": "slow"})]
        parts.append(record(INIT, self._tail_init))
        parts += (json_record(CLOCK, self._clock), *self._of_the_room())
        parts += [
            part for sent in missed for part in (sent.before if sent is not missed[0] else b"", sent.data)
        ]
        return CatchUp(wrap(b"".join(parts)), skipped=True)
