"""Guests, green room, hands, bans and the agenda, as a host does them by the API."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from studio_support import House, running_studio, seat

from hustings.ids import new_secret, secret_hash
from hustings.rooms.model import ABSENT_SECONDS

HOUR = 3600.0


def bearer(ticket: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket}"}


async def post(house: House, path: str, body: Any = None, *, ticket: str = "", status: int = 200) -> Any:
    client = house.anyone if ticket else house.operator
    answer = await client.post(
        f"/api/rooms/town-hall{path}", json=body, headers=bearer(ticket) if ticket else None
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def last_place(house: House) -> str:
    """Where the newest microphone was put."""
    return house.stage.offers[-1].place


async def open_room(house: House, **details: Any) -> str:
    """The broadcast of a room with its doors open."""
    await house.room(**details)
    return str((await house.command("open"))["broadcast_id"])


async def test_a_guest_waits_in_the_green_room_until_admitted(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await open_room(house, green_room=True)
        made = await house.invite("Ada")
        person = made["participant_id"]
        assert (await house.whip(made["ticket"])).status_code == 201
        assert last_place(house) == "green"
        room = (await house.operator.get("/api/rooms/town-hall")).json()
        assert room["participants"] == [], "who waits is not public"
        assert [each["name"] for each in room["host"]["waiting"]] == ["Ada"]

        await house.stage.report(broadcast_id, "town-hall", seat(person, place="green"))
        await post(house, f"/participants/{person}/admit")
        assert await house.studio.link.settled(broadcast_id, 2)
        assert [(p.participant_id, p.place) for p in house.stage.placed] == [(person, "stage")]
        assert (await house.whip(made["ticket"])).status_code == 201
        assert last_place(house) == "stage", "who comes back comes back to where he was"

        await house.stage.report(broadcast_id, "town-hall", seat(person))
        await post(house, f"/participants/{person}/send-back")
        assert await house.studio.link.settled(broadcast_id, 2)
        assert [p.place for p in house.stage.placed][-1] == "green"

        await house.stage.report(broadcast_id, "town-hall", seat(person, place="green"))
        await post(house, f"/participants/{person}/remove", {})
        assert await house.studio.link.settled(broadcast_id, 2)
        assert house.stage.removed == [person]
        assert (await house.whip(made["ticket"])).status_code == 401


async def test_hosts_do_not_wait(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await open_room(house, green_room=True)
        made = await house.invite("Grace", role="cohost")
        assert (await house.whip(made["ticket"])).status_code == 201
        assert last_place(house) == "stage"


async def test_a_host_talks_off_air_with_who_waits(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await open_room(house, green_room=True)
        host, guest = await house.invite("Grace", role="host"), await house.invite("Ada")
        for made in (host, guest):
            assert (await house.whip(made["ticket"])).status_code == 201
        both = [seat(host["participant_id"]), seat(guest["participant_id"], place="green")]
        await house.stage.report(broadcast_id, "town-hall", *both)
        body = {"guest_id": guest["participant_id"]}
        await post(house, "/participants/me/aside", body, status=403)  # the operator has no voice
        await post(house, "/participants/me/aside", body, ticket=host["ticket"])
        assert await house.studio.link.settled(broadcast_id, 2)
        placed = {p.participant_id: (p.place, p.aside) for p in house.stage.placed}
        assert placed == {
            host["participant_id"]: ("stage", guest["participant_id"]),
            guest["participant_id"]: ("green", host["participant_id"]),
        }
        await post(house, "/participants/me/aside", {"guest_id": ""}, ticket=host["ticket"])
        refused = await house.anyone.post(
            "/api/rooms/town-hall/participants/me/aside", json=body, headers=bearer(guest["ticket"])
        )
        assert refused.status_code in (401, 403), "a speaker commands nobody"


async def test_a_link_works_once(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.room("other")
        made = await house.invite("Ada")
        link = made["link"].rpartition("#")[2]
        assert link.startswith("l_")
        unknown = await house.anyone.post("/api/rooms/town-hall/redeem", json={"link": "l_unknown-link"})
        assert unknown.status_code == 404
        first = await house.anyone.post("/api/rooms/town-hall/redeem", json={"link": link})
        assert first.status_code == 200
        assert first.json()["me"]["invitation"] == "seen"
        again = await house.anyone.post("/api/rooms/town-hall/redeem", json={"link": link})
        assert again.status_code == 409
        assert again.headers["content-type"] == "application/problem+json"
        ticket = first.json()["ticket"]
        assert (await post(house, "/me", ticket=ticket))["name"] == "Ada"
        assert (await post(house, "/me", ticket=made["ticket"]))["name"] == "Ada", (
            "the ticket given out holds"
        )

        new = (await post(house, f"/invitations/{made['id']}/link"))["link"].rpartition("#")[2]
        newer = (await post(house, f"/invitations/{made['id']}/link"))["link"].rpartition("#")[2]
        old = await house.anyone.post("/api/rooms/town-hall/redeem", json={"link": new})
        assert old.status_code in (404, 409), "a newer link takes the older one's place"
        assert (
            await house.anyone.post("/api/rooms/town-hall/redeem", json={"link": newer})
        ).status_code == 200
        await post(house, f"/invitations/{made['id']}/withdraw")
        await post(house, f"/invitations/{made['id']}/link", status=409)
        await post(house, "/invitations/nobody/link", status=404)


async def test_a_ban_holds_against_a_new_link(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await open_room(house)
        made = await house.invite("Mallory")
        await house.whip(made["ticket"])
        await post(house, f"/participants/{made['participant_id']}/remove", {"ban": True})
        another = await house.invite("Mallory again")
        refused = await house.whip(another["ticket"])
        assert refused.status_code == 403
        assert "127.0.0.1" not in str(house.studio.room("town-hall")), "no address is kept in clear"
        await post(house, f"/bans/{made['participant_id']}/lift")
        assert (await house.whip(another["ticket"])).status_code == 201


async def test_a_ban_of_one_is_no_ban_of_all_at_the_same_address(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await open_room(house)

        async def come(ticket: str, device: str) -> int:
            headers = {**bearer(ticket), "Content-Type": "application/sdp", "Hustings-Device": device}
            answer = await house.anyone.post("/whip/town-hall", content="v=0\r\n", headers=headers)
            return answer.status_code

        mallory, ada = await house.invite("Mallory"), await house.invite("Ada")
        assert await come(mallory["ticket"], "phone") == 201
        assert await come(ada["ticket"], "laptop") == 201
        await post(house, f"/participants/{mallory['participant_id']}/remove", {"ban": True})
        assert await come(ada["ticket"], "laptop") == 201, "who was there comes back"
        ben, again = await house.invite("Ben"), await house.invite("Somebody else, really")
        assert await come(ben["ticket"], "tablet") == 201
        assert await come(again["ticket"], "phone") == 403


async def test_a_listener_is_brought_up_and_sent_back(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await open_room(house, green_room=True)
        await house.command("start")
        ticket = f"t_{new_secret()}"
        device = house.studio.marks.device("town-hall", "phone")

        async def raise_hand(secret: str) -> str:
            request_id = secret_hash(secret)[:32]
            await house.studio.ask_to_speak(
                "town-hall", request_id, "Row 7", secret_hash(secret), frozenset({device}), device
            )
            return request_id

        request_id = await raise_hand(ticket)
        assert (await house.whip(ticket)).status_code == 401, "nobody comes up by himself"
        await post(house, f"/requests/{request_id}/bring-up")
        assert (await house.whip(ticket)).status_code == 201
        offer = house.stage.offers[-1]
        assert (offer.place, offer.name) == ("stage", "Row 7")
        assert house.stage.recordings[-1].consents == []
        me = await house.anyone.post(
            "/api/rooms/town-hall/me/consent",
            json={"agree": True},
            headers={"Authorization": f"Bearer {ticket}"},
        )
        assert me.json()["agreed_at"]
        assert house.stage.recordings[-1].consents == [offer.participant_id]
        await house.stage.report(broadcast_id, "town-hall", seat(offer.participant_id, talked_seconds=42.0))
        await post(house, f"/participants/{offer.participant_id}/send-back")
        assert await house.studio.link.settled(broadcast_id, 2)
        assert house.stage.removed == [offer.participant_id]
        assert (await house.whip(ticket)).status_code == 401
        again = await raise_hand(f"t_{new_secret()}")
        request = house.studio.room("town-hall").requests[again]
        assert request.talked_seconds == pytest.approx(42.0), "the queue knows who has talked already"
        await post(house, f"/requests/{again}/lower")
        await post(house, f"/requests/{again}/bring-up", status=409)


async def test_one_who_was_brought_up_and_closed_the_page_gives_the_seat_back(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast_id = await open_room(house)
        await house.command("start")
        ticket = f"t_{new_secret()}"
        device = house.studio.marks.device("town-hall", "phone")
        asked = secret_hash(ticket)
        await house.studio.ask_to_speak("town-hall", asked[:32], "Row 7", asked, frozenset({device}), device)
        await post(house, f"/requests/{asked[:32]}/bring-up")
        assert (await house.whip(ticket)).status_code == 201
        person = house.stage.offers[-1].participant_id
        for _ in range(round(ABSENT_SECONDS) + 2):
            house.clock.advance(1.0)
            await house.stage.report(broadcast_id, "town-hall", seat(person, connected=False))
        await house.studio.absences.look()
        assert await house.studio.link.settled(broadcast_id, 2)
        assert house.stage.removed == [person]
        assert (await house.whip(ticket)).status_code == 401
        state = (await house.operator.get("/api/rooms/town-hall")).json()
        assert person not in [each["id"] for each in state["participants"]]


async def test_the_agenda_makes_chapters(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        room = await house.room(topics=[{"title": "Why"}, {"title": "What it costs", "minutes": 12}])
        why, cost = (topic["id"] for topic in room["details"]["topics"])
        edited = await house.operator.patch(
            "/api/rooms/town-hall",
            json={
                "topics": [{"id": cost, "title": "Costs"}, {"id": cost, "title": "Twice"}, {"title": "New"}]
            },
        )
        ids = [topic["id"] for topic in edited.json()["details"]["topics"]]
        assert ids[0] == cost
        assert len(set(ids)) == 3, "one identifier, one topic"
        await house.command("open")
        await post(house, "/topic", {"topic_id": why}, status=404)
        await house.command("start")
        await post(house, "/topic", {"topic_id": cost})
        # The stage is told in a task of its own.
        while not house.stage.announced:
            await asyncio.sleep(0)
        assert house.stage.announced[0].data["title"] == "Costs"
        broadcast = house.studio.room("town-hall").broadcast
        assert broadcast is not None
        assert [title for _, title in broadcast.chapters] == ["Costs"]


async def test_schedule_cancel_and_weekly(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        room = await house.room(at="2026-12-01T20:00:00+01:00", time_zone="Europe/Berlin", weekly=True)
        assert room["scheduled_at"] == "2026-12-01T19:00:00Z"
        assert (await post(house, "/cancel"))["status"] == "cancelled"
        await post(house, "/open", status=409)
        body = {"at": "2026-10-20T20:00:00+02:00", "time_zone": "Europe/Berlin", "weekly": True}
        assert (await post(house, "/schedule", body))["status"] == "scheduled"
        await house.command("open")
        await post(house, "/schedule", body, status=409)
        ended = await house.command("stop")
        at = house.studio.room("town-hall").details.scheduled_at
        assert at is not None
        assert at > house.clock.wall()
        assert (at - 1_792_519_200) % (7 * 24 * HOUR) in (0, HOUR, 7 * 24 * HOUR - HOUR), ended["details"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"links": [{"label": "x", "url": "javascript:alert(1)"}]}, "links"),
        ({"links": [{"label": "x", "url": "https://user:word@example.org"}]}, "links"),
        ({"topics": [{"title": "a"}] * 51}, "topics"),
        ({"language": "deutsch!"}, "language"),
        ({"description": "x" * 4001}, "description"),
        ({"turn_seconds": -1}, "turn_seconds"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_details_that_cannot_be(tmp_path: Path, body: dict[str, Any], where: str) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        answer = await house.operator.patch("/api/rooms/town-hall", json=body)
        assert answer.status_code == 422
        assert where in answer.json()["where"]


async def test_what_is_absent_stays(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(description="Two\n\nparagraphs", hands=False, turn_seconds=120)
        answer = await house.operator.patch("/api/rooms/town-hall", json={"title": "Renamed"})
        details = answer.json()["details"]
        assert (details["title"], details["description"]) == ("Renamed", "Two\n\nparagraphs")
        assert (details["hands"], details["turn_seconds"]) == (False, 120)


async def test_an_offer_expires_by_itself(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        at = house.clock.wall() + HOUR
        made = await house.invite("Ada", public=True, expires_at=datetime.fromtimestamp(at, UTC).isoformat())
        house.clock.advance(HOUR + 1)
        await house.studio.expire_due()
        room = (await house.operator.get("/api/rooms/town-hall")).json()
        assert room["invitations"][0]["state"] == "expired"
        assert (await house.whip(made["ticket"])).status_code == 401


async def test_the_last_host_stays(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await open_room(house)
        host, other = await house.invite("Grace", role="host"), await house.invite("Ada")
        for made in (host, other):
            await house.whip(made["ticket"])
        await post(house, f"/participants/{host['participant_id']}/remove", {}, status=409)
        await post(house, f"/participants/{other['participant_id']}/hand-over")
        roles = {p["name"]: p["role"] for p in (await post(house, "/lock", {"locked": True}))["participants"]}
        assert roles == {"Grace": "cohost", "Ada": "host"}
        await post(house, f"/participants/{host['participant_id']}/remove", {})


async def test_a_locked_stage_takes_nobody_new(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await open_room(house)
        ada, late = await house.invite("Ada"), await house.invite("Late")
        await house.whip(ada["ticket"])
        await post(house, "/lock", {"locked": True})
        assert (await house.whip(late["ticket"])).status_code == 409
        assert (await house.whip(ada["ticket"])).status_code == 201, "who sits there comes back"


async def test_a_word_and_another_time(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        made = await house.invite("Ada", public=True)
        body = {"word": "Gladly, but not on a Monday.", "proposed_at": "2026-12-02T20:00:00+01:00"}
        await post(house, "/me/word", body, ticket=made["ticket"])
        invitation = (await house.operator.get("/api/rooms/town-hall")).json()["invitations"][0]
        assert (invitation["word"], invitation["proposed_at"]) == (body["word"], "2026-12-02T19:00:00Z")
        await post(house, "/me/word", {"word": "x" * 281}, ticket=made["ticket"], status=422)
