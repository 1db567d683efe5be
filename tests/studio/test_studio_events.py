"""The events socket: who may, what comes, what is bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from studio_support import House, running_studio
from ws_client import Closed, Socket, connect

from hustings.rooms import commands as c
from hustings.store.tokens import operator_token
from hustings.studio import events
from hustings.studio.events import same_origin

PATH = "/api/rooms/town-hall/events"


async def first(socket: Socket, secret: str) -> dict[str, object]:
    await socket.send(json.dumps({"ticket": secret}))
    return await socket.receive()


async def closes(house: House, path: str, message: str) -> int:
    async with connect(house.app, path) as socket:
        await socket.send(message)
        with pytest.raises(Closed) as closed:
            await socket.receive()
        return closed.value.code


async def test_a_guest_sees_the_room_and_himself(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ticket = (await house.invite())["ticket"]
        async with connect(house.app, PATH) as socket:
            message = await first(socket, ticket)
            assert message["type"] == "state"
            assert message["state"]["status"] == "scheduled"  # type: ignore[index]
            assert message["me"]["name"] == "Ada"  # type: ignore[index]
            await house.command("open")
            assert (await socket.receive())["state"]["status"] == "open"
            await house.command("start")
            await house.command("stop")
            seen = [(await socket.receive())["state"]["status"]]
            while seen[-1] != "ended":
                seen.append((await socket.receive())["state"]["status"])
            assert seen in (["ended"], ["live", "ended"]), "whole states, coalesced"


async def test_what_the_socket_says_is_what_a_fresh_request_says(tmp_path: Path) -> None:
    """Snapshot by socket = state as published: one source."""
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.invite(public=True)
        async with connect(house.app, PATH) as socket:
            message = await first(socket, operator_token(tmp_path))
            fresh = (await house.operator.get("/api/rooms/town-hall")).json()
            assert "me" not in message
            for name in ("title", "status", "participants", "links", "listeners"):
                assert message["state"][name] == fresh[name]  # type: ignore[index]


async def test_who_may_not_is_told_by_the_code(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        for bad in ("nonsense", "[]", '{"ticket": 1}', '{"ticket": ""}', '{"ticket": "x"}', "{}"):
            assert await closes(house, PATH, bad) == events.UNKNOWN_TICKET
        token = json.dumps({"ticket": operator_token(tmp_path)})
        for slug in ("no", "No!", "a" * 99):
            assert await closes(house, f"/api/rooms/{slug}/events", token) == events.UNKNOWN_ROOM
        assert house.app.state.sockets.total == 0


async def test_a_withdrawn_invitation_ends_the_socket(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        async with connect(house.app, PATH) as socket:
            await first(socket, invitation["ticket"])
            await house.studio._execute("town-hall", c.WithdrawInvitation(invitation["id"], 1.0))
            with pytest.raises(Closed) as closed:
                await socket.receive()
            assert closed.value.code == events.UNKNOWN_TICKET
        assert (await house.whip(invitation["ticket"])).status_code == 401


async def test_pages_of_other_origins_get_nothing(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        with pytest.raises(Closed):
            async with connect(house.app, PATH, origin="https://evil.example"):
                pass
        async with connect(house.app, PATH, origin="http://127.0.0.1:8001") as socket:
            assert (await first(socket, operator_token(tmp_path)))["type"] == "state"


def test_origins() -> None:
    assert same_origin(None, "a:1", "http://b")
    assert same_origin("http://a:1", "a:1", "http://b")
    assert same_origin("https://b", "a:1", "https://b")
    assert not same_origin("http://b", "a:1", "https://b")
    assert not same_origin("null", "a:1", "https://b")
    assert not same_origin("http://a:2", "a:1", "https://b")


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
                await socket.receive()
            assert closed.value.code == events.POLICY


async def test_a_quiet_room_still_says_that_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING", 0.01)
    async with running_studio(tmp_path) as house:
        await house.room()
        async with connect(house.app, PATH) as socket:
            await first(socket, operator_token(tmp_path))
            assert await socket.receive() == {"type": "ping"}
