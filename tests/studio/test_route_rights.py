"""Every route of the studio's door and who may use it, as a table; a route that is not in it fails.

"May" means that the request gets past who asks: what the body then lacks is another matter. The requests
name nothing that exists but the room, so nothing is carried out that would change the next cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from accounts_support import PASSWORD, Browser, another, first_operator
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route
from studio_support import House, running_studio

from hustings.studio.accounts.csrf import SAFE

EVERYBODY = "everybody"
"""No credential is asked for, or it is in the body."""
MEMBER, GUEST, SESSION, OPERATOR, KEEPER = "member", "guest", "session", "operator", "keeper"
CONDUCTOR, OWNER = "conductor", "owner"
"""Of a room. What cannot be undone takes more than a ticket."""

PUBLIC = """
    GET /api/openapi.json, HEAD /api/openapi.json, GET /healthz, HEAD /healthz,
    GET /static/{name:path}, HEAD /static/{name:path}, GET /covers/{name}.webp, HEAD /covers/{name}.webp,
    GET /setup, HEAD /setup, GET /login, HEAD /login, GET /s/{slug}, HEAD /s/{slug},
    GET /api/times, GET /api/rooms/{slug}/questions,
    POST /whep/{slug}, PATCH /whep/{slug}/{session}, DELETE /whep/{slug}/{session}
"""
BY_BODY = """
    POST /api/setup, POST /api/setup/look, POST /api/setup/passkey, POST /api/sessions,
    POST /api/sessions/options, POST /api/rooms/{slug}/redeem
"""
PAGES = """
    GET /, HEAD /, GET /account, HEAD /account, GET /rooms/new, HEAD /rooms/new, GET /rooms/{slug},
    HEAD /rooms/{slug}, GET /rooms/{slug}/recordings/{broadcast}, HEAD /rooms/{slug}/recordings/{broadcast},
    GET /rooms/{slug}/audience, HEAD /rooms/{slug}/audience
