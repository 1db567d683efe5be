"""The studio's API as a command sees it."""

from __future__ import annotations

import json

import httpx
import pytest

from hustings.clients.api import StudioApi
from hustings.errors import HustingsError, Refused, Unavailable


def api(handler: object) -> StudioApi:
    return StudioApi("http://studio:8001/", "secret", transport=httpx.MockTransport(handler))  # type: ignore[arg-type]  # plain function


def test_requests() -> None:
    seen: list[tuple[str, str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        body = json.loads(request.content) if request.content else None
        seen.append((request.method, request.url.path, body))
        return httpx.Response(201, json={"slug": "library"})

    with api(answer) as studio:
        assert studio.create_room("Library", slug="library")["slug"] == "library"
        studio.invite("library", "Ada", public=True)
        studio.open("library")
        studio.start("library")
        studio.stop("library")
        studio.mute("library", "p1", True)
        studio.room("library")
        studio.agree("library", True)
        studio.off_record("library", True)
        studio.create_room("Council", figures="hosts")
    assert seen == [
        ("POST", "/api/rooms", {"title": "Library", "slug": "library"}),
        ("POST", "/api/rooms/library/invitations", {"name": "Ada", "role": "speaker", "public": True}),
        ("POST", "/api/rooms/library/open", None),
        ("POST", "/api/rooms/library/start", None),
        ("POST", "/api/rooms/library/stop", None),
        ("POST", "/api/rooms/library/participants/p1/mute", {"muted": True}),
        ("GET", "/api/rooms/library", None),
        ("POST", "/api/rooms/library/me/consent", {"agree": True}),
        ("POST", "/api/rooms/library/off-record", {"off": True}),
        ("POST", "/api/rooms", {"title": "Council", "figures": "hosts"}),
    ]


def test_errors_are_one_sentence() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with api(unreachable) as studio, pytest.raises(Unavailable, match="http://studio:8001 does not answer"):
        studio.rooms()
    problem = {"title": "Slug taken", "detail": "choose another", "where": "slug", "status": 409}
    with api(lambda request: httpx.Response(409, json=problem)) as studio:
        with pytest.raises(Refused, match="Slug taken: choose another") as refusal:
            studio.create_room("x")
        assert (refusal.value.status, refusal.value.where) == (409, "slug")
    with api(lambda request: httpx.Response(401)) as studio, pytest.raises(Refused, match="token"):
        studio.rooms()
    with (
        api(lambda request: httpx.Response(502, text="<html>")) as studio,
        pytest.raises(Refused, match="502"),
    ):
        studio.rooms()
    for wrong in (httpx.Response(200, text="<html>"), httpx.Response(200, json=[1])):
        with (
            api(lambda request, wrong=wrong: wrong) as studio,
            pytest.raises(HustingsError, match="is it Hustings"),
        ):
            studio.room("x")
