"""The private door where Prometheus reads all roles' metrics at once, and others whether the node serves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, ThreadingWSGIServer

from hustings.errors import HustingsError
from hustings.supervisor.doors import Door

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Quiet(WSGIRequestHandler):
    timeout = 10
    """Seconds a silent connection keeps its thread."""

    def log_message(self, format: str, *args: object) -> None:
        """No access log: it would hold addresses."""


class _Server(ThreadingWSGIServer):
    block_on_close = False

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this machine's name, for seconds at times.
        TCPServer.server_bind(self)
        self.server_name = "metrics"
        self.server_port = self.server_address[1]
        self.setup_environ()


class _ServerIPv6(_Server):
    address_family = socket.AF_INET6


class MetricsDoor:
    """GET /metrics answers `text()`; GET /readyz and /readyz/ROLE answer 200 or 503 by `ready("")` and
    `ready(ROLE)`, which raises KeyError for no role. Both are called from another thread. GET /healthz
    answers 200: the supervisor lives."""

    def __init__(self, door: Door, text: Callable[[], str], ready: Callable[[str], tuple[bool, str]]) -> None:
        self._text = text
        self._ready = ready
        try:
            server = _ServerIPv6 if ":" in door.host else _Server
            self._server = make_server(door.host, door.port, self._answer, server, _Quiet)
        except OSError as error:
            raise HustingsError(f"Cannot open the metrics door: {error.strerror}.") from error
        # The default of half a second is two wake-ups a second for nothing; closing need not be quick.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(60.0,), name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops answering; the thread is a daemon and ends with the process."""
        self._server.server_close()

    def _answer(self, request: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if request["PATH_INFO"] == "/metrics":
            start("200 OK", [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)])
            return [self._text().encode()]
        if request["PATH_INFO"] == "/healthz":
            start("200 OK", [("Content-Type", "text/plain")])
            return [b"ok\n"]
        path, _, role = request["PATH_INFO"][1:].partition("/")
        if path == "readyz":
            with contextlib.suppress(KeyError):
                ready, said = self._ready(role)
                start(
                    "200 OK" if ready else "503 Service Unavailable", [("Content-Type", "application/json")]
                )
                return [said.encode()]
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [
            b"Metrics are at /metrics, whether all roles serve at /readyz, one of them at /readyz/stage.\n"
        ]
