"""What is fuzzed of the two doors: requests, HLS queries and ranges, what listeners send, tickets."""

from __future__ import annotations

import contextlib
import random
import re
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import fuzz_http
import fuzz_input
from engine import Target

sys.path.append(str(Path(__file__).parents[1] / "tests" / "studio"))

from edge_fakes import BROADCAST
from edge_memory import House, make_house, read_answers
from structlog.testing import capture_logs
from studio_support import running_studio

from hustings.edge.http import Request, accepts_gzip, byte_range, language

_PIECES = 400
"""Chunks the fake bus keeps."""


class _Door(Target):
    """An edge in memory with a live room; nothing may be logged, nothing may pile up."""

    house: House
    logs: list[Any]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory() as folder, capture_logs() as self.logs:
            self.house = make_house(Path(folder))
            await self.house.live(40)
            await self.house.room("live", accepts=["hand", "reaction", "question", "vote"])
            yield
            await self.house.end()

    async def rest(self) -> None:
        house = self.house
        house.step(1)
        await house.edge.outbox.close()
        house.bus.batches.clear()
        house.bus.published.clear()
        house.bus.requests.clear()
        for chunks in house.bus.chunks.values():
            del chunks[:-_PIECES]

    def quiet(self) -> None:
        assert not self.logs, self.logs


def dice(data: bytes) -> random.Random:
    """How an input is cut into pieces: always the same for it."""
    return random.Random(zlib.crc32(data))


class Http(_Door):
    """Requests at the audience's door, in pieces."""

    name, share = "http", 250
    tokens = (*fuzz_http._LINES, *fuzz_http._BODIES, *fuzz_http._TARGETS)

    def seeds(self) -> list[bytes]:
        return [
            b"GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n" % target
            for target in fuzz_http._TARGETS
        ]

    def make(self, chance: random.Random) -> bytes | None:
        return fuzz_http.make_input(chance)

    def check(self, data: bytes) -> None:
        if data:
            fuzz_http.check(self.house, data, dice(data))
        self.quiet()


_NUMBERS = ("0", "1", "6", "7", "8", "9", "39", "40", "-1", "007", "999999999999", "9" * 13, "", "1e3", "٣")
_NAMES = ("_HLS_msn", "_HLS_part", "_HLS_skip", "_hls_msn", "codec", "lang", "_HLS_msn[]", "%5FHLS_msn")


class Hls(_Door):
    """Blocking reload, parts, segments and byte ranges of a live room."""

    name, share = "hls", 400
    tokens = (
        b"_HLS_msn=",
        b"&_HLS_part=",
        b"&_HLS_skip=YES",
        b"\r\nRange: bytes=",
        b"\r\nIf-Range: ",
        b"%00",
        b".m4s",
        b"\r\nAccept-Encoding: gzip",
    )

    def seeds(self) -> list[bytes]:
        base = b"GET /r/hall/hls/"
        named = BROADCAST.encode() + b"/opus/"
        return [
            base + b"index.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n",
            base + b"opus.m3u8?_HLS_msn=2&_HLS_part=0&_HLS_skip=YES HTTP/1.1\r\nHost: a\r\n\r\n",
            base + named + b"1.m4s HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99\r\n\r\n",
            base + named + b"1.2.m4s HTTP/1.1\r\nHost: a\r\n\r\n",
            base + b"aac/init.mp4 HTTP/1.1\r\nHost: a\r\n\r\n",
        ]

    def make(self, chance: random.Random) -> bytes | None:
        def number() -> str:
            return chance.choice(_NUMBERS)

        codec = chance.choice(("opus", "aac", "flac", BROADCAST + "/opus"))
        part = chance.choice(("", f".{number()}"))
        path = chance.choice(
            ("index.m3u8", f"{codec}.m3u8", f"{codec}/{number()}{part}.m4s", f"{codec}/init.mp4")
        )
        query = "&".join(f"{chance.choice(_NAMES)}={number()}" for _ in range(chance.randrange(4)))
        lines = [f"GET /r/hall/hls/{path}?{query} HTTP/1.1", "Host: a"]
        if chance.random() < 0.5:
            lines.append(f"Range: {chance.choice(('bytes', 'BYTES', 'chars'))}={number()}-{number()}")
        if chance.random() < 0.2:
            lines.append(f'If-Range: "{number()}"')
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def check(self, data: bytes) -> None:
        house, chance = self.house, dice(data)
        client = house.client()
        client.send(data)
        if chance.random() < 0.05:
            house.produce(1)
        written = bytes(client.transport.taken)
        if written and b"HEAD " not in data and b"chunked\r\n" not in written:
            for answer in read_answers(written):
                assert answer.status < 500 or answer.status in (501, 503, 505), answer
        if not client.is_closed():
            client.transport.abort()
        assert house.edge.gate.inside == 0
        assert not house.edge.connections
        self._pure(data)
        self.quiet()

    def _pure(self, data: bytes) -> None:
        """The same through the functions themselves, without a parser before them."""
        line, _, rest = data.partition(b"\r\n")
        request = Request(b"GET", line[4:], {})
        request.parameters()
        assert isinstance(request.path, bytes)
        _, _, field = rest.partition(b"Range: ")
        field = field.partition(b"\r\n")[0]
        span = byte_range(field, 1000)
        assert span is None or 0 <= span[0] <= span[1] <= 1000
        accepts_gzip(field[:100])
        assert language("", field[:100]) in ("de", "en")


