"""Passes of the invited and of hosts: past the line before the audience's door, for six hours."""

from __future__ import annotations

from pathlib import Path

from studio_support import running_studio

from hustings.place_tokens import PlaceTokens


def bearer(ticket: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket}"}


KEY = "a key that edges have, too"


async def test_the_invited_and_who_conducts_get_a_pass_that_edges_can_check(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        house.studio.settings.gate_key = KEY
        await house.room()
        made = await house.invite("Ada")
        given = await house.anyone.post("/api/rooms/town-hall/me/pass", headers=bearer(made["ticket"]))
        assert given.status_code == 200, given.text
        host = await house.operator.post("/api/rooms/town-hall/pass")
        for answer in (given, host):
            found = answer.json()
            place = PlaceTokens(KEY).read(found["place"])
            assert place is not None
            assert place.kind == "pass"
            assert 5.9 * 3600 < place.at - house.studio.clock.wall() <= 6 * 3600
            assert found["address"].endswith(f"/r/town-hall?place={found['place']}")
            assert PlaceTokens("another").read(found["place"]) is None
        assert given.json()["place"] != host.json()["place"]


async def test_nobody_else_gets_one(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        house.studio.settings.gate_key = KEY
        await house.room()
        made = await house.invite("Ada")
        for path in ("/me/pass", "/pass"):
            assert (await house.anyone.post(f"/api/rooms/town-hall{path}")).status_code == 401
        speaker = await house.anyone.post("/api/rooms/town-hall/pass", headers=bearer(made["ticket"]))
        assert speaker.status_code == 403
        await house.operator.post(f"/api/rooms/town-hall/invitations/{made['id']}/withdraw")
        gone = await house.anyone.post("/api/rooms/town-hall/me/pass", headers=bearer(made["ticket"]))
        assert gone.status_code == 401, "an invitation that was taken back opens nothing"


async def test_without_a_shared_key_the_address_is_the_plain_one(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        found = (await house.operator.post("/api/rooms/town-hall/pass")).json()
        assert found["place"] == ""
        assert found["address"].endswith("/r/town-hall")
