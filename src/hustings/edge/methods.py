"""What kind of address it is: what is answered to requests that are neither GET nor HEAD; what is a page."""

from __future__ import annotations

from typing import Final

from hustings.edge.http import ANY_ORIGIN, Reply, Request, make_head, problem
from hustings.edge.input import DOORS
from hustings.edge.pages import FILES, NAMED

_BELOW: Final = frozenset(
    {
        *(b"live", b"hls", b"replay", b"recordings", b"clip", b"record", b"record.jsonl"),
        *(b"stream.ogg", b"stream.aac", *NAMED, *FILES),
    }
)
"""What can be asked for below a room's address."""


def is_page(path: bytes) -> bool:
    """Whether this address is a page for people, not sound, state or a file."""
    if path == b"/":
        return True
    parts = path.split(b"/")
    if len(parts) < 3 or parts[1] != b"r":
        return False
    if len(parts) == 3 or parts[3] in (b"recordings", b"clip", b"record", *NAMED):
        return True
    return parts[3] == b"replay" and len(parts) <= 6 and parts[-1] == b""


def other_method(request: Request) -> Reply:
    """OPTIONS (also CORS' preflight), and methods that nothing here understands."""
    if request.method == b"OPTIONS":
        allow = (("Allow", "GET, HEAD, OPTIONS"), ("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"))
        ask = (
            ("Access-Control-Allow-Headers", "Range, If-None-Match"),
            ("Access-Control-Max-Age", "86400"),
        )
        return Reply(204, make_head(204, (*allow, *ask, *ANY_ORIGIN), None), b"")
    parts = request.path.split(b"/")
    known = (
        request.path in (b"/", b"/feed.xml", b"/healthz", b"/lobby")
        or parts[1:2] in ([b"static"], [b"h"])
        or (parts[1:2] == [b"r"] and len(parts) == 3)
        or (parts[1:2] == [b"r"] and len(parts) > 3 and parts[3] in _BELOW)
    )
    if parts[1:2] == [b"r"] and len(parts) == 4 and parts[3] in DOORS:
        return only_post()
    if known and request.method != b"POST":
        return problem(405, "Method not allowed", "Use GET or HEAD.", (("Allow", "GET, HEAD, OPTIONS"),))
    if known:
        return problem(
            405, "Method not allowed", "Nothing can be sent here.", (("Allow", "GET, HEAD, OPTIONS"),)
        )
    return problem(404, "Not found", "There is nothing at this address to send anything to.")


def only_post() -> Reply:
    """For a door that takes what listeners send."""
    return problem(405, "Method not allowed", "Use POST.", (("Allow", "POST, OPTIONS"),))
