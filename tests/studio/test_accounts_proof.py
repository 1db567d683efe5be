"""Proving again who one is, changes of role, removing accounts, and what must end with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog
from accounts_support import ORIGIN, PASSWORD, Browser, another, first_operator
from soft_passkey import SoftPasskey
from studio_support import House, running_studio

from hustings.clock import FakeClock

DAY = 86400.0
TOKEN = {"name": "Deck", "scope": "rooms"}


async def add_passkey(browser: Browser) -> SoftPasskey:
    key = SoftPasskey(ORIGIN, "localhost")
    options = (await browser.ok("POST", "/api/passkeys/options"))["options"]
    await browser.ok("POST", "/api/passkeys", 201, json={"name": "Phone", "passkey": key.make(options)})
    return key


async def use(browser: Browser, key: SoftPasskey) -> dict[str, Any]:
    return {"passkey": key.use((await browser.ok("POST", "/api/sessions/options"))["options"])}


async def account_id(browser: Browser) -> str:
    return str((await browser.ok("GET", "/api/accounts/me"))["id"])


async def own_seat(browser: Browser, slug: str = "town-hall") -> dict[str, str]:
    """The header with the ticket of the account's own seat."""
    made = await browser.ok("POST", f"/api/rooms/{slug}/host-seat")
    return {"Authorization": f"Bearer {made['ticket']}"}


async def conducts(house: House, headers: dict[str, str], slug: str = "town-hall") -> int:
    return (await house.anyone.get(f"/api/rooms/{slug}", headers=headers)).status_code


# --- proving again -------------------------------------------------------------------------------


