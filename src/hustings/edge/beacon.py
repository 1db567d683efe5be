"""POST /r/{slug}/beacon: players whose HLS comes through a cache say that they play (docs/audience.md)."""

from __future__ import annotations

import json
import secrets
from typing import Final

import msgspec

from hustings.audience import beacon
from hustings.bus.messages import UNDECODABLE
from hustings.edge.counting import BroadcastCounting
from hustings.edge.http import ANY_ORIGIN, Reply, Request, make_reply, problem, retry_after

_NO_STORE: Final = (("Cache-Control", "no-store"), *ANY_ORIGIN)


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    token: str = ""
    seconds: float = 0.0


def beaconed(counting: BroadcastCounting | None, request: Request, address: str) -> Reply:
    """Answers with the next token: {token, every}. Without a token, or with one that is too old, the player
    begins anew. `counting`: of what is on the air in the room."""
    if counting is None or counting.ended_at is not None or not counting.salt:
        detail = "Nothing is counted in this room now."
        return problem(409, "Not now", detail, retry_after(20, 40))
    if request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        return problem(
            415, "Another content type is needed", "Send application/json.", where="header Content-Type"
        )
    try:
        said = msgspec.json.decode(request.body, type=_Said)
    except UNDECODABLE as error:
        return problem(422, "Not valid", f"{error}: send {{token, seconds}}, or {{}} to begin.", where="body")
    now = counting.wall()
    told = beacon.take(counting.salt, said.token, said.seconds, now) if said.token else None
    session = told.session if told is not None else secrets.randbits(64)
    if told is not None and told.seconds:
        counting.says(session, address, request.headers.get(b"user-agent", b""), told.seconds)
    body = {"token": beacon.give(counting.salt, session, now), "every": beacon.EVERY}
    return make_reply(200, "application/json", json.dumps(body).encode(), _NO_STORE)
