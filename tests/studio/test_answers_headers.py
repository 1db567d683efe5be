"""Every answer at the studio's door has the headers that protect whoever reads it, errors too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts_support import first_operator
from studio_support import running_studio

from hustings.studio.middleware import CSP, SECURITY

NO_SCRIPT_OF_ITS_OWN = re.compile(
    r'<script(?![^>]*(?:\bsrc=|type="application/json"))|\son[a-z]+\s*=|\bjavascript:|<style|\sstyle\s*=',
    re.I,
)
REQUESTS = (
    # pages, an error as a page, the API, its errors, static files, doors for other sites
    *(("GET", path) for path in ("/", "/login", "/setup", "/account", "/rooms/new", "/rooms/town-hall")),
    *(("GET", path) for path in ("/s/town-hall", "/s/none", "/nothing", "/static/nothing.js", "/healthz")),
    *(("GET", path) for path in ("/static/js/format.js", "/covers/none.webp", "/api/openapi.json")),
    *(("GET", path) for path in ("/api/rooms", "/api/rooms/none", "/api/accounts/me")),
    *(("POST", path) for path in ("/api/rooms", "/api/sessions", "/whip/town-hall", "/whep/town-hall")),
    *(("OPTIONS", path) for path in ("/whip/town-hall", "/api/rooms")),
    ("DELETE", "/login"),
)


def inline(html: str) -> Iterator[str]:
    """What a policy without 'unsafe-inline' would forbid."""
    for found in NO_SCRIPT_OF_ITS_OWN.finditer(html):
        yield html[max(0, found.start() - 40) : found.end() + 40]


def test_the_policy_allows_nothing_inline_and_nobody_elses() -> None:
    for word in ("unsafe-inline", "unsafe-eval", "http:", "https:", "*"):
        assert word not in CSP
    assert {"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} <= {
        part.strip() for part in CSP.split(";")
    }


async def test_pages_errors_and_files_have_them(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await house.room()
        for client in (house.anyone, clara):
            for method, path in REQUESTS:
                answer = await client.request(method, path, headers={"Accept": "text/html"})
                missing = {name for name, value in SECURITY.items() if answer.headers.get(name) != value}
                assert not missing, (method, path, answer.status_code, missing)
                kept = answer.headers.get("cache-control", "")
                public = path.startswith("/static/") and answer.status_code == 200
                assert ("no-store" in kept) is not public or method == "OPTIONS", (method, path, kept)
                assert "server" not in answer.headers
                if "html" in answer.headers.get("content-type", ""):
                    assert not list(inline(answer.text)), (path, list(inline(answer.text)))


async def test_an_error_nobody_expected_has_them_too_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_studio(tmp_path) as house:

        async def broken(*_arguments: object) -> None:
            raise RuntimeError("the inside of the studio")

        monkeypatch.setattr(house.app.state.accounts.store, "find_name", broken)
        answer = await house.anyone.post("/api/sessions", json={"name": "Clara", "password": "x" * 12})
        assert answer.status_code == 500
        assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
        assert answer.headers["cache-control"] == "no-store"
        assert "inside" not in answer.text
        assert "Traceback" not in answer.text


async def test_a_length_that_is_no_number_is_refused(tmp_path: Path) -> None:
    """Superscript two is a digit to Python, and no number: Latin-1 lets it into a header."""
    async with running_studio(tmp_path) as house:
        answer = await house.anyone.post("/api/rooms", content=b"{}", headers={b"Content-Length": b"\xb2"})
        assert answer.status_code == 413
