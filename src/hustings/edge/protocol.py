"""One connection of the audience: HTTP/1.1 on asyncio.Protocol, parsed by httptools.

Bytes come in, requests go to the `Door`, replies come back in the order of their requests; an endless
response turns the connection into a `Sink` that its fan-out writes to. Everything a visitor may do is
bounded here: time for a request, size of its head and body, requests ahead of their replies, idle
time, time to take a reply. A body is kept for POST only, whole, at most BODY_CAP bytes of it.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from typing import cast

import httptools
import structlog

from hustings.addresses import address_key
from hustings.edge.asked import Known, answer_again
from hustings.edge.direct import direct_socket, write_now
from hustings.edge.door import Door, FanoutLike, ListenerLike
from hustings.edge.gate import Verdict
from hustings.edge.http import Reply, Request, problem
from hustings.edge.kernel import end_by_reset, unsent

log = structlog.get_logger()

HEADER_DEADLINE = 6.0
"""Seconds for a request to be complete, from the connection's or the request's first byte. With LINGER, and
until it is noticed, whoever drips a request is gone within ten."""
IDLE = 30.0
"""Seconds a connection may rest between requests."""
TAKE_DEADLINE = 60.0
"""Seconds a client may take to read a reply that does not fit into its buffers."""
PROGRESS = 3.5
"""Seconds in which it has to have taken some of it, or it is cut at the second look: within ten in all. What
the kernel keeps for it counts: that is memory, too."""
LINGER = 2.0
"""Seconds to let a refused client read why before the connection is cut."""
HEAD_CAP = 16 * 1024
TARGET_CAP = 4 * 1024
BODY_CAP = 4 * 1024
"""What a listener has to say fits into this many bytes many times over."""
FED_CAP = 64 * 1024
"""Bytes a whole request may have: its head, its body and what the chunked coding adds to it."""
PIPELINE_CAP = 8
"""Requests that may wait for the reply to an earlier one."""
BURST_CAP = 32
"""Requests in one read from the socket."""
CHATTER_CAP = 16 * 1024
"""Bytes a listener to an endless response may send us, who has nothing to say any more."""
WRITE_AT_ONCE = 64 * 1024
"""Replies shorter than this go out with their head in one write."""

_KEPT = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"if-none-match",
        b"if-range",
        b"origin",
        b"range",
        b"transfer-encoding",
        b"user-agent",
        b"x-forwarded-for",
    )
)


class _Stop(Exception):
    """Ends parsing; the connection has already answered."""


class Connection(asyncio.Protocol):
    """One TCP connection, from accept to close."""

    __slots__ = (
        "_body", "_burst", "_content", "_fed", "_head", "_headers", "_held", "_in_body", "_lingering",
        "_parser", "_paused", "_queue", "_request", "_since", "_url", "_verdict", "address",
        "audience_key", "claimed", "closed", "deadline", "direct", "door", "fanout", "hot", "listener",
        "proxied", "shard", "skips", "skips_since", "transport",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, door: Door) -> None:
        self.door = door
        self.address = ""
        self.audience_key = 0
        """Set by the counter when this connection takes HLS."""
        self.claimed = ""
        """Whom behind a proxy this endless response counts for; see `Gate.claim`."""
        self.proxied = False
        self.closed = False
        self.deadline = math.inf
        self._since = 0.0
        """When the last reply went out; `deadline` is when it is looked at what became of it."""
        self._held = 0
        """Bytes of replies that the client had not taken at the last look."""
        self.fanout: FanoutLike | None = None
        self.listener: ListenerLike | None = None
        """Who is counted for this endless response."""
        self.direct: socket.socket | None = None
        """For what is written often; see direct.py."""
        self.hot: Known | None = None
        """The last request and its answer, if it was asked before since the playlists last changed."""
        self.shard: object = None
        self.skips = 0
        self.skips_since = 0.0
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head = 0
        self._body = 0
        self._content = b""
        self._in_body = False
        self._fed = 0
        self._burst = 0
        self._queue: deque[Request] | None = None
        self._request: Request | None = None
        self._lingering = False
        self._paused = False
        self._verdict = Verdict.CUT

    # --- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        door = self.door
        peer = transport.get_extra_info("peername")
        self.address = address_key(peer[0]) if peer else ""
        if self.address in door.proxies:
            self.proxied = True
            self.address = ""
        self._verdict = door.gate.enter(self.address)
        if self._verdict is not Verdict.WELCOME:
            door.metrics.refused[self._verdict.value] += 1
            if self._verdict is Verdict.CUT:
                self.transport.abort()
                return
        now = door.clock.monotonic()
        self.deadline = now + (HEADER_DEADLINE if self._verdict is Verdict.WELCOME else LINGER)
        self._since = self.deadline - IDLE
        door.deadlines.watch(self, now)
        door.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.door.gate.leave(self.address, self._verdict)
        if self.claimed:
            self.door.gate.release(self.claimed)
        self.door.connections.discard(self)
        if self.fanout is not None:
            self.fanout.leave(self)
        if self.listener is not None:
            self.listener.leave(self.door.clock.monotonic())
            self.listener = None
        if self.direct is not None:
            self.direct.detach()
            self.direct = None
        self._parser = None
        self._queue = None

    def eof_received(self) -> bool:
        # A closed writing side is how listeners leave: what is written still goes out, no more.
        return False

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        parser = self._parser
        if parser is None:
            self._fed += len(data)
            if self._fed > CHATTER_CAP:
                self.abort("protocol")
            return
        at_start = (
            self._request is None
            and not (self._fed or self._paused or self._queue)
            and self._verdict is Verdict.WELCOME
        )
        if at_start and (known := self.door.asked.known.get(data)) is not None:
            answer_again(self, known)
            return
        self._fed += len(data)
        self._burst = 0
        self.hot = None
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._parser = None
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _Stop):
                log.exception("edge connection failed")
                self.fail(problem(500, "Internal error", "See the server's log."))
        except httptools.HttpParserError:
            self.fail(problem(400, "Bad request", "This is not an HTTP/1.1 request (RFC 9112)."), "protocol")
        else:
            if self._fed:
                self._incomplete()
            elif at_start and self._burst == 1:
                self.door.asked.learn(data, self.hot)

    def pause_writing(self) -> None:
        if self.fanout is not None:
            self.fanout.pause(self)
            return
        # The client does not read: take no more requests until it does.
        self._paused = True
        self.owes(self.door.clock.monotonic())
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.fanout is not None:
            self.fanout.resume(self)
            return
        if self._paused:
            self._paused = False
            self.owes(self.door.clock.monotonic())
            if not self.transport.is_closing():
                self.transport.resume_reading()
                self._next()

    # --- httptools ---------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._url = self._url + url if self._url else url
        if len(self._url) > TARGET_CAP:
            self._stop(problem(414, "Address too long", f"At most {TARGET_CAP} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value) + 4
        if self._head > HEAD_CAP:
            self._too_large()
        name = name.lower()
        # Trailers come here, too (RFC 9110 6.5): nothing of a request may be decided by them.
        if name in _KEPT and not self._in_body:
            if name in self._headers:
                if name == b"host":
                    self._stop(problem(400, "Bad request", "More than one Host header (RFC 9112 3.2)."))
                value = self._headers[name] + b", " + value
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        parser = self._going()
        if b"host" not in self._headers and parser.get_http_version() == "1.1":
            self._stop(problem(400, "Bad request", "The Host header is missing (RFC 9112 3.2)."))
        self._in_body = True
        length = self._headers.get(b"content-length", b"").strip()
        if length.isdigit() and int(length[:20]) > BODY_CAP:
            self._body_too_large()
        if b"expect" in self._headers:
            self._expected(parser.get_method(), parser.get_http_version())

    def _expected(self, method: bytes, version: str) -> None:
        """The client waits for a word before it sends its body (RFC 9110 10.1.1)."""
        headers = self._headers
        if version != "1.1":
            return
        # A word in front of the reply to an earlier request would be taken for one about that.
        if headers[b"expect"].lower() != b"100-continue" or self._request is not None or self._queue:
            self._stop(problem(417, "Expectation failed", "Send the request without Expect."))
        if (refused := self._refusal(Request(method, self._url, headers))) is not None:
            self._stop(refused, "")
        if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > BODY_CAP:
            self._body_too_large()
        if self._going().get_method() == b"POST":
            self._content = self._content + body if self._content else body

    def _body_too_large(self) -> None:
        self._stop(problem(413, "Too much", f"At most {BODY_CAP} bytes in a request."))

    def on_message_complete(self) -> None:
        parser = self._going()
        http10 = parser.get_http_version() != "1.1"
        # Upgrade may be ignored (RFC 9110 7.8), but the parser ends at one: one reply, then close.
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
        method, headers = parser.get_method(), self._headers
        request = Request(method, self._url, headers, self._content, keep_alive=keep_alive, http10=http10)
        self._url = self._content = b""
        self._in_body = False
        self._headers = {}
        self._head = self._body = self._fed = 0
        self._burst += 1
        if self._burst > BURST_CAP:
            self._too_many()
        if self._request is None and not self._queue and not self._paused:
            self._start(request)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(request)
        if len(self._queue) > PIPELINE_CAP:
            self._too_many()

    # --- requests and replies ----------------------------------------------------------------

    def _start(self, request: Request) -> None:
        self._request = request
        self.deadline = math.inf
        if (refused := self._refusal(request)) is not None:
            self.reply(refused)
            return
        try:
            self.door.handle(self, request)
        except Exception:
            log.exception("edge handler failed")
            if self._request is request:
                self.reply(problem(500, "Internal error", "See the server's log.", close=True))

    def _refusal(self, request: Request) -> Reply | None:
        refused = (
            None if self._verdict is Verdict.WELCOME else self.door.refusal(self, self._verdict, request)
        )
        if refused is None:
            self._verdict = Verdict.WELCOME
        return refused

    def _next(self) -> None:
        while self._queue and self._request is None and not self._paused and not self.closed:
            self._start(self._queue.popleft())

    def reply(self, reply: Reply) -> None:
        """Answers the request in hand; takes up the next one that waits."""
        request = self._request
        if request is None or self.closed:
            return
        self._request = None
        door = self.door
        replies = door.metrics.replies
        replies[reply.status] = replies.get(reply.status, 0) + 1
        last = reply.close or not request.keep_alive or self._parser is None or door.draining or door.leaving
        date = door.date()
        transport = self.transport
        if not last and not request.http10 and request.method != b"HEAD" and len(reply.body) < WRITE_AT_ONCE:
            write_now(self, reply.whole(date))
        else:
            own = (
                b"Connection: close\r\n" if last else b"Connection: keep-alive\r\n" if request.http10 else b""
            )
            transport.write(b"".join((reply.head, date, own, b"\r\n")))
            if request.method != b"HEAD":
                transport.write(reply.body)
        if last:
            self._parser = None
            self._finish()
            return
        if not self._paused:
            self.owes(self.door.clock.monotonic())
        if self._queue:
            self._next()

    def owes(self, now: float) -> None:
        """A reply is out: whether it is taken is looked at soon."""
        self._since = now
        self.deadline = self._since + PROGRESS
        self._held = 0

    def visitor(self, request: Request) -> str:
        """The key of whose request this is: the address, or what a proxy that we trust says it is.

        Of X-Forwarded-For only the last entry counts: the one our proxy wrote itself.
        """
        if not self.proxied:
            return self.address
        last = request.headers.get(b"x-forwarded-for", b"").rpartition(b",")[2]
        return address_key(last.strip().decode("latin-1"))[:64]

    def listen(self, fanout: FanoutLike, head: bytes) -> bool:
        """Turns the reply in hand into an endless one, written to by `fanout` from now on.

        Returns False when there is nothing to write to: the client has gone, or asked by HEAD.
        """
        request = self._request
        if request is None or self.closed:
            return False
        replies = self.door.metrics.replies
        replies[200] = replies.get(200, 0) + 1
        self.transport.write(head + self.door.place() + self.door.date() + b"Connection: close\r\n\r\n")
        self._parser = None
        self._queue = None
        self._headers = {}
        self._fed = 0
        if request.method == b"HEAD":
            self._request = None
            self._finish()
            return False
        self.fanout = fanout
        self.direct = self.direct or direct_socket(self.transport)
        return True

    def fail(self, reply: Reply, reason: str = "") -> None:
        """Answers `reply` to what cannot be read on, and ends. What is still owed to earlier requests
        cannot be told apart from this by the client, so it is dropped."""
        if self.closed or self._lingering:
            return
        if reason:
            self.door.metrics.cut[reason] += 1
        self._queue = None
        if self._request is None:
            self._request = Request(b"GET", b"", {}, keep_alive=False)
            reply.close = True
            self.reply(reply)
        else:
            self._request = None
            self._finish()

    def _finish(self) -> None:
        """Half-closes, so that the client reads our last words before a reset, then cuts."""
        self._lingering = True
        self._parser = None
        self.deadline = self.door.clock.monotonic() + LINGER
        if self._paused:
            self.deadline += TAKE_DEADLINE
            self.transport.resume_reading()
        self.transport.close() if self._fed == 0 else self.transport.write_eof()

    def drain(self) -> None:
        """The edge ends: a connection nobody waits on is closed, others after their reply."""
        if self._request is None and self.fanout is None and not self._lingering:
            self.transport.close()

    def waits(self) -> bool:
        """Whether deadlines concern it: it is open and no listener to an endless response."""
        return not self.closed and self.fanout is None

    def abort(self, reason: str) -> None:
        """Cuts the connection now; `reason` is counted. By a reset: what was not taken would stay in the
        kernel's memory else, for as long as the client likes."""
        self.door.metrics.cut[reason] += 1
        end_by_reset(self.transport)
        self.transport.abort()

    def timed_out(self, now: float) -> None:
        """The deadline is over: what that means depends on what we waited for."""
        if self._lingering:
            self.transport.abort()
        elif (held := unsent(self.transport)) and not self._fed:
            if now >= self._since + TAKE_DEADLINE or (self._held and held >= self._held):
                self.abort("slow_reader")
            else:
                self._held, self.deadline = held, now + PROGRESS
        elif self._paused:
            self.abort("slow_reader")
        elif self._fed:
            title = "The request took too long"
            detail = f"A request has to be complete within {HEADER_DEADLINE:g} seconds."
            self.fail(problem(408, title, detail), "header_deadline")
        elif now < self._since + IDLE:
            self.deadline = self._since + IDLE
        else:
            self.door.metrics.cut["idle"] += 1
            self.transport.close()

    def _incomplete(self) -> None:
        """A part of a request is here: its time runs, its size counts."""
        if self._body == 0 and self._fed > HEAD_CAP + TARGET_CAP:
            self.fail(self._head_reply(), "protocol")
            return
        if self._fed > FED_CAP:
            self.fail(problem(413, "Too much", "The chunked coding weighs too much."), "protocol")
            return
        if self._request is None:
            self.deadline = min(self.deadline, self.door.clock.monotonic() + HEADER_DEADLINE)

    def _head_reply(self) -> Reply:
        return problem(431, "Request header too large", f"At most {HEAD_CAP} bytes.")

    def _too_large(self) -> None:
        self._stop(self._head_reply())

    def _too_many(self) -> None:
        detail = "Wait for replies before asking again."
        self._stop(problem(429, "Too many requests at once", detail), "pipelining")

    def _going(self) -> httptools.HttpRequestParser:
        """The parser, unless the connection is ending: then what else was read is not parsed."""
        if self._parser is None or self._lingering:
            raise _Stop
        return self._parser

    def _stop(self, reply: Reply, reason: str = "protocol") -> None:
        self.fail(reply, reason)
        raise _Stop
