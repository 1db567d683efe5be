"""What the edges get: pages and state.json as bytes, when, and how often."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from studio_support import House, running_studio, seat

from hustings.bus import subjects
from hustings.bus.messages import (
    AudienceReport,
    Page,
    RoomEvent,
    RoomPublic,
    RoomsSnapshot,
    RoomsSnapshotRequest,
)
from hustings.edge.rooms import RoomBook
from hustings.studio import publisher as module
from hustings.studio.publisher import Publisher


def publisher_of(house: House) -> Publisher:
    found = house.app.state.publisher
    assert isinstance(found, Publisher)
    return found


async def published(house: House, slug: str = "town-hall") -> list[RoomPublic]:
    """What is due now, figures too, of one room, whole; forgets what was published before."""
    house.bus.published.clear()
    house.clock.advance(2.5)
    publisher_of(house).feeds.advance()
    await publisher_of(house).publish_due()
    for message in house.published(RoomPublic):
        assert isinstance(message, RoomPublic)
        if message.slug == slug:
            done = publisher_of(house)._done[slug].public
            assert done.version == message.version
            assert {*message.pages, *message.kept} == set(done.pages)
            assert all(done.pages[name] == page for name, page in message.pages.items())
            return [done]
    return []


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
        assert room.status == "open"
        own = {f"{name}.{lang}" for name in ("page", "embed", "audience") for lang in ("de", "en")}
        own |= {"oembed.json", "state.json", "start.json"}
        assert set(room.pages) - {"record.head"} == own, "the record's head comes once its copy is written"
        shown = state(room)
        assert shown["title"] == "Town hall"
        assert shown["broadcast"] == room.broadcast_id
        assert [i["name"] for i in shown["invitations"]] == ["Ada"]
        assert shown["started_at"] is None
        always = {"page", "state", "live", "whip", "embed", "start", "record", "audience"}
        assert set(shown["links"]) == {*always, "hold"}
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
        assert set(state(room)["links"]) == {"page", "state", "embed", "whip", "start", "record", "audience"}


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
                "clock_until": None,
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
        paged = await snapshot(house, 80_000)
        assert [room.slug for room in whole[0].rooms] == ["", "@", *(f"room-{n}" for n in range(7))]
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
        assert len((await snapshot(again, 10**9))[0].rooms) == 7


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


async def test_pages_that_edges_have_are_left_out(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.command("open")
        (whole,) = await published(house)
        book = RoomBook()
        asked: list[int] = []
        book.incomplete = lambda: asked.append(1)
        assert book.update(whole)
        weights = []
        for count in range(1, 9):
            report = AudienceReport(edge_id="e", wall_clock=0.0, listening={"town-hall": {"push": count}})
            await house.bus.publish(subjects.AUDIENCE_REPORT, report)
            (done,) = await published(house)
            for message in house.published(RoomPublic):
                assert isinstance(message, RoomPublic)
                if message.slug == "town-hall":
                    assert book.update(message)
                    weights.append(sum(len(page.body) for page in message.pages.values()))
            known = book.get("town-hall")
            assert known is not None
            assert known.pages == done.pages
        assert min(weights) < max(weights) / 5
        assert not asked
        (page,) = await snapshot(house, 10**9)
        assert all(room.kept == [] for room in page.rooms)


async def asked_by(house: House, book: RoomBook) -> int:
    """An edge with `book` asks for a snapshot, as RoomSync does; bytes of pages that came."""
    request = RoomsSnapshotRequest(have=book.versions(None))
    page = await house.bus.request(subjects.ROOMS_SNAPSHOT, request, RoomsSnapshot)
    book.begin_snapshot()
    for room in page.rooms:
        book.update(room)
    book.end_snapshot(room.slug for room in page.rooms)
    return sum(len(each.body) for room in page.rooms for each in room.pages.values())


async def test_a_snapshot_brings_an_edge_only_what_it_lacks(tmp_path: Path) -> None:
    cover = Page(content_type="image/webp", body=b"x" * 200_000)
    async with running_studio(tmp_path) as house:
        publisher_of(house).add(lambda room, view: {"cover.webp": cover})
        for slug in ("one", "two"):
            await house.room(slug)
        await house.command("open", "one")
        await published(house, "one")
        early = RoomBook()
        missing: list[int] = []
        early.incomplete = lambda: missing.append(1)
        assert await asked_by(house, early) > 400_000
        assert await asked_by(house, early) == 0, "nothing is new"
        await house.command("start", "one")
        await house.room("three")
        await published(house, "one")
        assert 200_000 < await asked_by(house, early) < 400_000, "no cover twice"
        late = RoomBook()
        await asked_by(house, late)
        assert late.rooms.keys() == {"", "@", "one", "two", "three"}
        for slug, room in late.rooms.items():
            known = early.get(slug)
            assert known is not None
            assert (known.pages, known.version, known.status) == (room.pages, room.version, room.status), slug
        assert not missing
    async with running_studio(tmp_path, clock=house.clock) as again:
        # A studio that began anew has rendered everything anew: nothing of before is taken for granted.
        publisher_of(again).add(lambda room, view: {"cover.webp": cover})
        house.clock.advance(0.001)
        await published(again, "one")
        await asked_by(again, early)
        fresh = RoomBook()
        await asked_by(again, fresh)
        assert {slug: room.pages for slug, room in early.rooms.items()} == {
            slug: room.pages for slug, room in fresh.rooms.items()
        }


async def test_a_state_never_goes_out_before_its_events(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.invite(public=True)
        for verb in ("open", "start", "stop"):
            await house.command(verb)
            house.clock.advance(2.5)
            await publisher_of(house).publish_due()
        seen, states = 0, 0
        for _, message in house.bus.published:
            if isinstance(message, RoomEvent):
                assert message.seq == seen + 1
                seen = message.seq
            elif isinstance(message, RoomPublic) and message.slug == "town-hall":
                assert message.seq == state(message)["seq"] == seen
                assert message.stream == state(message)["stream"]
                states += 1
        kinds = [each.kind for _, each in house.bus.published if isinstance(each, RoomEvent)]
        assert kinds == ["invited", "opened", "live", "ended"]
        assert states >= 4


async def test_events_need_no_publication_to_go_out(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.command("open")
        for _ in range(20):
            await asyncio.sleep(0)
        found = [each.kind for _, each in house.bus.published if isinstance(each, RoomEvent)]
        assert found == ["opened"], "the clock has not moved"


async def test_what_does_not_fit_on_the_bus_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGES_BYTES", 100_000)
    counted = module._left_out
    before = counted._value.get()
    async with running_studio(tmp_path) as house:
        huge = Page(content_type="image/webp", body=b"x" * 100_000)
        small = Page(content_type="text/calendar", body=b"BEGIN")
        publisher_of(house).add(lambda room, view: {"cover.webp": huge, "calendar.ics": small})
        await house.room()
        (room,) = await published(house)
        assert "cover.webp" not in room.pages
        assert {"page.de", "page.en", "state.json", "calendar.ics"} <= set(room.pages)
    assert counted._value.get() == before + 1


def talk_time(house: House) -> float:
    view = publisher_of(house).feeds.shown("town-hall")
    assert view is not None
    return view.participants[0].talked_seconds


def settle(house: House) -> None:
    """Figures go out."""
    house.clock.advance(2.5)
    publisher_of(house).feeds.advance()


async def test_talk_time_survives_a_restart_of_the_studio(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        person = (invitation := await house.invite())["participant_id"]
        broadcast_id = (await house.command("open"))["broadcast_id"]
        await house.command("start")
        await house.whip(invitation["ticket"])
        for stage_id, talked in (("stage-1", 30.0), ("stage-2", 4.0)):
            house.stage.stage_id = stage_id
            await house.stage.report(broadcast_id, "town-hall", seat(person, talked_seconds=talked))
        clock, bus, stage = house.clock, house.bus, house.stage
    async with running_studio(tmp_path, clock=clock, bus=bus, stage=stage) as again:
        assert talk_time(again) == 34.0, "before the stage says anything"
        await stage.report(broadcast_id, "town-hall", seat(person, talked_seconds=9.0))
        settle(again)
        assert talk_time(again) == 34.0
        await stage.report(broadcast_id, "town-hall", seat(person, talked_seconds=12.0))
        settle(again)
        assert talk_time(again) == 37.0
        await again.command("stop")
    async with running_studio(tmp_path, clock=clock) as ended:
        assert talk_time(ended) == 37.0, "an ended broadcast shows it, too"
