"""Recording as the studio sees it: who agrees, off the record, what the stage and the hosts are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from studio_support import FakeStage, House, running_studio, seat
from test_stage_link import live_room, until

from hustings.bus import subjects
from hustings.bus.messages import RoomEvent, RoomPublic, SetRecording
from hustings.studio.public import recording


def bearing(ticket: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket}"}


async def agree(house: House, ticket: str, yes: bool = True) -> dict[str, Any]:
    answer = await house.anyone.post(
        "/api/rooms/town-hall/me/consent", json={"agree": yes}, headers=bearing(ticket)
    )
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


async def off_record(house: House, off: bool = True) -> dict[str, Any]:
    answer = await house.operator.post("/api/rooms/town-hall/off-record", json={"off": off})
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


async def host(house: House) -> dict[str, Any]:
    answer = await house.operator.get("/api/rooms/town-hall")
    return cast(dict[str, Any], answer.json()["host"]["recording"])


def said(stage: FakeStage) -> SetRecording:
    return stage.recordings[-1]


async def test_a_new_room_records_and_may_be_told_not_to(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        assert (await house.room())["details"]["recording"] is True
        other = await house.room("quiet", recording=False)
        assert other["details"]["recording"] is False
        answer = await house.operator.patch("/api/rooms/quiet", json={"recording": True})
        assert answer.json()["details"]["recording"] is True
        answer = await house.operator.patch("/api/rooms/quiet", json={"title": "Another"})
        assert answer.json()["details"]["recording"] is True


async def test_the_stage_knows_who_agreed_before_anybody_is_live(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ada, eve = await house.invite("Ada"), await house.invite("Eve")
        assert (await agree(house, ada["ticket"]))["agreed_at"] is not None
        broadcast_id = (await house.command("open"))["broadcast_id"]
        assert house.stage.open[broadcast_id].recording
        assert (said(house.stage).on, said(house.stage).consents) == (True, [ada["participant_id"]])
        await house.command("start")
        await agree(house, eve["ticket"])
        both = sorted([ada["participant_id"], eve["participant_id"]])
        assert said(house.stage).consents == both
        me = await agree(house, ada["ticket"], False)
        assert me["agreed_at"] is None
        assert said(house.stage).consents == [eve["participant_id"]], "it is in force when it is answered"


async def test_the_invited_learns_whether_the_room_records(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room("quiet", recording=False)
        offer = await house.invite("Ada", "quiet")
        me = (await house.anyone.post("/api/rooms/quiet/me", headers=bearing(offer["ticket"]))).json()
        assert (me["recording"], me["agreed_at"]) == (False, None)


@pytest.mark.parametrize("body", [{}, {"agree": 1}, {"agree": True, "for": "p1"}, {"agree": None}])
async def test_a_vague_agreement_is_none(tmp_path: Path, body: dict[str, Any]) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        offer = await house.invite()
        answer = await house.anyone.post(
            "/api/rooms/town-hall/me/consent", json=body, headers=bearing(offer["ticket"])
        )
        assert answer.status_code == 422


async def test_nobody_agrees_for_somebody_else(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        answer = await house.operator.post("/api/rooms/town-hall/me/consent", json={"agree": True})
        assert answer.status_code == 401


async def test_agreement_survives_studio_and_stage_and_the_next_broadcast(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        offer = await house.invite()
        await agree(house, offer["ticket"])
        await live_room_of(house)
    before = len(house.stage.recordings)
    async with running_studio(tmp_path, bus=house.bus, stage=house.stage, clock=house.clock) as again:
        broadcast = again.studio.room("town-hall").broadcast
        assert broadcast is not None
        assert await again.studio.link.settled(broadcast.id, 5.0)
        assert len(house.stage.recordings) == before + 1, "said again: it may have changed meanwhile"
        assert said(house.stage).consents == [offer["participant_id"]]
        other = FakeStage(house.bus, "stage-2")
        await other.start()
        await until(lambda: other.recordings)
        assert said(other).consents == [offer["participant_id"]]
        await again.command("stop")
        await live_room_of(again)
        assert said(other).consents == [offer["participant_id"]]


async def test_off_the_record_reaches_stage_and_public(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await live_room(house)
        house.clock.advance(60.0)
        answer = await off_record(house)
        assert answer["stage"] == "ready"
        assert said(house.stage).off_record
        assert answer["recording"]["state"] == "off_record"
        assert answer["recording"]["since"] > answer["started_at"]
        house.clock.advance(60.0)
        back = await off_record(house, False)
        assert not said(house.stage).off_record
        assert back["recording"]["state"] == "on"
        assert back["recording"]["since"] > answer["recording"]["since"]
        await until(lambda: len(recording_events(house)) == 2)
        assert [event.data["state"] for event in recording_events(house)] == ["off_record", "on"]


def recording_events(house: House) -> list[RoomEvent]:
    events = [m for m in house.published(RoomEvent) if isinstance(m, RoomEvent)]
    return [event for event in events if event.kind == "recording"]


async def test_off_the_record_needs_a_room_that_is_on(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        answer = await house.operator.post("/api/rooms/town-hall/off-record", json={"off": True})
        assert answer.status_code == 409
        assert answer.json()["state"] == "scheduled"
        offer = await house.invite()
        await house.command("open")
        answer = await house.anyone.post(
            "/api/rooms/town-hall/off-record", json={"off": True}, headers=bearing(offer["ticket"])
        )
        assert answer.status_code == 403, "whoever conducts decides"


async def test_state_json_says_it_while_on_air_only(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        assert (await house.command("open"))["recording"] is None
        started = await house.command("start")
        assert started["recording"] == {"state": "on", "since": started["started_at"]}
        house.clock.advance(1.0)  # a room is published at most twice a second
        await until(lambda: public(house)["recording"] is not None)
        assert public(house)["recording"] == started["recording"]
        house.clock.advance(5.0)
        answer = await house.operator.patch("/api/rooms/town-hall", json={"recording": False})
        assert answer.json()["recording"]["state"] == "off"
        assert answer.json()["recording"]["since"] > started["started_at"]
        assert not said(house.stage).on
        assert (await house.command("stop"))["recording"] is None


def public(house: House) -> dict[str, Any]:
    """state.json as the edges have it now."""
    rooms = [m for m in house.published(RoomPublic) if isinstance(m, RoomPublic) and m.slug == "town-hall"]
    return cast(dict[str, Any], json.loads(rooms[-1].pages["state.json"].body))


async def test_hosts_see_how_it_stands_and_who_has_not_agreed(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
        ada, eve = await house.invite("Ada"), await house.invite("Eve")
        for offer in (ada, eve):
            await house.whip(offer["ticket"])
        await agree(house, eve["ticket"])
        people = [seat(offer["participant_id"]) for offer in (ada, eve)]
        await house.stage.report(broadcast_id, "town-hall", *people)
        assert (await host(house))["state"] == "", "the stage has not said anything yet"
        await house.stage.record(
            broadcast_id,
            state="waiting",
            since=house.clock.wall(),
            safe_media_time=48_000 * 61,
            received=100,
            written=40,
            declared=60,
            bytes=9000,
        )
        shown = await host(house)
        assert shown["state"] == "waiting"
        assert shown["not_agreed"] == [{"id": ada["participant_id"], "name": "Ada", "silences": True}]
        assert (shown["safe_seconds"], shown["received"], shown["written"], shown["declared"]) == (
            61,
            100,
            40,
            60,
        )
        mute = f"/api/rooms/town-hall/participants/{ada['participant_id']}/mute"
        await house.operator.post(mute, json={"muted": True})
        assert [each["silences"] for each in (await host(house))["not_agreed"]] == [False]


async def test_a_failing_recording_is_the_hosts_business_at_once(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await live_room(house)
        await house.stage.record(broadcast_id)
        looked: list[str] = []
        house.studio.board.on_change(looked.append)
        await house.stage.record(broadcast_id, bytes=5000)
        assert looked == [], "figures alone wake nobody"
        await house.stage.record(broadcast_id, state="failing", problem="The disk is full.")
        assert set(looked) == {"town-hall"}
        assert (await host(house))["problem"] == "The disk is full."
        assert public_state(house) == "on", "what is decided has not changed"
        house.clock.advance(6.0)
        assert (await host(house))["state"] == "", "a stage that says nothing more is not taken at its word"


def public_state(house: House) -> str:
    view = recording(house.studio.room("town-hall"))
    assert view is not None
    return view.state


async def test_a_report_of_another_broadcast_is_not_believed(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await live_room(house)
        await house.stage.record("20260101T000000-aaaaaa", state="failing", problem="Old")
        assert (await host(house))["state"] == ""


async def test_a_stage_that_cannot_be_told_how_to_record_goes_live_all_the_same(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        house.bus.silence(subjects.STAGE_RECORD)
        broadcast_id = await live_room_of(house)
        assert broadcast_id in house.stage.live
        offer = await house.invite()
        assert (await house.whip(offer["ticket"])).status_code == 201
        assert (await off_record(house))["stage"] == "waiting", "it is not pretended"
        await house.bus.serve(subjects.STAGE_RECORD, SetRecording, house.stage._record)
        await until(lambda: house.stage.recordings)
        assert said(house.stage).off_record


async def live_room_of(house: House) -> str:
    await house.command("open")
    return str((await house.command("start"))["broadcast_id"])
