"""One evening as people live it, in five browsers, with the sound measured at each step.

A host sets up with a passkey, schedules a room and invites in public; the guest answers, checks the
microphone, waits, is talked with off air and admitted; a listener listens, asks, votes, raises a hand, is
brought up, speaks and is sent back; the host's browser is killed and comes back; somebody is banned and
stays banned; the room ends.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import HUSTINGS, Server, serve
from journey_support import browser_with_voice, ear, heard, program, program_becomes, voice_file
from playwright.sync_api import Browser, BrowserContext, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, desk_is, player_is

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TITLE = "One building, fifteen million questions"
LONG = 30_000
expect.set_options(timeout=LONG)


@dataclass
class Evening:
    """Who is there, each with a browser of their own."""

    server: Server
    folder: Path
    host_browser: Browser
    browsers: dict[str, Browser]
    wrong: list[list[str]]

    def window(self, who: str) -> BrowserContext:
        context = self.browsers[who].new_context(
            locale="en-GB", timezone_id="Europe/Berlin", permissions=["microphone"]
        )
        context.set_default_timeout(LONG)
        return context

    def page(self, context: BrowserContext) -> Page:
        page = context.new_page()
        self.wrong.append(complaints(page))
        return page


@pytest.fixture
def evening(tmp_path: Path) -> Iterator[Evening]:
    voices = {who: voice_file(tmp_path, who) for who in ("host", "guest", "listener")}
    data = tmp_path / "data"
    data.mkdir()
    with serve(data, levelling=False) as server, chromium(voice=voices["host"]) as host:
        browsers = {"host": host}
        for who in ("guest", "listener"):
            browsers[who] = browser_with_voice(host, voices[who])
        try:
            yield Evening(server, tmp_path, host, browsers, [])
        finally:
            for browser in list(browsers.values())[1:]:
                browser.close()


def set_up_by_passkey(evening: Evening, context: BrowserContext) -> Page:
    """The first account, from the address `serve` printed."""
    found = re.search(r"^setup +(\S+)$", evening.server.log.read_text(), re.MULTILINE)
    assert found, "serve prints a set-up address as long as there is no account"
    page = evening.page(context)
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    page.goto(found[1])
    page.fill("#name", "Elmstead Radio")
    page.click("#passkey")
    page.wait_for_selector("#now-title")
    return page


def schedule(page: Page) -> None:
    """Next year, with an agenda of two points."""
    page.click("a[href='/rooms/new']")
    page.fill("#title", TITLE)
    page.fill("#slug", "library")
    page.fill("#date", "2027-03-03")
    page.fill("#time", "20:00")
    for title in ("Why a new library", "What it costs"):
        page.click("#add-topic")
        page.keyboard.type(title)
    page.click("#save")
    page.wait_for_url(re.compile(r"/rooms/library$"))


def invite_in_public(page: Page, name: str) -> str:
    page.fill("#invite-name", name)
    page.check("#invite-public")
    page.click("#invite-button")
    expect(page.locator("#secret-link")).to_have_value(re.compile("#l_"))
    return page.input_value("#secret-link")


def take_the_microphone(page: Page) -> None:
    page.click("#check")
    desk_is(page, "ready", 30)
    page.click("#join")


def test_an_evening(evening: Evening) -> None:
    """Steps that build on one another: one test, so that what went wrong first is what is said."""
    desk_window = evening.window("host")
    desk = set_up_by_passkey(evening, desk_window)
    schedule(desk)
    link = invite_in_public(desk, "Ada Byron")
    audience_url = f"{evening.server.audience_url}/r/library"

    listener = evening.page(evening.window("listener"))
    listener.goto(audience_url)
    expect(listener.locator(".seat.invited")).to_contain_text("no answer yet")
    expect(listener.locator("#plan-left")).to_be_visible()

    guest_window = evening.window("guest")
    guest = evening.page(guest_window)
    guest.goto(link)
    desk_is(guest, "invited")
    guest.click("#accept")
    desk_is(guest, "before")
    expect(listener.locator("#seats")).not_to_contain_text("no answer yet")

    host = enter_the_studio(evening, desk)
    in_the_green_room(evening, host, guest, audience_url)
    listener_plays(listener)
    listener_asks(listener, host)
    listener_is_brought_up(evening, host, guest, listener, audience_url)
    host = host_crashes(evening, desk_window, audience_url)
    somebody_is_banned(evening, host, listener, audience_url)

    host.click("#end")
    host.click("#ask-choices >> text=End the broadcast")
    expect(listener.locator("#badge")).to_have_attribute("data-status", "ended")
    desk_is(guest, "ended", 30)
    expect(listener.locator("#after")).to_contain_text("Why a new library")
    assert [each for each in evening.wrong if each] == []


def enter_the_studio(evening: Evening, desk: Page) -> Page:
    """From the room's page into the console, and onto the stage."""
    desk.click("[data-enter=library]")
    desk.wait_for_url(re.compile(r"/s/library#t_"))
    desk.wait_for_selector("#desk[data-conducts=yes]")
    desk.click("#open-doors")
    take_the_microphone(desk)
    desk.wait_for_selector(".voice:has-text('Elmstead Radio')")
    return desk


