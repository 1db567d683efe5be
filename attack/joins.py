"""Attack 1: everybody comes at once, beside a flood of connections from one address."""

from __future__ import annotations

import time
from typing import Any

from sockets import Address, Crowd, Visitor, has_sound, paced, raise_descriptor_limit, source, status

FLOOD_FROM = "127.0.9.9"
PATIENCE = 10.0
"""Seconds after which a joiner that has heard nothing was left in silence."""


def join(door: Address, path: str, count: int, seconds: float, patience: float = PATIENCE) -> dict[str, Any]:
    """`count` listeners join within `seconds`. Seconds to the first sound of each, who was refused, how, and
    who was left waiting."""
    raise_descriptor_limit()
    crowd = Crowd(door)
    request = f"GET {path} HTTP/1.1\r\nHost: attack\r\nUser-Agent: attack\r\n\r\n".encode()
    heard: list[float] = []
    refused = {"503 with Retry-After": 0, "other": 0}

    def connected(visitor: Visitor) -> None:
        crowd.send(visitor, request)

    def came(visitor: Visitor) -> None:
        if visitor.state:
            return
        if has_sound(visitor.data):
            visitor.state = "heard"
            heard.append(time.monotonic() - visitor.began)
        elif visitor.ended_at or status(visitor.data) not in (0, 200):
            visitor.state = "refused"
            polite = status(visitor.data) == 503 and b"retry-after:" in visitor.data.lower()
            refused["503 with Retry-After" if polite else "other"] += 1

    for number, due in paced(count, seconds):
        while (wait := due - time.monotonic()) > 0:
            crowd.turn(min(wait, 0.05), came)
        crowd.turn(0, came)
        crowd.enter(source(number), connected)
    end = time.monotonic() + patience
    while time.monotonic() < end and len(heard) + sum(refused.values()) < count:
        crowd.turn(0.05, came)
    cut = sum(1 for visitor in crowd.visitors if visitor.state == "heard" and visitor.ended_at)
    crowd.close()
    return {
        "heard": sorted(heard),
        "refused": refused,
        "silent": count - len(heard) - sum(refused.values()),
        "cut_off_later": cut,
        "errors": dict(crowd.errors),
    }


def flood(door: Address, seconds: float, rate: int) -> dict[str, Any]:
    """Connections from one address, `rate` a second, each kept for as long as the server lets it."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=0)

    def nothing(_visitor: Visitor) -> None:
        return

    for _, due in paced(int(seconds * rate), seconds):
        while (wait := due - time.monotonic()) > 0:
            crowd.turn(min(wait, 0.05), nothing)
        crowd.turn(0, nothing)
        crowd.enter(FLOOD_FROM, nothing)
    held = sum(1 for visitor in crowd.visitors if not visitor.ended_at and visitor.connected_at)
    made = len(crowd.visitors)
    crowd.close()
    return {"made": made, "held_at_the_end": held, "errors": dict(crowd.errors)}


def churn(door: Address, path: str, at_once: int, seconds: float, first: int = 0) -> dict[str, Any]:
    """`at_once` visitors, each of whom joins, hears the first sound, leaves and is followed by another: how
    many heard it, were refused, how, and were never answered. `first`: number of the first one's address."""
    raise_descriptor_limit()
    crowd = Crowd(door, keep=65_536)
    request = f"GET {path} HTTP/1.1\r\nHost: attack\r\nUser-Agent: attack\r\n\r\n".encode()
    found = {"heard": 0, "503": 0, "429": 0, "other": 0, "unanswered": 0}
    begun, number = time.monotonic(), first

    def connected(visitor: Visitor) -> None:
        crowd.send(visitor, request)

    def came(visitor: Visitor) -> None:
        if visitor.state:
            return
        if has_sound(visitor.data):
            visitor.state = "heard"
        elif (code := status(visitor.data)) not in (0, 200):
            visitor.state = str(code) if code in (503, 429) else "other"
        elif visitor.ended_at:
            visitor.state = "other"
        else:
            return
        found[visitor.state] += 1
        crowd.leave(visitor)

    while time.monotonic() - begun < seconds:
        if len(crowd.visitors) > 2 * at_once:
            crowd.visitors = [visitor for visitor in crowd.visitors if not visitor.ended_at]
        here = sum(1 for visitor in crowd.visitors if not visitor.ended_at)
        for _ in range(at_once - here):
            crowd.enter(source(number), connected)
            number += 1
        crowd.turn(0.05, came)
    took = time.monotonic() - begun
    late = [each for each in crowd.visitors if not each.ended_at and time.monotonic() - each.began > PATIENCE]
    found["unanswered"] = len(late)
    crowd.close()
    return {**found, "seconds": took, "errors": dict(crowd.errors)}
