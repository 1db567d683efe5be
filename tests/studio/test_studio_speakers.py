"""The speaker's socket at the studio: who may, what reaches the stage and the ear, and what is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from studio_support import House, running_studio
from ws_client import Closed, Socket, connect

from hustings.bus import subjects
from hustings.bus.messages import StageHello
from hustings.bus.socket_messages import ReturnPacket, SpeakerPacket
from hustings.errors import Refused
from hustings.stage.webrtc import rtp
from hustings.studio import speaker_socket
from hustings.studio.socket_rules import MAX_AHEAD, MAX_SOUND

PATH = "/whip/town-hall/socket"


def packet(sequence: int = 1, payload: bytes = b"opus") -> bytes:
    return rtp.build(111, sequence, sequence * 960, 7, payload, extensions={1: b"\x1e"})


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def opened(house: House) -> str:
    await house.room()
    ticket = str((await house.invite())["ticket"])
    await house.command("open")
    return ticket


@contextlib.asynccontextmanager
async def speaking(house: House, ticket: str, **more: Any) -> AsyncIterator[Socket]:
    """A socket that the studio has taken."""
    async with connect(house.app, PATH) as socket:
        await socket.send(json.dumps({"ticket": ticket, **more}))
        ready = await socket.receive()
        assert ready["type"] == "ready", ready
        yield socket


def from_speakers(house: House) -> list[SpeakerPacket]:
    return [message for _, message in house.bus.published if isinstance(message, SpeakerPacket)]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def to_ear(house: House, message: ReturnPacket, session: str = "s1") -> None:
    await house.bus.publish(subjects.returns(session), message)


# --- who may -------------------------------------------------------------------------------------


async def test_a_ticket_takes_the_seat_as_by_whip(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        async with connect(house.app, PATH) as socket:
            await socket.send(json.dumps({"ticket": ticket, "returns": False}))
            ready = await socket.receive()
            assert ready == {
                "type": "ready",
                "session": ready["session"],
                "payload_type": 111,
                "level_id": 1,
            }
            assert ready["session"].startswith("s1.")
            offer = house.stage.offers[0]
            assert (offer.way, offer.returns, offer.sdp) == ("socket", False, "")
            assert (offer.kind, offer.name, offer.role, offer.muted) == ("ingest", "Ada", "speaker", False)
            room = (await house.operator.get("/api/rooms/town-hall")).json()
            assert room["invitations"][0]["state"] == "accepted"
        assert house.stage.deleted == ["s1"], "a socket that is gone leaves the stage"
        assert house.bus.subscribers(subjects.returns("s1")) == 0


async def test_a_session_can_be_ended_by_its_name_as_whip_sessions_can(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        async with connect(house.app, PATH) as socket:
            await socket.send(json.dumps({"ticket": ticket}))
            name = (await socket.receive())["session"]
            bearer = {"Authorization": f"Bearer {ticket}"}
            answer = await house.anyone.delete(f"/whip/town-hall/{name}", headers=bearer)
            assert answer.status_code == 200
        assert house.stage.deleted == ["s1"]


async def refusal(house: House, hello: str, path: str = PATH) -> tuple[dict[str, Any], int]:
    async with connect(house.app, path) as socket:
        await socket.send(hello)
        message = await socket.receive()
        with pytest.raises(Closed) as closed:
            await socket.receive()
        return message, closed.value.code


async def test_refusals_say_what_whip_would_have_said(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ticket = str((await house.invite())["ticket"])
        hello = json.dumps({"ticket": ticket})
        message, code = await refusal(house, hello)
        assert (message["type"], message["problem"]["status"], code) == ("refused", 409, 4409)
        assert (message["problem"]["state"], message["retry_after"]) == ("scheduled", 5)
        await house.command("open")
        message, code = await refusal(house, json.dumps({"ticket": "t_wrong"}))
        assert (message["problem"]["status"], code) == (401, 4401)
        message, code = await refusal(house, hello, "/whip/nowhere/socket")
        assert (message["problem"]["status"], code) == (404, 4404)
        house.stage.refuse = Refused(503, "The stage is full", "13 may speak")
        message, code = await refusal(house, hello)
        assert (message["problem"]["title"], code) == ("The stage is full", 4503)
        assert message["retry_after"] > 0
        house.stage.stop()
        message, code = await refusal(house, hello)
        assert (message["problem"]["status"], code) == (503, 4503)
        assert house.stage.offers == []


@pytest.mark.parametrize("hello", ["", "{", "[]", '{"ticket": 1}', '{"ticket": "' + "t" * 600 + '"}'])
async def test_a_hello_that_is_none_ends_it(tmp_path: Path, hello: str) -> None:
    async with running_studio(tmp_path) as house, connect(house.app, PATH) as socket:
        await socket.send(hello)
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1008


async def test_who_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_socket, "FIRST_MESSAGE", 0.01)
    async with running_studio(tmp_path) as house, connect(house.app, PATH) as socket:
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1008


async def test_a_foreign_page_does_not_get_in_and_our_audience_page_does(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        with pytest.raises(Closed):
            async with connect(house.app, PATH, origin="https://evil.example"):
                pass
        async with connect(house.app, PATH, origin="http://127.0.0.1:8000"):
            pass


async def test_places_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker_socket, "MAX_PER_ADDRESS", 1)
    monkeypatch.setattr(speaker_socket, "MAX_SOCKETS", 2)
    async with running_studio(tmp_path) as house, connect(house.app, PATH):
        async with connect(house.app, PATH) as second:
            with pytest.raises(Closed) as closed:
                await second.receive()
            assert closed.value.code == 1013
        async with (
            connect(house.app, PATH, address="192.0.2.2"),
            connect(house.app, PATH, address="192.0.2.3") as fourth,
        ):
            with pytest.raises(Closed):
                await fourth.receive()
        async with connect(house.app, PATH, address="192.0.2.2") as again:
            await again.send("{")
            with pytest.raises(Closed) as closed:
                await again.receive()
            assert closed.value.code == 1008, "who has gone has given the place back"


# --- sound ---------------------------------------------------------------------------------------


async def test_packets_go_to_the_stage_as_they_are_and_come_back_as_they_are(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, speaking(house, await opened(house)) as socket:
        for n in range(3):
            await socket.send_bytes(packet(n))
        await settle()
        assert from_speakers(house) == [SpeakerPacket(session_id="s1", data=packet(n)) for n in range(3)]
        for n in range(3):
            await to_ear(house, ReturnPacket(data=packet(100 + n)))
        assert [await socket.receive_bytes() for _ in range(3)] == [packet(100 + n) for n in range(3)]


async def test_a_ping_comes_back(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, speaking(house, await opened(house)) as socket:
        await socket.send('{"type": "ping", "at": 123, "got": 5}')
        assert await socket.receive() == {"type": "pong", "at": 123}


async def test_what_is_no_packet_reaches_no_stage_and_too_much_of_it_ends_the_line(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        before = count("hustings_studio_speaker_packets_dropped_total", why="no packet")
        async with speaking(house, await opened(house)) as socket:
            for data in (b"", b"x" * 40, packet(1, b"x" * MAX_SOUND), b"\x80\xc8" + bytes(20)):
                await socket.send_bytes(data)
            await settle()
            assert from_speakers(house) == []
            assert count("hustings_studio_speaker_packets_dropped_total", why="no packet") == before + 4
            for _ in range(speaker_socket.MAX_TOO_MUCH):
                await socket.send_bytes(b"")
            with pytest.raises(Closed) as closed:
                await socket.receive()
            assert closed.value.code == 1008


async def test_more_packets_than_a_voice_needs_are_left_out(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, speaking(house, await opened(house)) as socket:
        for n in range(900):
            await socket.send_bytes(packet(n))
        while socket.to_app.qsize():
            await asyncio.sleep(0)
        rate, reserve = speaker_socket.PACKETS
        assert reserve <= len(from_speakers(house)) <= reserve + 5 * rate


@pytest.mark.parametrize("text", ["", "no", '{"type": "hello"}', '{"type": "ping", "got": -1}'])
async def test_a_text_that_is_no_ping_ends_the_line(tmp_path: Path, text: str) -> None:
    async with running_studio(tmp_path) as house, speaking(house, await opened(house)) as socket:
        await socket.send(text)
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1008


async def test_a_slow_client_loses_the_oldest_and_hears_the_newest(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        name, why = "hustings_studio_speaker_packets_dropped_total", "slow client"
        before = count(name, why=why)
        async with speaking(house, await opened(house)) as socket:
            for n in range(200):  # nothing else runs meanwhile, the writer neither
                for _, handler in house.bus._handlers[subjects.returns("s1")]:
                    handler(ReturnPacket(data=packet(n)))
            heard = [await socket.receive_bytes() for _ in range(speaker_socket.WAITING)]
            assert heard == [packet(n) for n in range(200 - speaker_socket.WAITING, 200)]
            assert count(name, why=why) == before + 200 - speaker_socket.WAITING


async def test_who_does_not_say_what_came_gets_no_more_than_two_seconds(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, speaking(house, await opened(house)) as socket:
        for n in range(MAX_AHEAD + 50):
            await to_ear(house, ReturnPacket(data=packet(n)))
            await settle()
        assert socket.from_app.qsize() == MAX_AHEAD
        while socket.from_app.qsize():
            await socket.receive_bytes()
        await socket.send(json.dumps({"type": "ping", "at": 0, "got": MAX_AHEAD - 1}))
        assert (await socket.receive())["type"] == "pong"
        await to_ear(house, ReturnPacket(data=packet(1000)))
        assert await socket.receive_bytes() == packet(1000)


# --- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cause", "code"), [("replaced", 4410), ("ended", 4000), ("removed", 4000)])
async def test_the_stage_ends_a_session(tmp_path: Path, cause: str, code: int) -> None:
    async with running_studio(tmp_path) as house, speaking(house, await opened(house)) as socket:
        await to_ear(house, ReturnPacket(ended=cause))
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == code


async def test_a_stage_that_begins_anew_knows_no_session(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        speaking(house, await opened(house), returns=False) as socket,
    ):
        await house.bus.publish(subjects.STAGE_HELLO, StageHello(stage_id="stage-2"))
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1013


@pytest.mark.parametrize(("name", "returns", "code"), [("SILENT", False, 1008), ("STAGE_SILENT", True, 1013)])
async def test_a_side_that_is_silent_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, returns: bool, code: int
) -> None:
    monkeypatch.setattr(speaker_socket, name, 0.0)
    monkeypatch.setattr(speaker_socket, "LOOK", 0.01)
    async with (
        running_studio(tmp_path) as house,
        speaking(house, await opened(house), returns=returns) as socket,
    ):
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == code


async def test_a_client_that_does_not_read_at_all_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker_socket, "SEND_TIMEOUT", 0.05)
    async with running_studio(tmp_path) as house:
        before = count("hustings_studio_speaker_sockets_ended_total", why="slow")
        async with speaking(house, await opened(house)) as socket:
            socket.full.set()
            await to_ear(house, ReturnPacket(data=packet(1)))
            with pytest.raises(Closed) as closed:
                await socket.receive()
            assert closed.value.code == 1013
        assert count("hustings_studio_speaker_sockets_ended_total", why="slow") == before + 1