"""
"""To /login without a session; 404 for a room of somebody else."""
OPERATORS_PAGES = "GET /operator, HEAD /operator"
"""To /login without a session; 404 for all others."""
RIGHTS = {
    EVERYBODY: PUBLIC + "," + BY_BODY,
    MEMBER: "GET /api/rooms, POST /api/rooms",
    CONDUCTOR: """
        GET /api/rooms/{slug}, PATCH /api/rooms/{slug}, POST /api/rooms/{slug}/schedule,
        POST /api/rooms/{slug}/cancel, POST /api/rooms/{slug}/open, POST /api/rooms/{slug}/start,
        POST /api/rooms/{slug}/stop, POST /api/rooms/{slug}/lock, POST /api/rooms/{slug}/topic,
        POST /api/rooms/{slug}/off-record, POST /api/rooms/{slug}/invitations,
        POST /api/rooms/{slug}/invitations/{invitation_id}/withdraw,
        POST /api/rooms/{slug}/invitations/{invitation_id}/link,
        GET /api/rooms/{slug}/invitations/{invitation_id}/calendar.ics,
        POST /api/rooms/{slug}/participants/me/aside,
        POST /api/rooms/{slug}/participants/{participant_id}/mute,
        POST /api/rooms/{slug}/participants/{participant_id}/admit,
        POST /api/rooms/{slug}/participants/{participant_id}/send-back,
        POST /api/rooms/{slug}/participants/{participant_id}/remove,
        POST /api/rooms/{slug}/participants/{participant_id}/role,
        POST /api/rooms/{slug}/participants/{participant_id}/hand-over,
        POST /api/rooms/{slug}/participants/{participant_id}/clock,
        POST /api/rooms/{slug}/requests/{request_id}/bring-up,
        POST /api/rooms/{slug}/requests/{request_id}/lower,
        POST /api/rooms/{slug}/bans/{participant_id}/lift,
        POST /api/rooms/{slug}/questions/{question_id}, POST /api/rooms/{slug}/qr,
        POST /api/rooms/{slug}/pass,
        PUT /api/rooms/{slug}/cover, DELETE /api/rooms/{slug}/cover,
        PUT /api/rooms/{slug}/hold, DELETE /api/rooms/{slug}/hold,
        GET /api/rooms/{slug}/downloads, POST /api/rooms/{slug}/downloads, GET /api/rooms/{slug}/recordings,
        GET /api/rooms/{slug}/recordings/{broadcast}/edits,
        GET /api/rooms/{slug}/recordings/{broadcast}/edits/{number}/{file},
        GET /api/rooms/{slug}/published,
        GET /api/rooms/{slug}/audience, GET /api/rooms/{slug}/audience/openings
    """,
    OWNER: """
        DELETE /api/rooms/{slug}/recordings/{broadcast}, POST /api/rooms/{slug}/recordings/{broadcast}/edits,
        POST /api/rooms/{slug}/recordings/{broadcast}/edits/{number}/publish,
        DELETE /api/rooms/{slug}/recordings/{broadcast}/edits/{number},
        POST /api/rooms/{slug}/statements, POST /api/rooms/{slug}/corrections
    """,
    GUEST: """
        POST /api/rooms/{slug}/me, POST /api/rooms/{slug}/me/answer, POST /api/rooms/{slug}/me/word,
        POST /api/rooms/{slug}/me/consent, POST /api/rooms/{slug}/participants/me/mute,
        GET /api/rooms/{slug}/me/calendar.ics,
        POST /api/rooms/{slug}/me/pass,
        POST /whip/{slug}, PATCH /whip/{slug}/{session}, DELETE /whip/{slug}/{session}
    """,
    SESSION: """
        GET /api/sessions, DELETE /api/sessions, DELETE /api/sessions/current, POST /api/sessions/current,
        DELETE /api/sessions/{session_id}, GET /api/accounts/me, PATCH /api/accounts/me,
        PUT /api/accounts/me/password, DELETE /api/accounts/me/password, GET /api/passkeys,
        POST /api/passkeys/options, POST /api/passkeys, PATCH /api/passkeys/{passkey_id},
        DELETE /api/passkeys/{passkey_id}
    """,
    OPERATOR: """
        GET /api/accounts, POST /api/accounts/invitations, GET /api/accounts/invitations,
        DELETE /api/accounts/invitations/{invitation_id}, POST /api/accounts/{account_id}/disable,
        POST /api/accounts/{account_id}/reset, POST /api/accounts/{account_id}/role,
        DELETE /api/accounts/{account_id}, GET /api/operator/health
    """,
    KEEPER: """
        GET /api/tokens, POST /api/tokens, DELETE /api/tokens/{token_id}, GET /api/webhooks,
        POST /api/webhooks, DELETE /api/webhooks/{webhook_id}, POST /api/webhooks/{webhook_id}/test
    """,
}
LOG_OUT = ("DELETE", "/api/sessions/current")
HOST_SEAT = ("POST", "/api/rooms/{slug}/host-seat")
"""Whoever conducts, but only people: tokens and tickets have no seat."""
PREFLIGHT = ("OPTIONS", "/whip/{slug}")
"""Answers everybody, as CORS wants it; relays are named to tickets only (test_relays.py)."""
PROVED = """
    DELETE /api/sessions, DELETE /api/sessions/{session_id}, PATCH /api/accounts/me,
    DELETE /api/accounts/me/password, POST /api/passkeys/options, POST /api/passkeys,
    DELETE /api/passkeys/{passkey_id}, POST /api/accounts/invitations,
    POST /api/accounts/{account_id}/disable, POST /api/accounts/{account_id}/reset,
    POST /api/accounts/{account_id}/role, DELETE /api/accounts/{account_id}, POST /api/tokens
