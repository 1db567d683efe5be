"""`GET /api/operator/health` and `/healthz` of a whole studio: as was said on the bus, so it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounts_support import another, first_operator
from operator_support import GB, ask, edge, gathered, node
from sqlalchemy.exc import OperationalError
from studio_support import running_studio, seat

from hustings.bus import subjects
from hustings.bus.health_messages import NodeEvent
from hustings.bus.messages import AudienceReport
from hustings.studio.operator.health import Health, Span


async def test_before_anybody_has_said_anything_it_says_so(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        state = await ask(house)
        assert (state["level"], state["bus"], state["heard_seconds"], state["roles"]) == (
            "ok",
            True,
            None,
            [],
        )
        assert state["numbers"]["used"] is None
        assert state["history"]["curves"] == {}


async def test_roles_rooms_numbers_and_what_is_wrong(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        room = await house.room()
        slug = room["slug"]
        for command in ("open", "start"):
            await house.operator.post(f"/api/rooms/{slug}/{command}")
        broadcast = next(iter(house.stage.open))
        await house.stage.report(broadcast, slug, seat("p1"), seat("p2", connected=False))
        await house.stage.record(broadcast, slug, state="failing", problem="no space left", bytes=77)
        heard = AudienceReport(
            edge_id="e", wall_clock=house.clock.wall(), listening={slug: {"push": 5, "hls": 2}}
        )
        await house.bus.publish(subjects.AUDIENCE_REPORT, heard)
        for _ in range(2):
            await edge(house, 'hustings_edge_places_free 15\nhustings_edge_listeners{door="push"} 5\n')
            await node(house, NodeEvent(at=house.clock.wall() - 60, kind="died", name="stage"), edge_0=False)
            gathered(house).look()
        state = await ask(house)
        assert state["level"] == "wrong"
        assert [each["key"] for each in state["findings"]] == ["role_away", "recording_failing"]
        first = state["findings"][0]
        assert first["what"] == "not alive: edge-0"
        assert first["todo"] == "Look at their lines in the server's log."
        roles = {role["name"]: role for role in state["roles"]}
        assert roles["edge-0"]["state"] == "away"
        assert (roles["stage"]["restarts"], roles["stage"]["cpu"], roles["stage"]["state"]) == (1, 0.25, "up")
        (shown,) = state["rooms"]
        assert shown["listeners"] == {"push": 5, "hls": 2}
        assert (shown["speakers"], shown["status"]) == (1, "live")
        assert shown["recording"] == {"state": "failing", "problem": "no space left", "bytes": 77}
        assert state["numbers"]["used"] == pytest.approx(0.25)
        assert state["numbers"]["disk_free"] == 50 * GB
        assert {each["key"] for each in state["incidents"]} == {"died", "role_away", "recording_failing"}
        died = next(each for each in state["incidents"] if each["key"] == "died")
        assert died["what"] == "stage died and was started again"
        assert state["history"]["cpu"]["stage"] == [0.25]
        german = await ask(house, "?lang=de&history=false")
        assert german["findings"][0]["what"] == "nicht am Leben: edge-0"
        assert german["history"] is None
        assert (await ask(house, **{"Accept-Language": "de"}))["findings"][0]["what"].startswith("nicht")


async def test_it_holds_nothing_of_people(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        room = await house.room()
        ticket = (await house.invite("Ada Byron", slug=room["slug"]))["ticket"]
        for command in ("open", "start"):
            await house.operator.post(f"/api/rooms/{room['slug']}/{command}")
        broadcast = next(iter(house.stage.open))
        await house.stage.report(broadcast, room["slug"], seat("p1", name="Ada Byron"))
        await node(house)
        gathered(house).look()
        house.clock.advance(2)
        text = (await house.operator.get("/api/operator/health")).text
        assert room["slug"] in text
        for secret in ("Ada", ticket, "127.0.0.1", broadcast):
            assert secret not in text


async def test_many_who_look_cost_as_much_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_studio(tmp_path) as house:
        made: list[int] = []
        before = Health.spans

        def counted(self: Health) -> list[Span]:
            made.append(1)
            return before(self)

        monkeypatch.setattr(Health, "spans", counted)
        house.clock.advance(5)
        for _ in range(20):
            assert (await house.operator.get("/api/operator/health")).status_code == 200
        assert len(made) == 1
        house.clock.advance(1.1)
        await house.operator.get("/api/operator/health")
        assert len(made) == 2


async def test_who_is_no_operator_has_no_such_page_and_no_link_to_it(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        clara = await first_operator(house)
        thomas = await another(house, clara)
        assert 'href="/operator"' in (await clara.get("/")).text
        assert 'href="/operator"' not in (await thomas.get("/")).text
        page = await clara.get("/operator?lang=de")
        assert page.status_code == 200
        assert "Wird nachgesehen" in page.text
        assert (await thomas.get("/operator")).status_code == 404


async def test_healthz_tells_whether_the_studio_can_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_studio(tmp_path) as house:
        assert (await house.anyone.get("/healthz")).status_code == 200
        house.bus.connected = False
        answer = await house.anyone.get("/healthz")
        assert answer.status_code == 503
        assert "bus" in answer.json()["detail"]
        house.bus.connected = True
        assert (await house.anyone.get("/healthz")).status_code == 200
        ready = house.app.state.ready
        asked = []

        async def away() -> bool:
            asked.append(1)
            return False

        monkeypatch.setattr(ready, "_ask", away)
        house.clock.advance(1.1)
        for _ in range(5):
            answer = await house.anyone.get("/healthz")
            assert answer.status_code == 503
            assert "database" in answer.json()["detail"]
        assert len(asked) == 1, "the database is asked at most once a second"


async def test_a_database_that_fails_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_studio(tmp_path) as house:
        engine = house.app.state.ready._engine

        class Gone:
            def connect(self) -> Any:
                raise OperationalError("SELECT 1", {}, OSError("gone"))

        monkeypatch.setattr(house.app.state.ready, "_engine", Gone())
        house.clock.advance(1.1)
        assert (await house.anyone.get("/healthz")).status_code == 503
        monkeypatch.setattr(house.app.state.ready, "_engine", engine)
        house.clock.advance(1.1)
        assert (await house.anyone.get("/healthz")).status_code == 200
