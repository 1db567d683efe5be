"""A connection's socket without the transport around it, for the writes that are made a million times.

While a transport holds nothing back, what it does with bytes is hand them to the kernel, by write(2). Whoever
knows that may do so himself, by send(2), for less CPU time (docs/benchmarks.md).
What the kernel does not take goes to the transport, which then sees to the order until
it is empty again; reading, closing and every limit stay with it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from hustings.edge.protocol import Connection

_TCPTransport: Any = uvloop.loop.TCPTransport  # type: ignore[attr-defined]  # their stub leaves it out


def direct_socket(transport: asyncio.Transport) -> socket.socket | None:
    """A socket object on the transport's own descriptor, None where the bytes are not the kernel's yet
    (TLS) or there is no kernel (tests).

    Whoever asks must `detach()` it in connection_lost at the latest: the descriptor belongs to the transport,
    which closes it right after.
    """
    if not isinstance(transport, _TCPTransport):
        return None
    known = transport.get_extra_info("socket")
    return socket.socket(known.family, known.type, known.proto, fileno=known.fileno())


def write_now(connection: Connection, data: bytes) -> None:
    """Writes to a connection, directly if that can be."""
    transport, direct = connection.transport, connection.direct
    if direct is None:
        direct = connection.direct = direct_socket(transport)
    if direct is None or transport.get_write_buffer_size():
        transport.write(data)
        return
    try:
        sent = direct.send(data)
    except OSError:
        sent = 0  # its transport meets the same when it tries, and waits or ends the connection
    if sent != len(data):
        transport.write(data[sent:])
