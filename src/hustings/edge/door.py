"""What a connection needs of the edge it belongs to, and of the fan-out it listens to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hustings.clock import Clock
from hustings.edge.asked import Asked
from hustings.edge.deadlines import Deadlines
from hustings.edge.gate import Gate, Verdict
from hustings.edge.http import Reply, Request
from hustings.edge.metrics import Metrics

if TYPE_CHECKING:
    from hustings.edge.protocol import Connection


class FanoutLike(Protocol):
    """What a listening connection tells its fan-out."""

    def leave(self, sink: Connection) -> None: ...
    def pause(self, sink: Connection) -> None: ...
    def resume(self, sink: Connection) -> None: ...


class ListenerLike(Protocol):
    """What a listening connection tells whoever counts."""

    def leave(self, now: float) -> None: ...


class Door(Protocol):
    """What a connection needs of the edge it belongs to."""

    clock: Clock
    gate: Gate
    metrics: Metrics
    draining: bool
    leaving: bool
    """Each reply is the last of its connection: the next request meets another process."""
    proxies: frozenset[str]
    deadlines: Deadlines
    connections: set[Connection]
    asked: Asked

    def handle(self, connection: Connection, request: Request) -> None:
        """Answers now or later by `connection.reply` or `connection.listen`."""
        ...

    def refusal(self, connection: Connection, verdict: Verdict, request: Request) -> Reply | None:
        """What a connection over a cap is told; None: it is let in all the same, and counted so."""
        ...

    def place(self) -> bytes:
        """The header line that lets a listener come back before others."""
        ...

    def date(self) -> bytes:
        """The Date header line of this second."""
        ...
