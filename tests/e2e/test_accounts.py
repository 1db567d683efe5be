"""Accounts as people use them: in Chromium, with an authenticator of its own (CDP WebAuthn) or a password."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from desk_support import Door, studio_door
from playwright.sync_api import Browser, Page, Route, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium

pytestmark = pytest.mark.e2e

expect.set_options(timeout=20_000)  # a hash of a password takes its time where others use the processors

PASSWORD = "vier Wörter in Reihe"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Door]:
    """A server without any account."""
    with studio_door(tmp_path, account=False) as door:
        yield door


@contextlib.contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a browser of its own, with an authenticator that always finds its owner."""
    context = browser.new_context(**{"locale": "en-GB", **options})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    authenticator = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": authenticator})
    try:
        yield page
        assert errors == []
    finally:
        context.close()


def setup_address(door: Door) -> str:
    secret = (door.data / "keys" / "setup").read_text().strip()
    return f"{door.by_name}/setup#{secret}"


def test_set_up_log_out_log_in_and_revoke_by_passkey(browser: Browser, fresh: Door) -> None:
    with tab(browser) as page, tab(browser) as stranger:
        page.goto(setup_address(fresh))
        expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to your server")
        page.get_by_label("Name").fill("Clara Weiss")
        page.get_by_role("button", name="Make an account with a passkey").click()
        page.wait_for_url(f"{fresh.by_name}/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your rooms")

        # The link worked once.
        address = f"{fresh.by_name}/setup#{'x' * 32}"
        stranger.goto(address)
        expect(stranger.get_by_role("heading", level=1)).to_have_text("This link no longer works")

        page.goto(f"{fresh.by_name}/account")
        expect(page.locator("#passkeys .entry")).to_have_count(1)
        expect(page.locator("#sessions .entry")).to_have_count(1)
        page.get_by_role("button", name="Log out", exact=True).first.click()
        page.wait_for_url(f"{fresh.by_name}/login")
        page.goto(f"{fresh.by_name}/account")
        page.wait_for_url(f"{fresh.by_name}/login")
        page.get_by_role("button", name="Log in with a passkey").click()
        page.wait_for_url(f"{fresh.by_name}/")

        # A second browser by a reset link and a password; the first one throws it out.
        page.goto(f"{fresh.by_name}/account")
        page.locator("#password-open").click()
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#said")).to_have_text("The password is saved.")
        stranger.goto(f"{fresh.by_name}/login")
        stranger.get_by_label("Name").fill("clara weiss")
        stranger.get_by_label("Password", exact=True).fill(PASSWORD)
        stranger.get_by_role("button", name="Log in with the password").click()
        stranger.wait_for_url(f"{fresh.by_name}/")
        page.reload()
        expect(page.locator("#sessions .entry")).to_have_count(2)
        page.locator("#sessions").get_by_role("button").click()
        expect(page.locator("#sessions .entry")).to_have_count(1)
        stranger.goto(f"{fresh.by_name}/account")
        stranger.wait_for_url(f"{fresh.by_name}/login")


