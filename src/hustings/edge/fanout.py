"""One immutable buffer to many listeners.

`send` hands the same bytes object to every listener's transport: no copy, no task, no queue of our
own per listener. Listeners sit in shards; a batch goes to one shard per turn of the event loop, so
that ten thousand writes do not hold up a joiner or a playlist for longer than one shard takes.

A listener whose transport holds more than `HIGH` bytes is slow. It is left out until its buffer has
drained to `LOW`; then `catch_up` says what it is given to be current again (the chunks it missed while
they are still at hand, or a jump to the live edge). Who needs a jump again and again is sent away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from hustings.edge.metrics import Metrics
from hustings.edge.protocol import Connection

HIGH = 64 * 1024
"""Bytes one listener's transport may hold before it counts as slow: about 6 s of Opus at 64 kbit/s."""
LOW = 8 * 1024
SHARD = 512
"""Listeners written to in one turn of the event loop: some 6 ms."""
STALLED = 20.0
"""Seconds without draining after which a slow listener is cut."""
SKIPS = 6
"""Jumps to the live edge within `SKIPS_WITHIN` seconds after which a listener is sent away."""
SKIPS_WITHIN = 60.0


class CatchUp(NamedTuple):
    """What a listener that was left out is given. `skipped`: something it missed is not in `data`."""

    data: bytes
    skipped: bool


class _Batch(NamedTuple):
    number: int
    data: bytes


class _Slow(NamedTuple):
    mark: int
    since: float


class _Shard:
    """Some of the listeners: in `direct` those whose transports hold nothing, in `sinks` the others.

    Each with what writes to it: its socket's send, or its transport's write.
    """

    __slots__ = ("_pairs", "direct", "done", "mark", "sinks")

    def __init__(self, done: int, mark: int) -> None:
        self.direct: dict[Connection, Callable[[bytes], int]] = {}
        self.sinks: dict[Connection, Callable[[bytes], None]] = {}
        self.done = done
        self.mark = mark
        self._pairs: list[tuple[Connection, Callable[[bytes], int]]] = []
        """`direct`, as long as nobody came or left: made once instead of for every batch."""

    def __len__(self) -> int:
        return len(self.direct) + len(self.sinks)

    def remove(self, sink: Connection) -> None:
        """`sink` is not written to any more."""
        self.sinks.pop(sink, None)
        if self.direct.pop(sink, None) is not None:
            self._pairs = []

    def write(self, data: bytes) -> None:
        """To all. A listener whose buffer is full, or who is gone, may be removed within its write."""
        for sink, write in list(self.sinks.items()):
            raw = sink.direct
            if raw is None or sink.transport.get_write_buffer_size():
                write(data)
            else:
                del self.sinks[sink]
                self.direct[sink] = raw.send
                self._pairs = []
        pairs = self._pairs or list(self.direct.items())
        self._pairs = pairs
        size = len(data)
        for sink, send in pairs:
            try:
                sent = send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                sink.transport.abort()
                continue
            if sent != size:
                self.remove(sink)
                self.sinks[sink] = sink.transport.write
                sink.transport.write(data[sent:])


def _done(shard: _Shard) -> int:
    return shard.done


