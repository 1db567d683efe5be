"""HTTP as values: requests, replies, negotiation. No sockets here.

A `Reply` is bytes that are ready to go out but for `Date` and `Connection`, which the connection
adds. A `Resource` keeps the replies of one representation (plain, gzip, 304), each made once and
shared by every reader. Rules are those of RFC 9110 (semantics) and RFC 9112 (HTTP/1.1).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

GZIP_FROM = 512
"""Bodies shorter than this are not worth compressing, in bytes."""

type Headers = tuple[tuple[str, str], ...]

ANY_ORIGIN: Headers = (("Access-Control-Allow-Origin", "*"),)
"""Other sites may embed players (media, playlists, state)."""
_ALWAYS: Headers = (("X-Content-Type-Options", "nosniff"),)


class Request:
    """One request, complete. `headers` holds lower-case names of those the edge looks at; `body` only
    what a POST brought."""

    __slots__ = ("_path", "_query", "body", "headers", "http10", "keep_alive", "method", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        body: bytes = b"",
        *,
        keep_alive: bool = True,
        http10: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self._path: bytes | None = None
        self._query = b""
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.http10 = http10

    @property
    def path(self) -> bytes:
        """The target up to "?", percent-decoded."""
        if self._path is None:
            path, _, self._query = self.target.partition(b"?")
            if b"%" in path:
                path = unquote(path.decode("latin-1"), errors="replace").encode()
            self._path = path
        return self._path

    @property
    def query(self) -> bytes:
        """The target after "?", as it came."""
        if self._path is None:
            self.path  # noqa: B018 (splits the target)
        return self._query

    def parameters(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the first."""
        if not self.query:
            return {}
        try:
            pairs = parse_qsl(self.query.decode("latin-1"), keep_blank_values=True, max_num_fields=16)
        except ValueError:
            return {}
        return dict(reversed(pairs))

    @property
    def wants_html(self) -> bool:
        """Whether a person's browser asks."""
        return b"text/html" in self.headers.get(b"accept", b"")


class Reply:
    """A response. `head` ends after its last header line; the connection adds Date and Connection."""

    __slots__ = ("_date", "_whole", "body", "close", "head", "status")

    def __init__(self, status: int, head: bytes, body: bytes, *, close: bool = False) -> None:
        self.status = status
        self.head = head
        self.body = body
        self.close = close
        self._date: bytes | None = None
        self._whole = b""

    def whole(self, date: bytes) -> bytes:
        """All of it, for a connection that stays open; put together once for all in one second."""
        if self._date is not date:
            self._date = date
            self._whole = b"".join((self.head, date, b"\r\n", self.body))
        return self._whole


