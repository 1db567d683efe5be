"""Attack 4: idle connections, and listeners who read slower than the sound comes."""

from __future__ import annotations

import time
from typing import Any

from sockets import Address, Crowd, Visitor, paced, raise_descriptor_limit, source


def loiter(door: Address, path: str, idle: int, slow: int, ramp: float, seconds: float) -> dict[str, Any]:
    """`idle` connections that say nothing, and `slow` that take 500 bytes a second of `path`."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=0)
    request = f"GET {path} HTTP/1.1\r\nHost: attack\r\n\r\n".encode()
    readers: list[Visitor] = []
    next_sip = time.monotonic() + 1.0

    def says_nothing(_visitor: Visitor) -> None:
        return

    def reads_slowly(visitor: Visitor) -> None:
        crowd.send(visitor, request)
        crowd.pause(visitor)
        readers.append(visitor)

    def sip() -> None:
        for visitor in readers:
            if visitor.ended_at:
                continue
            try:
                data = visitor.sock.recv(500)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            visitor.received += len(data)
            if not data:
                crowd.leave(visitor)

    def spend(until: float) -> None:
        nonlocal next_sip
        while True:
            wait = until - time.monotonic()
            crowd.turn(max(0.0, min(wait, 0.05)), says_nothing)
            if time.monotonic() >= next_sip:
                sip()
                next_sip += 1.0
            if wait <= 0:
                return

    total = idle + slow
    for number, due in paced(total, ramp):
        spend(due)
        crowd.enter(source(number), says_nothing if number % total < idle else reads_slowly)
    spend(time.monotonic() + seconds)
    readers_too = {id(visitor) for visitor in readers}
    idlers = [visitor for visitor in crowd.visitors if id(visitor) not in readers_too]
    found = {
        "idle_still_open": sum(1 for visitor in idlers if not visitor.ended_at),
        "slow_still_open": sum(1 for visitor in readers if not visitor.ended_at),
        "slow_bytes": sum(visitor.received for visitor in readers),
        "errors": dict(crowd.errors),
    }
    crowd.close()
    return found
