"""The same evening as in test_journey, by three people without a mouse.

Nobody clicks: everything is reached by Tab, pressed by Enter or Space, or done by the pages' own keys; what
has the focus is seen each time, and the focus is never lost when a dialog or a panel goes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Server, serve
from journey_support import browser_with_voice, program_becomes, voice_file
from keyboard_support import focus_is_kept, focus_is_on, press, tab_to
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, desk_is, player_is

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LONG = 30_000
expect.set_options(timeout=LONG)
QUESTION = "li:has-text('Will it open on Sundays?')"


class Evening:
    """A server, and a browser with a voice of its own for each person."""

    def __init__(self, server: Server, folder: Path, browsers: dict[str, Browser]) -> None:
        self.server = server
        self.folder = folder
        self.wrong: list[list[str]] = []
        self._browsers = browsers

    def page(self, who: str) -> Page:
        window = self._browsers[who].new_context(
            locale="en-GB", timezone_id="Europe/Berlin", permissions=["microphone"]
        )
        window.set_default_timeout(LONG)
        page = window.new_page()
        self.wrong.append(complaints(page))
        return page

    @property
    def room(self) -> str:
        return f"{self.server.audience_url}/r/library"


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
            yield Evening(server, tmp_path, browsers)
        finally:
            for browser in list(browsers.values())[1:]:
                browser.close()


def test_an_evening_without_a_mouse(evening: Evening) -> None:
    """Steps that build on one another: one test, so that what went wrong first is what is said."""
    host = evening.page("host")
    sets_up_by_password(evening, host)
    plans_a_room(host)
    changes_her_mind_about_an_invitation(host)
    guest = evening.page("guest")
    answers_and_waits(guest, invites_in_public(host, "Ada Byron"))
    goes_live_and_admits(host, guest)
    program_becomes(evening.room, evening.folder, {"host", "guest"})

    listener = evening.page("listener")
    listens_and_asks(evening, listener)
    chooses_the_question(host, listener)
    raises_a_hand_and_speaks(host, listener)
    keys_of_the_studio(host)
    sends_back(host, listener)
    ends(host, guest, listener)
    assert [each for each in evening.wrong if each] == []


def sets_up_by_password(evening: Evening, page: Page) -> None:
    found = re.search(r"^setup +(\S+)", evening.server.log.read_text(), re.MULTILINE)
    assert found, "serve prints a set-up address as long as there is no account"
    page.goto(found[1])
    focus_is_on(page, "#name")
    page.keyboard.type("Elmstead Radio")
    press(page, "#by-password summary")
    tab_to(page, "#password")
    page.keyboard.type("a bicycle under the old oak")
    page.keyboard.press("Enter")
    page.wait_for_selector("#now-title")


def plans_a_room(page: Page) -> None:
    press(page, page.locator("a[href='/rooms/new']").first)
    page.wait_for_url(re.compile(r"/rooms/new$"))
    for field, text in (("#title", "One building, fifteen million questions"), ("#slug", "library")):
        tab_to(page, field)
        page.keyboard.type(text)
    tab_to(page, "#date")
    page.keyboard.type("03032027")
    expect(page.locator("#date")).to_have_value("2027-03-03")
    tab_to(page, "#time")
    page.keyboard.type("0800PM")
    expect(page.locator("#time")).to_have_value("20:00")
    for topic in ("Why a new library", "What it costs"):
        press(page, "#add-topic")
        focus_is_kept(page)
        page.keyboard.type(topic)
    # A topic too many, and away with it again.
    press(page, "#add-topic")
    press(page, page.locator("#topics [data-do=drop]").last)
    expect(page.locator("#topics .line")).to_have_count(2)
    focus_is_kept(page)
    press(page, "#save")
    page.wait_for_url(re.compile(r"/rooms/library$"))
    tab_to(page, "#description")
    page.keyboard.type("Three people and a plan.")
    press(page, "#save")
    expect(page.locator("#save-says")).to_have_text("Saved.")
    focus_is_on(page, "#save")


def invites_in_public(page: Page, name: str) -> str:
    tab_to(page, "#invite-name")
    page.keyboard.type(name)
    tab_to(page, "#invite-public")
    if not page.locator("#invite-public").is_checked():
        page.keyboard.press("Space")
    press(page, "#invite-button")
    expect(page.locator("#secret-link")).to_have_value(re.compile("#l_"))
    focus_is_on(page, "#secret")
    link = page.input_value("#secret-link")
    press(page, "#secret-done")
    focus_is_on(page, "#invite-name")
    return link


def changes_her_mind_about_an_invitation(page: Page) -> None:
    """A dialog of the room's page: away from it, and through it."""
    invites_in_public(page, "Somebody Else")
    press(page, "#invitations li:has-text('Somebody Else') [data-do=withdraw]")
    focus_is_on(page, "#ask button[value=no]")
    page.keyboard.press("Escape")
    focus_is_on(page, "#invitations li:has-text('Somebody Else') [data-do=withdraw]")
    page.keyboard.press("Enter")
    focus_is_on(page, "#ask button[value=no]")
    press(page, "#ask-yes")
    expect(page.locator("#people-says")).to_contain_text("Somebody Else")
    focus_is_kept(page)


def onto_the_stage(page: Page) -> None:
    """From the question for the microphone to one's own place; where the focus goes by itself, no Tab."""
    focus_is_on(page, "#check")
    page.keyboard.press("Enter")
    desk_is(page, "ready", 30)
    focus_is_on(page, "#join")
    page.keyboard.press("Enter")
    focus_is_on(page, "#mic")


def answers_and_waits(page: Page, link: str) -> None:
    page.goto(link)
    desk_is(page, "invited", 30)
    press(page, "#accept")
    desk_is(page, "before")
    onto_the_stage(page)
    desk_is(page, "doors", 30)