async def test_a_session_of_ten_minutes_must_be_proved_again_and_is_begun_anew(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await clara.ok("POST", "/api/tokens", 201, json=TOKEN)
        house.clock.advance(601.0)
        answer = await clara.post("/api/tokens", json=TOKEN)
        assert (answer.status_code, answer.json()["title"]) == (403, "Prove again that it is you")
        challenge = 'Bearer error="insufficient_user_authentication", max_age="600"'
        assert answer.headers["www-authenticate"] == challenge
        before = clara.cookies["hustings_session"]
        await clara.prove()
        await clara.ok("POST", "/api/tokens", 201, json=TOKEN)
        assert clara.cookies["hustings_session"] != before
        async with Browser(house) as thief:
            stolen = {"Cookie": f"hustings_session={before}"}
            assert (await thief.get("/api/accounts/me", headers=stolen)).status_code == 401


async def test_a_wrong_password_or_anothers_passkey_proves_nothing(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
    ):
        his = await add_passkey(thomas)
        hers = await add_passkey(clara)
        house.clock.advance(601.0)
        for body in ({"password": "wrong words in a row"}, await use(clara, his)):
            answer = await clara.post("/api/sessions/current", json=body)
            assert answer.status_code == 403, answer.text
            assert (await clara.post("/api/tokens", json=TOKEN)).status_code == 403
        assert (await clara.ok("GET", "/api/accounts/me"))["name"] == "Clara"  # still logged in, as herself
        await clara.ok("POST", "/api/sessions/current", json=await use(clara, hers))
        await clara.ok("POST", "/api/tokens", 201, json=TOKEN)


async def test_guessing_at_the_password_of_a_session_is_slowed(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        statuses = [
            (
                await clara.post("/api/sessions/current", json={"password": f"guess no {n} of many"})
            ).status_code
            for n in range(11)
        ]
        assert statuses == [403] * 10 + [429]


async def test_a_first_password_takes_a_fresh_session_and_a_new_one_the_one_before(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        key = await add_passkey(clara)
        await clara.ok("DELETE", "/api/accounts/me/password", 204)
        house.clock.advance(601.0)
        new = {"password": "four other words in a row"}
        assert (await clara.put("/api/accounts/me/password", json=new)).status_code == 403
        await clara.ok("POST", "/api/sessions/current", json=await use(clara, key))
        await clara.ok("PUT", "/api/accounts/me/password", 204, json=new)
        house.clock.advance(601.0)
        again = {"password": "back to these words", "current": new["password"]}
        await clara.ok("PUT", "/api/accounts/me/password", 204, json=again)


async def test_a_clock_set_back_makes_no_session_fresh(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        house.clock.advance(2 * 3600.0)
        await clara.prove()
        house.clock.step(-3600.0)
        assert (await clara.post("/api/tokens", json=TOKEN)).status_code == 403


async def test_a_session_ends_after_ninety_days_however_much_it_is_used(tmp_path: Path) -> None:
    clock = FakeClock()
    async with running_studio(tmp_path, clock=clock) as house, await first_operator(house) as clara:
        for days, status in ((20, 200), (20, 200), (20, 200), (20, 200), (9, 200), (2, 401)):
            clock.advance(days * DAY)
            assert (await clara.get("/api/accounts/me")).status_code == status, days


# --- the cookie over https -----------------------------------------------------------------------


async def test_over_https_only_a_cookie_of_this_very_host_counts(tmp_path: Path) -> None:
    """Somebody on the line, or a neighbouring name, can plant a cookie without the prefix."""
    async with running_studio(tmp_path) as house, await first_operator(house) as mallory:
        planted = mallory.cookies["hustings_session"]
        async with Browser(house, "https://localhost:8001") as victim:
            headers = {"Cookie": f"hustings_session={planted}"}
            assert (await victim.get("/api/accounts/me", headers=headers)).status_code == 401
            assert (await victim.log_in()).status_code == 201
            own = victim.cookies["__Host-hustings_session"]
            headers = {"Cookie": f"hustings_session={planted}; __Host-hustings_session={own}"}
            sessions = (await victim.ok("GET", "/api/sessions", headers=headers))["sessions"]
            assert len(sessions) == 2
            answer = await victim.delete("/api/sessions/current")
            assert answer.headers["set-cookie"].startswith('__Host-hustings_session=""')


# --- roles and removing --------------------------------------------------------------------------


async def test_an_operator_makes_a_host_an_operator_and_back(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
    ):
        his = await account_id(thomas)
        assert (await thomas.post(f"/api/accounts/{his}/role", json={"role": "operator"})).status_code == 403
        state = await clara.ok("POST", f"/api/accounts/{his}/role", json={"role": "operator"})
        assert (state["name"], state["role"]) == ("Thomas", "operator")
        assert (await thomas.get("/api/accounts/me")).status_code == 401  # a new session for new rights
        await thomas.log_in("Thomas")
        await thomas.ok("GET", "/api/accounts")
        made = await thomas.ok("POST", "/api/tokens", 201, json={"name": "all", "scope": "operator"})
        token = {"Authorization": f"Bearer {made['token']}"}
        assert (await house.anyone.get("/api/accounts", headers=token)).status_code == 200
        await clara.ok("POST", f"/api/accounts/{his}/role", json={"role": "host"})
        await thomas.log_in("Thomas")
        assert (await thomas.get("/api/accounts")).status_code == 403
        assert (await house.anyone.get("/api/accounts", headers=token)).status_code == 401
        answer = await clara.post(f"/api/accounts/{his}/role", json={"role": "emperor"})
        assert answer.status_code == 422
        assert (await clara.post("/api/accounts/nobody/role", json={"role": "host"})).status_code == 404


@pytest.mark.parametrize("way", ["role", "remove", "disable"])
async def test_the_last_operator_stays(tmp_path: Path, way: str) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara),
        await another(house, clara, "Ida", "operator") as ida,
    ):
        me, path = await account_id(clara), f"/api/accounts/{await account_id(clara)}"
        # One that is disabled is none that could help.
        await clara.ok("POST", f"/api/accounts/{await account_id(ida)}/disable", json={"disabled": True})
        if way == "remove":
            answer = await clara.delete(path)
        else:
            body = {"role": "host"} if way == "role" else {"disabled": True}
            answer = await clara.post(f"{path}/{way}", json=body)
        assert (answer.status_code, answer.json()["title"]) == (409, "The last way in stays")
        assert await account_id(clara) == me


async def test_what_is_done_to_accounts_is_logged_by_their_identifier_only(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
    ):
        his = await account_id(thomas)
        with structlog.testing.capture_logs() as lines:
            await clara.ok("POST", f"/api/accounts/{his}/role", json={"role": "operator"})
            await clara.ok("POST", f"/api/accounts/{his}/reset", 201)
            await clara.ok("POST", f"/api/accounts/{his}/disable", json={"disabled": True})
            await clara.ok("DELETE", f"/api/accounts/{his}", 204)
        assert [line["event"] for line in lines] == [
            "an account's role was changed",
            "a link back into an account was made",
            "an account was disabled",
            "an account was removed",
        ]
        assert all(line["account"] == his for line in lines)
        assert "Thomas" not in str(lines)


async def test_a_removed_account_leaves_its_rooms_and_nothing_of_its_own(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
    ):
        his = await account_id(thomas)
        await thomas.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "town-hall"})
        key = await add_passkey(thomas)
        token = (await thomas.ok("POST", "/api/tokens", 201, json=TOKEN))["token"]
        hook = {"url": "https://hooks.example.org/x", "events": []}
        await thomas.ok("POST", "/api/webhooks", 201, json=hook)
        await clara.ok("POST", f"/api/accounts/{his}/reset", 201)
        seat = await own_seat(thomas)
        assert (await thomas.delete(f"/api/accounts/{his}")).status_code == 403
        await clara.ok("DELETE", f"/api/accounts/{his}", 204)
        assert (await thomas.get("/api/accounts/me")).status_code == 401
        assert (await thomas.log_in("Thomas")).status_code == 401
        assert (await thomas.post("/api/sessions", json=await use(thomas, key))).status_code == 401
        assert await conducts(house, {"Authorization": f"Bearer {token}"}) == 401
        assert await conducts(house, seat) == 401
        assert (await clara.ok("GET", "/api/webhooks"))["webhooks"] == []
        names = {each["name"] for each in (await clara.ok("GET", "/api/accounts"))["accounts"]}
        assert names == {"Clara"}
        assert (await clara.get("/api/rooms/town-hall")).status_code == 200
        assert (await clara.delete(f"/api/accounts/{his}")).status_code == 404


