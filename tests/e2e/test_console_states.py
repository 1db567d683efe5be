"""The console in all its states, of a made-up studio: what it says, asks for, and does by key; axe; sizes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from playwright.sync_api import Browser, BrowserContext, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
import console_fake as fake
import console_screens
from console_fake import FakeStudio, context_of
from pages_browser import chromium, complaints, desk_is

pytestmark = pytest.mark.e2e
STATES = sorted(console_screens.states())


def wav_of(source: list[str], folder: Path) -> Path:
    wav = folder / "microphone.wav"
    subprocess.run(["ffmpeg", "-v", "error", *source, "-ar", "48000", "-ac", "1", str(wav)], check=True)
    return wav


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    voice = wav_of(["-i", str(console_screens.DEMO / "host.opus")], tmp_path_factory.mktemp("voice"))
    with chromium(voice=voice) as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = context_of(browser)
    yield context
    context.close()


def on_stage(**more: Any) -> dict[str, Any]:
    return {**fake.invited(invitation="accepted", place="stage", seat="seated"), **more}


def go(page: Page, state: str) -> None:
    page.click("#check")
    desk_is(page, "ready")
    page.click("#join")
    desk_is(page, state)


def arranged(browser: Browser, state: str, **look: Any) -> tuple[BrowserContext, Page]:
    studio, then, fragment = console_screens.states()[state]
    context = context_of(browser, **look)
    page = studio.open(context, fragment)
    page.wait_for_selector("#desk:not([data-state=loading])", state="attached")
    if then:
        then(page, studio)
    return context, page


# --- what everybody meets --------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_axe_finds_no_violation(
    browser: Browser, state: str, scheme: Literal["light", "dark"], width: int
) -> None:
    context, page = arranged(browser, state, width=width, scheme=scheme)
    results = Axe().run(page)
    context.close()
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("state", ["invited", "ready", "heard", "host", "host-scheduled"])
def test_a_narrow_window_is_enough(browser: Browser, state: str) -> None:
    """44 px for fingers; and at 200 % text nothing stands out sideways."""
    context, page = arranged(browser, state, width=360, lang="de")
    small = page.evaluate(
        """[...document.querySelectorAll('a, button, select, summary, label.check, textarea')]
            .filter((element) => element.checkVisibility() && !element.classList.contains('skip'))
            .map((element) => [element.textContent.trim(), element.getBoundingClientRect().height])
            .filter(([, height]) => height < 43.5)"""
    )
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert small == []
    assert wide <= 360


def test_names_and_words_are_text_and_nothing_else(context: BrowserContext) -> None:
    evil = "<img src=x onerror=document.body.dataset.hit=1>"
    room = fake.live_room(title=evil, description=evil)
    room["participants"].append(fake.person(evil))
    room["questions"]["list"][0] |= {"text": evil, "name": evil}
    host = fake.desk(bans=[{"participant_id": "x", "name": evil, "at": ""}])
    for each in (*host["waiting"], *host["requests"], *host["invitations"]):
        each |= {"name": evil, "word": evil}
    page = FakeStudio(room, fake.host_me(name=evil), host).open(context)
    page.wait_for_selector("#waiting li")
    assert page.locator("img").count() == 0
    assert page.get_attribute("body", "data-hit") is None


@pytest.mark.parametrize(
    ("status", "problem", "state"),
    [
        (409, {"title": "This link has been used"}, "used"),
        (401, {"title": "No longer", "state": "withdrawn"}, "withdrawn"),
        (401, {"title": "No longer", "state": "expired"}, "expired"),
        (403, {"title": "You were removed from this room"}, "banned"),
        (404, {"title": "Unknown link"}, "bad_ticket"),
    ],
)
def test_a_link_that_does_not_hold_says_why_and_offers_to_listen(
    context: BrowserContext, status: int, problem: dict[str, str], state: str
) -> None:
    studio = FakeStudio(fake.scheduled_room(), fake.invited())
    studio.answers["/redeem"] = (status, problem)
    page = studio.open(context, "l_secret")
    desk_is(page, state)
    assert page.is_visible("#problem")
    assert not page.is_visible("#desk")
    assert page.get_attribute("#listen", "href") == "http://audience.localhost/r/library"


def test_without_a_link_whoever_is_logged_in_takes_the_own_seat(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), fake.host_me(), fake.desk())
    studio.answers["/host-seat"] = (200, {"ticket": "t_own", "link": ""})
    page = studio.open(context, "")
    page.wait_for_selector("#desk[data-conducts=yes]")
    studio.answers["/host-seat"] = (401, {"title": "Log in"})
    other = studio.open(context, "")
    desk_is(other, "ticket")


def test_the_times_are_the_readers_with_the_rooms_beside(context: BrowserContext) -> None:
    room = fake.scheduled_room(scheduled_at="2026-12-24T19:00:00Z")
    page = FakeStudio(room, fake.invited()).open(context)
    desk_is(page, "invited")
    assert "20:00" in page.inner_text("#invitation-when")
    assert page.inner_text("#invitation-there").startswith("New York: Thu")
    assert "14:00" in page.inner_text("#invitation-there")


def test_another_time_is_proposed_in_the_readers_zone(context: BrowserContext) -> None:
    studio = FakeStudio(fake.scheduled_room(), fake.invited())
    page = studio.open(context)
    desk_is(page, "invited")
    page.click("#word-more > summary")
    page.fill("#proposed", "2026-12-28T20:00")
    page.fill("#word", " Gladly on Monday. ")
    page.click("#word-send")
    page.wait_for_selector("#word-said:has-text('Sent.')")
    assert studio.asked("/me/word") == [
        {"word": "Gladly on Monday.", "proposed_at": "2026-12-28T19:00:00.000Z"}
    ]


# --- the check -------------------------------------------------------------------------------------


def test_one_hears_oneself_before_anybody_else_does(context: BrowserContext) -> None:
    page = FakeStudio(fake.scheduled_room(), fake.invited(invitation="accepted")).open(context)
    page.click("#check")
    desk_is(page, "ready")
    page.wait_for_selector("#level-says:has-text('Level is good.')")
    page.click("#record")
    page.wait_for_selector("#test-says:has-text('This is how you sound.')", timeout=20_000)
    assert page.evaluate("document.querySelector('#test-sound').duration") > 3
    page.wait_for_selector("#test-says:has-text('That was you.')", timeout=20_000)


def test_a_voice_is_no_echo(context: BrowserContext) -> None:
    page = FakeStudio(fake.scheduled_room(), fake.invited(invitation="accepted")).open(context)
    page.click("#check")
    desk_is(page, "ready")
    page.click("#tone")
    page.wait_for_selector("#test-says:has-text('No echo')", timeout=20_000)
    assert float(page.get_attribute("#tests", "data-match") or 1) < 0.15


def test_a_microphone_that_hears_the_loudspeaker_asks_for_headphones(
    browser: Browser, tmp_path: Path
) -> None:
    """The microphone's file is what the loudspeaker plays, over and over."""
    rising = "0.3*sin(2*PI*(450*mod(t,1.1)+(2200-450)*mod(t,1.1)*mod(t,1.1)/1.8))*lt(mod(t,1.1),0.9)"
    wav = wav_of(["-f", "lavfi", "-i", f"aevalsrc='{rising}':d=11"], tmp_path)
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={wav}",
    ]
    with browser.browser_type.launch(executable_path="/usr/bin/chromium", args=arguments) as hearing:
        page = FakeStudio(fake.scheduled_room(), fake.invited(invitation="accepted")).open(
            context_of(hearing)
        )
        page.click("#check")
        desk_is(page, "ready")
        for name in ("noiseSuppression", "autoGainControl", "echoCancellation"):
            page.evaluate("name => document.getElementById(name).click()", name)
        page.wait_for_timeout(1500)
        page.click("#tone")
        page.wait_for_selector("#test-says:has-text('Use headphones')", timeout=20_000)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("anullsrc=d=10", "No sound arrives."),
        ("aevalsrc='clip(4*sin(2*PI*220*t),-1,1)':d=10", "The sound is torn"),
        ("aevalsrc='0.02*sin(2*PI*220*t)':d=10", "Too quiet"),
    ],
)
def test_what_is_wrong_with_a_microphone_is_said(
    browser: Browser, tmp_path: Path, source: str, says: str
) -> None:
    wav = wav_of(["-f", "lavfi", "-i", source], tmp_path)
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={wav}",
    ]
    with browser.browser_type.launch(executable_path="/usr/bin/chromium", args=arguments) as broken:
        context = context_of(broken)
        context.add_init_script(
            "for (const name of ['noiseSuppression', 'autoGainControl', 'echoCancellation'])"
            " localStorage.setItem(`hustings ${name}`, 'false')"
        )
        page = FakeStudio(fake.scheduled_room(), fake.invited(invitation="accepted")).open(context)
        page.click("#check")
        desk_is(page, "ready")
        page.wait_for_selector(f"#level-says:has-text('{says}')", timeout=15_000)


