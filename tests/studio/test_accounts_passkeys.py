"""Passkeys: made, used, refused when anything about them is wrong. With an authenticator in software."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from accounts_support import ORIGIN, PASSWORD, Browser, first_operator, setup_secret
from soft_passkey import SoftPasskey, b64, unb64
from studio_support import House, running_studio

from hustings.errors import Refused
from hustings.studio.accounts.limits import Limits
from hustings.studio.accounts.passkeys import MAX_CHALLENGES, Challenges, Site


def passkey() -> SoftPasskey:
    return SoftPasskey(ORIGIN, "localhost")


async def set_up_by_passkey(house: House, browser: Browser, key: SoftPasskey) -> Any:
    secret = setup_secret(house)
    asked = {"secret": secret, "name": "Clara"}
    options = (await browser.ok("POST", "/api/setup/passkey", json=asked))["options"]
    body = {**asked, "passkey": key.make(options), "passkey_name": "Laptop"}
    return await browser.ok("POST", "/api/setup", 201, json=body)


async def options_of(browser: Browser) -> dict[str, Any]:
    answer = await browser.ok("POST", "/api/sessions/options")
    assert isinstance(answer["options"], dict)
    return answer["options"]


async def add(browser: Browser, key: SoftPasskey, name: str = "Phone") -> Any:
    options = (await browser.ok("POST", "/api/passkeys/options"))["options"]
    return await browser.ok("POST", "/api/passkeys", 201, json={"name": name, "passkey": key.make(options)})


async def test_an_account_is_set_up_and_logged_in_by_passkey_alone(tmp_path: Path) -> None:
    key = passkey()
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        me = await set_up_by_passkey(house, browser, key)
        assert (me["role"], me["password"]) == ("operator", False)
        listed = (await browser.ok("GET", "/api/passkeys"))["passkeys"]
        assert [(kept["name"], kept["host"], kept["used_at"]) for kept in listed] == [
            ("Laptop", "localhost", None)
        ]
        await browser.ok("DELETE", "/api/sessions/current", 204)
        back = await browser.ok(
            "POST", "/api/sessions", 201, json={"passkey": key.use(await options_of(browser))}
        )
        assert back["id"] == me["id"]
        assert (await browser.ok("GET", "/api/passkeys"))["passkeys"][0]["used_at"] is not None


async def test_options_ask_for_a_discoverable_key_and_name_no_account(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        asked = {"secret": setup_secret(house), "name": "Clara"}
        making = (await browser.ok("POST", "/api/setup/passkey", json=asked))["options"]
        assert making["authenticatorSelection"]["residentKey"] == "required"
        assert making["authenticatorSelection"]["userVerification"] == "preferred"
        assert making["rp"] == {"id": "localhost", "name": "Hustings"}
        using = await options_of(browser)
        assert using["rpId"] == "localhost"
        assert not using["allowCredentials"]
        assert len(unb64(using["challenge"])) == 32


async def test_a_challenge_is_good_once_for_five_minutes_and_for_one_purpose(tmp_path: Path) -> None:
    key = passkey()
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        await set_up_by_passkey(house, browser, key)
        used = key.use(await options_of(browser))
        assert (await browser.post("/api/sessions", json={"passkey": used})).status_code == 201
        assert (await browser.post("/api/sessions", json={"passkey": used})).status_code == 422
        late = key.use(await options_of(browser))
        house.clock.advance(301.0)
        assert (await browser.post("/api/sessions", json={"passkey": late})).status_code == 422
        other = key.use((await browser.ok("POST", "/api/passkeys/options"))["options"])
        assert (await browser.post("/api/sessions", json={"passkey": other})).status_code == 422


async def test_a_registration_belongs_to_the_session_and_the_link_that_asked(tmp_path: Path) -> None:
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        Browser(house) as other,
    ):
        assert (await other.log_in()).status_code == 201
        options = (await clara.ok("POST", "/api/passkeys/options"))["options"]
        body = {"name": "Phone", "passkey": passkey().make(options)}
        assert (await other.post("/api/passkeys", json=body)).status_code == 422
        assert (await other.ok("GET", "/api/passkeys"))["passkeys"] == []
        links = [
            (await clara.ok("POST", "/api/accounts/invitations", 201, json={"name": name}))["link"]
            for name in ("Thomas", "Mallory")
        ]
        thomas, mallory = (link.partition("#")[2] for link in links)
        asked = {"secret": thomas, "name": "Thomas"}
        options = (await other.ok("POST", "/api/setup/passkey", json=asked))["options"]
        body = {"secret": mallory, "name": "Mallory", "passkey": passkey().make(options)}
        assert (await other.post("/api/setup", json=body)).status_code == 422


@pytest.mark.parametrize(
    "wrong", ["origin", "rp", "signature", "handle", "counter", "unknown", "other key", "disabled"]
)
async def test_a_passkey_whose_answer_does_not_hold_logs_nobody_in(tmp_path: Path, wrong: str) -> None:
    key = passkey()
    async with running_studio(tmp_path) as house, Browser(house) as browser:
        me = await set_up_by_passkey(house, browser, key)
        await browser.ok("DELETE", "/api/sessions/current", 204)
        good = await browser.post("/api/sessions", json={"passkey": key.use(await options_of(browser))})
        assert good.status_code == 201
        await browser.ok("DELETE", "/api/sessions/current", 204)
        changes: dict[str, str] = {}
        match wrong:
            case "origin":
                key.origin = "http://evil.example"
            case "rp":
                key.rp_id = "evil.example"
            case "signature":
                changes["signature"] = b64(b"\x30\x06\x02\x01\x01\x02\x01\x01")
            case "handle":
                changes["userHandle"] = b64(b"somebody else")
            case "counter":
                key.count = 0  # a copy of the authenticator
            case "unknown":
                key.id = b"x" * 32
            case "other key":
                mine, key = key, passkey()
                key.id, key._handle, key.count = mine.id, mine._handle, mine.count
            case "disabled":
                body = {"name": "Other", "role": "operator"}
                made = await house.operator.post("/api/accounts/invitations", json=body)
                async with Browser(house) as other:
                    await other.set_up(made.json()["link"].partition("#")[2], "Other")
                    await other.ok("POST", f"/api/accounts/{me['id']}/disable", json={"disabled": True})
        answer = await browser.post(
            "/api/sessions", json={"passkey": key.use(await options_of(browser), **changes)}
        )
        assert answer.status_code == 401, answer.text
        assert answer.json()["title"] == "Not logged in"


async def test_passkeys_work_where_browsers_have_them_only(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for origin, status in (
            ("http://127.0.0.1:8001", 409),
            ("http://[::1]:8001", 409),
            ("http://studio.example", 409),
            ("https://203.0.113.7", 409),
            ("https://studio.example", 200),
            ("http://localhost:8001", 200),
        ):
            async with Browser(house, origin) as browser:
                assert (await browser.post("/api/sessions/options")).status_code == status, origin


async def test_passkeys_are_added_renamed_and_removed_but_never_the_last_way_in(tmp_path: Path) -> None:
    first, second = passkey(), passkey()
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        laptop, phone = await add(clara, first, "Laptop"), await add(clara, second, "Phone")
        await clara.ok("PATCH", f"/api/passkeys/{phone['id']}", 204, json={"name": "Old phone"})
        names = [key["name"] for key in (await clara.ok("GET", "/api/passkeys"))["passkeys"]]
        assert names == ["Laptop", "Old phone"]
        await clara.ok("DELETE", "/api/accounts/me/password", 204)
        assert (await clara.log_in()).status_code == 401
        await clara.ok("DELETE", f"/api/passkeys/{phone['id']}", 204)
        assert (await clara.delete(f"/api/passkeys/{laptop['id']}")).status_code == 409
        await clara.ok("PUT", "/api/accounts/me/password", 204, json={"password": PASSWORD})
        await clara.ok("DELETE", f"/api/passkeys/{laptop['id']}", 204)
        assert (await clara.delete(f"/api/passkeys/{laptop['id']}")).status_code == 404
        answer = await clara.post("/api/sessions", json={"passkey": first.use(await options_of(clara))})
        assert answer.status_code == 401


async def test_the_same_passkey_is_not_kept_twice(tmp_path: Path) -> None:
    key = passkey()
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await add(clara, key)
        options = (await clara.ok("POST", "/api/passkeys/options"))["options"]
        assert [excluded["id"] for excluded in options["excludeCredentials"]] == [b64(key.id)]
        answer = await clara.post("/api/passkeys", json={"name": "Again", "passkey": key.make(options)})
        assert (answer.status_code, answer.json()["where"]) == (409, "body: passkey")


async def test_a_reset_by_passkey_adds_one(tmp_path: Path) -> None:
    key = passkey()
    async with (
        running_studio(tmp_path) as house,
        await first_operator(house) as clara,
        Browser(house) as browser,
    ):
        me = await clara.ok("GET", "/api/accounts/me")
        made = await clara.ok("POST", f"/api/accounts/{me['id']}/reset", 201)
        asked = {"secret": made["link"].partition("#")[2], "name": "ignored"}
        options = (await browser.ok("POST", "/api/setup/passkey", json=asked))["options"]
        assert options["user"]["name"] == "Clara"
        back = await browser.ok("POST", "/api/setup", 201, json={**asked, "passkey": key.make(options)})
        assert back["id"] == me["id"]
        await browser.ok("POST", "/api/sessions", 201, json={"passkey": key.use(await options_of(browser))})


def test_challenges_are_bounded() -> None:
    challenges = Challenges(lambda: 0.0)
    for _ in range(MAX_CHALLENGES + 10):
        challenges.new("log in", Site(ORIGIN))
    assert len(challenges) == MAX_CHALLENGES


async def test_mangled_answers_of_browsers_are_refused_never_an_error(tmp_path: Path) -> None:
    """Every member of both answers, replaced by what does not belong there."""
    key, rng = passkey(), random.Random(4)
    async with running_studio(tmp_path) as house, await first_operator(house) as clara:
        await add(clara, key)
        accounts = house.app.state.accounts

        def mangled(credential: dict[str, Any]) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for member in ("id", "rawId", "type", "response"):
                strange: list[Any] = [None, 7, "", "%", "A", [], {}, b64(rng.randbytes(40))]
                for value in strange:
                    found.append({**credential, member: value})
            for member in credential["response"]:
                original = credential["response"][member]
                values: list[Any] = [None, 7, "", "%", [], {}, b64(rng.randbytes(40)), b64(b"{}"), b64(b"[]")]
                if isinstance(original, str):
                    raw = bytearray(unb64(original))
                    for _ in range(12):
                        changed = raw.copy()
                        changed[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
                        values.append(b64(bytes(changed)))
                    values += [b64(bytes(raw[:cut])) for cut in range(0, len(raw), 17)]
                found += [
                    {**credential, "response": {**credential["response"], member: value}} for value in values
                ]
            return found

        for purpose in ("register", "log in"):
            for number in range(2000):
                accounts.limits = Limits(house.clock.monotonic)
                if purpose == "register":
                    options = (await clara.ok("POST", "/api/passkeys/options"))["options"]
                    cases = mangled(passkey().make(options))
                else:
                    cases = mangled(key.use(await options_of(clara)))
                if number >= len(cases):
                    break
                path = "/api/passkeys" if purpose == "register" else "/api/sessions"
                body = {"passkey": cases[number], **({"name": "M"} if purpose == "register" else {})}
                status = (await clara.post(path, content=json.dumps(body))).status_code
                # Some members are not looked at (transports), some changes change nothing that counts.
                assert status in (201, 401, 409, 422), (purpose, cases[number])
                if status == 201 and purpose == "register":
                    for kept in (await clara.ok("GET", "/api/passkeys"))["passkeys"][1:]:
                        await clara.ok("DELETE", f"/api/passkeys/{kept['id']}", 204)
            assert number > 100


def test_a_site_without_a_host_has_no_passkeys() -> None:
    for origin in ("", "null", "file:///x", "https://"):
        with pytest.raises(Refused):
            _ = Site(origin).rp_id
