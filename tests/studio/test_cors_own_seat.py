"""A listener who was brought up speaks from the audience's door: what that page may ask the studio's."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hustings.studio.middleware import ResponseHeaders


async def _ok(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/{path:path}", _ok, methods=["GET", "POST"])])
    app.add_middleware(ResponseHeaders)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio.test")


@pytest.mark.parametrize(
    "path",
    [
        "/api/rooms/hall/me",
        "/api/rooms/hall/me/consent",
        "/api/rooms/hall/participants/me/mute",
        "/whip/hall",
    ],
)
async def test_other_origins_may_ask_with_a_ticket(client: httpx.AsyncClient, path: str) -> None:
    asked = await client.options(path)
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    allowed = asked.headers["Access-Control-Allow-Headers"]
    assert {"Authorization", "Content-Type", "Hustings-Device"} <= set(allowed.split(", "))
    assert asked.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert ("Accept-Post" in asked.headers) == path.startswith("/whip")
    answer = await client.post(path)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/api/rooms/hall", "/api/rooms/hall/me/answer", "/api/rooms/hall/participants/p/mute", "/api/sessions"],
)
async def test_nothing_else_is_open_to_other_origins(client: httpx.AsyncClient, path: str) -> None:
    assert "Access-Control-Allow-Origin" not in (await client.options(path)).headers
    assert "Access-Control-Allow-Origin" not in (await client.post(path)).headers
