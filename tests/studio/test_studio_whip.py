"""WHIP and WHEP over HTTP (RFC 9725): what reaches the stage, and what never does."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from studio_support import OFFER, House, running_studio

from hustings.bus import subjects
from hustings.errors import Refused

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def opened(house: House) -> str:
    """An open room; the ticket of its one guest."""
    await house.room()
    ticket = str((await house.invite(public=True))["ticket"])
    await house.command("open")
    return ticket


def bearer(ticket: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket}"}


async def test_an_offer_is_answered_and_accepts_the_invitation(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        answer = await house.whip(ticket)
        assert (answer.status_code, answer.text) == (201, "v=0\r\nanswer")
        assert answer.headers["content-type"].partition(";")[0] == "application/sdp"
        assert answer.headers["etag"] == '"tag-1"'
        assert answer.headers["location"].startswith("/whip/town-hall/s1.")
        assert "location" in answer.headers["access-control-expose-headers"].lower()
        offer = house.stage.offers[0]
        assert (offer.kind, offer.sdp, offer.name, offer.role) == ("ingest", OFFER, "Ada", "speaker")
        room = (await house.operator.get("/api/rooms/town-hall")).json()
        assert room["invitations"][0]["state"] == "accepted"
        assert [p["name"] for p in room["participants"]] == ["Ada"]


async def test_doors_are_closed_before_and_after(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(at="2026-12-01T20:00:00Z")
        ticket = (await house.invite())["ticket"]
        closed = await house.whip(ticket)
        assert closed.status_code == 409
        assert closed.json()["detail"] == "Doors open at 2026-12-01T20:00:00Z."
        await house.command("open")
        await house.command("stop")
        assert (await house.whip(ticket)).json()["detail"] == "The broadcast has ended; doors are closed."
        room = (await house.operator.get("/api/rooms/town-hall")).json()
        assert room["invitations"][0]["state"] == "offered"


async def test_what_the_stage_refuses_is_passed_on_and_accepts_nothing(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        house.stage.refuse = Refused(422, "No Opus", "the offer has no Opus", "a=rtpmap")
        answer = await house.whip(ticket)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "the offer has no Opus"
        room = (await house.operator.get("/api/rooms/town-hall")).json()
        assert room["invitations"][0]["state"] == "offered"


@pytest.mark.parametrize("kind", ["whip", "whep"])
async def test_offers_that_are_none(tmp_path: Path, kind: str) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        await house.command("start")

        async def post(content: bytes, headers: dict[str, str]) -> int:
            answer = await house.anyone.post(
                f"/{kind}/town-hall", content=content, headers={**bearer(ticket), **headers}
            )
            assert answer.headers["content-type"] == "application/problem+json"
            return answer.status_code

        assert await post(b"{}", {"Content-Type": "application/json"}) == 415
        assert await post(b"v=0", {}) == 415
        assert await post(b"", SDP) == 400
        assert await post(b"\xff\xfe", SDP) == 400
        assert await post(b"v" * 1_000_000, SDP) == 413
        assert (await house.anyone.post(f"/{kind}/no", headers={**bearer(ticket), **SDP})).status_code == 404
        assert (await house.anyone.get(f"/{kind}/town-hall")).status_code == 405
        assert house.stage.offers == []


async def test_no_stage_means_try_again(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        house.bus.silence(subjects.STAGE_OFFER)
        answer = await house.whip(ticket)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


async def test_a_session_belongs_to_its_ticket(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        other = (await house.invite("Grace"))["ticket"]
        session = (await house.whip(ticket)).headers["location"]

        async def send(method: str, who: str | None, path: str = session) -> httpx.Response:
            headers = {**FRAGMENT, **(bearer(who) if who else {})}
            return await house.anyone.request(method, path, content=b"a=x", headers=headers)

        assert (await send("DELETE", None)).status_code == 401
        assert (await send("DELETE", other)).status_code == 404
        assert (await send("PATCH", other)).status_code == 404
        for guess in ("s1", "s1.", "s1.AAAAAAAAAAAAAAAAAAAAAA", "s2" + session[-23:], "s1.\u00e4", "%00"):
            assert (await send("DELETE", ticket, f"/whip/town-hall/{guess}")).status_code == 404
        assert house.stage.deleted == []
        assert (await send("PATCH", ticket)).status_code == 204
        assert (await send("DELETE", ticket)).status_code == 200
        assert house.stage.deleted == ["s1"]
        assert (await send("DELETE", ticket)).status_code == 404


async def test_sessions_outlive_a_restart_of_the_studio(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        session = (await house.whip(ticket)).headers["location"]
    async with running_studio(tmp_path, bus=house.bus, stage=house.stage, clock=house.clock) as again:
        assert (await again.anyone.delete(session, headers=bearer(ticket))).status_code == 200


async def test_trickle_names_its_ice_session(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        ticket = await opened(house)
        answer = await house.whip(ticket)

        async def patch(**headers: str) -> int:
            every = {**bearer(ticket), **FRAGMENT, **{k.replace("_", "-"): v for k, v in headers.items()}}
            return (
                await house.anyone.patch(answer.headers["location"], content=b"a=x", headers=every)
            ).status_code

        assert await patch(If_Match=answer.headers["etag"]) == 204
        assert [t.etag for t in house.stage.trickled] == ["tag-1"]
        assert await patch(If_Match='"older"') == 412
        assert await patch(If_Match="tag-1") == 400
        assert await patch(Content_Type="application/sdp") == 415


async def test_anybody_listens_by_whep_while_live(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await opened(house)
        early = await house.anyone.post("/whep/town-hall", content=OFFER, headers=SDP)
        assert early.status_code == 409
        await house.command("start")
        answer = await house.anyone.post("/whep/town-hall", content=OFFER, headers=SDP)
        assert answer.status_code == 201
        assert house.stage.offers[0].kind == "egress"
        session = answer.headers["location"]
        assert (
            await house.anyone.delete(session.replace("/whep/", "/whip/"), headers=bearer("x"))
        ).status_code == 401
        assert (await house.anyone.delete(session)).status_code == 200


@pytest.mark.parametrize(
    ("path", "methods", "accepts"),
    [
        ("/whip/town-hall", "POST, OPTIONS", ("accept-post", "application/sdp")),
        (
            "/whip/town-hall/x",
            "PATCH, DELETE, OPTIONS",
            ("accept-patch", "application/trickle-ice-sdpfrag"),
        ),
        ("/whep/town-hall", "POST, OPTIONS", ("accept-post", "application/sdp")),
    ],
)
async def test_pages_of_other_origins_may_use_it(
    tmp_path: Path, path: str, methods: str, accepts: tuple[str, str]
) -> None:
    async with running_studio(tmp_path) as house:
        answer = await house.anyone.options(path, headers={"Origin": "https://example.org"})
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-methods"] == methods
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert answer.headers[accepts[0]] == accepts[1]
        refused = await house.anyone.post("/whip/town-hall", headers=SDP)
        assert refused.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-origin" not in (await house.anyone.get("/api/rooms")).headers
