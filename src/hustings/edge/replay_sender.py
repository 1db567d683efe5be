"""Long files at the audience's door: byte ranges (RFC 9110 section 14), in pieces as the reader takes them.

At most one piece of a file is in memory for each reader, and nobody is read ahead for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from hustings.archive.objects import StoreFailed
from hustings.archive.virtual import VirtualFile
from hustings.edge.http import Headers, Reply, Request, byte_range, make_head, problem, retry_after
from hustings.edge.metrics import Metrics
from hustings.edge.protocol import Connection
from hustings.edge.replay_counting import ReplayCounting

PIECE: Final = 128 * 1024
"""Bytes read at once. What is no longer goes out as an ordinary reply."""
SENDERS: Final = 2_000
"""Long replies at a time; more get 503."""
STALL: Final = 300.0
"""Seconds without taking anything after which a reader is let go. Players that pause stop reading, and ask
for the rest by a new range when they go on."""


def unreadable(error: BaseException | None) -> Reply:
    """What is said when a read has failed."""
    detail = "The recording cannot be read at the moment; try again later."
    if isinstance(error, StoreFailed):
        detail = "The recording is in a store that does not give it at the moment; try again later."
    return problem(503, "Not readable", detail, retry_after(10, 30))


class Run(Protocol):
    """Does work in a reading thread and tells the event loop's."""

    def __call__[T](
        self, work: Callable[[], T], done: Callable[[T | None, BaseException | None], None]
    ) -> None: ...


class LongFile:
    """One representation, its bytes on the disk. `recording`: the broadcast it is of, in room `slug`;
    `seconds`: how much of its sound this is, 0 for what is not counted as listening."""

    def __init__(
        self,
        content_type: str,
        file: VirtualFile,
        headers: Headers,
        *,
        etag: str,
        recording: str = "",
        slug: str = "",
        seconds: float = 0.0,
    ) -> None:
        self.file = file
        self.recording = recording
        self.slug = slug
        self.seconds = seconds
        self._etag = f'"{etag}"'
        self._headers: Headers = (
            ("Content-Type", content_type),
            ("ETag", self._etag),
            ("Accept-Ranges", "bytes"),
            *headers,
        )
        self.weight = file.weight
        """Bytes of memory it takes."""

    def answer(self, request: Request) -> Reply | tuple[bytes, int, int]:
        """A reply without a body, or (head, first, end): what to send of the file."""
        headers = request.headers
        size = self.file.size
        if b"if-none-match" in headers and self._matches(headers[b"if-none-match"]):
            return Reply(304, make_head(304, self._headers[1:], None), b"")
        span = self._span(request, size)
        if isinstance(span, Reply):
            return span
        if span is None:
            first, end, status, more = 0, size, 200, self._headers
        else:
            first, end = span
            status = 206
            more = (*self._headers, ("Content-Range", f"bytes {first}-{end - 1}/{size}"))
        head = make_head(status, more, end - first)
        return Reply(status, head, b"") if request.method == b"HEAD" else (head, first, end)

    def _matches(self, field: bytes) -> bool:
        names = {part.strip().removeprefix("W/") for part in field.decode("latin-1").split(",")}
        return "*" in names or self._etag in names

    def _span(self, request: Request, size: int) -> Reply | tuple[int, int] | None:
        """(first, end), None for all of it, or 416. Several ranges are refused before they are looked at:
        each might cost a read (14.2 lets us, 15.5.17)."""
        field = request.headers.get(b"range")
        condition = request.headers.get(b"if-range")
        if field is None or request.method != b"GET":
            return None
        if condition is not None and condition.decode("latin-1").strip() != self._etag:
            return None
        span = (0, 0) if b"," in field else byte_range(field, size)
        if span != (0, 0):
            return span
        detail = f"One range at a time; the file has {size} bytes."
        return problem(416, "Range not satisfiable", detail, (("Content-Range", f"bytes */{size}"),))


