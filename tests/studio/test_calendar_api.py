"""Calendar files and QR codes of a room, from the studio and for the edges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import icalendar
from accounts_support import another, first_operator
from studio_support import House, running_studio

from hustings.bus.messages import RoomPublic
from hustings.clock import FakeClock
from hustings.config import Settings
from hustings.rooms.model import Details, Room
from hustings.rooms.table import RoomStatus
from hustings.studio.context import RoomView
from hustings.studio.covers import Covers
from hustings.studio.room_files import RoomFiles
from hustings.studio.urls import Urls

WEEKLY: dict[str, Any] = {"at": "2026-12-01T20:00:00+01:00", "time_zone": "Europe/Berlin", "weekly": True}
VIEW = RoomView(slug="a", title="A", status="scheduled")


async def event(house: House, ticket: str, **more: Any) -> tuple[Any, Any]:
    """The invited's calendar and its one event."""
    answer = await house.anyone.get(
        "/api/rooms/town-hall/me/calendar.ics", headers={"Authorization": f"Bearer {ticket}"}, **more
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    calendar: Any = icalendar.Calendar.from_ical(answer.content)
    (found,) = calendar.events
    return calendar, found


async def test_the_inviteds_own_file(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(**WEEKLY, topics=[{"title": "One", "minutes": 20}, {"title": "Two", "minutes": 25}])
        made = await house.invite("Ada Lovelace")
        calendar, first = await event(house, made["ticket"], params={"lang": "de"})
        assert calendar["METHOD"] == "REQUEST"
        assert first["ATTENDEE"].params["PARTSTAT"] == "NEEDS-ACTION"
        assert first.duration.total_seconds() == 45 * 60
        assert first["DESCRIPTION"].startswith("Sie sind zum Sprechen eingeladen.")
        secret = made["ticket"].removeprefix("t_"), made["link"].partition("#")[2]
        assert not any(part in calendar.to_ical().decode().replace("\r\n ", "") for part in secret)

        headers = {"Authorization": f"Bearer {made['ticket']}"}
        await house.anyone.post(
            "/api/rooms/town-hall/me/answer", json={"answer": "accepted"}, headers=headers
        )
        _, second = await event(house, made["ticket"])
        assert second["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
        assert second["UID"] == first["UID"]


async def test_the_sequence_grows_with_each_change(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(**WEEKLY)
        ticket = (await house.invite())["ticket"]
        base = "/api/rooms/town-hall"
        seen = [(await event(house, ticket))[1]]
        await house.operator.patch(base, json={"title": "Another title"})
        seen.append((await event(house, ticket))[1])
        later = {"at": "2026-12-08T20:00:00+01:00", "time_zone": "Europe/Berlin", "weekly": True}
        await house.operator.post(f"{base}/schedule", json=later)
        seen.append((await event(house, ticket))[1])
        await house.command("cancel")
        calendar, gone = await event(house, ticket)
        assert (calendar["METHOD"], gone["STATUS"]) == ("CANCEL", "CANCELLED")
        await house.operator.post(f"{base}/schedule", json=later)
        calendar, back = await event(house, ticket)
        assert (calendar["METHOD"], back["STATUS"]) == ("REQUEST", "CONFIRMED")
        numbers = [each["SEQUENCE"] for each in (*seen, gone, back)]
        assert numbers == sorted(set(numbers)), numbers
        assert len({each["UID"] for each in (*seen, gone, back)}) == 1
        uid, last = back["UID"], back["SEQUENCE"]
    async with running_studio(tmp_path) as house:  # after a restart it goes on from there
        _, found = await event(house, ticket)
        assert (found["UID"], found["SEQUENCE"]) == (uid, last)


async def test_who_may_have_it(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        made = await house.invite()
        own, by_host = (
            "/api/rooms/town-hall/me/calendar.ics",
            f"/api/rooms/town-hall/invitations/{made['id']}/calendar.ics",
        )
        bearer = {"Authorization": f"Bearer {made['ticket']}"}
        assert (await house.anyone.get(own, headers=bearer)).status_code == 404, "no date yet"
        await house.operator.post("/api/rooms/town-hall/schedule", json=WEEKLY)
        assert (await house.anyone.get(own, headers=bearer)).status_code == 200
        assert (await house.anyone.get(own)).status_code == 401
        assert (await house.anyone.get(by_host)).status_code == 401
        assert (await house.anyone.get(by_host, headers=bearer)).status_code == 403
        answer = await house.operator.get(by_host)
        assert answer.status_code == 200
        assert 'filename="town-hall.ics"' in answer.headers["content-disposition"]
        unknown = by_host.replace(made["id"], "nobody")
        assert (await house.operator.get(unknown)).status_code == 404


async def test_qr_codes_of_this_rooms_links_only(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        room = await house.room()
        await house.room("other")
        made = await house.invite()
        other = await house.invite(slug="other")
        path = "/api/rooms/town-hall/qr"
        for link in (made["link"], room["audience_url"]):
            answer = await house.operator.post(path, json={"text": link})
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("image/svg+xml")
            assert answer.headers["cache-control"] == "no-store"
        for text in (
            other["link"],
            "https://evil.example/",
            "javascript:alert(1)",
            made["link"] + "x" * 600,
            "",
        ):
            assert (await house.operator.post(path, json={"text": text})).status_code == 422, text
        body = {"text": made["link"]}
        assert (await house.anyone.post(path, json=body)).status_code == 401
        operator = await first_operator(house)
        host = await another(house, operator, "Thomas")
        assert (await host.post(path, json=body)).status_code == 403
        # By the name it was asked for: its links have that, too.
        base = str(operator.base_url).rstrip("/")
        assert (await operator.post(path, json={"text": f"{base}/s/town-hall#l_x"})).status_code == 200


async def test_edges_get_the_listeners_file(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(**WEEKLY)
        house.clock.advance(10)
        await house.app.state.publisher.publish_due()
        shown = [m for m in house.published(RoomPublic) if isinstance(m, RoomPublic) and m.slug]
        calendar: Any = icalendar.Calendar.from_ical(shown[-1].pages["calendar.ics"].body)
        assert calendar["METHOD"] == "PUBLISH"
        assert calendar.events[0]["RRULE"]["FREQ"] == ["WEEKLY"]


def test_files_are_made_anew_only_when_the_room_changed(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = Settings.model_validate({"data": tmp_path, "audience_url": "https://radio.example"})
    files = RoomFiles(Covers(tmp_path), Urls(settings), clock)
    room = Room("a", RoomStatus.SCHEDULED, 1.0, Details("A", scheduled_at=1_800_000_000.0))
    made = files.of(room, VIEW)
    assert set(made) == {"calendar.ics", "qr.svg"}
    clock.advance(100)
    assert files.of(room, VIEW) is made
    changed = files.of(replace(room, revision=1), VIEW)
    assert changed["calendar.ics"].body != made["calendar.ics"].body
    assert changed["qr.svg"].body == made["qr.svg"].body
    (tmp_path / ("0" * 32 + ".webp")).write_bytes(b"large")
    (tmp_path / ("0" * 32 + "-small.webp")).write_bytes(b"small")
    for status, picture in ((RoomStatus.LIVE, b"large"), (RoomStatus.ENDED, b"small")):
        shown = replace(room, status=status, details=Details("A", cover="0" * 32))
        assert files.of(shown, VIEW)["cover.webp"].body == picture
    dateless = replace(room, details=Details("A"), revision=2)
    assert set(files.of(dateless, VIEW)) == {"qr.svg"}
