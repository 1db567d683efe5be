"""The events socket: who may, what comes, how little of it, how soon, and what is bounded."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from studio_support import House, running_studio, seat
from ws_client import Closed, Socket, connect

from hustings.bus import subjects
from hustings.bus.messages import StageLevels
from hustings.rooms import commands as c
from hustings.store.tokens import operator_token
from hustings.studio import events
from hustings.studio.events import same_origin
from hustings.studio.feed import applied, without_speaking

PATH = "/api/rooms/town-hall/events"


async def first(socket: Socket, secret: str, **more: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"ticket": secret, **more}))
    return await socket.receive()


async def until(socket: Socket, kind: str) -> dict[str, Any]:
    """The next message of this type; what is said in passing before it does not matter."""
    while (message := await socket.receive())["type"] != kind:
        assert message["type"] in ("event", "private", "speaking", "levels", "ping", "reactions")
    return message


async def closes(house: House, path: str, message: str) -> int:
    async with connect(house.app, path) as socket:
        await socket.send(message)
        with pytest.raises(Closed) as closed:
            await socket.receive()
        return closed.value.code


# --- what comes ----------------------------------------------------------------------------------


async def test_a_guest_sees_the_room_and_himself(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ticket = (await house.invite())["ticket"]
        async with connect(house.app, PATH) as socket:
            message = await first(socket, ticket)
            assert message["type"] == "state"
            assert message["state"]["status"] == "scheduled"
            assert message["me"]["name"] == "Ada"
            assert "host" not in message, "a speaker does not conduct"
            state, kinds = message["state"], []
            for verb in ("open", "start", "stop"):
                await house.command(verb)
            while state["status"] != "ended":
                message = await until(socket, "event")
                assert message["seq"] == state["seq"] + 1
                kinds.append(message["kind"])
                state = {**applied(state, message["changed"]), "seq": message["seq"]}
            assert kinds == ["opened", "live", "ended"]


async def test_what_the_socket_says_is_what_a_fresh_request_says(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.invite(public=True)
        async with connect(house.app, PATH) as socket:
            message = await first(socket, operator_token(tmp_path))
            fresh = (await house.operator.get("/api/rooms/town-hall")).json()
            assert "me" not in message
            for name in ("title", "status", "participants", "links", "listeners"):
                assert message["state"][name] == fresh[name]


async def test_a_conductor_sees_the_desk_and_a_speaker_does_not(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(green_room=True)
        ada, host = await house.invite("Ada"), await house.invite("Hanna", role="cohost")
        broadcast_id = (await house.command("open"))["broadcast_id"]
        async with connect(house.app, PATH) as desk, connect(house.app, PATH) as speaker:
            begun = await first(desk, host["ticket"])
            assert begun["me"]["conducts"] is True
            assert begun["host"]["waiting"] == []
            assert {i["name"] for i in begun["host"]["invitations"]} == {"Ada", "Hanna"}
            assert "host" not in await first(speaker, ada["ticket"])
            await house.whip(ada["ticket"])
            await house.stage.report(
                broadcast_id, "town-hall", seat(ada["participant_id"], level_dbov=-20.4, loss=0.031)
            )
            waiting: list[dict[str, Any]] = []
            private = []
            while not (waiting and waiting[0]["connected"] and "waiting" in private):
                message = await desk.receive()
                private += [message["kind"]] if message["type"] == "private" and "kind" in message else []
                waiting = message.get("host", {}).get("waiting", waiting)
            (one,) = waiting
            assert (one["name"], one["level_dbov"], one["loss"]) == ("Ada", -20, 0.03)
            everything = [await speaker.receive()]
            while everything[-1].get("me", {}).get("place") != "green":
                everything.append(await speaker.receive())
            assert all("host" not in each and "waiting" not in each.get("kind", "") for each in everything)
            await house.operator.post(f"/api/rooms/town-hall/participants/{ada['participant_id']}/admit")
            message = await until(desk, "event")
            while message["kind"] != "joined":
                message = await until(desk, "event")
            while (await speaker.receive()).get("me", {}).get("place") != "stage":
                pass


async def test_a_role_taken_away_takes_the_desk_along(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.invite("Host", role="cohost")
        other = await house.invite("Hanna", role="cohost")
        await house.command("open")
        await house.whip(other["ticket"])
        async with connect(house.app, PATH) as socket:
            assert (await first(socket, other["ticket"]))["host"] is not None
            path = f"/api/rooms/town-hall/participants/{other['participant_id']}/role"
            assert (await house.operator.post(path, json={"role": "speaker"})).status_code == 200
            message = await until(socket, "event")
            assert (message["host"], message["me"]["conducts"]) == (None, False)


async def test_who_is_speaking_and_levels_and_reactions(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ada, ben = await house.invite("Ada"), await house.invite("Ben")
        broadcast_id = (await house.command("open"))["broadcast_id"]
        for ticket in (ada["ticket"], ben["ticket"]):
            await house.whip(ticket)
        people = [ada["participant_id"], ben["participant_id"]]
        sockets: events.Sockets = house.app.state.sockets
        async with connect(house.app, PATH) as desk, connect(house.app, PATH) as speaker:
            await first(desk, operator_token(tmp_path))
            await first(speaker, ada["ticket"])
            await house.stage.report(
                broadcast_id, "town-hall", *[seat(p, speaking=p == people[1]) for p in people]
            )
            for socket in (desk, speaker):
                assert (await until(socket, "speaking"))["ids"] == [people[1]]
            message = StageLevels(
                broadcast_id=broadcast_id, slug="town-hall", levels=dict(zip(people, (-40, -12), strict=True))
            )
            await house.bus.publish(subjects.STAGE_LEVELS, message)
            assert (await until(desk, "levels"))["levels"] == {people[0]: -40, people[1]: -12}
            assert (await until(speaker, "levels"))["levels"] == {people[0]: -40}
            for _ in range(3):
                sockets.reacted("town-hall", {"heart": 2})
            counted = 0
            while counted < 6:
                counted += (await until(desk, "reactions"))["counts"]["heart"]
            await house.command("start")
            assert (await speaker.receive())["type"] != "reactions"


# --- after a break -------------------------------------------------------------------------------


async def test_ten_minutes_away_is_made_good_in_one_round_trip(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ticket = (await house.invite())["ticket"]
        other = await house.invite("Ben", public=True)
        async with connect(house.app, PATH) as socket:
            state = (await first(socket, ticket))["state"]
        before = await house.command("open")
        await house.command("start")
        await house.whip(other["ticket"])
        for n in range(60):
            person = seat(other["participant_id"], talked_seconds=float(10 * n), speaking=n % 2 == 0)
            await house.stage.report(before["broadcast_id"], "town-hall", person)
            house.clock.advance(10.0)
            house.app.state.publisher.feeds.advance()
        async with connect(house.app, PATH) as socket:
            message = await first(socket, ticket, stream=state["stream"], seq=state["seq"])
            began = 0
            while message["type"] == "event":
                assert message["seq"] == state["seq"] + 1
                state = {**applied(state, message["changed"]), "seq": message["seq"]}
                began += 1
                message = await socket.receive()
            assert 10 < began < 120
            async with connect(house.app, PATH) as fresh:
                snapshot = (await first(fresh, ticket))["state"]
            assert without_speaking(state) == without_speaking(snapshot)
            assert message["type"] in ("private", "speaking"), "without asking again"


async def test_a_position_that_is_not_known_gets_the_state(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        token = operator_token(tmp_path)
        async with connect(house.app, PATH) as socket:
            state = (await first(socket, token))["state"]
        for stream, seq in (
            ("another", 0),
            (state["stream"], 99),
            (state["stream"], -1),
            (7, 0),
            (state["stream"], "x"),
            (None, None),
        ):
            async with connect(house.app, PATH) as socket:
                assert (await first(socket, token, stream=stream, seq=seq))["type"] == "state"
        async with connect(house.app, PATH) as socket:
            message = await first(socket, token, stream=state["stream"], seq=state["seq"])
            assert message["type"] == "private"
            assert message["host"]["waiting"] == []


async def test_after_a_restart_of_the_studio_the_state_comes(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ticket = (await house.invite())["ticket"]
        async with connect(house.app, PATH) as socket:
            state = (await first(socket, ticket))["state"]
        clock = house.clock
    clock.advance(1.0)
    async with running_studio(tmp_path, clock=clock) as again, connect(again.app, PATH) as socket:
        message = await first(socket, ticket, stream=state["stream"], seq=state["seq"])
        assert message["type"] == "state"
        assert message["stream"] > state["stream"]


# --- how soon ------------------------------------------------------------------------------------


async def test_a_change_is_there_within_100_ms(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        async with connect(house.app, PATH) as socket:
            await first(socket, operator_token(tmp_path))
            waits = []
            for n in range(8):
                began = time.monotonic()
                await house.studio.execute("town-hall", c.Edit(_titled(house, f"Title {n}"), 1.0))
                committed = time.monotonic()
                while (await until(socket, "event"))["changed"].get("title") != f"Title {n}":
                    pass
                waits.append(time.monotonic() - committed)
                assert committed - began < 5
            assert sorted(waits)[len(waits) // 2] < 0.1


def _titled(house: House, title: str) -> Any:
    from dataclasses import replace

    return replace(house.studio.room("town-hall").details, title=title)


async def test_many_changes_at_once_come_together(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        async with connect(house.app, PATH) as socket:
            await first(socket, invitation["ticket"])
            for _ in range(200):
                house.studio.board.changed("town-hall")
                await asyncio.sleep(0)
            await house.command("open")
            assert (await until(socket, "event"))["kind"] == "opened"
            assert socket.from_app.qsize() <= 2


# --- who may -------------------------------------------------------------------------------------


async def test_who_may_not_is_told_by_the_code(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        for bad in ("nonsense", "[]", '{"ticket": 1}', '{"ticket": ""}', '{"ticket": "x"}', "{}"):
            assert await closes(house, PATH, bad) == events.UNKNOWN_TICKET
        long = json.dumps({"ticket": "t_" + "x" * 600})
        assert await closes(house, PATH, long) == events.UNKNOWN_TICKET
        token = json.dumps({"ticket": operator_token(tmp_path)})
        for slug in ("no", "No!", "a" * 99):
            assert await closes(house, f"/api/rooms/{slug}/events", token) == events.UNKNOWN_ROOM
        await house.room("other")
        ticket = json.dumps({"ticket": (await house.invite(slug="other"))["ticket"]})
        assert await closes(house, PATH, ticket) == events.UNKNOWN_TICKET
        assert house.app.state.sockets.total == 0


async def test_a_withdrawn_invitation_ends_the_socket(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        async with connect(house.app, PATH) as socket:
            await first(socket, invitation["ticket"])
            await house.studio.execute("town-hall", c.WithdrawInvitation(invitation["id"], 1.0))
            with pytest.raises(Closed) as closed:
                await until(socket, "state")
            assert closed.value.code == events.UNKNOWN_TICKET
        assert (await house.whip(invitation["ticket"])).status_code == 401


async def test_the_removed_see_nothing_more(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        await house.command("open")
        await house.whip(invitation["ticket"])
        async with connect(house.app, PATH) as socket:
            await first(socket, invitation["ticket"])
            path = f"/api/rooms/town-hall/participants/{invitation['participant_id']}/remove"
            assert (await house.operator.post(path, json={"ban": False})).status_code == 200
            with pytest.raises(Closed) as closed:
                await until(socket, "state")
            assert closed.value.code == events.UNKNOWN_TICKET


async def test_it_is_asked_again_whether_a_token_still_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECHECK", 0.0)
    monkeypatch.setattr(events, "PING", 0.01)
    async with running_studio(tmp_path) as house:
        await house.room()
        async with connect(house.app, PATH) as socket:
            await first(socket, operator_token(tmp_path))
            await house.studio.store.keep_token("0" * 64, "data folder", "operator", 1.0)
            with pytest.raises(Closed) as closed:
                await until(socket, "state")
            assert closed.value.code == events.UNKNOWN_TICKET


async def test_pages_of_other_origins_get_nothing(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        with pytest.raises(Closed):
            async with connect(house.app, PATH, origin="https://evil.example"):
                pass
        async with connect(house.app, PATH, origin="http://127.0.0.1:8001") as socket:
            assert (await first(socket, operator_token(tmp_path)))["type"] == "state"


@pytest.mark.parametrize("origin", ["http://[a", "http://[a]", 'http://["a"]:1', "http://127.0.0.1:8001[x]"])
async def test_an_origin_that_is_none_is_foreign(tmp_path: Path, origin: str) -> None:
    """Found by fuzzing: it broke the code that compares origins."""
    async with running_studio(tmp_path) as house:
        answer = await house.anyone.post("/api/sessions", json={}, headers={"Origin": origin})
    assert answer.status_code == 403


def test_origins() -> None:
    assert same_origin(None, "a:1", "http://b")
    assert same_origin("http://a:1", "a:1", "http://b")
    assert same_origin("https://b", "a:1", "https://b")
    assert not same_origin("http://b", "a:1", "https://b")
    assert not same_origin("http://[a", "a:1", "https://b")
    assert not same_origin("null", "a:1", "https://b")
    assert not same_origin("http://a:2", "a:1", "https://b")


# --- what is bounded -----------------------------------------------------------------------------


async def test_sockets_are_bounded_per_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_PER_ADDRESS", 1)
    async with running_studio(tmp_path) as house:
        await house.room()
        token = operator_token(tmp_path)
        async with connect(house.app, PATH) as one:
            await first(one, token)
            async with connect(house.app, PATH) as two:
                with pytest.raises(Closed) as closed:
                    await two.receive()
                assert closed.value.code == events.TRY_LATER
            async with connect(house.app, PATH, address="192.0.2.2") as other:
                assert (await first(other, token))["type"] == "state"
        async with connect(house.app, PATH) as again:
            assert (await first(again, token))["type"] == "state"


async def test_whoever_talks_too_much_is_let_go(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        async with connect(house.app, PATH) as socket:
            await first(socket, operator_token(tmp_path))
            for _ in range(events.MAX_MESSAGES):
                await socket.send("x")
            with pytest.raises(Closed) as closed:
                await until(socket, "state")
            assert closed.value.code == events.POLICY


async def test_who_does_not_read_is_let_go_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SEND_TIMEOUT", 0.05)
    counted = events._cut.labels("slow")
    before = counted._value.get()
    async with running_studio(tmp_path) as house:
        await house.room()
        async with connect(house.app, PATH) as socket:
            await first(socket, operator_token(tmp_path))
            socket.full.set()
            await house.command("open")
            while house.app.state.sockets.total:
                await asyncio.sleep(0.01)
    assert counted._value.get() == before + 1


async def test_a_quiet_room_still_says_that_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING", 0.01)
    async with running_studio(tmp_path) as house:
        await house.room()
        async with connect(house.app, PATH) as socket:
            await first(socket, operator_token(tmp_path))
            assert await until(socket, "ping") == {"type": "ping"}
