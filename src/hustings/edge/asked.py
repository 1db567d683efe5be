"""Requests that came before, by their very bytes.

A crowd of players asks for one part with the same few texts, byte for byte, as often as there are players of
a kind. What such a text says needs to be parsed once: a third of the CPU time of an answer from memory
(docs/benchmarks.md). Nothing is remembered for longer than the playlists stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from hustings.edge.direct import write_now
from hustings.edge.http import Reply, Request, Resource

if TYPE_CHECKING:
    from hustings.edge.protocol import Connection

KNOWN = 1024
LONGEST = 2048
"""Bytes of a request that is worth it."""
_END = b"\r\n\r\n"
_OWN = (b"x-forwarded-for", b"expect", b"content-length", b"transfer-encoding")
"""Fields of requests that are somebody's own, or that have more to come."""


class Counting(Protocol):
    """Where whoever asks for a broadcast is counted."""

    def asked(self, connection: Connection, request: Request, resource: Resource | None) -> None: ...


class Known(NamedTuple):
    """A request, its answer, what that was made from, and where whoever asks so is counted."""

    request: Request
    reply: Reply
    resource: Resource
    counting: Counting


class Asked:
    """`known`: by the bytes of a request, its head whole and nothing behind it."""

    def __init__(self) -> None:
        self.known: dict[bytes, Known] = {}

    def learn(self, data: bytes, known: Known | None) -> None:
        """`data` was read at the beginning of a request and parsed to `known.request`, one and no more; None:
        it was not one of those that many ask."""
        if known is None:
            return
        request = known.request
        if (
            request.method != b"GET"
            or not request.keep_alive
            or request.http10
            or request.body
            or len(data) > LONGEST
            # One empty line, and at the end: no part of another request is behind it.
            or not data.endswith(_END)
            or data.count(_END) != 1
            or any(name in request.headers for name in _OWN)
        ):
            return
        if len(self.known) >= KNOWN:
            self.known.clear()
        self.known[data] = known

    def forget(self) -> None:
        """What they were answered with is no more."""
        self.known.clear()


def answer_again(connection: Connection, known: Known) -> None:
    """The crowd's way: answers by what was parsed and looked up for another."""
    door = connection.door
    request, reply, resource, counting = known
    counting.asked(connection, request, resource)
    replies = door.metrics.replies
    replies[reply.status] = replies.get(reply.status, 0) + 1
    write_now(connection, reply.whole(door.date()))
    connection.owes(door.clock.monotonic())
