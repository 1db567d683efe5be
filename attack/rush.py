"""More people than places: do they wait in the order they came, and come back spread?"""

from __future__ import annotations

import heapq
import json
import random
import time
from dataclasses import dataclass
from typing import Any

from sockets import Address, Crowd, Visitor, has_sound, paced, raise_descriptor_limit, source, status

from hustings.edge import effort
from hustings.place_tokens import PlaceTokens


@dataclass(slots=True, eq=False)
class Person:
    """Somebody who does what he is told, as the players' pages do."""

    number: int
    came: float
    query: str = ""
    cut: bool = False
    """Once: no connection was left to tell him anything, so his turn may have passed."""
    heard: float = 0.0
    visitor: Visitor | None = None


def rush(
    door: Address,
    path: str,
    key: str,
    count: int,
    seconds: float,
    leave_at: tuple[float, int],
    until: float,
) -> dict[str, Any]:
    """`count` come within `seconds`; `leave_at[0]` seconds after the first, `leave_at[1]` of those inside
    leave. `key`: of the places. Ends after `until` seconds."""
    raise_descriptor_limit()
    tokens = PlaceTokens(key)
    crowd = Crowd(door)
    people: dict[int, Person] = {}
    due: list[tuple[float, int]] = []
    returns: list[float] = []
    found = {"impolite": 0, "lost": 0, "tests": 0}
    begun = time.monotonic()

    def ask(person: Person) -> None:
        request = f"GET {path}{person.query} HTTP/1.1\r\nHost: attack\r\nUser-Agent: attack\r\n\r\n".encode()
        crowd.enter(source(person.number), lambda visitor: crowd.send(visitor, request))
        visitor = crowd.visitors[-1]
        person.visitor, visitor.state = visitor, str(person.number)

    def came(visitor: Visitor) -> None:
        person = people[int(visitor.state)]
        if person.visitor is not visitor or person.heard:
            return
        if has_sound(visitor.data):
            person.heard = time.monotonic()
            visitor.data = b""
        elif status(visitor.data) not in (0, 200):
            wait = _told(person, visitor.data, found, tokens)
            if wait is None and visitor.ended_at:
                found["lost"] += 1
                person.cut = True
                wait = 5.0 + 5.0 * random.random()
            if wait is not None:
                person.visitor = None
                crowd.leave(visitor)
                heapq.heappush(due, (time.monotonic() + wait, person.number))
        elif visitor.ended_at:
            # Cut without a word: he tries again after a while.
            found["lost"] += 1
            person.cut = True
            heapq.heappush(due, (time.monotonic() + 5.0 + 5.0 * random.random(), person.number))

    arrivals = iter(paced(count, seconds))
    upcoming = next(arrivals, None)
    left = 0
    while (now := time.monotonic()) - begun < until:
        while upcoming is not None and upcoming[1] <= now:
            people[upcoming[0]] = Person(upcoming[0], now)
            ask(people[upcoming[0]])
            upcoming = next(arrivals, None)
        while due and due[0][0] <= now:
            _, number = heapq.heappop(due)
            returns.append(now - begun)
            ask(people[number])
        if not left and now - begun >= leave_at[0]:
            for person in [each for each in people.values() if each.heard][: leave_at[1]]:
                assert person.visitor is not None
                crowd.leave(person.visitor)
                left += 1
        crowd.turn(0.02, came)
    inside = sum(1 for each in people.values() if each.heard and each.visitor and not each.visitor.ended_at)
    crowd.close()
    heard = [person for person in people.values() if person.heard]
    return {
        **found,
        "heard": len(heard),
        "inside": inside,
        "left": left,
        "overtaken": _overtaken([person for person in heard if not person.cut]),
        "overtaken_with_cut": _overtaken(heard),
        "returns": len(returns),
        "most_in_a_second": max((_within(returns, at) for at in returns), default=0),
    }


def _told(person: Person, data: bytes, found: dict[str, int], tokens: PlaceTokens) -> float | None:
    """Seconds to wait; None while the answer is not whole."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:] if b": " in line)
    if len(body) < int(lines.get(b"content-length", b"0")):
        return None
    if status(data) != 503 or b"retry-after" not in lines:
        found["impolite"] += 1
        return 10.0
    told = json.loads(body)
    person.query = f"?place={told['place']}"
    if "effort" not in told:
        return float(told["wait"])
    # Known by the server's key: so many sums would hold up everybody else in this one process.
    answer = effort.right_answer(tokens, bytes.fromhex(told["effort"]["salt"]))
    found["tests"] += 1
    person.query += f"&effort={answer}"
    return 0.3 + 0.7 * random.random()


def _overtaken(heard: list[Person]) -> float:
    """Seconds by which somebody went in later than one who had come after him, at most."""
    worst, earliest = 0.0, float("inf")
    for person in sorted(heard, key=lambda each: -each.came):
        if earliest < float("inf"):
            worst = max(worst, person.heard - earliest)
        earliest = min(earliest, person.heard)
    return worst


def _within(moments: list[float], start: float) -> int:
    return sum(1 for moment in moments if start <= moment < start + 1.0)