"""
"""What decides who gets in, and so takes a session that has just begun."""

NO_BROADCAST = "20260101T120000-abcdef"

type Cell = tuple[str, str]


def cells(text: str) -> set[Cell]:
    """The routes of a comma-separated list."""
    found: set[Cell] = set()
    for each in filter(None, (part.strip() for part in text.split(","))):
        method, path = each.split()
        found.add((method, path))
    return found


def walk(found: list[BaseRoute]) -> Iterator[Cell]:
    """Every operation of the app over HTTP, also of routers that were included."""
    for route in found:
        if hasattr(route, "original_router"):  # how FastAPI keeps an included one
            yield from walk(route.original_router.routes)
        elif isinstance(route, APIRoute | Route):
            yield from ((method, route.path) for method in route.methods or ())


def address(path: str) -> str:
    """A path to ask: of the room, and of nothing else that exists."""
    known = path.replace("{slug}", "town-hall").replace("{broadcast}", NO_BROADCAST).replace("{number}", "1")
    return re.sub(r"\{[^}]+\}", "x", known)


@dataclass
class Caller:
    """Somebody who asks, and what of the rights above he has."""

    name: str
    browser: httpx.AsyncClient
    headers: Mapping[str, str]
    rights: frozenset[str]
    only_reads: bool = False
    unknown: frozenset[str] = frozenset()
    """Rights without which he is nobody there: 401 rather than 403."""
    seat: bool = False

    def expected(self, method: str, right: str) -> int:
        """401, 403, or 0 for neither."""
        if right in self.unknown:
            return 401
        if self.only_reads and method not in SAFE:
            return 403
        return 0 if right in self.rights else 403

    async def ask(self, method: str, path: str) -> httpx.Response:
        json: dict[str, str] | None = None if method in ("GET", "HEAD") else {}
        return await self.browser.request(method, address(path), json=json, headers=dict(self.headers))


async def callers(house: House) -> list[Caller]:
    """One of each kind. Of the room `town-hall` Thomas is the owner."""
    clara = await first_operator(house)
    thomas, ida = await another(house, clara), await another(house, clara, "Ida")
    for browser, slug in ((thomas, "town-hall"), (ida, "other")):
        await browser.ok("POST", "/api/rooms", 201, json={"title": "Town hall", "slug": slug})
    none = Browser(house)

    def bearer(secret: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret}"}

    async def token(browser: Browser, scope: str) -> dict[str, str]:
        made = await browser.ok("POST", "/api/tokens", 201, json={"name": scope, "scope": scope})
        return bearer(made["token"])

    async def ticket(role: str, slug: str = "town-hall") -> dict[str, str]:
        return bearer((await house.invite(role, slug=slug, role=role))["ticket"])

    owns = frozenset({CONDUCTOR, OWNER})
    people = frozenset({MEMBER, SESSION, KEEPER}) | owns
    no_session = frozenset({SESSION, GUEST})
    by_ticket = frozenset({MEMBER, SESSION, OPERATOR, KEEPER})
    operators = {"Authorization": house.operator.headers["Authorization"]}
    nobody = owns | {MEMBER, GUEST, SESSION, OPERATOR, KEEPER}
    guest = frozenset({GUEST})
    return [
        Caller("nobody", none, {}, frozenset(), unknown=nobody),
        Caller("made-up token", none, bearer("h_made-up"), frozenset(), unknown=nobody),
        Caller("made-up ticket", none, bearer("t_made-up"), frozenset(), unknown=nobody),
        Caller("speaker", none, await ticket("speaker"), guest, unknown=by_ticket),
        Caller("cohost", none, await ticket("cohost"), guest | {CONDUCTOR}, unknown=by_ticket),
        Caller("host by ticket", none, await ticket("host"), guest | {CONDUCTOR}, unknown=by_ticket),
        Caller("cohost elsewhere", none, await ticket("cohost", "other"), frozenset(), unknown=nobody),
        Caller("operator", clara, {}, people | {OPERATOR}, unknown=guest, seat=True),
        Caller("owner", thomas, {}, people, unknown=guest, seat=True),
        Caller("another host", ida, {}, people - owns, unknown=guest),
        Caller(
            "the data folder's token",
            none,
            operators,
            owns | {MEMBER, OPERATOR, KEEPER},
            unknown=no_session,
        ),
        Caller(
            "operator's token for rooms",
            none,
            await token(clara, "rooms"),
            owns | {MEMBER},
            unknown=no_session,
        ),
        Caller(
            "owner's token",
            none,
            await token(thomas, "rooms"),
            owns | {MEMBER},
            unknown=no_session,
        ),
        Caller(
            "owner's token that reads",
            none,
            await token(thomas, "read"),
            owns | {MEMBER},
            only_reads=True,
            unknown=no_session,
        ),
        Caller(
            "another host's token", none, await token(ida, "rooms"), frozenset({MEMBER}), unknown=no_session
        ),
    ]


def table(house: House) -> dict[Cell, str]:
    """The right each route takes; every route of the app is in it, and nothing else."""
    rights = {cell: right for right, text in RIGHTS.items() for cell in cells(text)}
    there = set(walk(house.app.routes)) - cells(PAGES) - cells(OPERATORS_PAGES) - {HOST_SEAT, PREFLIGHT}
    assert there == rights.keys(), there ^ rights.keys()
    return rights


async def test_each_route_lets_in_whom_it_should_and_nobody_else(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        rights = table(house)
        wrong: list[str] = []
        for caller in await callers(house):
            # Logging out comes last.
            for cell in sorted(rights, key=lambda cell: cell == LOG_OUT):
                answer = await caller.ask(*cell)
                wanted = 0 if rights[cell] == EVERYBODY else caller.expected(cell[0], rights[cell])
                got = answer.status_code if answer.status_code in (401, 403) else 0
                if got != wanted or answer.status_code >= 500:
                    wrong.append(
                        f"{caller.name}: {' '.join(cell)}: {answer.status_code}, not {wanted or 'in'}"
                    )
        assert not wrong, "\n".join(wrong)


async def test_a_seat_of_ones_own_and_pages_are_for_sessions(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for caller in await callers(house):
            answer = await caller.ask(*HOST_SEAT)
            assert (answer.status_code < 400) is caller.seat, (caller.name, answer.text)
            logged_in = caller.name in ("operator", "owner", "another host")
            for method, path in sorted(cells(PAGES)):
                page = await caller.ask(method, path)
                theirs = caller.seat or "{slug}" not in path
                status = (200 if theirs else 404) if logged_in else 303
                assert page.status_code == status, (caller.name, method, path, page.status_code)
                if status == 303:
                    assert page.headers["location"] == "/login"
            for method, path in sorted(cells(OPERATORS_PAGES)):
                page = await caller.ask(method, path)
                status = 200 if caller.name == "operator" else 404 if logged_in else 303
                assert page.status_code == status, (caller.name, method, path, page.status_code)


async def test_what_decides_who_gets_in_takes_a_session_that_has_just_begun(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await house.room()
        rights, proved = table(house), cells(PROVED)
        assert proved <= rights.keys()
        caller = Caller("operator", clara, {}, frozenset())
        house.clock.advance(601.0)
        for cell in sorted(rights, key=lambda cell: cell == LOG_OUT):
            if rights[cell] in (EVERYBODY, GUEST) or cell == LOG_OUT:
                continue
            answer = await caller.ask(*cell)
            asked = (
                answer.status_code == 403 and "insufficient_user_auth" in answer.headers["www-authenticate"]
            )
            assert asked is (cell in proved), (cell, answer.status_code, answer.text)
        await clara.prove()
        for cell in sorted(proved):
            assert (await caller.ask(*cell)).status_code not in (401, 403), cell
        # A token proves itself with each request.
        assert (
            await house.operator.post("/api/tokens", json={"name": "t", "scope": "read"})
        ).status_code == 201


async def test_no_route_believes_the_cookie_of_a_foreign_page(tmp_path: Path) -> None:
    """Also those outside of /api: a foreign page is refused, or is nobody."""
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await house.room()
        rights = table(house)
        for method, path in sorted((*rights, HOST_SEAT)):
            if method in SAFE:
                continue
            for origin in (
                "https://evil.example",
                "null",
                "http://localhost:8000",
                "http://localhost.evil:8001",
            ):
                answer = await clara.request(method, address(path), json={}, headers={"Origin": origin})
                if path.startswith("/api/"):
                    assert answer.status_code == 403, (method, path, origin)
                    assert answer.json()["title"] == "From another site"
                else:
                    wanted = (415, 404, 400) if path.startswith("/whep/") else (401,)
                    assert answer.status_code in wanted, (method, path, origin, answer.status_code)
        assert (await clara.log_in(password=PASSWORD)).status_code == 201  # nothing was carried out


async def test_only_doors_for_tickets_are_open_to_other_sites_pages(tmp_path: Path) -> None:
    """`Access-Control-Allow-Origin: *` where a ticket in a header protects (RFC 9725 section 4.7), nowhere
    else; and never with cookies."""
    open_to_all = {
        *((method, path) for method, path in cells(RIGHTS[GUEST]) if path.startswith("/whip/")),
        *((method, path) for method, path in cells(PUBLIC) if path.startswith("/whep/")),
        ("POST", "/api/rooms/{slug}/me"),
        ("POST", "/api/rooms/{slug}/me/consent"),
        ("POST", "/api/rooms/{slug}/participants/me/mute"),
    }
    async with running_studio(tmp_path) as house:
        await house.room()
        for method, path in sorted((*table(house), *cells(PAGES), HOST_SEAT)):
            headers = {"Origin": "https://evil.example", "Authorization": "Bearer t_made-up"}
            for asked, more in ((method, {}), ("OPTIONS", {"Access-Control-Request-Method": method})):
                answer = await house.anyone.request(asked, address(path), headers={**headers, **more})
                allowed = answer.headers.get("access-control-allow-origin")
                assert allowed == ("*" if (method, path) in open_to_all else None), (asked, method, path)
                assert "access-control-allow-credentials" not in answer.headers