def goes_live_and_admits(host: Page, guest: Page) -> None:
    press(host, "[data-enter=library]")
    host.wait_for_url(re.compile(r"/s/library#t_"))
    host.wait_for_selector("#desk[data-conducts=yes]")
    press(host, "#open-doors")
    expect(host.locator("#go-live")).to_be_visible()
    focus_is_kept(host)
    tab_to(host, "#check")
    onto_the_stage(host)
    desk_is(host, "stage", 30)
    press(host, "#go-live")
    expect(host.locator("#onair")).to_have_attribute("data-status", "live")
    focus_is_kept(host)
    desk_is(guest, "green", 30)
    focus_is_on(guest, "#mic")
    press(host, "#waiting li:has-text('Ada Byron') [data-part=admit]")
    desk_is(guest, "heard", 30)
    focus_is_kept(host)
    focus_is_on(guest, "#mic")


def listens_and_asks(evening: Evening, page: Page) -> None:
    page.goto(evening.room)
    page.wait_for_selector("#show-keys:not([hidden])")
    page.keyboard.press("Space")
    player_is(page, "playing", 30)
    press(page, "#show-keys")
    page.wait_for_selector("dialog.sheet[open]")
    page.keyboard.press("Escape")
    focus_is_on(page, "#show-keys")
    press(page, "#ask")
    focus_is_on(page, "form.ask textarea")
    page.keyboard.press("Escape")
    focus_is_on(page, "#ask")
    page.keyboard.press("Enter")
    focus_is_on(page, "form.ask textarea")
    page.keyboard.type("Will it open on Sundays?")
    press(page, "form.ask button[type=submit]")
    focus_is_on(page, "#ask")
    # Backwards, too: the question stands above the button.
    vote = tab_to(page, f"#question-list {QUESTION} [data-vote]", back=True)
    page.keyboard.press("Space")
    expect(vote).to_have_attribute("aria-pressed", "true")
    focus_is_on(page, f"#question-list {QUESTION} [data-vote]")


def chooses_the_question(host: Page, listener: Page) -> None:
    row = f"#question-list {QUESTION}"
    expect(host.locator(f"{row} [data-part=says]")).to_contain_text("1")
    press(host, f"{row} [data-part=next]")
    expect(listener.locator(row)).to_have_attribute("data-state", "chosen")
    focus_is_kept(host)
    focus_is_kept(listener)


def raises_a_hand_and_speaks(host: Page, listener: Page) -> None:
    listener.keyboard.press("h")
    focus_is_on(listener, "form.hand input[name=name]")
    listener.keyboard.press("Escape")
    focus_is_on(listener, "#hand")
    listener.keyboard.press("h")
    focus_is_on(listener, "form.hand input[name=name]")
    listener.keyboard.type("Row 7")
    listener.keyboard.press("Enter")
    expect(host.locator("#requests")).to_contain_text("Row 7")
    focus_is_kept(listener)

    host.keyboard.press("h")
    focus_is_on(host, "#hands")
    press(host, "#requests li:has-text('Row 7') [data-part=bring]")
    focus_is_on(listener, "form.hand [data-do=speak]")
    listener.keyboard.press("Enter")
    listener.wait_for_selector("form.hand[data-heard=heard]")
    focus_is_on(listener, "form.hand [data-do=mute]")
    focus_is_kept(host)
    for state in ("muted", "heard"):
        listener.keyboard.press("m")
        listener.wait_for_selector(f"form.hand[data-heard={state}]")


def keys_of_the_studio(host: Page) -> None:
    host.keyboard.press("m")
    desk_is(host, "muted")
    host.keyboard.press("m")
    desk_is(host, "heard")
    host.keyboard.press("n")
    expect(host.locator(".topic[data-now]")).to_contain_text("Why a new library")
    # The last topic takes the button's use away, and must not take the focus with it.
    press(host, "#next-topic")
    expect(host.locator(".topic[data-now]")).to_contain_text("What it costs")
    focus_is_kept(host)
    press(host, "#keys-button")
    focus_is_on(host, "#keys button")
    host.keyboard.press("Escape")
    focus_is_on(host, "#keys-button")
    host.keyboard.press("?")
    expect(host.locator("#keys")).to_be_visible()
    host.keyboard.press("Enter")
    focus_is_on(host, "#keys-button")


def sends_back(host: Page, listener: Page) -> None:
    """A menu, and a dialog out of it."""
    seat = ".voice:has-text('Row 7')"
    press(host, f"{seat} summary")
    press(host, f"{seat} [data-part=remove]")
    expect(host.locator("#ask")).to_be_visible()
    host.keyboard.press("Escape")
    focus_is_on(host, f"{seat} [data-part=remove]")
    host.keyboard.press("Escape")
    focus_is_on(host, f"{seat} summary")
    host.keyboard.press("Enter")
    press(host, f"{seat} [data-part=send-back]")
    expect(host.locator(seat)).to_have_count(0)
    focus_is_kept(host)
    player_is(listener, "playing", 30)
    focus_is_on(listener, "#hand")


def ends(host: Page, guest: Page, listener: Page) -> None:
    tab_to(listener, "#back")
    press(host, "#end")
    focus_is_on(host, "#ask-choices button[value=no]")
    host.keyboard.press("Escape")
    focus_is_on(host, "#end")
    host.keyboard.press("Enter")
    press(host, "#ask-choices button[value=end]")
    expect(host.locator("#onair")).to_have_attribute("data-status", "ended")
    desk_is(guest, "ended", 30)
    expect(listener.locator("#badge")).to_have_attribute("data-status", "ended")
    for page in (host, guest, listener):
        focus_is_kept(page)