def test_a_passkey_is_added_used_elsewhere_and_removed_but_not_the_last(
    browser: Browser, fresh: Door
) -> None:
    with tab(browser) as page:
        page.goto(setup_address(fresh))
        page.get_by_label("Name").fill("Clara")
        page.get_by_text("A password instead").click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Make an account with a password").click()
        page.wait_for_url(f"{fresh.by_name}/")
        page.goto(f"{fresh.by_name}/account")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.locator("#said")).to_have_text("The passkey is kept.")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.locator("#problem-title")).to_have_text("There is a passkey already")
        page.locator("#password-remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.locator("#password-says")).to_have_text("You have none; passkeys are enough.")
        page.locator("#passkeys").get_by_role("button", name="Remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.locator("#problem-title")).to_have_text("That is the last way in")
        page.locator("#passkeys").get_by_role("button", name="Rename").click()
        page.get_by_role("dialog").get_by_label("What it is called").fill("Old laptop")
        page.keyboard.press("Enter")
        expect(page.locator("#passkeys strong")).to_have_text("Old laptop")


def test_the_pages_say_what_is_wrong(browser: Browser, fresh: Door) -> None:
    with tab(browser, locale="de-DE") as page:
        page.goto(f"{fresh.by_name}/setup")
        expect(page.get_by_role("heading", level=1)).to_have_text("Der Link ist unvollständig")
        page.goto(setup_address(fresh))
        page.get_by_text("Stattdessen ein Passwort").click()
        page.get_by_role("button", name="Konto mit Passwort anlegen").click()
        expect(page.locator("#name-fault")).to_have_text("Hier fehlt ein Name.")
        page.get_by_label("Name").fill("Klara")
        for password, fault in (("kurz", "mindestens 10 Zeichen"), ("Passwort2026!", "zuerst probiert")):
            page.get_by_label("Passwort", exact=True).fill(password)
            page.get_by_role("button", name="Konto mit Passwort anlegen").click()
            expect(page.locator("#password-fault")).to_have_text(re.compile(fault))
        page.get_by_label("Passwort", exact=True).fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{fresh.by_name}/")
        page.goto(f"{fresh.by_name}/account")
        expect(page.locator("#sessions .entry")).to_have_count(1)
        page.get_by_role("button", name="Abmelden", exact=True).first.click()
        page.wait_for_url(f"{fresh.by_name}/login")
        page.get_by_label("Name").fill("Klara")
        page.get_by_label("Passwort", exact=True).fill("ein ganz anderes")
        page.get_by_role("button", name="Mit Passwort anmelden").click()
        expect(page.locator("#problem-title")).to_have_text("Name oder Passwort stimmt nicht")


def test_where_the_address_is_a_number_the_page_says_so_and_leads_to_localhost(
    browser: Browser, fresh: Door
) -> None:
    with tab(browser) as page:
        page.goto(setup_address(fresh).replace("localhost", "127.0.0.1"))
        expect(page.locator("#no-passkey-why")).to_have_text(
            "Passkeys need a name, not a number, in the address."
        )
        expect(page.locator("#by-passkey")).to_be_hidden()
        page.locator("#no-passkey-there").click()
        page.wait_for_url(setup_address(fresh))
        expect(page.locator("#by-passkey")).to_be_visible()


def test_an_operator_invites_resets_and_disables_a_host(browser: Browser, fresh: Door) -> None:
    with tab(browser) as page, tab(browser) as host:
        page.goto(setup_address(fresh))
        page.get_by_label("Name").fill("Clara")
        page.get_by_role("button", name="Make an account with a passkey").click()
        page.wait_for_url(f"{fresh.by_name}/")
        page.goto(f"{fresh.by_name}/account")
        page.get_by_text("Invite somebody").click()
        page.locator("#invite-name").fill("Thomas Reed")
        page.get_by_role("button", name="Make the link").click()
        expect(page.locator("#link-once")).to_be_visible()
        expect(page.locator("#invited .entry")).to_have_count(1)
        link = page.locator("#link-once-value").input_value()
        assert link.startswith(f"{fresh.by_name}/setup#i_")

        host.goto(link)
        expect(host.get_by_role("heading", level=1)).to_have_text("You are invited to host")
        expect(host.get_by_label("Name")).to_have_value("Thomas Reed")
        host.get_by_role("button", name="Make an account with a passkey").click()
        host.wait_for_url(f"{fresh.by_name}/")
        host.goto(f"{fresh.by_name}/account")
        expect(host.locator("#passkeys .entry")).to_have_count(1)
        expect(host.locator("#people")).to_have_count(0)

        page.reload()
        expect(page.locator("#people .entry")).to_have_count(2)
        page.get_by_role("button", name="New way in: Thomas Reed").click()
        page.get_by_role("dialog").get_by_role("button", name="Make the link").click()
        expect(page.locator("#link-once")).to_be_visible()
        back = page.locator("#link-once-value").input_value()
        host.goto(back)
        expect(host.get_by_role("heading", level=1)).to_have_text("Back into your account")
        host.get_by_text("A password instead").click()
        host.get_by_label("Password", exact=True).fill(PASSWORD)
        host.get_by_role("button", name="Set the new password").click()
        host.wait_for_url(f"{fresh.by_name}/")

        page.get_by_role("button", name="Disable: Thomas Reed").click()
        page.get_by_role("dialog").get_by_role("button", name="Disable").click()
        expect(page.locator("#people .entry[data-off]")).to_have_count(1)
        host.goto(f"{fresh.by_name}/account")
        host.wait_for_url(f"{fresh.by_name}/login")


def test_tokens_and_webhooks_show_their_secret_once(browser: Browser, fresh: Door) -> None:
    with tab(browser) as page:
        page.goto(setup_address(fresh))
        page.get_by_label("Name").fill("Clara")
        page.get_by_role("button", name="Make an account with a passkey").click()
        page.wait_for_url(f"{fresh.by_name}/")
        page.goto(f"{fresh.by_name}/account")
        page.get_by_text("Make a token").click()
        page.get_by_label("What it is for").fill("Stream deck")
        page.locator("#token-make").click()
        expect(page.locator("#token-once")).to_be_visible()
        token = page.locator("#token-once-value").input_value()
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{fresh.url}/api/rooms", headers=headers, trust_env=False).status_code == 200
        page.locator("#token-once").get_by_role("button", name="Done").click()
        expect(page.locator("#token-once")).to_be_hidden()
        page.get_by_role("button", name="Revoke: Stream deck").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(page.locator("#said")).to_have_text("Removed.")
        assert httpx.get(f"{fresh.url}/api/rooms", headers=headers, trust_env=False).status_code == 401

        page.get_by_text("Add a webhook").click()
        page.get_by_label("Address").fill("https://127.0.0.1/x")
        page.locator("#webhook-make").click()
        expect(page.locator("#webhook-url-fault")).to_be_visible()
        page.get_by_label("Address").fill("https://hooks.invalid/x")
        page.get_by_label("room.live").check()
        page.locator("#webhook-make").click()
        expect(page.locator("#webhook-once-value")).to_have_value(re.compile(r"^whsec_"))
        page.get_by_role("button", name="Test: https://hooks.invalid/x").click()
        expect(page.locator("#said")).to_contain_text("did not arrive", timeout=15000)
        expect(page.locator("#webhooks .entry")).to_contain_text("room.live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_in_order_for_readers_keys_and_narrow_screens(
    browser: Browser, fresh: Door, scheme: str
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": 360, "height": 740}}
    with tab(browser, **options) as page:

        def fits() -> None:
            wide = page.evaluate(
                "[...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > 361)"
                ".map(e => e.id || e.className || e.tagName)"
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= 361, wide

        def in_order() -> None:
            results = Axe().run(page)
            assert results.violations_count == 0, results.generate_report()
            fits()
            small = page.evaluate(
                "[...document.querySelectorAll('main button, main select, main input:not(.only-reader)')]"
                ".filter(e => e.offsetParent && e.type !== 'checkbox')"
                ".filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.id || e.textContent)"
            )
            assert small == []

        page.goto(f"{fresh.by_name}/login")
        expect(page.locator("#with-password")).to_be_enabled()
        in_order()
        page.goto(setup_address(fresh))
        page.get_by_text("A password instead").click()
        in_order()
        # By keys alone: the name has the focus, Tab leads to the passkey.
        page.get_by_label("Name").fill("Clara")
        page.get_by_label("Name").focus()
        page.keyboard.press("Tab")
        expect(page.locator("#passkey")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url(f"{fresh.by_name}/")
        page.goto(f"{fresh.by_name}/account")
        expect(page.locator("#sessions .entry")).to_have_count(1)
        for more in page.locator("main details").all():
            more.evaluate("element => { element.open = true; }")
        in_order()
        page.get_by_role("button", name="Rename", exact=True).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert Axe().run(page).violations_count == 0
        # Twice the text: nothing is cut off to the right.
        page.keyboard.press("Escape")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        fits()


def test_who_it_is_is_asked_again_and_what_was_meant_goes_on(browser: Browser, fresh: Door) -> None:
    """A session of ten minutes is played: the first answer to each wish is the studio's refusal."""
    old = {"WWW-Authenticate": 'Bearer error="insufficient_user_authentication", max_age="600"'}
    with tab(browser) as page:
        page.goto(setup_address(fresh))
        page.get_by_label("Name").fill("Clara")
        page.get_by_text("A password instead").click()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Make an account with a password").click()
        page.wait_for_url(f"{fresh.by_name}/")
        page.goto(f"{fresh.by_name}/account")
        page.get_by_text("Make a token", exact=True).first.click()
        page.get_by_label("What it is for").fill("Stream deck")
        refuse = {"left": 2}

        def answer(route: Route) -> None:
            if route.request.method == "POST" and refuse["left"]:
                refuse["left"] -= 1
                route.fulfill(status=403, json={"title": "Prove again"}, headers=old)
            else:
                route.continue_()

        page.route("**/api/tokens", answer)
        prove = page.locator("#prove")
        page.locator("#token-make").click()
        prove.get_by_role("button", name="Cancel").click()
        expect(page.locator("#problem-title")).to_have_text("Nothing was changed")
        page.locator("#token-make").click()
        prove.get_by_label("Password").fill("another one, and wrong")
        prove.get_by_label("Password").press("Enter")
        expect(page.locator("#prove-fault")).to_be_visible()
        assert Axe().run(page).violations_count == 0
        prove.get_by_label("Password").fill(PASSWORD)
        prove.get_by_role("button", name="With the password").click()
        expect(page.locator("#token-once-value")).to_have_value(re.compile("^h_"))


def test_an_operator_changes_a_role_and_removes_an_account(browser: Browser, fresh: Door) -> None:
    with tab(browser) as page:
        page.goto(setup_address(fresh))
        page.get_by_label("Name").fill("Clara")
        page.get_by_role("button", name="Make an account with a passkey").click()
        page.wait_for_url(f"{fresh.by_name}/")
        made = fresh.api.post("/api/accounts/invitations", json={"name": "Thomas", "role": "host"}).json()
        body = {"secret": made["link"].partition("#")[2], "name": "Thomas", "password": PASSWORD}
        assert httpx.post(f"{fresh.url}/api/setup", json=body, trust_env=False).status_code == 201
        page.goto(f"{fresh.by_name}/account")
        people, ask = page.locator("#people"), page.locator("#ask")
        people.get_by_role("button", name="Make operator: Thomas").click()
        ask.get_by_role("button", name="Make operator").click()
        expect(people.get_by_role("button", name="Make host: Thomas")).to_be_visible()
        people.get_by_role("button", name="Disable: Thomas").click()
        ask.get_by_role("button", name="Disable").click()
        people.get_by_role("button", name="Remove: Thomas").click()
        ask.get_by_role("button", name="Remove").click()
        expect(people.locator(".entry")).to_have_count(1)
        assert [one["name"] for one in fresh.api.get("/api/accounts").json()["accounts"]] == ["Clara"]