class Input(_Door):
    """What listeners send: the first byte says by which door."""

    name, share = "input", 250
    tokens = (b"\\u202e", b'"device":', b"[" * 2000, b'"text":"', b"\\ud800", b"1e400", b"\xf0\x9f\x91\xa9")

    def seeds(self) -> list[bytes]:
        chance = random.Random(2)
        return [
            bytes((number,)) + fuzz_input.make_body(door, chance)
            for number, door in enumerate(fuzz_input.DOORS * 4)
        ]

    def make(self, chance: random.Random) -> bytes | None:
        number = chance.randrange(4)
        return bytes((number,)) + fuzz_input.make_body(fuzz_input.DOORS[number], chance)

    def check(self, data: bytes) -> None:
        door, body = fuzz_input.DOORS[(data[:1] or b"\0")[0] % 4], data[1:]
        fuzz_input.check_parser(door, body)
        if len(data) % 2:
            fuzz_input.check_door(self.house, door, body, dice(data))
        self.quiet()


_VALUES = ("hall", "HALL", "..", "a%00b", "%ff", "x" * 300, "0" * 18, "null", "20261122T160000-abcdef")
_BEARERS = ("TICKET", "TICKETx", "t_", "t_" + "A" * 32, "l_" + "A" * 32, "", "a b", "ü", "x" * 600, "t_\x00")
_BODIES = (
    "",
    "{}",
    "[]",
    "v=0\r\n",
    '{"link":"LINK"}',
    '{"ticket":"TICKET","name":"Ada"}',
    '{"text":"a","name":"\\u202e","muted":true,"order":["a"],"at":"2026-11-22T20:00:00Z"}',
    '{"name":"Clara","password":"xxxxxxxxxxxxxx"}',
    '{"secret":"","credential":{"id":"","response":{"clientDataJSON":"e30"}}}',
    "[" * 5000,
    '{"a":1e400}',
)
_KINDS = ("application/json", "application/sdp", "application/trickle-ice-sdpfrag", "text/plain", "")


class Studio(Target):
    """Tickets, tokens, cookies and bodies at every route of the studio, through ASGI: no 5xx, nothing logged.

    An input is a request as text; TICKET and LINK in it become real ones. Routes that would call others
    (webhooks) are left out.
    """

    name, share = "studio", 25
    tokens = (
        *(each.encode() for each in (*_BEARERS, *_BODIES, *_VALUES)),
        b"Authorization: Bearer TICKET\r\n",
        b"Cookie: hustings_session=x\r\n",
        b"Origin: http://127.0.0.1:8001\r\n",
        b'If-Match: "tag-1"\r\n',
    )
    _ticket = _link = b""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory() as folder, capture_logs() as self.logs:
            async with running_studio(Path(folder)) as self.house:
                await self.house.room("hall")
                await self._invite()
                await self.house.command("open", "hall")
                self._routes = sorted(
                    (method, path)
                    for path, methods in self.house.app.openapi()["paths"].items()
                    for method in methods
                    if "webhook" not in path
                )
                self.logs.clear()
                yield

    async def _invite(self) -> None:
        made = await self.house.invite(slug="hall", role="cohost")
        self._ticket, self._link = made["ticket"].encode(), made["link"].rpartition("#")[2].encode()

    async def rest(self) -> None:
        self.house.clock.advance(60.0)
        self.house.bus.published.clear()
        self.house.stage.offers.clear()

    def seeds(self) -> list[bytes]:
        chance = random.Random(3)
        return [self._request(method, path, chance) for method, path in self._routes]

    def make(self, chance: random.Random) -> bytes | None:
        return self._request(*chance.choice(self._routes), chance)

    def _request(self, method: str, path: str, chance: random.Random) -> bytes:
        def value(_: re.Match[str]) -> str:
            return "hall" if chance.random() < 0.7 else chance.choice(_VALUES)

        filled = re.sub(r"\{[^}]*\}", value, path)
        lines = [f"{method.upper()} {filled}"]
        if chance.random() < 0.8:
            scheme = chance.choice(("Bearer ", "Bearer ", "bearer\t", "Basic ", ""))
            bearer = "TICKET" if chance.random() < 0.5 else chance.choice(_BEARERS)
            lines.append(f"Authorization: {scheme}{bearer}")
        if chance.random() < 0.3:
            lines.append(f"Cookie: hustings_session={chance.choice(_BEARERS)}; a=b")
        if chance.random() < 0.5:
            lines.append("Origin: http://127.0.0.1:8001")
        lines.append(f"Content-Type: {chance.choice(_KINDS)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + chance.choice(_BODIES)).encode()

    def check(self, data: bytes) -> Awaitable[None] | None:
        return self._ask(data.replace(b"TICKET", self._ticket).replace(b"LINK", self._link))

    async def _ask(self, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.split(b"\r\n")
        method, _, target = line.partition(b" ")
        path, _, query = target.partition(b"?")
        headers = [(b"host", b"127.0.0.1:8001")]
        for field in rest:
            name, colon, value = field.partition(b":")
            # What h11 lets through (RFC 9110 5.5, 5.6.2).
            if colon and re.fullmatch(rb"[A-Za-z0-9-]+", name) and not re.search(rb"[\0\r\n]", value):
                headers.append((name.lower(), value.strip()))
        if not re.fullmatch(rb"[A-Z]{1,10}", method) or not path.startswith(b"/"):
            return
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method.decode(),
            "scheme": "http",
            "path": re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes((int(m[1], 16),)), path).decode(
                "utf-8", "replace"
            ),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8001),
        }
        given = [{"type": "http.request", "body": body[:100_000], "more_body": False}]
        status: list[int] = []

        async def receive() -> dict[str, Any]:
            return given.pop() if given else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        await self.house.app(scope, receive, send)
        assert status, "no answer"
        assert status[0] < 500 or status[0] == 503, status
        bad = [entry for entry in self.logs if entry.get("log_level") in ("error", "critical")]
        assert not bad, bad
        self.logs.clear()


TARGETS: tuple[type[Target], ...] = (Http, Hls, Input, Studio)
