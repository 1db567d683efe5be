"""What protects whoever reads the audience's door: on pages, errors, files; no cookie; CORS to read."""

from __future__ import annotations

import pytest
from edge_memory import House

PAGES = ("/", "/r/hall", "/r/hall/embed", "/r/none", "/nothing")
FILES = ("/r/hall/state.json", "/healthz", "/static/js/player.js", "/r/hall/hls/none.m3u8", "/r/hall/live")
HTML = "Accept: text/html"


@pytest.mark.parametrize("path", [*PAGES, *FILES])
async def test_every_answer_is_what_it_says_and_sets_no_cookie(house: House, path: str) -> None:
    await house.room("live")
    answer = house.client().ask(path, HTML)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers
    if answer.headers.get("content-type", "").startswith("text/html"):
        policy = {part.strip() for part in answer.headers["content-security-policy"].split(";")}
        assert {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"} <= policy
        assert not any("unsafe" in part or "script-src" in part for part in policy)
        assert answer.headers["referrer-policy"] == "no-referrer"
        framed = path.endswith("/embed") and answer.status == 200
        assert ("frame-ancestors *" in policy) is framed
        assert answer.headers.get("x-frame-options") == (None if framed else "SAMEORIGIN")
        assert "microphone=()" in answer.headers["permissions-policy"] or not framed


@pytest.mark.parametrize("door", ["hand", "reaction", "question", "vote"])
async def test_other_sites_may_read_and_never_send(house: House, door: str) -> None:
    await house.room("live")
    foreign = ("Origin: https://evil.example", "Access-Control-Request-Method: POST")
    asked = house.client().ask(f"/r/hall/{door}", *foreign, method="OPTIONS")
    assert asked.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert house.client().post(f"/r/hall/{door}", {}, "Origin: https://evil.example").status == 403
    assert house.client().post(f"/r/hall/{door}", {}, "Origin: null").status == 403


@pytest.mark.parametrize(
    "target",
    [
        "/r/hall%0d%0aSet-Cookie:%20x=1",
        "/r/hall/replay/%0d%0aX:%20y",
        '/r/"><script>alert(1)</script>',
        "/%22%3E%3Cscript%3E",
        "/?lang=%0d%0aX:%20y",
    ],
)
async def test_nothing_of_the_address_gets_into_headers_or_markup(house: House, target: str) -> None:
    await house.room("live")
    answer = house.client().ask(target.replace(" ", "%20"), HTML)
    assert not {"set-cookie", "x"} & answer.headers.keys()
    assert b"<script>alert" not in answer.body
    assert b'"><script' not in answer.body
