"""The JSON API: what works, and what every refusal says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from studio_support import running_studio

from hustings.rooms.model import Details


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    return body


async def test_a_room_from_creation_to_its_next_broadcast(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        room = await house.room(at="2026-12-01T20:00:00+01:00")
        assert room["audience_url"] == "http://127.0.0.1:8000/r/town-hall"
        assert room["studio_url"] == "http://127.0.0.1:8001"
        assert room["scheduled_at"] == "2026-12-01T19:00:00Z"
        assert (await house.command("open"))["status"] == "open"
        live = await house.command("start")
        assert (live["status"], live["stage"]) == ("live", "ready")
        assert live["links"]["whep"] == "http://127.0.0.1:8001/whep/town-hall"
        assert list(house.stage.live) == [live["broadcast_id"]]
        ended = await house.command("stop")
        assert (ended["status"], house.stage.open) == ("ended", {})
        again = await house.command("open")
        assert again["broadcast_id"] != live["broadcast_id"]
        assert again["started_at"] is None


async def test_links_follow_the_host_that_was_asked(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        answer = await house.operator.post(
            "/api/rooms", json={"title": "A"}, headers={"Host": "radio.example:8001"}
        )
        assert answer.json()["audience_url"] == "http://radio.example:8000/r/a"


async def test_an_invitation_link_holds_its_secret_in_the_fragment(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite(public=True)
        page, _, secret = invitation["link"].partition("#")
        assert page == "http://127.0.0.1:8001/s/town-hall"
        assert secret.startswith("l_")
        assert invitation["ticket"].startswith("t_")
        assert invitation["state"] == "offered"
        shown = (await house.operator.get("/api/rooms/town-hall")).json()
        assert invitation["ticket"] not in str(shown)
        assert secret not in str(shown)
        assert [i["name"] for i in shown["invitations"]] == ["Ada"]


async def test_seen_is_not_accepted(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        bearer = {"Authorization": f"Bearer {(await house.invite())['ticket']}"}
        me = await house.anyone.post("/api/rooms/town-hall/me", headers=bearer)
        assert me.json()["invitation"] == "seen"
        for answer in ("declined", "accepted"):
            told = await house.anyone.post(
                "/api/rooms/town-hall/me/answer", json={"answer": answer}, headers=bearer
            )
            assert told.json()["invitation"] == answer
        again = await house.anyone.post("/api/rooms/town-hall/me", headers=bearer)
        assert again.json()["invitation"] == "accepted"


async def test_muting_reaches_the_stage_and_only_the_speaker_unmutes(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        await house.command("open")
        assert (await house.whip(invitation["ticket"])).status_code == 201
        path = f"/api/rooms/town-hall/participants/{invitation['participant_id']}/mute"
        muted = (await house.operator.post(path, json={"muted": True})).json()
        assert muted["participants"][0]["muted_by_host"] is True
        is_problem(await house.operator.post(path, json={"muted": False}), 409)
        bearer = {"Authorization": f"Bearer {invitation['ticket']}"}
        mine = "/api/rooms/town-hall/participants/me/mute"
        me = await house.anyone.post(mine, json={"muted": False}, headers=bearer)
        assert me.json()["muted"] is False
        second = await house.whip(invitation["ticket"])
        assert second.status_code == 201
        assert [offer.muted for offer in house.stage.offers] == [False, False]


OPEN_TO_ANYBODY = {
    ("POST", "/whep/{slug}"),
    ("PATCH", "/whep/{slug}/{session}"),
    ("DELETE", "/whep/{slug}/{session}"),
    # What is in the body is the right: a one-time link, a password, a passkey.
    ("POST", "/api/rooms/{slug}/redeem"),
    # What was asked and chosen is public, as at the audience door.
    ("GET", "/api/rooms/{slug}/questions"),
}
"""Operations without a credential; /api/setup and /api/sessions are tested with the accounts."""


async def test_nothing_without_a_right(tmp_path: Path) -> None:
    """Every operation there is: a new one is asked, too, without anybody adding it to a list."""
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.room("other")
        foreign = (await house.invite(slug="other"))["ticket"]
        document = house.app.openapi()
        asked = 0
        for path, methods in document["paths"].items():
            for method in methods:
                if (method.upper(), path) in OPEN_TO_ANYBODY or not path.startswith(("/api/rooms", "/whip")):
                    continue
                asked += 1
                real = re.sub(r"\{[a-z_]+\}", "x", path.replace("{slug}", "town-hall"))
                for header in (None, "Bearer", "Bearer nonsense", "Basic eDp5", f"Bearer {foreign}"):
                    headers = {"Authorization": header} if header else {}
                    answer = await house.anyone.request(method, real, headers=headers, json={})
                    is_problem(answer, 401)
                    assert answer.headers["www-authenticate"].startswith("Bearer")
        assert asked > 25


BAD_ROOMS = [
    ({}, "body: title"),
    ({"title": ""}, "body: title"),
    ({"title": "\u202e\u200b \t"}, "body: title"),
    ({"title": "x" * 200}, "body: title"),
    ({"title": 7}, "body: title"),
    ({"title": "a", "slug": "Not A Slug"}, "body: slug"),
    ({"title": "a", "slug": "../etc"}, "body: slug"),
    ({"title": "a", "at": "tomorrow"}, "body: at"),
    ({"title": "a", "at": "2026-12-01T20:00:00"}, "body: at"),
    ({"title": "a", "at": "9999-12-31T23:59:59Z"}, "body: at"),
    ({"title": "a", "extra": 1}, "body: extra"),
    ([], "body"),
]


@pytest.mark.parametrize(("body", "where"), BAD_ROOMS)
async def test_bad_input_says_what_and_where(tmp_path: Path, body: Any, where: str) -> None:
    async with running_studio(tmp_path) as house:
        problem = is_problem(await house.operator.post("/api/rooms", json=body), 422)
        assert problem["where"] == where
        assert problem["detail"]


async def test_half_characters_and_broken_json_are_refused(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        headers = {"Content-Type": "application/json"}
        raw = [b'{"title": "\\ud800"}', b"{", b"\xff\xfe", b'{"title": NaN}', b"[" * 3000]
        for content in raw:
            answer = await house.operator.post("/api/rooms", content=content, headers=headers)
            assert answer.status_code in (400, 422), answer.text
            is_problem(answer, answer.status_code)


async def test_bodies_are_bounded_announced_or_not(tmp_path: Path) -> None:
    async def chunks() -> Any:
        for _ in range(64):
            yield b"x" * 4096

    async with running_studio(tmp_path) as house:
        is_problem(await house.operator.post("/api/rooms", content=b"x" * 1_000_000), 413)
        is_problem(await house.operator.post("/api/rooms", content=chunks()), 413)
        bad = {"Content-Length": "-1"}
        is_problem(await house.operator.post("/api/rooms", content=b"{}", headers=bad), 413)


async def test_unknown_places_methods_and_rooms(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        is_problem(await house.operator.get("/api/nothing"), 404)
        is_problem(await house.operator.get("/static/../app.py"), 404)
        assert is_problem(await house.operator.put("/api/rooms"), 405)
        for slug in ("no", "No", "a%00b", "a" * 100, "%ff"):
            is_problem(await house.operator.get(f"/api/rooms/{slug}"), 404)
        is_problem(await house.operator.post("/api/rooms/no/open"), 404)


async def test_states_stand_in_the_way_by_name(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        assert (
            is_problem(await house.operator.post("/api/rooms/town-hall/start"), 409)["state"] == "scheduled"
        )
        taken = await house.operator.post("/api/rooms", json={"title": "x", "slug": "town-hall"})
        assert is_problem(taken, 409)["where"] == "body: slug"


async def test_slugs_come_from_titles_and_get_a_number(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        slugs = [
            (await house.operator.post("/api/rooms", json={"title": "Größe"})).json()["slug"] for _ in "ab"
        ]
        assert slugs == ["groesse", "groesse-2"]


async def test_rooms_are_listed_in_pages(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for number in range(103):
            await house.studio.store.create_room(f"r{number:03}", Details("R"), "", 1.0)
        await house.studio.load()
        first = (await house.operator.get("/api/rooms")).json()
        rest = (await house.operator.get("/api/rooms", params={"after": first["next"]})).json()
        assert (len(first["rooms"]), len(rest["rooms"]), rest["next"]) == (100, 3, "")


async def test_security_headers_are_on_everything(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for path in ("/", "/api/rooms", "/nothing", "/healthz", "/static/css/hustings.css"):
            answer = await house.anyone.get(path)
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"


async def test_an_unexpected_error_is_a_problem_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_studio(tmp_path) as house:
        monkeypatch.setattr(house.studio, "room", lambda slug: 1 / 0)
        answer = await house.operator.get("/api/rooms/town-hall")
        assert "zero" not in answer.text
        is_problem(answer, 500)
