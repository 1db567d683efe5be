"""LL-HLS out of memory: playlists rendered once per part, media joined from the shared chunks.

Blocking reload (RFC 8216bis 6.2.5.2) and the preload-hinted part are the same thing here: a reply that
waits. It waits as an entry of a list, looked through when the playlist changes; no task, no timer.

`index.m3u8` names the playlists below `{broadcast}/`, so that what caches keep for ever cannot be taken
for the sound of the room's next broadcast. The same files without `{broadcast}/` are those of the
current one, and not to be cached.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hustings.bus.messages import CODECS, Codec, MediaChunk
from hustings.cmaf.chunker import begins_segment
from hustings.cmaf.listed import Past
from hustings.cmaf.multivariant import estimated_variant, multivariant_playlist
from hustings.cmaf.playlists import TARGET_DURATION, MediaTimeline
from hustings.edge.assembler import Arrived
from hustings.edge.going_back import Back
from hustings.edge.http import ANY_ORIGIN, Headers, Reply, Request, Resource, problem, retry_after
from hustings.edge.kept import Kept
from hustings.edge.protocol import Connection

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MEDIA_TYPE = "audio/mp4"
BLOCK_FOR = 3.0 * TARGET_DURATION
"""Seconds after which a blocked request is answered 503 (6.2.5.2 asks for an error in such a case)."""
RELEASE = 256
"""Waiting replies sent in one turn of the event loop."""
OLD = 4
"""Segments: what is as far from the newest is looked for in the recording if it is off the record."""
JOINED = 96
CHUNK_SECONDS = 0.2
"""Joined parts and segments kept per rendition; others are joined again."""

_MINUTE_CACHE: Headers = (("Cache-Control", "public, max-age=2"), *ANY_ORIGIN)
_NEWEST_CACHE: Headers = (("Cache-Control", "public, max-age=1"), *ANY_ORIGIN)
_BLOCKED_CACHE: Headers = (("Cache-Control", f"public, max-age={6 * TARGET_DURATION}"), *ANY_ORIGIN)
"""What a blocking request gets does not change any more as far as its asker goes: edges of a CDN may
answer all who ask the same with it, for six target durations."""
_MEDIA_CACHE: Headers = (("Cache-Control", "public, max-age=31536000, immutable"), *ANY_ORIGIN)
_PRIVATE_CACHE: Headers = (("Cache-Control", "no-store"), *ANY_ORIGIN)
"""Of what is off the record: to be heard now, not to be kept by anybody."""
_UNNAMED_CACHE: Headers = (("Cache-Control", "no-cache"), *ANY_ORIGIN)

type Taken = Callable[[Connection, Request, float], None]
"""Told of so many seconds of sound that go out."""
type Answer = Callable[[], Resource | Reply | None]
"""What is asked for, a refusal, or None as long as it has to wait."""


class _Waiter(NamedTuple):
    connection: Connection
    request: Request
    answer: Answer
    until: float


class Waiting:
    """Replies that wait for the playlists to go on."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
        remember: Callable[[bytes, Resource], None],
        taken: Taken,
    ) -> None:
        self._taken = taken
        self._now = now
        self._remember = remember
        self._call_soon = call_soon
        self._waiters: list[_Waiter] = []
        self._ready: list[_Waiter] = []

    def __len__(self) -> int:
        return len(self._waiters) + len(self._ready)

    def answer(self, connection: Connection, request: Request, answer: Answer) -> None:
        """Replies now if it can be, else as soon as it can."""
        found = answer()
        if found is not None:
            connection.reply(self._reply(found, connection, request))
        else:
            self._waiters.append(_Waiter(connection, request, answer, self._now() + BLOCK_FOR))

    def _reply(self, found: Resource | Reply, connection: Connection, request: Request) -> Reply:
        if isinstance(found, Reply):
            return found
        if found.seconds:
            self._taken(connection, request, found.seconds)
        self._remember(request.target, found)
        return found.reply(request)

    def changed(self) -> None:
        """The playlists went on: looks through all who wait."""
        idle = not self._ready
        self._ready += self._waiters
        self._waiters = []
        if idle and self._ready:
            self._release()

    def _release(self) -> None:
        some, self._ready = self._ready[:RELEASE], self._ready[RELEASE:]
        same: dict[bytes, Resource | Reply | None] = {}
        for waiter in some:
            if waiter.connection.closed:
                continue
            target = waiter.request.target
            if target in same:
                found = same[target]  # most wait for one and the same part
            else:
                found = same[target] = waiter.answer()
            if found is None:
                self._waiters.append(waiter)
            else:
                waiter.connection.reply(self._reply(found, waiter.connection, waiter.request))
        if self._ready:
            self._call_soon(self._release)

    def tick(self, now: float) -> None:
        """Answers 503 to those who have waited for too long; forgets those who left."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.connection.closed:
                continue
            if now >= waiter.until:
                detail = "The broadcast does not go on at the moment; try again."
                waiter.connection.reply(problem(503, "Nothing new yet", detail, retry_after(1, 4)))
            else:
                self._waiters.append(waiter)

    def refuse(self, reply: Callable[[], Reply]) -> None:
        """Answers all who wait with `reply`: the edge closes, or the room is gone."""
        waiters, self._waiters, self._ready = self._waiters + self._ready, [], []
        for waiter in waiters:
            waiter.connection.reply(reply())


class Rendition:
    """One codec of one broadcast: playlist and media."""

    def __init__(self, broadcast_id: str, codec: Codec, *, window: float, kept: Kept) -> None:
        self.codec: Codec = codec
        self._kept = kept
        self._keep = round(window * 5)
        """Chunks kept in memory, at least."""
        self._past: Sequence[Past] = ()
        self.timeline = MediaTimeline(codec, window_seconds=window)
        self.init: Resource | None = None
        self._broadcast_id = broadcast_id
        self._chunks: dict[int, MediaChunk] = {}
        self._joined: OrderedDict[tuple[int, int, bool], Resource] = OrderedDict()
        self._playlists: dict[tuple[bool, bool], Resource] = {}
        self._unnamed_init: Resource | None = None

    def set_init(self, data: bytes) -> None:
        """The init segment (EXT-X-MAP)."""
        if self.init is None or self.init.body != data:
            self.init = Resource(MEDIA_TYPE, data, _MEDIA_CACHE)
            self._unnamed_init = Resource(MEDIA_TYPE, data, _UNNAMED_CACHE)

    def append(self, arrived: Sequence[Arrived]) -> bool:
        """Takes chunks in order; says whether the playlist changed."""
        changed = False
        timeline = self.timeline
        for chunk, _ in arrived:
            self._chunks[chunk.seq] = chunk
            changed |= timeline.append(
                chunk.seq,
                chunk.epoch,
                chunk.media_time,
                chunk.duration,
                chunk.wall_clock,
                len(chunk.data),
                segment_start=begins_segment(chunk.data),
            )
        if self._past and timeline.precede(self._past):
            self._past = ()
            changed = True
        kept_from = timeline.first_kept_seq
        if self._kept.recorded and arrived:
            kept_from = max(kept_from, arrived[-1][0].seq - self._keep)
        while self._chunks and (oldest := next(iter(self._chunks))) < kept_from:
            del self._chunks[oldest]
        if changed:
            self._playlists.clear()
        return changed

    def precede(self, past: Sequence[Past]) -> None:
        """Lists what was recorded before this edge began, as soon as there is something to list it before."""
        self._past = past
        if self.timeline.precede(past):
            self._past = ()
            self._playlists.clear()

    def in_recording(self, number: int) -> tuple[int, int] | None:
        """The chunks of segment `number`, first and last, if it has to come from the recording: it is in
        memory no more, or it is past and was not for keeping."""
        span = self.timeline.segment_chunks(number)
        if not self._kept.recorded or span is None:
            return None
        there = span[1] in self._chunks and not (self.is_old(number) and self.is_private(number))
        return None if there else span[1:]

    def is_old(self, number: int) -> bool:
        """Whether segment `number` is no more part of what is live."""
        return number <= self.timeline.last_msn - OLD

    def is_private(self, number: int) -> bool:
        """Whether something in segment `number` is off the record."""
        when = self.timeline.when(number)
        return when is not None and self._kept.private(*when)

    def forget_text(self) -> None:
        """Another rendition went on, which this playlist reports."""
        self._playlists.clear()

    def playlist(self, others: Sequence[Rendition], *, skip: bool, blocking: bool) -> Resource:
        """The playlist as it stands, rendered once for all who ask the same."""
        found = self._playlists.get((skip, blocking))
        if found is None:
            reports = [other.timeline.report() for other in others if not other.timeline.is_empty]
            body = self.timeline.media_playlist(skip=skip, reports=reports)
            cache = _BLOCKED_CACHE if blocking else _NEWEST_CACHE
            found = Resource(PLAYLIST_TYPE, body, cache, compress=True)
            self._playlists[skip, blocking] = found
        return found

    def init_segment(self, *, named: bool) -> Resource | None:
        """The init segment, None before it is known."""
        return self.init if named else self._unnamed_init

    def media(self, number: int, part: int, *, named: bool) -> Resource | None:
        """Segment `number` (part -1) or one of its parts; None when it is not there."""
        timeline = self.timeline
        span = timeline.segment_chunks(number) if part < 0 else timeline.part_chunks(number, part)
        if span is None:
            return None
        key = (number, part, named)
        found = self._joined.get(key)
        if found is None:
            epoch, first, last = span
            chunks = self._chunks
            data = b"".join(
                chunk.data
                for seq in range(first, last + 1)
                if (chunk := chunks.get(seq)) is not None and chunk.epoch == epoch
            )
            cache = _MEDIA_CACHE if named else _UNNAMED_CACHE
            if self.is_private(number):
                cache = _PRIVATE_CACHE
            tag = f"{self._broadcast_id}-{self.codec}-{number}.{part}"
            found = self._joined[key] = Resource(
                MEDIA_TYPE, data, cache, etag=tag, seconds=(last - first + 1) * CHUNK_SECONDS
            )
            if len(self._joined) > JOINED:
                self._joined.popitem(last=False)
        return found


class HlsBroadcast:
    """All renditions of one broadcast, and the requests for them."""

    def __init__(
        self,
        broadcast_id: str,
        *,
        window: float,
        bitrates: dict[Codec, int],
        now: Callable[[], float] = time.monotonic,
        call_soon: Callable[[Callable[[], None]], object],
        remember: Callable[[bytes, Resource], None] = lambda target, resource: None,
        back: Back | None = None,
        taken: Taken = lambda connection, request, seconds: None,
    ) -> None:
        self._taken = taken
        self.broadcast_id = broadcast_id
        self.kept = Kept()
        self.renditions: dict[Codec, Rendition] = {
            codec: Rendition(broadcast_id, codec, window=window, kept=self.kept) for codec in CODECS
        }
        self._back = back
        self.waiting = Waiting(now=now, call_soon=call_soon, remember=remember, taken=taken)
        self._bitrates = bitrates
        self._index: Resource | None = None
        self._index_peaks: list[int] = []

    def set_init(self, codec: Codec, data: bytes) -> None:
        """The init segment of one rendition."""
        self.renditions[codec].set_init(data)
        self.waiting.changed()

    def append(self, codec: Codec, arrived: Sequence[Arrived]) -> None:
        """Chunks of one rendition; lets go who waited for them."""
        if self.renditions[codec].append(arrived):
            for other, rendition in self.renditions.items():
                if other != codec:
                    rendition.forget_text()
            self.waiting.changed()

    def recording(self, state: str, since: float, wall: float) -> None:
        """The stage says how the recording stands (RecordingReport)."""
        self.kept.report(state, since, wall)
        if self.kept.recorded and self._back is not None:
            for rendition in self.renditions.values():
                rendition.timeline.keep_all()

    def precede(self, past: dict[Codec, list[Past]], unkept: Sequence[tuple[float, float]]) -> None:
        """What was recorded before this edge began, and what of it was not for keeping (Unix seconds)."""
        self.kept.recorded = True
        for stretch in unkept:
            self.kept.unkept(*stretch)
        for codec, segments in past.items():
            self.renditions[codec].precede(segments)
        self.waiting.changed()

    def finish(self) -> None:
        """The broadcast ended: EXT-X-ENDLIST."""
        for rendition in self.renditions.values():
            if rendition.timeline.finish():
                rendition.forget_text()
        self.waiting.changed()

    # --- requests ----------------------------------------------------------------------------

    def handle(self, connection: Connection, request: Request, path: list[bytes]) -> bool:
        """Answers `path` below /r/{slug}/hls/; False when there is no such thing.

        Returns whether it was asked for media or a media playlist of this broadcast.
        """
        named = bool(path) and path[0] == self.broadcast_id.encode()
        if named:
            path = path[1:]
        if path == [b"index.m3u8"] and not named:
            connection.reply(self._multivariant().reply(request))
            return True
        if len(path) == 1 and path[0].endswith(b".m3u8"):
            rendition = self._rendition(path[0][:-5])
            if rendition is not None:
                self._media_playlist(connection, request, rendition)
                return True
        elif len(path) == 2 and path[1].endswith((b".m4s", b".mp4")):
            rendition = self._rendition(path[0])
            if rendition is not None:
                return self._media(connection, request, rendition, path[1], named=named)
        return False

    def _rendition(self, name: bytes) -> Rendition | None:
        for codec, rendition in self.renditions.items():
            if name == codec.encode():
                return rendition
        return None

    def _multivariant(self) -> Resource:
        peaks = [rendition.timeline.peak_bitrate for rendition in self.renditions.values()]
        if self._index is None or peaks != self._index_peaks:
            variants = [
                estimated_variant(codec, self._bitrates[codec], measured_peak=rendition.timeline.peak_bitrate)
                for codec, rendition in self.renditions.items()
            ]
            lines = multivariant_playlist(variants).splitlines(keepends=True)
            prefix = self.broadcast_id.encode() + b"/"
            body = b"".join(line if line.startswith(b"#") else prefix + line for line in lines)
            self._index = Resource(PLAYLIST_TYPE, body, _MINUTE_CACHE, compress=True)
            self._index_peaks = peaks
        return self._index

    def _media_playlist(self, connection: Connection, request: Request, rendition: Rendition) -> None:
        timeline = rendition.timeline
        others = [other for other in self.renditions.values() if other is not rendition]
        parameters = request.parameters()
        skip = parameters.get("_HLS_skip", "") in ("YES", "v2")
        msn, part = parameters.get("_HLS_msn"), parameters.get("_HLS_part")
        if msn is None and part is None:
            # Before the first part there is nothing to list: whoever is early waits for the beginning.
            self.waiting.answer(
                connection,
                request,
                lambda: (
                    None
                    if timeline.is_empty and not timeline.ended
                    else rendition.playlist(others, skip=skip, blocking=False)
                ),
            )
            return
        if msn is None or not _number(msn) or (part is not None and not _number(part)):
            detail = "_HLS_msn and _HLS_part are decimal numbers, and _HLS_part comes with _HLS_msn."
            connection.reply(problem(400, "Bad delivery directive", detail))
            return
        wanted, wanted_part = int(msn), int(part) if part is not None else None
        if timeline.too_far(wanted, wanted_part) and not timeline.is_empty:
            detail = f"The playlist is at segment {timeline.last_msn}; ask for the next one."
            connection.reply(problem(400, "Too far ahead", detail))
            return
        self.waiting.answer(
            connection,
            request,
            lambda: (
                rendition.playlist(others, skip=skip, blocking=True)
                if timeline.has(wanted, wanted_part)
                else None
            ),
        )

    def _media(
        self, connection: Connection, request: Request, rendition: Rendition, name: bytes, *, named: bool
    ) -> bool:
        if name == b"init.mp4":
            self.waiting.answer(connection, request, lambda: rendition.init_segment(named=named))
            return True
        number, _, part = name[:-4].partition(b".")
        if not name.endswith(b".m4s") or not _number(number.decode("latin-1")):
            return False
        if part and not _number(part.decode("latin-1")):
            return False
        wanted = (int(number), int(part) if part else -1)
        if self._back is not None and not part and (span := rendition.in_recording(wanted[0])) is not None:
            self._taken(connection, request, TARGET_DURATION)
            self._back(connection, request, rendition.codec, wanted[0], span)
            return True
        if part and rendition.is_old(wanted[0]) and rendition.is_private(wanted[0]):
            return False

        def answer() -> Resource | Reply | None:
            found = rendition.media(*wanted, named=named)
            if found is None and rendition.timeline.hint != wanted:
                return problem(404, "Not in the window", "This part of the sound is not here (any more).")
            return found

        self.waiting.answer(connection, request, answer)
        return True


def _number(text: str) -> bool:
    """A decimal-integer of RFC 8216bis 4.2, short enough to be one of ours."""
    return text.isascii() and text.isdigit() and len(text) <= 12