# --- an account's own seat -----------------------------------------------------------------------


async def test_a_disabled_accounts_own_seat_conducts_no_more(tmp_path: Path) -> None:
    """Its ticket lies in the browser and needs no session."""
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara) as thomas,
    ):
        await thomas.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "town-hall"})
        his, seat = f"/api/accounts/{await account_id(thomas)}", await own_seat(thomas)
        assert await conducts(house, seat) == 200
        await clara.ok("POST", f"{his}/disable", json={"disabled": True})
        assert await conducts(house, seat) == 401
        edit = await house.anyone.patch("/api/rooms/town-hall", json={"title": "Mine"}, headers=seat)
        assert edit.status_code == 401
        offer = await house.whip(seat["Authorization"].removeprefix("Bearer "))
        assert offer.status_code == 401
        await clara.ok("POST", f"{his}/disable", json={"disabled": False})
        assert await conducts(house, seat) == 200


async def test_who_is_no_operator_any_more_has_no_seat_in_others_rooms(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        await another(house, clara, "Ida", "operator") as ida,
    ):
        await clara.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "town-hall"})
        await ida.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "own"})
        seat, own = await own_seat(ida), await own_seat(ida, "own")
        assert await conducts(house, seat) == 200
        await clara.ok("POST", f"/api/accounts/{await account_id(ida)}/role", json={"role": "host"})
        assert await conducts(house, seat) == 401
        assert await conducts(house, own, "own") == 200


async def test_the_password_is_needed_in_full(tmp_path: Path) -> None:
    """Nothing is cut off and nothing folded (ASVS 5.0 6.2.8)."""
    long = "Some long words " * 15
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        body = {"password": long, "current": PASSWORD}
        await clara.ok("PUT", "/api/accounts/me/password", 204, json=body)
        for other in (long[:-1], long.lower(), long[:72]):
            assert (await clara.log_in(password=other)).status_code == 401
        assert (await clara.log_in(password=long)).status_code == 201
