"""The studio's door with TLS: how many handshakes may be under way at once, in all and of one address.

asyncio gives each a minute and counts none: who opens sockets and says nothing would fill the door before
hosts and guests. Here a handshake has `DEADLINE` seconds. Of one address only `PER_ADDRESS` may be under
way; when there are `OPEN` in all, the oldest makes room for the newest: an honest one takes well below a
second, so it is one that says nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import Counter as Counted
from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge

from hustings.addresses import address_key

log = structlog.get_logger()

_open = Gauge("hustings_studio_handshakes_open", "TLS handshakes under way at the studio's door.")
_ended = Counter("hustings_studio_handshakes_total", "TLS handshakes by how they ended.", ["outcome"])
for _outcome in ("done", "failed", "late", "crowded", "displaced"):
    _ended.labels(_outcome)

OPEN = 256
PER_ADDRESS = 64
"""Of one address (IPv6: /64); behind one may be a whole hall, and a browser opens six at most."""
DEADLINE = 10.0
PAUSE = 0.1
"""Seconds to wait when no connection can be taken (no descriptors left)."""
_RESET = struct.pack("ii", 1, 0)


class TlsDoor:
    """Takes connections from a listening socket and hands them to `make`'s protocols once they are
    encrypted."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], context: ssl.SSLContext, *, deadline: float = DEADLINE
    ) -> None:
        self._make = make
        self._context = context
        self._deadline = deadline
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._of_address: Counted[str] = Counted()

    def __len__(self) -> int:
        return len(self._under_way)

    async def run(self, sock: socket.socket) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(sock)
                except OSError:
                    await asyncio.sleep(PAUSE)
                    continue
                self.take(connection, address_key(str(peer[0])))
                # Others have their turn, too: while connections wait, accepting does not.
                await asyncio.sleep(0)
        finally:
            for task in list(self._under_way):
                task.cancel()

    def take(self, connection: socket.socket, address: str) -> None:
        """A new connection, not encrypted yet."""
        if self._of_address[address] >= PER_ADDRESS:
            _ended.labels("crowded").inc()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()
            return
        if len(self._under_way) >= OPEN:
            oldest = next(iter(self._under_way))
            _ended.labels("displaced").inc()
            self._forget(oldest)
            oldest.cancel()
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.get_running_loop().create_task(self._shake_hands(connection))
        self._under_way[task] = address
        self._of_address[address] += 1
        _open.set(len(self._under_way))
        task.add_done_callback(self._forget)

    async def _shake_hands(self, connection: socket.socket) -> None:
        # Whatever happens, asyncio closes the connection: from here on it is the transport's.
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._make, sock=connection, ssl=self._context, ssl_handshake_timeout=self._deadline
            )
            _ended.labels("done").inc()
        except ssl.SSLError:
            _ended.labels("failed").inc()
        except OSError as error:
            # ConnectionAbortedError is what asyncio says at the deadline; a reset is another one.
            _ended.labels("late" if type(error) is ConnectionAbortedError else "failed").inc()
        except Exception:
            log.exception("taking a connection failed")

    def _forget(self, task: asyncio.Task[None]) -> None:
        address = self._under_way.pop(task, None)
        if address is None:
            return
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]
        _open.set(len(self._under_way))