# --- on the stage ----------------------------------------------------------------------------------


def test_the_speaking_clock_warns_gently(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), on_stage())
    page = studio.open(context)
    go(page, "heard")
    assert not page.is_visible("#clock")
    studio.change(page, me_clock_until=fake.ago(seconds=-90))
    page.wait_for_selector("#clock[data-state=running]")
    studio.change(page, me_clock_until=fake.ago(seconds=-20))
    page.wait_for_selector("#clock[data-state=soon]")
    page.wait_for_selector("#announce:has-text('30 seconds left.')", state="attached")
    studio.change(page, me_clock_until=fake.ago(seconds=65))
    page.wait_for_selector("#clock[data-state=over]:has-text('1:0')")
    page.wait_for_selector("#announce:has-text('Your time is over.')", state="attached")
    studio.change(page, me_clock_until=None)
    page.wait_for_selector("#clock", state="hidden")


def test_rings_breathe_with_the_levels_that_are_told(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), fake.host_me(), fake.desk())
    page = studio.open(context)
    page.wait_for_selector("#waiting li")
    studio.levels({"building-councillor": -30, "parents": -12, "library-friends": -3})
    page.wait_for_function(
        "() => document.querySelector('[data-key=building-councillor]').style"
        ".getPropertyValue('--level') === '0.50'"
    )
    page.wait_for_function(
        "() => document.querySelector('[data-key=parents]').style.getPropertyValue('--level') === '0.80'"
    )
    muted = "document.querySelector('[data-key=library-friends]').style.getPropertyValue('--level')"
    assert page.evaluate(muted) == "0.00"


