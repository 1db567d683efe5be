"""Fuzzes what listeners send: `python fuzzing/fuzz_input.py [--seconds N] [--seed N]`.

Bodies made of JSON that is nearly right, cut, spliced, nested, of every Unicode, go to the parser and,
in pieces, through the audience door of an edge in memory. Only `Malformed` may leave the parser; what it
takes is within every bound; the door answers each request once with an expected status; the queue keeps
its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
import unicodedata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "tests" / "edge", ROOT / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from edge_memory import House, make_house  # noqa: E402 (the path is set just above)
from structlog.testing import capture_logs  # noqa: E402

from hustings.bus.messages import REACTIONS, ListenerInput  # noqa: E402
from hustings.edge.input_forms import Malformed, Sent, read  # noqa: E402
from hustings.edge.input_outbox import WAITING  # noqa: E402

DOORS = ("hand", "reaction", "question", "vote")
STATUSES = {202, 400, 403, 404, 409, 413, 415, 422, 429, 503}
_DEVICE = "d" * 22
_GOOD: dict[str, dict[str, Any]] = {
    "hand": {"name": "Ada", "ticket_hash": "0" * 64, "device": _DEVICE},
    "reaction": {"kind": "heart"},
    "question": {"text": "Why?", "device": _DEVICE, "name": "Ada"},
    "vote": {"question_id": "0123456789abcdef01", "device": _DEVICE},
}
_ODD: list[Any] = [
    None,
    True,
    0,
    -1e308,
    1e400,
    10**30,
    "",
    " ",
    [],
    {},
    [[[[]]]],
    "x" * 300,
    "x" * 3000,
    "\u0000\u0007",
    "\u202e\u2067\u2066\u2069\u2069",
    "\u2067" * 20,
    "e\u0301" * 200,
    "a" + "\u0301" * 200,
    "👩‍👩‍👧‍👦" * 30,
    "\ud800",
    "\ufffe\uffff",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "t_" + "x" * 30,
]


def make_text(chance: random.Random) -> str:
    """Characters of everywhere, with a liking for those that are not seen."""
    pools = [
        lambda: chr(chance.randrange(0x20, 0x7F)),
        lambda: chr(chance.randrange(0x110000)),
        lambda: chance.choice(
            "\u2066\u2067\u2068\u2069\u202a\u202e\u200b\u200d\u00ad\ufeff\t\n\r\u2028\u0301"
        ),
        lambda: chr(chance.randrange(0x590, 0x700)),
    ]
    return "".join(chance.choice(pools)() for _ in range(chance.choice([0, 1, 5, 40, 290])))


def make_body(door: str, chance: random.Random) -> bytes:
    """A body for `door`, right or a little wrong."""
    content: Any = dict(_GOOD[door])
    if "device" in content:
        content["device"] = f"{chance.randrange(10**22):022}"  # else its limit would answer for all
    for _ in range(chance.choice([0, 0, 1, 1, 2])):
        member = chance.choice([*content, "lower", "ticket", "more", "kind"])
        content[member] = chance.choice([chance.choice(_ODD), make_text(chance)])
    if chance.random() < 0.1:
        content.pop(chance.choice(list(content)))
    if chance.random() < 0.05:
        content = chance.choice([content, [content], *_ODD])
    text = json.dumps(content, ensure_ascii=chance.random() < 0.5)
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(4):
            case 0:
                body[at:at] = chance.randbytes(chance.randint(1, 6))
            case 1:
                del body[at : at + chance.randint(1, 30)]
            case 2:
                body[at:at] = body[max(0, at - 40) : at] * chance.randint(1, 40)
            case 3:
                body[at:at] = chance.choice([b"[", b"{", b'"', b"\\u", b",", b"\0"]) * chance.choice(
                    [1, 2000]
                )
    return bytes(body)


def check_sent(sent: Sent) -> None:
    """Everything that leaves the parser is within its bounds."""
    for text, longest in ((sent.name, 80), (sent.text, 280)):
        assert len(text) <= longest
        assert text == unicodedata.normalize("NFC", text)
        assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)
        assert sum(char in "\u2066\u2067\u2068" for char in text) == text.count("\u2069")
    assert len(sent.device) in (0, *range(16, 65))
    assert sent.device.isascii()
    assert len(sent.ticket_hash) in (0, 64)
    assert len(sent.question_id) <= 32
    assert (sent.reaction in REACTIONS) == (sent.kind == "reaction")


def check_parser(door: str, body: bytes) -> None:
    try:
        sent = read(door, body)
    except Malformed as error:
        refused = error
    else:
        check_sent(sent)
        assert sent.kind == door or (sent.kind, door) == ("lower", "hand")
        return
    assert refused.status in (400, 422)
    assert refused.detail.endswith(".")
    assert refused.where.startswith("body")


def check_door(house: House, door: str, body: bytes, chance: random.Random) -> None:
    """`body` in pieces, whole or chunked, through a connection."""
    client = house.client(f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}")
    lines = [f"Content-Type: {chance.choice(['application/json'] * 8 + ['text/plain'])}"]
    lines += chance.choices(["Origin: http://hustings.example", "Origin: null", "X-Y: z"], [3, 1, 10])
    if chance.random() < 0.3:
        pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        lines.append("Transfer-Encoding: chunked")
    else:
        lines.append(f"Content-Length: {len(body)}")
    client.get(f"/r/{chance.choice(['hall'] * 9 + ['attic'])}/{door}", *lines, method="POST")
    at = 0
    while at < len(body) and not client.is_closed():
        size = chance.choice([1, 30, 5000])
        client.send(body[at : at + size])
        at += size
    (answer,) = client.answers()
    assert answer.status in STATUSES, answer
    assert (answer.status == 202) == (answer.json() == {})
    if not client.is_closed():
        client.transport.abort()
    assert len(house.edge.outbox) <= WAITING


async def fuzz(seconds: float, seed: int, *, most: int = 10**9) -> int:
    """Runs for `seconds` or `most` inputs; returns how many were tried."""
    chance = random.Random(seed)
    tried = 0
    with tempfile.TemporaryDirectory() as folder, capture_logs() as logs:
        house = make_house(Path(folder))
        await house.live(5)
        end = time.monotonic() + seconds
        while tried < most and time.monotonic() < end:
            door = chance.choice(DOORS)
            body = make_body(door, chance)
            try:
                check_parser(door, body)
                check_door(house, door, body, chance)
                assert not logs, logs
            except Exception:
                print("input:", door, body.hex(), file=sys.stderr)
                raise
            tried += 1
            if tried % 500 == 0:
                await house.edge.outbox.close()
                assert all(
                    isinstance(each, ListenerInput) for batch in house.bus.batches for each in batch.inputs
                )
                house.bus.batches.clear()
                house.bus.published.clear()
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
