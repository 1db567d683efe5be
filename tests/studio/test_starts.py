"""The public record of a start: what is noted, once, over restarts; and what pages say of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from fake_bus import FakeBus
from studio_support import FakeStage, House, running_studio, seat

from hustings.bus import subjects
from hustings.bus.messages import (
    AudienceReport,
    FirstSound,
    RoleReady,
    RoomPublic,
    StageHello,
)
from hustings.studio.starts import MAX_INCIDENTS

SLUG = "town-hall"


async def live(house: House, *, late: float = 0.4, **more: Any) -> str:
    """A planned room that went live so late; its broadcast. Doors opened a minute before."""
    planned = round(house.clock.wall()) + 60
    made = await house.room(at=_iso(planned), opens_itself=False, **more)
    assert made["start"]["planned_at"] == _iso(planned)
    await house.command("open")
    house.clock.advance(planned - house.clock.wall() + late)
    return str((await house.command("start"))["broadcast"])


def _iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


async def start_of(house: House) -> dict[str, Any]:
    answer = await house.operator.get(f"/api/rooms/{SLUG}")
    start: dict[str, Any] = answer.json()["start"]
    return start


async def sounded(house: House, broadcast: str, at: float, edge: str = "e1") -> None:
    await house.bus.publish(
        subjects.AUDIENCE_SOUND,
        FirstSound(edge_id=edge, slug=SLUG, broadcast_id=broadcast, epoch=0, media_time=0, wall_clock=at),
    )


async def published_pages(house: House) -> dict[str, bytes]:
    """What edges have of the room by now."""
    pages: dict[str, bytes] = {}
    for message in house.published(RoomPublic):
        assert isinstance(message, RoomPublic)
        if message.slug == SLUG:
            pages |= {name: page.body for name, page in message.pages.items()}
    return pages


async def test_what_is_measured_is_noted_once_and_outlives_the_studio(tmp_path: Path) -> None:
    bus = FakeBus()
    stage = FakeStage(bus)
    await stage.start()
    async with running_studio(tmp_path, bus=bus, stage=stage) as house:
        broadcast = await live(house)
        clock = house.clock
        await stage.report(broadcast, SLUG, seat("p1", place="green"))
        assert (await start_of(house))["speaker_at"] is None, "who waits is not on the stage"
        await stage.report(broadcast, SLUG, seat("p1"))
        first = (await start_of(house))["speaker_at"]
        clock.advance(10)
        await stage.report(broadcast, SLUG, seat("p1"), seat("p2"))
        await sounded(house, broadcast, clock.wall() + 0.123)
        await sounded(house, broadcast, clock.wall() + 9, "e2")
        start = await start_of(house)
        assert start["late_seconds"] == pytest.approx(0.4)
        assert start["speaker_at"] == first
        assert start["sound_at"].endswith("Z")
        assert start["live_at"][-5:] != start["sound_at"][-5:]
        assert start["incidents"] == []
        await house.app.state.starts.write()
    async with running_studio(tmp_path, bus=FakeBus(), clock=clock) as house:
        again = await start_of(house)
        assert [each["what"] for each in again["incidents"]] == ["studio_restarted"]
        assert {**again, "incidents": []} == start


async def test_incidents_are_told_apart_and_bounded(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await live(house)
        say = house.bus.publish
        await house.stage.report(broadcast, SLUG, seat("p1"))
        await say(subjects.STAGE_HELLO, StageHello(stage_id="stage-1"))
        await say(subjects.STAGE_HELLO, StageHello(stage_id="stage-2"))
        for pid in (1, 1, 2, 2):
            await say(subjects.ROLE_READY, RoleReady(role="edge-0", pid=pid))
            await say(subjects.ROLE_READY, RoleReady(role="scribe", pid=pid))
        loads: tuple[Literal["", "widened", "refusing"], ...] = (
            "",
            "widened",
            "widened",
            "refusing",
            "widened",
            "",
        )
        for load in loads:
            listening = {SLUG: {"push": 1}}
            report = AudienceReport(edge_id="e", wall_clock=0.0, listening=listening, load=load)
            await say(subjects.AUDIENCE_REPORT, report)
        house.app.state.starts.bus_was_lost()
        for state in ("on", "failing", "failing"):
            await house.stage.record(broadcast, state=state)
        what = [each["what"] for each in (await start_of(house))["incidents"]]
        assert what == [
            *("stage_restarted", "edge_restarted", "edge_widened", "edge_refusing"),
            *("bus_lost", "recording_failing"),
        ]
        for number in range(100):
            await say(subjects.STAGE_HELLO, StageHello(stage_id=f"more-{number}"))
        assert len((await start_of(house))["incidents"]) == MAX_INCIDENTS


async def test_nothing_is_noted_of_a_room_that_is_not_on(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await live(house)
        await house.command("stop")
        await house.bus.publish(subjects.STAGE_HELLO, StageHello(stage_id="other"))
        await house.stage.report(broadcast, SLUG, seat("p1"))
        await sounded(house, broadcast, house.clock.wall())
        start = await start_of(house)
        assert (start["incidents"], start["speaker_at"], start["sound_at"]) == ([], None, None)


async def test_pages_and_the_file_say_it_and_the_state_leads_there(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await live(house)
        await sounded(house, broadcast, house.clock.wall() + 0.21)
        await house.command("stop")
        house.clock.advance(6)
        await house.app.state.publisher.publish_due()
        pages = await published_pages(house)
        state, record = json.loads(pages["state.json"]), json.loads(pages["start.json"])
        assert state["links"]["start"] == f"/r/{SLUG}/start.json"
        assert record == {"slug": SLUG, "broadcast": broadcast, **state["start"]}
        assert record["late_seconds"] == pytest.approx(0.4)
        page = pages["page.en"].decode()
        assert "Planned for <time" in page
        assert f'href="/r/{SLUG}/start.json"' in page
        assert "Geplant für <time" in pages["page.de"].decode()


async def test_a_plan_says_what_will_happen_by_itself(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        planned = round(house.clock.wall()) + 7200
        made = await house.room(at=_iso(planned), doors_minutes=15)
        assert made["start"]["doors_due"] == _iso(planned - 900)
        assert made["start"]["live_due"] is None
        changed = await house.operator.patch(
            f"/api/rooms/{SLUG}", json={"opens_itself": False, "starts_itself": True}
        )
        assert changed.json()["start"]["doors_due"] == _iso(planned)
        assert changed.json()["start"]["live_due"] == _iso(planned)
        details = changed.json()["details"]
        assert (details["opens_itself"], details["doors_minutes"], details["starts_itself"]) == (
            False,
            15,
            True,
        )


async def test_of_broadcasts_that_are_past_nothing_stays_in_memory(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        for _ in range(105):
            broadcast = (await house.command("open"))["broadcast"]
            await house.stage.report(broadcast, SLUG, seat("p1"))
            await house.command("stop")
            house.clock.advance(2)
        assert len(house.app.state.starts._notes) <= 100
