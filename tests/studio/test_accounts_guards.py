"""No route forgets who asks: every unsafe one under /api is asked without a right to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts_support import ORIGIN, Browser, another, first_operator
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from studio_support import House, running_studio

from hustings.studio.accounts.csrf import SAFE, is_own_origin

BY_BODY = {
    # What is in the body is the right: a one-time link, a password, a passkey.
    ("POST", "/api/setup"),
    ("POST", "/api/setup/look"),
    ("POST", "/api/setup/passkey"),
    ("POST", "/api/sessions"),
    ("POST", "/api/sessions/options"),
    ("POST", "/api/rooms/{slug}/redeem"),
}


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every operation, also of routers that were included."""
    for route in found:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in sorted(route.methods or ()))
        elif hasattr(route, "original_router"):  # how FastAPI keeps an included one
            yield from routes(route.original_router.routes)


def unsafe(house: House) -> list[tuple[str, str, str]]:
    """Method, path template and a path to ask, of everything that changes something."""
    everything = [
        (method, path, re.sub(r"\{[^}]+\}", "x", path.replace("{slug}", "town-hall")))
        for method, path in routes(house.app.routes)
        if method not in SAFE and path.startswith("/api/")
    ]
    document = house.app.openapi()["paths"]
    described = {(m.upper(), path) for path, methods in document.items() for m in methods if "/api/" in path}
    assert described <= {(method, path) for method, path in routes(house.app.routes)}, "the walk misses some"
    assert len(everything) > 30
    return everything