def test_steps_on_the_agenda_may_come_faster_than_their_answers(context: BrowserContext) -> None:
    studio = FakeStudio({**fake.live_room(), "topic_id": "t1"}, fake.host_me(), fake.desk())
    page = studio.open(context)
    page.click("#stage-title")
    for _ in range(3):
        page.keyboard.press("n")
    asked = studio.told(page, "/topic", 3)
    assert asked == [{"topic_id": "t2"}, {"topic_id": "t3"}, {"topic_id": "t4"}]


def test_keys_do_nothing_while_somebody_types(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), fake.host_me(), fake.desk())
    page = studio.open(context)
    go(page, "heard")
    page.click("#invitations details.more > summary")
    page.click("#invite-name")
    page.keyboard.type("Mona? nm h")
    assert page.input_value("#invite-name") == "Mona? nm h"
    assert page.get_attribute("#desk", "data-state") == "heard"
    assert studio.asked("/topic") == []
    assert not page.is_visible("#keys")
    page.click("#stage-title")
    page.keyboard.press("n")
    assert studio.told(page, "/topic", 1) == [{"topic_id": "t3"}]
    page.keyboard.press("h")
    assert page.evaluate("document.activeElement.id") == "hands"
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.keyboard.press("m")
    assert page.get_attribute("#desk", "data-state") == "heard"
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    desk_is(page, "muted")
    assert studio.told(page, "/participants/me/mute", 1) == [{"muted": True}]


