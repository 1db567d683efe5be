"""Replay at the audience's door: everything below /r/{slug}/replay/ (docs/recording.md, Replay).

The disk is read in threads of its own, never in the event loop's: a request for what is not in memory waits
for its read, and all who ask the same wait for the same one. What is small is kept for a while; long files go
out in pieces, as fast as their reader takes them (replay_sender.py).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from hustings.archive import figures
from hustings.archive.about import RoomRecordings
from hustings.archive.everything import ZIP_NAME, ZIP_TYPE, everything, state_of
from hustings.archive.library import Library, Recorded
from hustings.archive.made import (
    CHAPTERS_NAME,
    COVER_NAME,
    MADE_KINDS,
    MADE_TYPES,
    downloads,
    made_name,
    read_made,
)
from hustings.archive.playlist import index_playlist, media_playlist, silence
from hustings.archive.proofs import Proofs
from hustings.archive.tombstone import TOMBSTONE_NAME, encode_tombstone
from hustings.archive.virtual import MAX_INIT_BYTES, VirtualFile, plain_file, program_m4a, program_opus
from hustings.archive.withheld import Withheld
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE, Codec
from hustings.edge.clips import found_clip, refused
from hustings.edge.http import ANY_ORIGIN, Headers, Reply, Request, Resource, problem, retry_after
from hustings.edge.metrics import Metrics
from hustings.edge.pages import own_reply
from hustings.edge.past import PastOf, past_of
from hustings.edge.protocol import Connection
from hustings.edge.replay_counting import ReplayCounting
from hustings.edge.replay_sender import LongFile, Senders, unreadable
from hustings.errors import Corrupt
from hustings.ids import is_broadcast_id

log = structlog.get_logger()

READERS: Final = 2
"""Threads that read the disk."""
STORE_READERS: Final = 6
"""... where there is a store, too, which takes its time to answer."""
PENDING: Final = 256
"""Different reads that may wait for a thread; more requests get 503."""
CACHE_BYTES: Final = 32 << 20
KEEP: Final = 30.0
"""Seconds for which what is over is not looked at again: a deleted recording is gone after them."""
KEEP_GROWING: Final = 1.0
PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
MEDIA_TYPE: Final = "audio/mp4"
_KNOWN: Final = re.compile(
    rb"(?:[0-9]{8}T[0-9]{6}-[0-9a-f]{6}/)?"
    rb"(?:index\.m3u8|(?:opus|aac)\.m3u8|(?:opus|aac)/(?:init\.mp4|(?:silence-)?[0-9]{1,12}\.m4s)"
    rb"|program\.(?:m4a|opus)|tracks/[A-Za-z0-9_-]{1,64}(?:\.[0-9]{1,6}){1,2}\.opus|made/[a-z]{1,16}\.[a-z0-9]{1,8}"
    rb"|clip/[0-9]{1,9}-[0-9]{1,9}\.(?:m4a|opus|json)"
    rb"|proof/(?:opus|aac)/[0-9]{1,12}\.json"
    rb"|everything\.zip|(?:about|peaks|timeline|downloads|deleted)\.json)"
    rb"|recordings(?:/[0-9]{8}T[0-9]{6}-[0-9a-f]{6})?\.json"
)
"""What can be there at all: nothing else is looked for on the disk."""

_SHORT: Final[Headers] = (("Cache-Control", "public, max-age=2"), *ANY_ORIGIN)
_MINUTE: Final[Headers] = (("Cache-Control", "public, max-age=60"), *ANY_ORIGIN)
_LASTING: Final[Headers] = (("Cache-Control", "public, max-age=86400"), *ANY_ORIGIN)
"""Of files whose address names their broadcast. Not for ever: a recording may be deleted."""
_SMALL_MADE: Final = {CHAPTERS_NAME: "application/json+chapters", COVER_NAME: "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Absent:
    """There is nothing, or nothing any more: a page for people, problem+json for programs."""

    status: int
    page: str
    title: str
    detail: str
    instead: str = ""
    """Address of what is there in its place."""

    def reply(self, request: Request) -> Reply:
        if request.wants_html:
            return own_reply(self.status, self.page, request, link=self.instead)
        return problem(self.status, self.title, self.detail)


type Found = Resource | LongFile | Reply | Absent
"""What a read gives. A Reply is a refusal that depends on nothing but the address."""


@dataclass(slots=True)
class _Kept:
    found: Found
    until: float
    weight: int


class Replay:
    """One edge's replay door."""

    def __init__(
        self,
        library: Library,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        executor: Executor | None = None,
        readers: int = READERS,
        counting: ReplayCounting | None = None,
    ) -> None:
        self._counting = counting
        self._library = library
        self._room_recordings = RoomRecordings(library)
        self._metrics = metrics
        self._now = now
        self._executor = executor
        self._readers = readers
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()
        self._weight = 0
        self._round = 0
        """How often something was forgotten: what was read before that is not kept."""
        self._waiting: dict[tuple[str, bytes], list[Callable[[Found], None]]] = {}
        self._senders = Senders(metrics=metrics, now=now, run=self._run, counting=counting)

    def handle(self, connection: Connection, request: Request, slug: str, path: list[bytes]) -> None:
        """Answers `path` below /r/{slug}/replay/, now or when it is read."""

        def answer(found: Found) -> None:
            if not connection.closed:
                if self._counting is not None and isinstance(found, Resource):
                    self._counting.segment(connection, request, slug, b"/".join(path))
                self.reply(connection, request, found)

        self.fetch(slug, path, answer)

    def fetch(self, slug: str, path: list[bytes], done: Callable[[Found], None]) -> None:
        """`done` gets what lies at `path`, now or when it is read."""
        key = (slug, b"/".join(path))
        if self._answered(key, done):
            return
        if _KNOWN.fullmatch(key[1]) is None:
            done(_missing("There is nothing at this address."))
        elif path[-2:-1] == [b"clip"] and (no_clip := refused(path[-1])) is not None:
            done(no_clip)
        else:
            self.read(key, lambda: self._read(slug, path), done)

    def _answered(self, key: tuple[str, bytes], done: Callable[[Found], None]) -> bool:
        """From memory, if it is there."""
        kept = self._kept.get(key)
        if kept is not None and self._now() < kept.until:
            self._kept.move_to_end(key)
            done(kept.found)
            return True
        return False

    def read(
        self, key: tuple[str, bytes], read: Callable[[], tuple[Found, bool]], done: Callable[[Found], None]
    ) -> None:
        """`done` gets what `read` gives (and whether it stays as it is): out of memory, or read in a thread,
        once for all who wait for the same. `key`: the room's slug, and what it is."""
        if self._answered(key, done):
            return
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(done)
            return
        if len(self._waiting) >= PENDING:
            self._metrics.replay_reads["refused"] += 1
            done(problem(503, "Busy", "Many recordings are being read; try again.", retry_after(1, 5)))
            return
        self._waiting[key] = [done]
        began = self._round
        self._run(read, lambda found, error: self._done(key, found, error, began))

    def past(self, slug: str, broadcast: str, done: Callable[[PastOf | None], None]) -> None:
        """Looks for what is recorded of a broadcast already; `done` gets None when there is nothing."""

        def look() -> PastOf | None:
            folder = self._library.folder(slug, broadcast)
            return past_of(self._library.open(folder)) if folder is not None else None

        self._run(look, lambda found, error: done(found))

    def deleted(self, slug: str, broadcast: str, done: Callable[[], None]) -> None:
        """Calls `done` if the disk says that this one was deleted, or is for its hosts only."""

        def look() -> bool:
            gone = self._library.tombstone(slug, broadcast) or self._library.withheld(slug, broadcast)
            return gone is not None

        def answer(gone: bool | None, _error: BaseException | None) -> None:
            if gone:
                done()

        self._run(look, answer)

    def forget(self, slug: str, broadcast: str = "") -> None:
        """A recording of the room was deleted or withheld: nothing of the room is answered from memory, and
        of this recording nothing more goes out."""
        self._round += 1
        self._senders.cut(broadcast)
        for key in [key for key in self._kept if key[0] == slug]:
            self._weight -= self._kept.pop(key).weight

    def tick(self, now: float) -> None:
        """Ends transfers whose reader has stopped taking."""
        self._senders.tick(now)

    def close(self) -> None:
        """No more reads."""
        if isinstance(self._executor, ThreadPoolExecutor):
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _run[T](self, work: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """`work` in a reading thread, `done` with its result or error in the event loop's."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._readers, thread_name_prefix="replay")
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)

        def finished(future: asyncio.Future[T]) -> None:
            if not future.cancelled():
                error = future.exception()
                done(None if error is not None else future.result(), error)

        future.add_done_callback(finished)

    def _done(
        self,
        key: tuple[str, bytes],
        answer: tuple[Found, bool] | None,
        error: BaseException | None,
        began: int,
    ) -> None:
        waiting = self._waiting.pop(key, [])
        if answer is None:
            self._metrics.replay_reads["failed"] += 1
            if not isinstance(error, OSError | Corrupt):
                log.error("replay failed", error=type(error).__name__, what=key[1][:80].decode("latin-1"))
            found: Found = unreadable(error)
        else:
            self._metrics.replay_reads["read"] += 1
            found, over = answer
            if began == self._round:
                self._keep(key, found, KEEP if over else KEEP_GROWING)
        for tell in waiting:
            tell(found)

    def _keep(self, key: tuple[str, bytes], found: Found, seconds: float) -> None:
        before = self._kept.pop(key, None)
        self._weight -= before.weight if before is not None else 0
        weight = 1_000
        if not isinstance(found, Absent):
            weight += len(found.body) if isinstance(found, Resource | Reply) else found.weight
        self._kept[key] = _Kept(found, self._now() + seconds, weight)
        self._weight += weight
        while self._weight > CACHE_BYTES and len(self._kept) > 1:
            self._weight -= self._kept.popitem(last=False)[1].weight

    def reply(self, connection: Connection, request: Request, found: Found) -> None:
        """Answers with what a read gave."""
        if isinstance(found, LongFile):
            self._senders.send(connection, request, found)
        else:
            connection.reply(found if isinstance(found, Reply) else found.reply(request))

    # --- in a reading thread -----------------------------------------------------------------

    def _read(self, slug: str, path: list[bytes]) -> tuple[Found, bool]:
        """What lies at `path`, and whether it stays as it is. Raises Corrupt, OSError."""
        names = [part.decode("latin-1") for part in path]
        named = names[0] if names and is_broadcast_id(names[0]) else ""
        if names[0] == "recordings.json" or names[0] == "recordings":
            before = names[1].removesuffix(".json") if len(names) > 1 else ""
            return _json(self._room_recordings.listing(slug, before)), False
        folder = self._library.folder(slug, named)
        if folder is None:
            return self._not_there(slug, named, names), False
        try:
            recorded = self._library.open(folder)
        except Corrupt:
            return _missing("Nothing of this recording can be played yet."), False
        if names[1:2] == ["clip"] and named:
            headers = _LASTING if recorded.over else _SHORT
            clip = found_clip(recorded, names[2], headers=headers)
            return clip or _missing("There is nothing at this address."), recorded.over
        if names[-1] == "about.json":
            if not recorded.over:
                return _not_over("the room's page plays what has been said so far."), False
            return _json(self._room_recordings.about(slug, folder)), bool(named)
        found = _find(recorded, names[1:] if named else names, named=bool(named))
        # Files are being made of what is over: what there is, and so everything, changes for a while.
        if names[-1] in ("downloads.json", ZIP_NAME):
            return (found or _missing("There is nothing at this address."), False)
        stays = recorded.over or (isinstance(found, Resource) and found.content_type == MEDIA_TYPE)
        return (found or _missing("There is nothing at this address."), stays)

    def _not_there(self, slug: str, named: str, names: list[str]) -> Found:
        stone = self._library.tombstone(slug, named)
        withheld = self._library.withheld(slug, named) if stone is None or not named else None
        if stone is None or withheld is not None:
            return _withheld(slug, withheld)
        if named and names[1:] == [TOMBSTONE_NAME]:
            return Resource("application/json", encode_tombstone(stone), _MINUTE)
        detail = f"The recording of broadcast {stone.broadcast} was deleted on {stone.deleted_at}."
        return Absent(410, "deleted", "Deleted", detail)


def _withheld(slug: str, withheld: Withheld | None) -> Absent:
    """Of a draft nobody is to know."""
    if withheld is None or withheld.why == "draft":
        return _missing("There is no recording here.")
    if withheld.instead:
        instead = f"/r/{slug}/replay/{withheld.instead}/"
        detail = f"This recording was edited on {withheld.since}; the edited version is at {instead}"
        return Absent(410, "edited", "Edited", detail, instead)
    detail = f"This recording is being edited since {withheld.since}; nothing of it can be heard for now."
    return Absent(410, "being_edited", "Being edited", detail)


def _find(recorded: Recorded, names: list[str], *, named: bool) -> Found | None:
    """What one recording has under `names`; None: nothing."""
    text: Headers = _MINUTE if recorded.over and named else _SHORT
    match names:
        case ["index.m3u8"]:
            body = index_playlist(recorded.index)
            if not named:
                # What caches keep must not be taken for the room's next recording.
                prefix = recorded.index.broadcast.encode() + b"/"
                lines = body.splitlines(keepends=True)
                body = b"".join(line if line.startswith(b"#") else prefix + line for line in lines)
            return Resource(PLAYLIST_TYPE, body, text, compress=True)
        case ["peaks.json"]:
            return Resource("application/json", figures.peaks(recorded), text, compress=True)
        case ["timeline.json"]:
            return Resource("application/json", figures.timeline(recorded), text, compress=True)
        case ["downloads.json"]:
            body = json.dumps(downloads(recorded.folder)).encode()
            return Resource("application/json", body, _SHORT, compress=True)
        case [name] if name == ZIP_NAME:
            return _everything(recorded)
        case [name] if name.endswith(".m3u8"):
            return _playlist(recorded, name[:-5], text)
        case ["program.m4a" | "program.opus" as name]:
            return _program(recorded, name, named=named)
        case ["tracks", name]:
            return _track(recorded, f"tracks/{name}", named=named)
        case ["made", name]:
            return _made(recorded, name, named=named)
        case ["proof", codec, name]:
            return _proof(recorded, codec, int(name.removesuffix(".json")), text)
        case [codec, name] if codec in CODECS:
            return _media(recorded, codec, name, named=named)
    return None


def _playlist(recorded: Recorded, name: str, headers: Headers) -> Resource | None:
    for codec in CODECS:
        if codec == name and codec in recorded.index.codecs:
            listed = list(recorded.listed(codec).values())
            since = recorded.index.live_since
            body = media_playlist(codec, listed, live_since=since, over=recorded.over)
            return Resource(PLAYLIST_TYPE, body, headers, compress=True)
    return None


def _media(recorded: Recorded, codec: Codec, name: str, *, named: bool) -> Resource | None:
    headers = _LASTING if named else _SHORT
    if name == "init.mp4":
        data = recorded.files.read(f"program/{codec}/{name}", 0, MAX_INIT_BYTES)
        return Resource(MEDIA_TYPE, data, headers)
    entry = recorded.listed(codec).get(name)
    if entry is None:
        return None
    if entry.segment is None:
        return Resource(MEDIA_TYPE, silence(codec, entry), headers)
    data = recorded.files.read(f"program/{codec}/{name}", 0, entry.segment.bytes)
    if len(data) != entry.segment.bytes:
        raise Corrupt("a segment is not what its index says")
    return Resource(MEDIA_TYPE, data, headers, etag=entry.segment.sha256[:24])


def _long(
    recorded: Recorded, name: str, kind: str, file: VirtualFile, *, named: bool, counts: bool = True
) -> LongFile:
    last = name.rpartition("/")[2]
    headers: Headers = (
        *(_LASTING if named else _SHORT),
        # A name that says which room's and which day's it is, for whoever saves it.
        (
            "Content-Disposition",
            f'inline; filename="{recorded.index.slug}-{recorded.index.broadcast[:8]}-{last}"',
        ),
    )
    tag = f"{recorded.tag}-{file.size:x}"
    index = recorded.index
    seconds = index.duration / SAMPLE_RATE if counts else 0.0
    return LongFile(
        kind, file, headers, etag=tag, recording=index.broadcast, slug=index.slug, seconds=seconds
    )


def _program(recorded: Recorded, name: str, *, named: bool) -> Found:
    if not recorded.over:
        return _not_over("index.m3u8 plays what has been said so far.")
    if name == "program.m4a":
        return _long(recorded, name, "audio/mp4", program_m4a(recorded.files, recorded.index), named=named)
    file = program_opus(recorded.files, recorded.index)
    return _long(recorded, name, "audio/ogg; codecs=opus", file, named=named)


def _track(recorded: Recorded, name: str, *, named: bool) -> Found | None:
    if not any(track.file == name for track in recorded.index.tracks):
        return None
    file = plain_file(recorded.files, name)
    return _long(recorded, name, "audio/ogg; codecs=opus", file, named=named, counts=False)


def _made(recorded: Recorded, name: str, *, named: bool) -> Found | None:
    if name in _SMALL_MADE:
        if not (recorded.folder / "made" / name).is_file():
            return None
        data = plain_file(recorded.files, f"made/{name}").read(0, 1 << 20)
        text = _MINUTE if named else _SHORT
        return Resource(_SMALL_MADE[name], data, text, compress=name == CHAPTERS_NAME)
    for kind in MADE_KINDS:
        if made_name(kind) == name and kind in read_made(recorded.files):
            file = plain_file(recorded.files, f"made/{name}")
            return _long(recorded, name, MADE_TYPES[kind], file, named=named)
    return None


def _proof(recorded: Recorded, codec: str, number: int, headers: Headers) -> Found | None:
    """That a segment is of this recording (docs/record.md, Proofs)."""
    if not recorded.over:
        return _not_over("until then nobody has signed for its segments.")
    found = Proofs(recorded.index, codec).whole(number) if codec in recorded.index.codecs else None
    if found is None:
        return None
    return Resource("application/json", json.dumps(found).encode(), headers, compress=True)


def _everything(recorded: Recorded) -> Found:
    """The archive of it all, written while it is sent."""
    if not recorded.over:
        return _not_over("index.m3u8 plays what has been said so far.")
    index = recorded.index
    name = f"{index.slug}-{index.broadcast[:8]}.zip"
    headers = (*_SHORT, ("Content-Disposition", f'attachment; filename="{name}"'))
    etag = f"{recorded.tag}-{state_of(recorded.files)}"
    file = everything(recorded.files, index)
    return LongFile(ZIP_TYPE, file, headers, etag=etag, recording=index.broadcast)


def _json(value: msgspec.Struct) -> Resource:
    return Resource("application/json", msgspec.json.encode(value), _SHORT, compress=True)


def _not_over(instead: str) -> Reply:
    detail = f"This is there when the broadcast is over; {instead}"
    return problem(409, "Not over yet", detail, retry_after(30, 60))


def _missing(detail: str) -> Absent:
    return Absent(404, "no_page", "Not found", detail)