class Fanout:
    """The listeners of one stream of bytes. `mark` is the owner's name for how far the stream is."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        door: str,
        now: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
        catch_up: Callable[[int], CatchUp],
        farewell: Callable[[], bytes],
    ) -> None:
        self.mark = -1
        self._metrics = metrics
        self._door = door
        self._now = now
        self._call_soon = call_soon
        self._catch_up = catch_up
        self._farewell = farewell
        self._shards: list[_Shard] = []
        self._slow: dict[Connection, _Slow] = {}
        self._batches: deque[_Batch] = deque()
        self._number = 0
        self._turning = False
        self._begun = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._shards)) + len(self._slow)

    def delivered(self, now: float, within: float) -> int:
        """Listeners whose buffers have drained in the last `within` seconds."""
        late = sum(1 for slow in self._slow.values() if now - slow.since > within)
        return len(self) - late

    # --- the stream --------------------------------------------------------------------------

    def send(self, data: bytes, mark: int) -> None:
        """Hands `data` to all; the stream is at `mark` after it."""
        self._number += 1
        self.mark = mark
        if not self._shards:
            return
        self._batches.append(_Batch(self._number, data))
        if not self._turning:
            self._begun = self._now()
            self._turn()

    def _turn(self) -> None:
        """Brings the shard that is furthest behind up to date; comes back in the next turn for others.

        Furthest first, or the last shards would starve when batches come faster than turns.
        """
        behind = [shard for shard in self._shards if shard.done < self._number]
        if behind:
            self._bring(min(behind, key=_done))
        self._turning = len(behind) > 1
        if self._turning:
            self._call_soon(self._turn)
            oldest = min(map(_done, self._shards))
            while self._batches and self._batches[0].number <= oldest:
                self._batches.popleft()
        else:
            self._batches.clear()
            self._metrics.late = max(self._metrics.late, self._now() - self._begun)

    def _bring(self, shard: _Shard) -> None:
        pending = [batch.data for batch in self._batches if batch.number > shard.done]
        shard.done = self._number
        shard.mark = self.mark
        # Several at once only when turns are late: then one write for all of them, not one for each.
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        if data:
            count = len(shard)
            shard.write(data)
            self._metrics.sent[self._door] += len(data) * count
            self._metrics.writes += count

    def flush(self) -> None:
        """Brings all shards up to date now."""
        for shard in self._shards:
            if shard.done < self._number:
                self._bring(shard)
        self._batches.clear()

    # --- listeners ---------------------------------------------------------------------------

    def join(self, sink: Connection, head: bytes, hello: bytes) -> bool:
        """Makes `sink` a listener: the response's `head`, then `hello`, which must bring it to `mark`."""
        if not sink.listen(self, head):
            return False
        sink.transport.set_write_buffer_limits(HIGH, LOW)
        self._admit(sink)
        if hello:
            sink.transport.write(hello)
            self._metrics.sent[self._door] += len(hello)
        return True

    def _admit(self, sink: Connection) -> None:
        shard = self._shards[-1] if self._shards else None
        if shard is None or len(shard) >= SHARD:
            shard = next((each for each in self._shards if len(each) < SHARD), None)
            if shard is None:
                shard = _Shard(self._number, self.mark)
                self._shards.append(shard)
        if shard.done < self._number:
            self._bring(shard)
        shard.sinks[sink] = sink.transport.write
        sink.shard = shard

    def leave(self, sink: Connection) -> None:
        """The connection is gone."""
        self._slow.pop(sink, None)
        self._dismiss(sink)

    def _dismiss(self, sink: Connection) -> None:
        shard = sink.shard
        sink.shard = None
        if isinstance(shard, _Shard):
            shard.remove(sink)
            if not len(shard) and len(self._shards) > 1:
                self._shards.remove(shard)

    def pause(self, sink: Connection) -> None:
        """Its buffer is full: leave it out."""
        shard = sink.shard
        if isinstance(shard, _Shard):
            self._slow[sink] = _Slow(shard.mark, self._now())
            self._dismiss(sink)

    def resume(self, sink: Connection) -> None:
        """Its buffer has drained: make it current, or send it away."""
        slow = self._slow.pop(sink, None)
        if slow is None or sink.transport.is_closing():
            return
        missed = self._catch_up(slow.mark)
        if missed.skipped and self._too_often(sink):
            self._metrics.cut["slow_listener"] += 1
            sink.transport.write(self._farewell())
            sink.transport.close()
            return
        self._admit(sink)
        if missed.data:
            sink.transport.write(missed.data)
            self._metrics.sent[self._door] += len(missed.data)

    def _too_often(self, sink: Connection) -> bool:
        self._metrics.skips += 1
        now = self._now()
        if now - sink.skips_since > SKIPS_WITHIN:
            sink.skips_since = now
            sink.skips = 0
        sink.skips += 1
        return sink.skips >= SKIPS

    def tick(self, now: float) -> None:
        """Cuts listeners that have taken nothing for too long."""
        for sink in [sink for sink, slow in self._slow.items() if now - slow.since > STALLED]:
            sink.abort("stalled_listener")

    def end(self, last: bytes) -> None:
        """Sends `last` and closes every listener's connection."""
        self.flush()
        for shard in list(self._shards):
            for sink in [*shard.sinks, *shard.direct]:
                self._dismiss(sink)
                sink.transport.write(last)
                sink.transport.close()
        for sink in list(self._slow):
            # What is in its buffer is old; waiting for it to drain would keep it for ever.
            sink.transport.abort()