def test_a_locked_stage_is_waited_for(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(locked=True), on_stage(seat="", place=""))
    page = studio.open(context)
    page.evaluate("fakeStage.refuse = {status: 409, title: 'The stage is locked', state: 'locked'}")
    page.click("#check")
    desk_is(page, "ready")
    page.click("#join")
    page.wait_for_selector("#problem:has-text('The stage is locked.')")
    page.evaluate("fakeStage.refuse = null")
    studio.change(page, room_locked=False)
    desk_is(page, "heard")
    assert not page.is_visible("#problem")


def test_the_seat_is_lost_and_the_page_says_so(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), on_stage())
    found: list[str] = []
    page = studio.open(context)
    found = complaints(page)
    go(page, "heard")
    page.evaluate("fakeStage.refuse = {status: 503, title: 'Away'}; fakeStage.peers.at(-1).close()")
    desk_is(page, "reconnecting")
    assert page.inner_text("#heard") == "Nobody hears you at the moment"
    page.evaluate("fakeStage.refuse = null")
    desk_is(page, "heard")
    assert [each for each in found if "503" not in each] == []


# --- who conducts ----------------------------------------------------------------------------------


def test_commands_of_the_host_reach_the_studio(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), fake.host_me(), fake.desk(waiting=fake.desk()["waiting"]))
    page = studio.open(context)
    page.wait_for_selector("#waiting li")
    seat = page.locator(".voice:has-text('Building councillor')")
    seat.locator("[data-part=mute]").click()
    seat.locator("[data-part=clock]").click()
    seat.locator("summary").click()
    seat.locator("[data-part=turns] >> text=5:00").click()
    seat.locator("summary").click()
    seat.locator("[data-part=role]").click()
    page.click("#waiting >> text=Admit")
    page.click("#requests li:first-child >> text=Bring up")
    page.click("#requests li:last-child >> text=Lower")
    page.click("#hands-order")
    page.click("#question-list li:last-child >> button:text('Choose')")
    page.click("#question-list li:first-child >> button:text('Answered')")
    page.click("#lock")
    studio.told(page, "/lock", 1)
    councillor = "/participants/building-councillor"
    assert [call for call in studio.calls if call[1] not in ("/me", "/me/pass")] == [
        ("POST", f"{councillor}/mute", {"muted": True}),
        ("POST", f"{councillor}/clock", {"seconds": 0}),
        ("POST", f"{councillor}/clock", {"seconds": 300}),
        ("POST", f"{councillor}/role", {"role": "cohost"}),
        ("POST", "/participants/parents/admit", {}),
        ("POST", "/requests/r1/bring-up", {}),
        ("POST", "/requests/r2/lower", {}),
        ("PATCH", "", {"queue_by_talk": True}),
        ("POST", "/questions/q2", {"state": "chosen"}),
        ("POST", "/questions/q1", {"state": "answered"}),
        ("POST", "/lock", {"locked": True}),
    ]


def test_what_the_studio_refuses_is_said(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), fake.host_me(), fake.desk())
    studio.answers["/lock"] = (409, {"title": "Not possible now", "detail": "It is over."})
    page = studio.open(context)
    page.click("#lock")
    page.wait_for_selector("#complaint:has-text('That did not work. It is over.')")
    page.click("#complaint-close")
    assert not page.is_visible("#complaint")


def test_a_cohost_becomes_speaker_and_the_desk_goes(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), fake.host_me(role="cohost"), fake.desk())
    page = studio.open(context)
    page.wait_for_selector("#green:visible")
    studio.host = None
    studio.change(page, me_role="speaker", me_conducts=False)
    page.wait_for_selector("#green", state="hidden")
    assert not page.is_visible("#end")
    assert not page.is_visible("#hands")