def in_the_green_room(evening: Evening, host: Page, guest: Page, audience_url: str) -> None:
    """Waiting nobody hears the guest; off air only the host; admitted everybody."""
    take_the_microphone(guest)
    desk_is(guest, "green", 30)
    host.click("#go-live")
    expect(host.locator("#onair")).to_have_attribute("data-status", "live")
    program_becomes(audience_url, evening.folder, {"host"})
    assert heard(ear(guest, "#sound")) == {"host"}, "who waits hears the program"
    assert heard(ear(host, "#sound")) == set()

    host.click("#waiting >> text=Talk off air")
    desk_is(guest, "aside")
    assert "guest" in heard(ear(host, "#sound"))
    assert "host" in heard(ear(guest, "#sound"))
    program_becomes(audience_url, evening.folder, set())  # off air is off air
    host.click("#back-on-air")
    desk_is(guest, "green")

    host.click("#waiting >> text=Admit")
    desk_is(guest, "heard")
    program_becomes(audience_url, evening.folder, {"host", "guest"})
    assert heard(ear(host, "#sound")) == {"guest"}, "nobody hears himself"
    assert heard(ear(guest, "#sound")) == {"host"}
    host.keyboard.press("n")
    expect(host.locator(".topic[data-now]")).to_contain_text("Why a new library")


def listener_plays(listener: Page) -> None:
    listener.click("#play")
    player_is(listener, "playing", 30)
    expect(listener.locator("#agenda-box")).to_contain_text("Why a new library")


def listener_asks(listener: Page, host: Page) -> None:
    listener.click("#ask")
    listener.fill("form.ask textarea", "Will it open on Sundays?")
    listener.click("form.ask button[type=submit]")
    row = host.locator("#question-list li:has-text('Will it open on Sundays?')")
    row.wait_for()
    listener.click("#question-list li:has-text('Sundays') button")
    expect(row).to_contain_text("1")
    row.locator("button:has-text('Choose')").click()
    expect(listener.locator("#question-list li:has-text('Sundays')")).to_have_attribute(
        "data-state", "chosen"
    )


def raise_hand(page: Page, name: str) -> None:
    page.click("#hand")
    page.fill("form.hand input[name=name]", name)
    page.click("form.hand fieldset[data-step=wish] button[type=submit]")


def listener_is_brought_up(
    evening: Evening, host: Page, guest: Page, listener: Page, audience_url: str
) -> None:
    raise_hand(listener, "Row 7")
    host.click("#requests li:has-text('Row 7') >> text=Bring up")
    listener.click("form.hand [data-do=speak]")
    listener.wait_for_selector("form.hand[data-heard=heard]")
    program_becomes(audience_url, evening.folder, {"host", "guest", "listener"})
    assert heard(ear(listener, "#stage-sound")) == {"host", "guest"}
    assert heard(ear(guest, "#sound")) == {"host", "listener"}

    listener.click("form.hand [data-do=mute]")
    listener.wait_for_selector("form.hand[data-heard=muted]")
    program_becomes(audience_url, evening.folder, {"host", "guest"})
    listener.click("form.hand [data-do=mute]")
    listener.wait_for_selector("form.hand[data-heard=heard]")

    seat = host.locator(".voice:has-text('Row 7')")
    seat.locator("summary").click()
    seat.locator("[data-part=send-back]").click()
    player_is(listener, "playing", 30)
    program_becomes(audience_url, evening.folder, {"host", "guest"})


def host_crashes(evening: Evening, window: BrowserContext, audience_url: str) -> Page:
    """The browser is gone at once; what is on stays on; the host comes back to where he was."""
    kept = window.storage_state()
    window.close()
    assert "guest" in heard(program(audience_url, evening.folder)), "nothing ends with a host's browser"
    context = evening.host_browser.new_context(
        storage_state=kept, locale="en-GB", timezone_id="Europe/Berlin", permissions=["microphone"]
    )
    context.set_default_timeout(LONG)
    host = evening.page(context)
    host.goto(f"{evening.server.studio_url.replace('127.0.0.1', 'localhost')}/rooms/library")
    host.click("[data-enter=library]")
    host.wait_for_selector("#desk[data-conducts=yes]")
    expect(host.locator("#onair")).to_have_attribute("data-status", "live")
    take_the_microphone(host)
    desk_is(host, "heard", 30)
    program_becomes(audience_url, evening.folder, {"host", "guest"})
    return host


def somebody_is_banned(evening: Evening, host: Page, listener: Page, audience_url: str) -> None:
    """Brought up, banned, and out for good: also after a reload."""
    window = evening.browsers["listener"].new_context(locale="en-GB", permissions=["microphone"])
    window.set_default_timeout(LONG)
    second = evening.page(window)
    second.goto(audience_url)
    raise_hand(second, "Mallory")
    host.click("#requests li:has-text('Mallory') >> text=Bring up")
    second.click("form.hand [data-do=speak]")
    second.wait_for_selector("form.hand[data-heard=heard]")
    seat = host.locator(".voice:has-text('Mallory')")
    seat.locator("summary").click()
    seat.locator("[data-part=remove]").click()
    host.click("#ask-choices >> text=Remove and ban")
    expect(host.locator("#ban-list")).to_contain_text("Mallory")
    program_becomes(audience_url, evening.folder, {"host", "guest"})
    second.reload()
    raise_hand(second, "Mallory again")
    # A hand of somebody else is seen meanwhile: so the banned one's has had its time.
    dropped = [*HUSTINGS, "listen", audience_url, "--seconds", "2"]
    subprocess.run(dropped, check=True, timeout=60, capture_output=True)
    expect(host.locator("#requests")).not_to_contain_text("Mallory again")
