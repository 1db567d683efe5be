"""What the operator's page shows, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WORDS = {"ok": "well", "warning": "works, with something to look at", "wrong": "something is wrong"}
MB, GB = 1024**2, 1024**3
INCIDENTS = 10


def lines(state: Mapping[str, Any]) -> Iterator[str]:
    """`state` is the answer of GET /api/operator/health."""
    yield f"server      {WORDS[state['level']]}"
    for finding in state["findings"]:
        yield f"{finding['level']:<10}  {finding['what']}"
        yield f"{'':12}-> {finding['todo']}"
    for role in state["roles"]:
        cpu = "-" if role["cpu"] is None else f"{role['cpu'] * 100:.1f} %"
        of = f" of {role['memory_limit'] / MB:.0f} MB" if role["memory_limit"] else ""
        yield (
            f"{role['name']:<10}  {role['state']}, {cpu} of a core, {role['memory'] / MB:.0f}{of or ' MB'}, "
            f"died {role['restarts']}x"
        )
    for room in state["rooms"]:
        doors = ", ".join(f"{door} {count}" for door, count in room["listeners"].items()) or "nobody"
        yield f"room        {room['slug']}: {room['status']}, {doors}, recording {room['recording']['state']}"
    numbers = state["numbers"]
    yield f"listening   {sum(numbers['listeners'].values())}, {_share(numbers['used'])} of the places taken"
    yield f"ticks late  {_share(numbers['late'])}; sound lost {_share(numbers['loss'])}"
    if numbers["disk_free"] is not None:
        yield f"disk        {numbers['disk_free'] / GB:.1f} GB free"
    for incident in state["incidents"][:INCIDENTS]:
        yield f"{incident['at'][11:19]}    {incident['what']}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.1f} %"
