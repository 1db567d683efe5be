"""A room that keeps its audience figures to its hosts: what everybody sees, what hosts see, and the proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from accounts_support import first_operator
from fake_bus import FakeBus
from studio_support import FakeStage, House, running_studio
from test_audience import SLUG, Edge, entries, on_air, salt_of
from test_replays import published

from hustings.archive.record_keys import check
from hustings.audience.lanes import FINAL
from hustings.audience.replays import Replays
from hustings.audience.sketch import salt_name, visitor_key
from hustings.bus import subjects
from hustings.bus.audience_messages import Played
from hustings.bus.messages import AudienceReport, RoomEvent
from hustings.clock import FakeClock
from hustings.rooms.record import head_line, line_hash, verify
from hustings.rooms.record_seal import check_openings, read_openings

FIGURES = ("audience", "audience_total", "audience_replay")


async def evening(house: House, figures: str) -> str:
    """A broadcast that is over, and somebody who heard it again the day after."""
    broadcast, salt = await on_air(house, figures=figures)
    await Edge(house, broadcast, salt, "a").listen(range(10), 180)
    house.clock.advance(FINAL + 60)
    await house.app.state.audience.tick()
    await house.command("stop")
    house.clock.advance(20)
    await house.app.state.audience.tick()
    await replayed(house, broadcast)
    return broadcast


async def replayed(house: House, broadcast: str, people: range = range(6)) -> None:
    day = house.app.state.audience.plays.scope()
    salt = await salt_of(house, day)
    replays = Replays()
    for n in people:
        replays.took(day, (SLUG, broadcast), visitor_key(salt, f"192.0.2.{n}", b"P"), 0.0, 90.0)
    (told,) = replays.drain()
    more: dict[str, Any] = {"sketch": told.sketch, "milliseconds": told.milliseconds}
    message = Played(place="a", day=day, slug=SLUG, broadcast_id=broadcast, salt=salt_name(salt), **more)
    await house.bus.publish(subjects.AUDIENCE_PLAYED, message)
    house.clock.advance(25 * 3600)
    await house.app.state.audience.tick()


async def hosts_document(house: House) -> dict[str, Any]:
    answer = await house.operator.get(f"/api/rooms/{SLUG}/audience")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    content: dict[str, Any] = answer.json()
    return content


def listening(house: House, count: int) -> AudienceReport:
    """What an edge says."""
    return AudienceReport(edge_id="e1", wall_clock=house.clock.wall(), listening={SLUG: {"push": count}})


async def record_lines(house: House) -> list[bytes]:
    lines: list[bytes] = await house.app.state.published._records.lines(SLUG, 0)
    return lines


def public_document(house: House) -> dict[str, Any]:
    room = house.studio.board.room(SLUG)
    pages = house.app.state.audience.pages(room, None)
    content: dict[str, Any] = json.loads(pages["audience.json"].body)
    return content


def without_names(document: dict[str, Any], broadcast: str) -> dict[str, Any]:
    """As of any broadcast: identifiers are made at random."""
    content: dict[str, Any] = json.loads(json.dumps(document).replace(broadcast, "B"))
    return content


async def test_hosts_see_what_an_open_room_shows_everybody(tmp_path: Path) -> None:
    shown = {}
    for figures in ("all", "hosts"):
        async with running_studio(tmp_path / figures) as house:
            broadcast = await evening(house, figures)
            document = await hosts_document(house)
            if figures == "all":
                assert document == public_document(house)
            shown[figures] = without_names(document, broadcast)
    assert shown["all"] == shown["hosts"]
    (of,) = shown["hosts"]["broadcasts"]
    assert of["totals"]["net"]["peak"] == 10
    assert shown["hosts"]["replay"][0]["plays"] == 6


async def test_the_record_of_a_sealed_room_has_no_figures_and_proves_them(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await evening(house, "hosts")
        for kind, members in zip(FIGURES, ("minute", None, "day"), strict=True):
            found = await entries(house, kind)
            assert found
            for data in found:
                assert data.keys() == {"broadcast", "sealed"} | ({members} if members else set())
        (opened,) = await entries(house, "doors_opened")
        assert opened["figures"] == "hosts"

        answer = await house.operator.get(f"/api/rooms/{SLUG}/audience/openings")
        assert answer.status_code == 200
        openings = read_openings(answer.content)
        lines = await record_lines(house)
        signer = house.app.state.published._records._signer
        head = head_line(room=SLUG, entries=len(lines), last=line_hash(lines[-1]), at=1.0, sign=signer.sign)
        verdict = verify(b"".join(line + b"\n" for line in [*lines, head]), check)
        assert verdict.ok
        result = check_openings(verdict.entries, openings)
        assert (result.first_bad, result.reason) == (None, "")
        assert (
            result.opened
            == result.sealed
            == len([data for kind in FIGURES for data in await entries(house, kind)])
        )
        total = next(each.data for each in openings if "milliseconds" in each.data)
        assert total["net"]["peak"] == 10
        assert total["broadcast"] == broadcast
        assert len({each.nonce for each in openings}) == len(openings)


async def test_a_studio_that_restarts_knows_what_it_sealed(tmp_path: Path) -> None:
    bus, clock = FakeBus(), FakeClock()
    stage = FakeStage(bus)
    await stage.start()
    async with running_studio(tmp_path, bus=bus, stage=stage, clock=clock) as house:
        broadcast, salt = await on_air(house, figures="hosts")
        await Edge(house, broadcast, salt, "a").listen(range(8), 240)
        before = await hosts_document(house)
        assert any(minute["final"] for minute in before["broadcasts"][0]["minutes"])
    async with running_studio(tmp_path, bus=bus, stage=stage, clock=clock) as house:
        after = await hosts_document(house)
        final = [minute for minute in before["broadcasts"][0]["minutes"] if minute["final"]]
        assert after["broadcasts"][0]["minutes"][: len(final)] == final
        await house.command("stop")
        clock.advance(700)
        await house.app.state.audience.tick()
        totals = (await hosts_document(house))["broadcasts"][0]["totals"]
        assert totals["net"]["peak"] == 8, "the total is of what was opened"
        assert "sealed" in (await entries(house, "audience_total"))[0]


async def test_everybody_else_is_told_nothing_of_how_many_listen(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast, _ = await on_air(house, figures="hosts")
        before = len(house.published(RoomEvent))
        await house.bus.publish(subjects.AUDIENCE_REPORT, listening(house, 41))
        house.clock.advance(3.0)
        pages = (await published(house)).pages
        state = json.loads(pages["state.json"].body)
        assert (state["listeners"], state["listeners_by_door"]) == (None, None)
        assert "audience" not in state["links"]
        assert "audience.json" not in pages
        assert not [name for name in pages if name.startswith("audience.")]
        assert pages["figures.hosts"].body
        for name, page in pages.items():
            if name.startswith(("page.", "embed.", "replay.", "recordings.")):
                assert b"/audience" not in page.body, name
                assert b"41" not in page.body.replace(broadcast.encode(), b""), name
        for event in house.published(RoomEvent)[before:]:
            assert isinstance(event, RoomEvent)
            assert event.kind != "audience"
            assert not [path for path in event.changed if path.startswith("listeners")]

        room = (await house.operator.get(f"/api/rooms/{SLUG}")).json()
        assert (room["listeners"], room["listeners_by_door"]) == (41, {"push": 41})
        assert (room["host"]["listeners"], room["host"]["figures"]) == (41, "hosts")


async def test_an_open_room_is_as_it_was(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await on_air(house)
        await house.bus.publish(subjects.AUDIENCE_REPORT, listening(house, 41))
        house.clock.advance(3.0)
        pages = (await published(house)).pages
        state = json.loads(pages["state.json"].body)
        assert (state["listeners"], state["links"]["audience"]) == (41, f"/r/{SLUG}/audience.json")
        assert {"audience.json", "audience.de", "audience.en"} <= pages.keys()
        assert f"/r/{SLUG}/audience?lang=en".encode() in pages["page.en"].body
        assert "figures" not in (await entries(house, "doors_opened"))[0]
        answer = await house.operator.get(f"/api/rooms/{SLUG}/audience/openings")
        assert (answer.status_code, answer.content) == (200, b"")


async def test_it_is_changed_between_broadcasts_and_each_keeps_what_it_began_with(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        sealed = await evening(house, "hosts")
        change = {"figures": "all"}
        answer = await house.operator.patch(f"/api/rooms/{SLUG}", json=change)
        assert (answer.status_code, answer.json()["details"]["figures"]) == (200, "all")
        # What was sealed stays so, what is heard again of it too.
        assert public_document(house)["broadcasts"] == public_document(house)["replay"] == []
        await replayed(house, sealed)
        assert all("sealed" in data for data in await entries(house, "audience_replay"))

        await house.command("open")
        for figures in ("hosts", "all"):
            answer = await house.operator.patch(f"/api/rooms/{SLUG}", json={"figures": figures})
            assert answer.status_code == (409 if figures == "hosts" else 200), "while it is on"
        broadcast = str((await house.command("start"))["broadcast"])
        await house.app.state.audience.tick()
        await Edge(house, broadcast, await salt_of(house, broadcast), "a").listen(range(3), 180)
        await house.command("stop")
        # Changed before the total is written: it is of the broadcast, and open as its minutes are.
        answer = await house.operator.patch(f"/api/rooms/{SLUG}", json={"figures": "hosts"})
        assert answer.status_code == 200
        house.clock.advance(FINAL + 60)
        await house.app.state.audience.tick()
        of = [data for kind in FIGURES for data in await entries(house, kind)]
        assert {"sealed" in data for data in of if data["broadcast"] == sealed} == {True}
        assert {"sealed" in data for data in of if data["broadcast"] == broadcast} == {False}
        document = await hosts_document(house)
        assert [each["broadcast"] for each in document["broadcasts"]] == [broadcast, sealed]
        await house.operator.patch(f"/api/rooms/{SLUG}", json={"figures": "all"})
        assert [each["broadcast"] for each in public_document(house)["broadcasts"]] == [broadcast]


@pytest.mark.parametrize("figures", ["everybody", "", 1, True])
async def test_anything_else_is_refused(tmp_path: Path, figures: object) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        answer = await house.operator.patch(f"/api/rooms/{SLUG}", json={"figures": figures})
        assert (answer.status_code, "figures" in answer.json()["where"]) == (422, True)


async def test_the_page_at_the_studios_door_says_who_sees_it(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        for figures, says in (("hosts", "Only hosts see this."), ("all", "Everybody can see this.")):
            slug = f"room-{figures}"
            await house.room(slug, figures=figures)
            answer = await clara.get(f"/rooms/{slug}/audience?lang=en")
            assert answer.status_code == 200
            assert says in answer.text
            assert f'data-figures="/api/rooms/{slug}/audience"' in answer.text
            policy = answer.headers["content-security-policy"]
            assert "connect-src 'self' http://localhost:8000;" in policy
            assert "unsafe" not in policy
            public = f'href="http://localhost:8000/r/{slug}/audience?lang=en"'
            assert (public in answer.text) is (figures == "all")
            manage = await clara.get(f"/rooms/{slug}?lang=en")
            assert f'href="/rooms/{slug}/audience"' in manage.text