class Senders:
    """All long replies of an edge."""

    def __init__(
        self,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        run: Run,
        counting: ReplayCounting | None = None,
    ) -> None:
        self._counting = counting
        self._metrics = metrics
        self._now = now
        self._run = run
        self._open: set[_Sender] = set()
        metrics.replay_sending = lambda: len(self._open)

    def send(self, connection: Connection, request: Request, file: LongFile) -> None:
        """Answers one request for a long file."""
        answer = file.answer(request)
        if isinstance(answer, Reply):
            connection.reply(answer)
            return
        head, first, end = answer
        if end - first <= PIECE:
            self._short(connection, request, file, head, first, end)
        elif len(self._open) >= SENDERS:
            self._metrics.replay_reads["refused"] += 1
            detail = "Many recordings are being downloaded from this server; try again."
            connection.reply(problem(503, "Busy", detail, retry_after(5, 20)))
        else:
            sender = _Sender(self, connection, request, file, first, end)
            self._open.add(sender)
            sender.begin(head)

    def took(self, connection: Connection, request: Request, file: LongFile, first: int, end: int) -> None:
        """These bytes were taken by the reader."""
        if self._counting is not None and file.seconds and end > first:
            begin, until = (file.seconds * place / file.file.size for place in (first, end))
            self._counting.took(connection, request, file.slug, file.recording, begin, until)

    def _short(
        self, connection: Connection, request: Request, file: LongFile, head: bytes, first: int, end: int
    ) -> None:
        def done(data: bytes | None, error: BaseException | None) -> None:
            if data is None:
                self._metrics.replay_reads["failed"] += 1
                connection.reply(unreadable(error))
                return
            self._metrics.sent["replay"] += len(data)
            self.took(connection, request, file, first, end)
            connection.reply(Reply(206 if b" 206 " in head[:14] else 200, head, data))

        self._run(lambda: file.file.read(first, end), done)

    def cut(self, recording: str) -> None:
        """Breaks off whatever is under way of this one."""
        for sender in [each for each in self._open if each.recording == recording]:
            sender.connection.transport.abort()

    def tick(self, now: float) -> None:
        """Lets those go who take nothing any more."""
        for sender in [each for each in self._open if each.stalled_since + STALL < now]:
            sender.connection.abort("slow_reader")


class _Sender:
    """One long reply; the connection's fan-out of one."""

    def __init__(
        self,
        senders: Senders,
        connection: Connection,
        request: Request,
        file: LongFile,
        first: int,
        end: int,
    ) -> None:
        self._request, self._long, self._counted = request, file, first
        self.connection = connection
        self.recording = file.recording
        self.stalled_since = senders._now()
        """When its reader last took something."""
        self._senders = senders
        self._file = file.file
        self._at, self._end = first, end
        self._paused = False
        self._reading = False
        self._gone = False

    def begin(self, head: bytes) -> None:
        """Reads the first piece before the head goes out: what cannot be read is refused in words."""

        def read(data: bytes | None, error: BaseException | None) -> None:
            self._reading = False
            if data is not None and self.connection.listen(self, head):
                self._send(data)
                return
            self._senders._open.discard(self)
            if data is None:
                self._senders._metrics.replay_reads["failed"] += 1
                if not self.connection.closed:
                    self.connection.reply(unreadable(error))

        self._read_next(read)

    def _read_next(self, done: Callable[[bytes | None, BaseException | None], None]) -> None:
        self._reading = True
        first, stop = self._at, min(self._at + PIECE, self._end)
        self._senders._run(lambda: self._file.read(first, stop), done)

    def pump(self) -> None:
        """Reads and sends the next piece, unless one is on its way or the reader does not take it."""
        if self._gone or self._paused or self._reading:
            return
        # Not held back: what was written before has been taken, but for what fits into buffers.
        self._senders.took(self.connection, self._request, self._long, self._counted, self._at)
        self._counted = self._at
        if self._at >= self._end:
            self.connection.transport.close()
            return
        self._read_next(self._read)

    def _read(self, data: bytes | None, error: BaseException | None) -> None:
        self._reading = False
        if self._gone:
            return
        if data is None:
            # The head has promised more: only a cut says that it does not come.
            self._senders._metrics.replay_reads["failed"] += 1
            self.connection.transport.abort()
            return
        self._send(data)

    def _send(self, data: bytes) -> None:
        self._at += len(data)
        self._senders._metrics.sent["replay"] += len(data)
        self.stalled_since = self._senders._now()
        self.connection.transport.write(data)
        self.pump()

    def pause(self, sink: Connection) -> None:
        self._paused = True

    def resume(self, sink: Connection) -> None:
        self._paused = False
        self.stalled_since = self._senders._now()
        self.pump()

    def leave(self, sink: Connection) -> None:
        self._gone = True
        self._senders._open.discard(self)
