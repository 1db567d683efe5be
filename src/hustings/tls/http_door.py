"""Port 80 beside a domain: the authority's proof (RFC 8555 section 8.3), and the way to https for all else.

It knows one address to send people to, ours, whatever Host says. Nothing is kept alive; whoever takes
longer than a moment is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from prometheus_client import Counter

WELL_KNOWN = "/.well-known/acme-challenge/"
HEAD_CAP = 8 * 1024
DEADLINE = 10.0
"""Seconds for a request and its answer."""
CONNECTIONS = 256
"""At once; more are cut without a word."""

_requests = Counter("hustings_http_door_requests_total", "Requests at port 80.", ["answer"])
_TARGET = re.compile(rb"(GET|HEAD) (/[!-~]{0,2000}) HTTP/1\.[01]\r\n")
_PROOF = "application/octet-stream"
_REASONS = {200: "OK", 308: "Permanent Redirect", 400: "Bad Request", 404: "Not Found"}


class HttpDoor:
    """`home`: the audience's address, https://..., no slash at the end."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._proofs: dict[str, str] = {}
        self._open = 0

    def publish(self, token: str, text: str) -> None:
        """See `Publish`. May be called from another thread."""
        if text:
            self._proofs[token] = text
        else:
            self._proofs.pop(token, None)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """For asyncio.start_server, with `limit=HEAD_CAP`."""
        if self._open >= CONNECTIONS:
            _requests.labels("cut").inc()
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(DEADLINE):
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            writer.transport.abort()
        finally:
            self._open -= 1

    def _answer(self, head: bytes) -> bytes:
        found = _TARGET.match(head)
        if found is None:
            return _reply("bad", 400, b"Write https:// in front of the address.\n")
        body_wanted = found[1] == b"GET"
        target = found[2].decode("ascii")
        if target.startswith(WELL_KNOWN):
            proof = self._proofs.get(target.removeprefix(WELL_KNOWN))
            if proof is None:
                return _reply("unknown", 404, b"Nothing is being proved under this name.\n", body=body_wanted)
            return _reply("proof", 200, proof.encode(), kind=_PROOF, body=body_wanted)
        return _reply("redirect", 308, b"", f"Location: {self._home}{target}\r\n", body=body_wanted)


def _reply(
    label: str, status: int, content: bytes, headers: str = "", kind: str = "text/plain", *, body: bool = True
) -> bytes:
    _requests.labels(label).inc()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        f"{headers}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + (content if body else b"")


async def close(server: asyncio.Server) -> None:
    """Stops listening; who is connected has `DEADLINE` anyway."""
    server.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), 1.0)
