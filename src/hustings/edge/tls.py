"""TLS around a connection of the audience: OpenSSL between the socket and the protocol above.

asyncio's own TLS tells the protocol of a connection only after the handshake: whoever never finishes one
would pass the gate's caps and deadlines. Here the gate judges first, and the deadline for a request runs
from the first byte of the handshake. A write is one call of OpenSSL and one of the socket's transport;
nothing is queued here.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, cast

from hustings.edge.http import problem

if TYPE_CHECKING:
    from hustings.edge.protocol import Connection

READ = 64 * 1024
_HANDSHAKE_RECORD = 0x16
_PLAIN = problem(400, "This door speaks TLS", "Write https:// in front of the address.", close=True)


class Pipes:
    """What OpenSSL reads from and writes to: one pair for all connections of a process.

    Each call puts in what came and takes out what OpenSSL made of it before the next connection's turn, so
    nothing stays in them; records are authenticated, so nothing could be mistaken either. One pair stays in
    the processor's cache where thousands would not.
    """

    __slots__ = ("incoming", "outgoing")

    def __init__(self) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()


class TlsConnection(asyncio.Transport, asyncio.Protocol):
    """To the socket's transport it is the protocol, to the `Connection` above its transport."""

    __slots__ = ("_begun", "_closing", "_in", "_inner", "_out", "_raw", "_secure", "_tls")

    _raw: asyncio.Transport
    _inner: Connection

    def __init__(self, inner: Connection, context: ssl.SSLContext, pipes: Pipes) -> None:
        super().__init__()
        self._inner = inner
        self._in = pipes.incoming
        self._out = pipes.outgoing
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._secure = False
        self._closing = False
        self._begun = False

    # --- what the socket says ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._inner.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._inner.connection_lost(exc)
        # The two know one another: without this a closed connection waits for the garbage collector.
        del self._inner, self._tls

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        return False if self._closing or not self._secure else self._inner.eof_received()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._in.write(data)
        try:
            received = self._decipher(data)
        finally:
            if self._in.pending:
                self._in.read()  # of a connection that has failed or ended
        if received is None:
            return
        pieces, ended = received
        if pieces:
            self._inner.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if ended and not self._closing and not self._inner.eof_received():
            self.close()

    def _decipher(self, data: bytes) -> tuple[list[bytes], bool] | None:
        """What was said in `data`, which is in the pipe, and whether it was the last; None: nothing yet, or
        nothing any more."""
        if not self._secure and not self._shake_hands(data):
            return None
        pieces: list[bytes] = []
        ended = False
        try:
            while True:
                piece = self._tls.read(READ)
                if not piece:
                    ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._fail()
            return None
        self._flush()
        return pieces, ended

    def _shake_hands(self, data: bytes) -> bool:
        """Goes on with the handshake; whether it is done."""
        if not self._begun and data[0] != _HANDSHAKE_RECORD:
            # Most likely http:// in front of our address: TLS has no words for that, HTTP has.
            self._inner.door.metrics.cut["tls"] += 1
            self._raw.write(
                _PLAIN.head + self._inner.door.date() + b"Connection: close\r\n\r\n" + _PLAIN.body
            )
            self._closing = True
            self._raw.close()
            return False
        self._begun = True
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            # OpenSSL has bounds for records and messages, the connection one for the time.
            self._flush()
            return False
        except ssl.SSLError:
            self._fail()
            return False
        self._secure = True
        return True

    def _fail(self) -> None:
        """The alert that OpenSSL has ready, then the end."""
        self._inner.door.metrics.cut["tls"] += 1
        self._flush()
        self._closing = True
        self._raw.close()

    def _flush(self) -> None:
        data = self._out.read()
        if data:
            self._raw.write(data)

    # --- what the connection asks ------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._closing or not data:
            return
        tls = self._tls
        try:
            taken = tls.write(data)
            while taken < len(data):  # it may take less, and then says how much
                taken += tls.write(memoryview(data)[taken:])
        except ssl.SSLError:
            self._fail()
            return
        self._raw.write(self._out.read())

    def _say_goodbye(self) -> None:
        """close_notify (RFC 8446 6.1), so that nobody takes a cut for an end."""
        if self._secure and not self._closing:
            try:
                self._tls.unwrap()
            except (ssl.SSLError, OSError):
                pass  # it waits for the other's goodbye; ours is written
            self._flush()
        self._closing = True

    def close(self) -> None:
        self._say_goodbye()
        self._raw.close()

    def write_eof(self) -> None:
        self._say_goodbye()
        self._raw.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def abort(self) -> None:
        self._closing = True
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default)