def make_head(status: int, headers: Headers, length: int | None) -> bytes:
    """Status line and header lines; `length` None leaves Content-Length out (304, endless bodies)."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (*headers, *_ALWAYS)]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def make_reply(
    status: int, content_type: str, body: bytes, headers: Headers = (), *, close: bool = False
) -> Reply:
    """A reply with a body."""
    return Reply(
        status, make_head(status, (("Content-Type", content_type), *headers), len(body)), body, close=close
    )


def problem(
    status: int, title: str, detail: str = "", headers: Headers = (), *, where: str = "", close: bool = False
) -> Reply:
    """`application/problem+json` (RFC 9457). `detail` is a sentence that says what to do, `where` the
    place of the fault ("body: text")."""
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if where:
        body["where"] = where
    return make_reply(
        status,
        "application/problem+json",
        json.dumps(body, ensure_ascii=False).encode(),
        (("Cache-Control", "no-store"), *ANY_ORIGIN, *headers),
        close=close,
    )


def retry_after(low: int, high: int) -> Headers:
    """A jittered Retry-After, so that a refused crowd does not come back in the same second."""
    return (("Retry-After", str(random.randint(low, high))),)  # noqa: S311 (jitter, no secret)


class Resource:
    """One representation and its replies. Immutable; made again when the content changes."""

    __slots__ = (
        "_gzip", "_headers", "_identity", "_level", "body", "compress", "content_type", "etag", "seconds",
    )  # fmt: skip

    def __init__(
        self,
        content_type: str,
        body: bytes,
        headers: Headers = (),
        *,
        compress: bool = False,
        etag: str = "",
        level: int = 5,
        seconds: float = 0.0,
    ) -> None:
        """`level`: of gzip; what is packed once and served for long may cost more. `seconds`: of sound, for
        whoever counts what was listened to."""
        self.seconds = seconds
        self._level = level
        self.content_type = content_type
        self.body = body
        self.compress = compress and len(body) >= GZIP_FROM
        self.etag = etag or hashlib.blake2b(body, digest_size=9).hexdigest()
        vary = any(name == "Vary" for name, _ in headers)
        if self.compress and not vary:
            headers = (*headers, ("Vary", "Accept-Encoding"))
        self._headers = headers
        self._identity: Reply | None = None
        self._gzip: Reply | None = None

    def reply(self, request: Request) -> Reply:
        """The reply to a GET or HEAD: 200 (plain or gzip), 206, 304 or 416."""
        headers = request.headers
        if b"if-none-match" in headers and self._matches(headers[b"if-none-match"]):
            return self._unchanged(headers)
        if b"range" in headers and not self.compress and request.method == b"GET":
            partial = self._partial(headers)
            if partial is not None:
                return partial
        if self.compress and accepts_gzip(headers.get(b"accept-encoding", b"")):
            if self._gzip is None:
                packed = gzip.compress(self.body, compresslevel=self._level, mtime=0)
                self._gzip = self._whole(packed, f'"{self.etag}-gz"', (("Content-Encoding", "gzip"),))
            return self._gzip
        if self._identity is None:
            ranges: Headers = () if self.compress else (("Accept-Ranges", "bytes"),)
            self._identity = self._whole(self.body, f'"{self.etag}"', ranges)
        return self._identity

    def _whole(self, body: bytes, etag: str, more: Headers) -> Reply:
        return make_reply(200, self.content_type, body, (*self._headers, ("ETag", etag), *more))

    def _matches(self, field: bytes) -> bool:
        """If-None-Match compares weakly (RFC 9110 13.1.2); both encodings are one content here."""
        names = {part.strip().removeprefix("W/") for part in field.decode("latin-1").split(",")}
        return "*" in names or f'"{self.etag}"' in names or f'"{self.etag}-gz"' in names

    def _unchanged(self, headers: dict[bytes, bytes]) -> Reply:
        """304 with the ETag that the 200 would have carried (RFC 9110 15.4.5)."""
        packed = self.compress and accepts_gzip(headers.get(b"accept-encoding", b""))
        tag = f'"{self.etag}-gz"' if packed else f'"{self.etag}"'
        return Reply(304, make_head(304, (*self._headers, ("ETag", tag)), None), b"")

    def _partial(self, headers: dict[bytes, bytes]) -> Reply | None:
        """206 or 416; None when the range is to be ignored (RFC 9110 14.2)."""
        condition = headers.get(b"if-range")
        if condition is not None and condition.decode("latin-1") != f'"{self.etag}"':
            return None
        span = byte_range(headers[b"range"], len(self.body))
        if span is None:
            return None
        common = (*self._headers, ("ETag", f'"{self.etag}"'))
        if span == (0, 0):
            return problem(
                416,
                "Range not satisfiable",
                f"The content has {len(self.body)} bytes.",
                (("Content-Range", f"bytes */{len(self.body)}"),),
            )
        first, end = span
        more = (("Content-Range", f"bytes {first}-{end - 1}/{len(self.body)}"), ("Accept-Ranges", "bytes"))
        return make_reply(206, self.content_type, self.body[first:end], (*common, *more))


def byte_range(field: bytes, length: int) -> tuple[int, int] | None:
    """The single range `field` asks for as (first, end), (0, 0) when there is nothing in it, None when
    it is to be ignored: another unit, several ranges, or not a range at all (RFC 9110 14.1.2)."""
    unit, _, spec = field.partition(b"=")
    first, dash, last = spec.strip().partition(b"-")
    numeric = all(part.isdigit() or not part for part in (first, last)) and len(spec) <= 40
    if unit.strip().lower() != b"bytes" or not dash or not numeric or not (first or last):
        return None
    if not first:
        wanted = min(int(last), length)
        return (length - wanted, length) if wanted else (0, 0)
    start = int(first)
    end = min(int(last) + 1, length) if last else length
    if last and int(last) < start:
        return None
    return (start, end) if start < length else (0, 0)


def _weights(field: str) -> list[tuple[float, str]]:
    """Members of an Accept-* field with their weights, best first (RFC 9110 12.4.2)."""
    found: list[tuple[float, str]] = []
    for member in field.split(",")[:32]:
        name, _, rest = member.strip().partition(";")
        quality = 1.0
        weight = rest.strip().lower()
        if weight.startswith("q="):
            try:
                quality = float(weight[2:6])
            except ValueError:
                quality = 0.0
        found.append((quality, name.strip().lower()))
    return sorted(found, key=lambda item: -item[0])


@lru_cache(maxsize=256)
def accepts_gzip(field: bytes) -> bool:
    """Whether Accept-Encoding allows gzip (RFC 9110 12.5.3)."""
    weights = {name: quality for quality, name in reversed(_weights(field.decode("latin-1")))}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


@lru_cache(maxsize=256)
def language(asked: str, field: bytes) -> str:
    """ "de" or "en": `?lang` before Accept-Language before English."""
    if asked in ("de", "en"):
        return asked
    for quality, name in _weights(field.decode("latin-1")):
        if quality > 0 and name.split("-")[0] in ("de", "en"):
            return name.split("-")[0]
    return "en"
