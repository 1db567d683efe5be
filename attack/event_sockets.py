"""Attack 6: the studio's event sockets: idle ones, large frames, too many messages, foreign pages."""

from __future__ import annotations

import base64
import os
import struct
import time
from typing import Any

from sockets import Address, Crowd, Visitor, paced, raise_descriptor_limit, source, status


def upgrade(path: str, origin: str) -> bytes:
    """The opening of a WebSocket (RFC 6455 4.1)."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: attack\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nOrigin: {origin}\r\n\r\n"
    ).encode()


def frame(payload: bytes) -> bytes:
    """A masked text frame (RFC 6455 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes([0x81, 0x80 | size])
    elif size < 65_536:
        head = bytes([0x81, 0xFE]) + struct.pack("!H", size)
    else:
        head = bytes([0x81, 0xFF]) + struct.pack("!Q", size)
    return head + b"\0\0\0\0" + payload


def idle(door: Address, path: str, count: int, ramp: float, seconds: float) -> dict[str, Any]:
    """`count` connections that ask for the event socket and then say nothing."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=64)
    opening = upgrade(path, f"http://{door[0]}:{door[1]}")

    def connected(visitor: Visitor) -> None:
        crowd.send(visitor, opening)

    def came(visitor: Visitor) -> None:
        visitor.state = str(status(visitor.data))

    _fill(crowd, count, ramp, connected, came)
    _wait(crowd, seconds, came)
    found = {
        "open": sum(1 for visitor in crowd.visitors if not visitor.ended_at),
        "refused": sum(1 for visitor in crowd.visitors if visitor.ended_at),
        "errors": dict(crowd.errors),
    }
    crowd.close()
    return found


def oversize(door: Address, path: str, count: int, size: int, seconds: float) -> dict[str, Any]:
    """`count` sockets that each send one frame of `size` bytes."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=64)
    opening, big = upgrade(path, f"http://{door[0]}:{door[1]}"), frame(b"a" * size)

    def connected(visitor: Visitor) -> None:
        crowd.send(visitor, opening + big)

    def came(_visitor: Visitor) -> None:
        return

    _fill(crowd, count, 2.0, connected, came)
    _wait(crowd, seconds, came)
    still = sum(1 for visitor in crowd.visitors if not visitor.ended_at)
    crowd.close()
    return {"made": len(crowd.visitors), "still_open": still, "errors": dict(crowd.errors)}


def chatter(door: Address, path: str, sockets: int, rate: int, seconds: float) -> dict[str, Any]:
    """`rate` messages a second over `sockets` connections, until each is told to go (RFC 6455 5.5.1)."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=1024)
    opening = upgrade(path, f"http://{door[0]}:{door[1]}")
    message = frame(b'{"type":"hello"}')

    def connected(visitor: Visitor) -> None:
        crowd.send(visitor, opening)

    def came(visitor: Visitor) -> None:
        if b"\x88" in visitor.data.partition(b"\r\n\r\n")[2]:
            crowd.leave(visitor)

    _fill(crowd, sockets, 2.0, connected, came)
    said = 0
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        inside = [visitor for visitor in crowd.visitors if not visitor.ended_at]
        if not inside:
            break
        while said < elapsed * rate:
            crowd.send(inside[said % len(inside)], message)
            said += 1
        crowd.turn(0.005, came)
    still = sum(1 for visitor in crowd.visitors if not visitor.ended_at)
    crowd.close()
    return {"said": said, "made": len(crowd.visitors), "still_open": still, "errors": dict(crowd.errors)}


def foreign(door: Address, path: str, count: int) -> dict[str, Any]:
    """Sockets that another site's page opens: the answers by status."""
    crowd = Crowd(door, keep=64)
    answers: dict[str, int] = {}

    def connected(visitor: Visitor) -> None:
        crowd.send(visitor, upgrade(path, "https://elsewhere.example"))

    def came(visitor: Visitor) -> None:
        if not visitor.state and visitor.data:
            visitor.state = str(status(visitor.data))
            answers[visitor.state] = answers.get(visitor.state, 0) + 1

    _fill(crowd, count, 1.0, connected, came)
    _wait(crowd, 3.0, came)
    crowd.close()
    return {"answers": answers}


def _fill(crowd: Crowd, count: int, seconds: float, connected: Any, came: Any) -> None:
    for number, due in paced(count, seconds):
        while (wait := due - time.monotonic()) > 0:
            crowd.turn(min(wait, 0.05), came)
        crowd.turn(0, came)
        crowd.enter(source(number), connected)


def _wait(crowd: Crowd, seconds: float, came: Any) -> None:
    end = time.monotonic() + seconds
    while (wait := end - time.monotonic()) > 0:
        crowd.turn(min(wait, 0.05), came)
