"""POST /r/{slug}/hand, /reaction, /question and /vote: what a listener may say, checked, limited, passed on.

The hot door: no task, no wait, no query; a reaction ends as a count, the rest as an entry in a bounded
queue. Nothing here remembers who sent what but the limits' buckets, in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args
from urllib.parse import urlsplit

from hustings.bus.messages import InputKind, ListenerInput, RoomPublic
from hustings.clock import Clock
from hustings.edge.http import Reply, Request, make_reply, problem, retry_after
from hustings.edge.input_forms import Malformed, Sent, read
from hustings.edge.input_limits import LIMITS, Limiter
from hustings.edge.input_outbox import Outbox
from hustings.edge.metrics import Metrics
from hustings.ids import is_slug

KINDS: tuple[InputKind, ...] = get_args(InputKind.__value__)
DOORS = frozenset(kind.encode() for kind in KINDS)
"""Last parts of the addresses."""
_ON_AIR = frozenset(("open", "live", "paused"))
_CLOSED = {
    "hand": "Nobody can ask to speak in this room now; state.json says when hands are open.",
    "reaction": "Nothing is on the air in this room; state.json says when it begins.",
    "question": "This room takes no questions now; state.json says when it does.",
    "vote": "This room takes no votes now; state.json says when it does.",
}
_NO_STORE = (("Cache-Control", "no-store"),)
_TAKEN = make_reply(202, "application/json", b"{}\n", _NO_STORE)


class Inputs:
    """`room(slug)` gives the room as the studio published it; `home` is the audience door's own address
    as the settings name it (HUSTINGS_AUDIENCE_URL), or ""."""

    def __init__(
        self,
        room: Callable[[str], RoomPublic | None],
        outbox: Outbox,
        metrics: Metrics,
        clock: Clock,
        home: str = "",
    ) -> None:
        self._room = room
        self._outbox = outbox
        self._metrics = metrics
        self._clock = clock
        self._home = _authority(home)
        self._limiters = {kind: Limiter(limit) for kind, limit in LIMITS.items()}

    def handle(self, slug: str, door: str, request: Request, address: str) -> Reply:
        """Answers a POST from `address` ("" when nobody knows) to /r/{slug}/{door}."""
        room = self._room(slug) if is_slug(slug) else None
        if room is None:
            return self._refuse(door, "room", 404, "Not found", "There is no room at this address.")
        if not self._same_origin(request):
            detail = "Only this server's own pages may send anything."
            return self._refuse(door, "origin", 403, "Another site", detail, "header Origin")
        declared = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if declared != b"application/json":
            detail = "Send application/json."
            title = "Another content type is needed"
            return self._refuse(door, "type", 415, title, detail, "header Content-Type")
        try:
            sent = read(door, request.body)
        except Malformed as error:
            title = "Not JSON" if error.status == 400 else "Not valid"
            return self._refuse(door, "form", error.status, title, error.detail, error.where)
        # A hand that is up may come down although no new one is taken.
        if not (accepted(room, door) or (sent.kind == "lower" and room.status in _ON_AIR)):
            return self._refuse(sent.kind, "closed", 409, "Not now", _CLOSED[door])
        reason, wait = self._limiters[door].take(address, sent.device, self._clock.monotonic())
        if reason:
            return self._too_many(sent.kind, reason, wait)
        return self._take(slug, sent, address)

    def _take(self, slug: str, sent: Sent, address: str) -> Reply:
        if sent.kind == "reaction":
            self._outbox.react(slug, sent.reaction)
        elif not self._outbox.add(
            ListenerInput(
                slug=slug,
                kind=sent.kind,
                address=address,
                device=sent.device,
                wall_clock=self._clock.wall(),
                name=sent.name,
                text=sent.text,
                ticket_hash=sent.ticket_hash,
                question_id=sent.question_id,
            )
        ):
            self._metrics.inputs_refused[sent.kind, "full"] += 1
            detail = "Too much is being sent at once; try again in a moment."
            return problem(503, "Full", detail, retry_after(3, 10))
        self._metrics.inputs[sent.kind] += 1
        return _TAKEN

    def _same_origin(self, request: Request) -> bool:
        """A browser says in Origin whose page sends (RFC 6454 7.3); who is no browser may leave it out."""
        origin = request.headers.get(b"origin")
        if origin is None:
            return True
        authority = _authority(origin.decode("latin-1"))
        host = request.headers.get(b"host", b"").decode("latin-1").lower()
        return bool(authority) and authority in (_without_default_port(host), self._home)

    def _too_many(self, kind: str, reason: str, wait: float) -> Reply:
        self._metrics.inputs_refused[kind, reason] += 1
        seconds = max(1, math.ceil(wait))
        whom = "your device" if reason == "device" else "your network"
        detail = f"That is more than is taken from {whom}; wait a little."
        return problem(429, "Too many", detail, retry_after(seconds, seconds + 1))

    def _refuse(self, kind: str, reason: str, status: int, title: str, detail: str, where: str = "") -> Reply:
        self._metrics.inputs_refused[kind, reason] += 1
        return problem(status, title, detail, where=where)


def accepted(room: RoomPublic, door: str) -> bool:
    """Whether the room takes this kind of input now."""
    if room.accepts is not None:
        return door in room.accepts
    return room.status in _ON_AIR


def _authority(address: str) -> str:
    """Host and port of an address, "" when it has none (the origin "null", too)."""
    try:
        return _without_default_port(urlsplit(address).netloc.lower())
    except ValueError:
        return ""


def _without_default_port(host: str) -> str:
    return host.removesuffix(":443").removesuffix(":80")