async def refused(browser: Browser, method: str, path: str, *statuses: int, **headers: str) -> None:
    answer = await browser.request(method, path, json={}, headers=headers)
    assert answer.status_code in statuses, (method, path, answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_credential(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        await house.room()
        for method, template, path in unsafe(house):
            if (method, template) not in BY_BODY:
                await refused(browser, method, path, 401)
                await refused(browser, method, path, 401, Cookie="hustings_session=s_made-up")


async def test_from_a_page_of_another_site(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await house.room()
        for method, _, path in unsafe(house):
            for origin in ("https://evil.example", "null", "http://localhost:8000", "http://localhost"):
                await refused(clara, method, path, 403, Origin=origin)
        assert (await clara.get("/api/accounts/me")).status_code == 200  # nothing was carried out


async def test_with_a_cookie_but_no_origin_a_header_is_needed(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await house.room()
        del clara.headers["Origin"]
        for method, _, path in unsafe(house):
            await refused(clara, method, path, 403)
        answer = await clara.patch("/api/accounts/me", json={"name": "C"}, headers={"Hustings-CSRF": "1"})
        assert answer.status_code == 200


async def test_with_a_session_that_has_ended(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await house.room()
        ended = clara.cookies["hustings_session"]
        await clara.ok("DELETE", "/api/sessions/current", 204)
        async with Browser(house) as browser:
            for method, template, path in unsafe(house):
                if (method, template) not in BY_BODY:
                    await refused(browser, method, path, 401, Cookie=f"hustings_session={ended}")


@pytest.mark.parametrize("scope", ["read", "rooms"])
async def test_with_a_token_of_another_scope(tmp_path: Path, scope: str) -> None:
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        await house.room()
        made = await house.operator.post("/api/tokens", json={"name": "t", "scope": scope})
        bearer = f"Bearer {made.json()['token']}"
        for method, template, path in unsafe(house):
            conducting = template.startswith("/api/rooms")
            if (method, template) in BY_BODY or (scope == "rooms" and conducting):
                continue
            # Sessions only, tickets only: a token is nobody there.
            await refused(browser, method, path, 401, 403, Authorization=bearer)
        answer = await browser.get("/api/rooms", headers={"Authorization": bearer})
        assert answer.status_code == 200
        answer = await browser.post("/api/rooms", json={"title": "T"}, headers={"Authorization": bearer})
        assert answer.status_code == (403 if scope == "read" else 201)
        if scope == "read":
            assert "insufficient_scope" in answer.headers["www-authenticate"]


async def test_a_revoked_token_opens_nothing(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        made = (await house.operator.post("/api/tokens", json={"name": "t", "scope": "operator"})).json()
        bearer = {"Authorization": f"Bearer {made['token']}"}
        assert (await browser.get("/api/rooms", headers=bearer)).status_code == 200
        assert (await browser.get("/api/accounts", headers=bearer)).status_code == 200
        listed = (await house.operator.get("/api/tokens")).json()["tokens"]
        assert made["token"] not in str(listed)
        assert {token["name"] for token in listed} == {"t", "data folder"}
        assert (await house.operator.delete(f"/api/tokens/{made['id']}")).status_code == 204
        assert (await browser.get("/api/rooms", headers=bearer)).status_code == 401
        assert (await house.operator.delete(f"/api/tokens/{made['id']}")).status_code == 404
        own = next(token["id"] for token in listed if token["name"] == "data folder")
        assert (await house.operator.delete(f"/api/tokens/{own}")).status_code == 404


async def test_a_bearer_comes_before_the_cookie(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        for header in ("Bearer nonsense", "Basic eDp5", "Bearer"):
            answer = await clara.get("/api/rooms", headers={"Authorization": header})
            assert answer.status_code == 401


async def test_a_host_conducts_the_own_rooms_and_no_others(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
        await another(house, clara, "Ida") as ida,
    ):
        await thomas.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "thomas"})
        await ida.ok("POST", "/api/rooms", 201, json={"title": "I", "slug": "ida"})
        token = (await thomas.ok("POST", "/api/tokens", 201, json={"name": "t", "scope": "rooms"}))["token"]
        assert (await thomas.post("/api/tokens", json={"name": "t", "scope": "operator"})).status_code == 403
        bearer = {"Authorization": f"Bearer {token}"}
        for browser, headers, mine in (
            (thomas, {}, "thomas"),
            (house.anyone, bearer, "thomas"),
            (ida, {}, "ida"),
        ):
            rooms = (await browser.get("/api/rooms", headers=headers)).json()["rooms"]
            assert [room["slug"] for room in rooms] == [mine]
            for slug in ("thomas", "ida"):
                status = 200 if slug == mine else 403
                assert (await browser.get(f"/api/rooms/{slug}", headers=headers)).status_code == status
                edit = await browser.patch(f"/api/rooms/{slug}", json={"title": "T"}, headers=headers)
                assert edit.status_code == status
        assert len((await clara.ok("GET", "/api/rooms"))["rooms"]) == 2
        assert (await clara.patch("/api/rooms/ida", json={"title": "Clara's"})).status_code == 200


async def test_cohosts_conduct_by_ticket_and_speakers_do_not(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.room("other")
        for role, status in (("host", 200), ("cohost", 200), ("speaker", 403)):
            ticket = (await house.invite(role, role=role))["ticket"]
            bearer = {"Authorization": f"Bearer {ticket}"}
            for slug, expected in (("town-hall", status), ("other", 401)):
                edit = await house.anyone.patch(f"/api/rooms/{slug}", json={"title": "T"}, headers=bearer)
                assert edit.status_code == expected
            assert (await house.anyone.get("/api/rooms", headers=bearer)).status_code == 401


async def test_a_proxy_that_hides_the_host_is_known_by_its_public_address(tmp_path: Path) -> None:
    from hustings.studio.accounts.csrf import SameSite

    seen: list[bool] = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        seen.append(scope["hustings.cookie_counts"])

    guard = SameSite(app, "https://studio.example/")
    for origin in (b"https://studio.example", b"http://studio.example"):
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/whip/x",
            "headers": [(b"origin", origin), (b"host", b"127.0.0.1:8001")],
        }
        await guard(scope, None, None)  # type: ignore[arg-type]
    assert seen == [True, False]


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "own", "ours"),
    [
        (ORIGIN, "localhost:8001", "http", "", True),
        (ORIGIN, "localhost:8002", "http", "", False),
        (ORIGIN, "localhost", "http", "", False),
        ("http://localhost:8001.evil.example", "localhost:8001", "http", "", False),
        ("https://a.example", "a.example", "http", "", True),  # TLS ends at a proxy
        ("http://a.example", "a.example", "https", "", False),
        ("http://a.example", "a.example", "http", "https://a.example", False),
        ("https://a.example", "10.0.0.1", "http", "https://a.example", True),
        ("https://b.example", "10.0.0.1", "http", "https://a.example", False),
        ("null", "a.example", "http", "", False),
        ("", "", "http", "", False),
        ("ftp://a.example", "a.example", "http", "", False),
    ],
)
def test_own_origins(origin: str, host: str, scheme: str, own: str, ours: bool) -> None:
    assert is_own_origin(origin, host, scheme, own) is ours


async def test_a_socket_counts_a_cookie_only_with_our_own_origin(tmp_path: Path) -> None:
    from hustings.studio.accounts.csrf import SameSite

    seen: list[bool] = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        seen.append(scope["hustings.cookie_counts"])

    guard = SameSite(app, "")
    for origin in (None, b"https://evil.example", b"http://localhost:8001"):
        headers = [(b"host", b"localhost:8001"), *([(b"origin", origin)] if origin else [])]
        scope = {"type": "websocket", "scheme": "ws", "path": "/api/rooms/x/events", "headers": headers}
        await guard(scope, None, None)  # type: ignore[arg-type]
    assert seen == [False, False, True]
