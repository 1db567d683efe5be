"""What the edges get: pages and state.json as bytes, when, and how often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio_support import House, running_studio, seat

from hustings.bus import subjects
from hustings.bus.messages import AudienceReport, RoomPublic, RoomsSnapshot, RoomsSnapshotRequest
from hustings.studio import publisher as module
from hustings.studio.publisher import Publisher


def publisher_of(house: House) -> Publisher:
    found = house.app.state.publisher
    assert isinstance(found, Publisher)
    return found


async def published(house: House, slug: str = "town-hall") -> list[RoomPublic]:
    """Everything due now, of one room; forgets what was published before."""
    house.bus.published.clear()
    house.clock.advance(1.0)
    await publisher_of(house).publish_due()
    return [m for m in house.published(RoomPublic) if isinstance(m, RoomPublic) and m.slug == slug]


def state(room: RoomPublic) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(room.pages["state.json"].body)
    return value


async def test_a_room_is_published_with_both_pages_and_state(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.invite("Ada", public=True)
        await house.invite("Secret", public=False)
        await house.command("open")
        (room,) = await published(house)
        assert (room.status, set(room.pages)) == ("open", {"page.de", "page.en", "state.json"})
        shown = state(room)
        assert shown["title"] == "Town hall"
        assert shown["broadcast"] == room.broadcast_id
        assert [i["name"] for i in shown["invitations"]] == ["Ada"]
        assert shown["started_at"] is None
        assert set(shown["links"]) == {"page", "state", "live"}
        for name in ("page.de", "page.en"):
            page = room.pages[name].body.decode()
            assert "Ada" in page
            assert "Secret" not in page
            assert f'lang="{name[-2:]}"' in page


async def test_links_are_what_there_is(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.command("open")
        await house.command("start")
        (room,) = await published(house)
        links = state(room)["links"]
        assert links["hls"] == "/r/town-hall/hls/index.m3u8"
        assert links["whep"] == "http://127.0.0.1:8001/whep/town-hall"
        assert {"live", "stream_ogg", "stream_aac"} <= set(links)
        await house.command("stop")
        (room,) = await published(house)
        assert set(state(room)["links"]) == {"page", "state"}


async def test_who_speaks_and_who_listens_is_in_the_state(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        await house.command("open")
        await house.whip(invitation["ticket"])
        broadcast_id = (await house.command("start"))["broadcast_id"]
        person = invitation["participant_id"]
        await house.stage.report(broadcast_id, "town-hall", seat(person, speaking=True, talked_seconds=12.34))
        for edge, doors in (("e0", {"push": 2, "hls": 1}), ("e1", {"push": 3})):
            report = AudienceReport(edge_id=edge, wall_clock=0.0, listening={"town-hall": doors})
            await house.bus.publish(subjects.AUDIENCE_REPORT, report)
        (room,) = await published(house)
        shown = state(room)
        assert (shown["listeners"], shown["listeners_by_door"]) == (6, {"hls": 1, "push": 5})
        assert shown["participants"] == [
            {
                "id": person,
                "name": "Ada",
                "role": "speaker",
                "connected": True,
                "speaking": True,
                "muted": False,
                "muted_by_host": False,
                "talked_seconds": 12.3,
            }
        ]
        house.clock.advance(20.0)
        house.studio.board.tick(house.clock.monotonic())
        (room,) = await published(house)
        assert state(room)["listeners"] == 0, "an edge that says nothing counts for nothing"
        assert state(room)["participants"][0]["connected"] is False


async def test_talk_time_survives_a_restart_of_the_stage(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        invitation = await house.invite()
        broadcast_id = (await house.command("open"))["broadcast_id"]
        await house.whip(invitation["ticket"])
        person = invitation["participant_id"]
        for stage_id, talked in (("stage-1", 30.0), ("stage-2", 4.0)):
            house.stage.stage_id = stage_id
            await house.stage.report(broadcast_id, "town-hall", seat(person, talked_seconds=talked))
        (room,) = await published(house)
        assert state(room)["participants"][0]["talked_seconds"] == 34.0


async def test_at_most_twice_a_second_and_versions_only_grow(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await published(house)
        versions = []
        for _ in range(40):
            house.clock.advance(0.1)
            house.studio.board.changed("town-hall")
            house.bus.published.clear()
            await publisher_of(house).publish_due()
            versions += [m.version for m in house.published(RoomPublic) if isinstance(m, RoomPublic)]
        assert 6 <= len(versions) <= 9
        assert versions == sorted(set(versions))
    async with running_studio(tmp_path, clock=house.clock) as again:
        house.clock.advance(0.001)
        snapshot = await again.bus.request(subjects.ROOMS_SNAPSHOT, RoomsSnapshotRequest(), RoomsSnapshot)
        assert min(room.version for room in snapshot.rooms) >= versions[-1]


async def test_figures_alone_do_not_render_the_page_again(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.command("open")
        (first,) = await published(house)
        report = AudienceReport(edge_id="e", wall_clock=0.0, listening={"town-hall": {"push": 7}})
        await house.bus.publish(subjects.AUDIENCE_REPORT, report)
        (second,) = await published(house)
        assert state(second)["listeners"] == 7
        assert second.pages["page.en"].body == first.pages["page.en"].body
        await house.command("start")
        (third,) = await published(house)
        assert third.pages["page.en"].body != first.pages["page.en"].body


async def test_the_snapshot_comes_in_pages_and_holds_everything(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for number in range(7):
            await house.room(f"room-{number}")
        await published(house)
        whole = await snapshot(house, 10**9)
        paged = await snapshot(house, 40_000)
        assert [room.slug for room in whole[0].rooms] == ["", *(f"room-{n}" for n in range(7))]
        assert len(paged) > 1
        assert [r.slug for page in paged for r in page.rooms] == [room.slug for room in whole[0].rooms]


async def snapshot(house: House, size: int) -> list[RoomsSnapshot]:
    pages = []
    before, module.SNAPSHOT_BYTES = module.SNAPSHOT_BYTES, size
    try:
        request = RoomsSnapshotRequest()
        while True:
            page = await house.bus.request(subjects.ROOMS_SNAPSHOT, request, RoomsSnapshot)
            pages.append(page)
            if not page.more:
                return pages
            request = RoomsSnapshotRequest(after_slug=page.rooms[-1].slug, first=False)
    finally:
        module.SNAPSHOT_BYTES = before


async def test_a_restarted_studio_has_its_snapshot_whole_from_the_first_answer(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for number in range(5):
            await house.room(f"room-{number}")
    async with running_studio(tmp_path, clock=house.clock) as again:
        assert len((await snapshot(again, 10**9))[0].rooms) == 6


async def test_hostile_titles_stay_text(tmp_path: Path) -> None:
    title = "</script><script>alert(1)</script> & \"'<img src=x onerror=alert(1)>"
    async with running_studio(tmp_path) as house:
        await house.operator.post("/api/rooms", json={"title": title, "slug": "town-hall"})
        await house.invite("<b onclick=x>Ada", public=True)
        (room,) = await published(house)
        assert state(room)["title"] == title
        pages = [room.pages["page.en"].body.decode(), (await house.anyone.get("/")).text]
        for page in pages:
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert "<b onclick" not in page


async def test_the_list_shows_what_is_on_first(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for slug, at in (("later", "2026-12-02T20:00:00Z"), ("sooner", "2026-12-01T20:00:00Z")):
            await house.room(slug, at=at)
        await house.room("on-now")
        await house.command("open", "on-now")
        await house.room("over")
        await house.command("open", "over")
        await house.command("stop", "over")
        views = publisher_of(house).listed(house.clock.monotonic())
        assert [view.slug for view in views] == ["on-now", "sooner", "later", "over"]
