"""Fuzzes the audience door: `python fuzzing/fuzz_http.py [--seconds N] [--seed N]`.

Sends broken, cut, repeated and mixed requests in pieces to an edge in memory with a live room. No
exception may leave the connection (the log is watched for those it caught), everything written must be
whole HTTP responses, nothing may be kept of who has gone, and every input is done with at once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "tests" / "edge", ROOT / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from edge_fakes import BROADCAST  # noqa: E402 (the path is set just above)
from edge_memory import House, dechunk, make_house, read_answers, read_records  # noqa: E402
from structlog.testing import capture_logs  # noqa: E402

SLOWEST = 5.0
"""Seconds of processor time one input may take: far above what any needs."""

_TARGETS = [
    b"/",
    b"/r/hall",
    b"/r/hall/",
    b"/r/hall/live",
    b"/r/hall/live?codec=aac",
    b"/r/hall/stream.ogg",
    b"/r/hall/state.json?lang=de",
    b"/r/hall/hls/index.m3u8",
    b"/r/hall/hls/opus.m3u8?_HLS_msn=0&_HLS_part=1&_HLS_skip=YES",
    b"/r/hall/hls/%b/aac/0.0.m4s" % BROADCAST.encode(),
    b"/r/hall/hls/opus/init.mp4",
    b"/static/js/player.js?v=1",
    b"/healthz",
    b"/r/hall/hand",
    b"/r/hall/reaction",
    b"/r/hall/question?x",
    b"/r/hall/vote/",
    b"/r/%e4%b8%ad%00%ff/%2e%2e/hls",
    b"*",
    b"http://other.example/r/hall",
]
_LINES = [
    b"Host: a",
    b"Accept: text/html;q=0.9,*/*",
    b"Accept-Encoding: gzip;q=0.001, br, *;q=x",
    b"Accept-Language: de-AT;q=0.5, en;q=nan, ;;,",
    b'If-None-Match: W/"x", *, "',
    b"Range: bytes=5-99999999999999999999",
    b"Range: bytes=-0",
    b'If-Range: "x"',
    b"Connection: close",
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Content-Length: 5",
    b"Content-Length: 16",
    b"Content-Length: 4097",
    b"Content-Type: application/json",
    b"Origin: http://a",
    b"Content-Length: 99999999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"X: " + b"y" * 3000,
    b": empty",
    b" folded",
    b"User-Agent: \xff\xfe\x00",
]
_BODIES = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"hello",
    b'{"kind":"heart"}',
    b'10\r\n{"kind":"heart"}\r\n0\r\nHost: b\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n',
]
_METHODS = [b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT", b"CONNECT", b"BREW", b"get"]


def make_input(chance: random.Random) -> bytes:
    """Some requests, each a little wrong perhaps."""
    out = b""
    for _ in range(chance.randint(1, 4)):
        version = chance.choice([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"HTTP/0.9"])
        lines = [b" ".join((chance.choice(_METHODS), chance.choice(_TARGETS), version))]
        if chance.random() < 0.9:
            lines.append(_LINES[0])
        lines += chance.choices(_LINES, k=chance.randint(0, 5))
        out += b"\r\n".join(lines) + chance.choice([b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n"])
        if chance.random() < 0.2:
            out += chance.choice([*_BODIES, chance.randbytes(40)])
    broken = bytearray(out)
    for _ in range(chance.choice([0, 0, 1, 2, 5])):
        at = chance.randrange(len(broken))
        match chance.randrange(5):
            case 0:
                broken[at] ^= 1 << chance.randrange(8)
            case 1:
                del broken[at : at + chance.randint(1, 20)]
            case 2:
                broken[at:at] = chance.randbytes(chance.randint(1, 8))
            case 3:
                broken[at:at] = broken[max(0, at - 60) : at] * chance.randint(1, 30)
            case 4:
                broken[at:at] = chance.choice([b"\0", b"\r", b"\n", b"\r\n", b":", b" ", b"%", b"/", b"?"])
        if not broken:
            break
    return bytes(broken)


def check(house: House, data: bytes, chance: random.Random) -> None:
    """Sends `data` in pieces; raises AssertionError when a promise is broken."""
    client = house.client()
    began = time.thread_time()
    at = 0
    while at < len(data) and not client.is_closed():
        size = chance.choice([1, 7, 100, 5000, 100_000])
        client.send(data[at : at + size])
        at += size
    if chance.random() < 0.5:
        house.produce(1)
    assert time.thread_time() - began < SLOWEST, "took too long"
    written = bytes(client.transport.taken)
    if written:
        head = written.startswith(b"HTTP/1.1 ")
        assert head, "not a response"
        whole = not (b"HEAD " in data or b"Transfer-Encoding: chunked\r\n" in written)
        if whole:
            read_answers(written)
        elif written.count(b"HTTP/1.1 ") == 1 and b"\r\n\r\n" in written and b"HEAD" not in data:
            read_records(dechunk(written.partition(b"\r\n\r\n")[2])[0])
    if not client.is_closed():
        client.transport.abort()
    assert house.edge.gate.inside == 0
    assert not house.edge.connections


async def fuzz(seconds: float, seed: int, *, most: int = 10**9) -> int:
    """Runs for `seconds` or `most` inputs; returns how many were tried."""
    chance = random.Random(seed)
    tried = 0
    with tempfile.TemporaryDirectory() as folder, capture_logs() as logs:
        house = make_house(Path(folder))
        await house.live(40)
        end = time.monotonic() + seconds
        while tried < most and time.monotonic() < end:
            data = make_input(chance)
            try:
                check(house, data, chance)
                assert not logs, logs
            except Exception:
                print("input:", data.hex(), file=sys.stderr)
                raise
            tried += 1
            if tried % 500 == 0:
                house.step(1)
                await asyncio.sleep(0)
        await house.end()
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print("seed", options.seed)
    print("tried", asyncio.run(fuzz(options.seconds, options.seed)))


if __name__ == "__main__":
    main()
