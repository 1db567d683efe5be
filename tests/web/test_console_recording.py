"""Being recorded, as the console says and asks it: with a made-up studio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import console_fake as fake
import pytest
from console_fake import FakeStudio, context_of
from pages_browser import chromium, complaints, desk_is
from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.e2e

OFF = {"state": "off_record", "since": "2026-11-23T20:00:00Z"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = context_of(browser)
    yield context
    context.close()


def guest(**more: Any) -> dict[str, Any]:
    """An invited who has not been asked yet."""
    return fake.invited(**{"invitation": "accepted", "agreed_at": None, **more})


def checked(context: BrowserContext, studio: FakeStudio) -> Page:
    page = studio.open(context)
    page.click("#check")
    desk_is(page, "ready")
    return page


def conducting(context: BrowserContext, **recording: Any) -> tuple[Page, FakeStudio]:
    studio = FakeStudio(fake.live_room(), fake.host_me(), fake.desk(recording=fake.recording(**recording)))
    page = studio.open(context)
    page.wait_for_selector("#off-record:not([hidden])")
    return page, studio


# --- whoever speaks --------------------------------------------------------------------------------


def test_who_goes_on_stage_is_asked_first_and_both_answers_are_there(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), guest())
    page = checked(context, studio)
    assert "kept on this server" in page.inner_text("#consent")
    assert "nothing of you is kept" in page.inner_text("#consent")
    assert page.inner_text("#join") == "I agree: on the stage"
    assert page.inner_text("#join-without") == "Go on without agreeing"
    assert studio.asked("/me/consent") == [], "nothing is taken for agreed"
    page.click("#join")
    page.wait_for_selector("#consent", state="hidden")
    assert studio.told(page, "/me/consent", 1) == [{"agree": True}]
    page.wait_for_selector("#consent-says:has-text('You agreed to be recorded.')")


def test_without_agreeing_one_goes_on_and_is_reminded(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), guest())
    page = checked(context, studio)
    page.click("#join-without")
    page.wait_for_selector("#consent-says:has-text('the recording is silent')")
    assert studio.asked("/me/consent") == []
    page.focus("#consent-agree")
    page.keyboard.press("Enter")
    page.wait_for_selector("#consent-says:has-text('You agreed')")
    assert page.evaluate("document.activeElement.id") == "consent-back", "the focus is not lost"
    page.keyboard.press("Enter")
    page.wait_for_selector("#consent-says:has-text('You have not agreed')")
    assert studio.asked("/me/consent") == [{"agree": True}, {"agree": False}]


def test_an_agreement_that_did_not_arrive_lets_nobody_on_stage(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), guest())
    studio.answers["/me/consent"] = (503, {"title": "Try again in a moment"})
    page = checked(context, studio)
    page.click("#join")
    page.wait_for_selector("#complaint:has-text('Try again in a moment')")
    assert page.get_attribute("#desk", "data-state") == "ready"
    assert page.evaluate("fakeStage.peers.length") == 0


def test_who_agreed_before_and_a_room_that_does_not_record_ask_nothing(context: BrowserContext) -> None:
    for me in (guest(agreed_at=fake.ago(days=2)), guest(recording=False)):
        page = checked(context, FakeStudio(fake.live_room(), me))
        assert not page.is_visible("#consent")
        assert not page.is_visible("#join-without")
        assert page.inner_text("#join") == "Go on stage"
        assert page.is_visible("#consent-card") is me["recording"]


def test_everybody_sees_the_sign_and_hears_of_it(context: BrowserContext) -> None:
    studio = FakeStudio(fake.live_room(), guest(agreed_at=fake.ago(days=2)))
    page = studio.open(context)
    page.wait_for_selector("#rec[data-state=on]:has-text('Recorded since')")
    studio.change(page, room_recording=OFF)
    page.wait_for_selector("#rec[data-state=off_record]:has-text('Off the record')")
    studio.change(page, room_recording={**OFF, "state": "off"})
    page.wait_for_selector("#rec[data-state=off]:has-text('Not recorded')")
    assert not page.is_visible("#off-record")
    assert not page.is_visible("#rec-alarm")


# --- hosts -----------------------------------------------------------------------------------------


def test_off_the_record_is_one_key_and_back_is_asked(context: BrowserContext) -> None:
    page, studio = conducting(context)
    found = complaints(page)
    page.keyboard.press("r")
    assert studio.told(page, "/off-record", 1) == [{"off": True}]
    page.wait_for_selector("#off-record:not([aria-busy])")
    studio.change(page, room_recording=OFF)
    page.wait_for_selector("#off-record:has-text('Back on the record')[aria-pressed=true]")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open]:has-text('Back on the record?')")
    page.keyboard.press("Enter")  # the first choice, which changes nothing
    page.wait_for_selector("#ask", state="hidden")
    page.keyboard.press("r")
    page.click("#ask-choices >> text=Back on the record")
    page.wait_for_selector("#ask", state="hidden")
    assert studio.told(page, "/off-record", 2) == [{"off": True}, {"off": False}]
    page.keyboard.press("?")
    assert "off the record" in page.inner_text("#keys")
    assert found == []


def test_a_question_in_the_moment_another_closes_is_one_of_its_own(context: BrowserContext) -> None:
    page, studio = conducting(context, off_record=True)
    page.wait_for_selector("#off-record[aria-pressed=true]")
    page.keyboard.press("r")
    page.wait_for_selector("#ask[open]")
    page.evaluate(
        """() => {
            document.getElementById("ask").close("no");
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "r", bubbles: true }));
        }"""
    )
    page.click("#ask-choices >> text=Back on the record")
    assert studio.told(page, "/off-record", 1) == [{"off": False}]


def test_a_failing_recording_is_an_alarm_with_what_to_do(context: BrowserContext) -> None:
    page, studio = conducting(context)
    page.wait_for_selector("#rec[data-state=on]")
    assert "safe up to 32:15" in page.inner_text("#air-figures")
    assert not page.is_visible("#rec-alarm")
    failing = fake.recording(state="failing", problem="The disk is full.")
    studio.change(page, host_recording=failing)
    alarm = page.inner_text("#rec-alarm")
    assert "What is said now is not being kept" in alarm
    assert "The disk is full." in alarm
    assert "Tell whoever runs the server" in alarm
    assert page.inner_text("#rec") == "Recording fails"
    assert page.get_attribute("#rec-alarm", "role") == "alert"
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(100)
    assert page.evaluate("document.querySelector('#rec-alarm').getBoundingClientRect().top") >= 0
    studio.change(page, host_recording=fake.recording())
    page.wait_for_selector("#rec-alarm", state="hidden")


def test_what_the_stage_does_not_confirm_is_said(context: BrowserContext) -> None:
    page, studio = conducting(context, state="")
    page.wait_for_selector("#rec[data-state=unknown]")
    assert "Nobody confirms the recording" in page.inner_text("#rec-alarm")
    studio.change(page, room_recording=OFF, host_recording=fake.recording(state="on", off_record=True))
    page.wait_for_selector("#rec[data-state=unconfirmed]")
    assert "Do not say yet" in page.inner_text("#rec-alarm")


def test_a_second_folder_in_use_is_no_loss_but_said(browser: Browser) -> None:
    context = context_of(browser, lang="de")
    page, _ = conducting(context, problem="The disk is full. The recording goes on in the spare folder.")
    page.wait_for_selector("#rec[data-state=on]")
    assert "Der Speicher ist voll. Die Aufzeichnung geht im zweiten Ordner weiter." in page.inner_text(
        "#rec-alarm"
    )
    context.close()


def test_hosts_see_who_has_not_agreed(context: BrowserContext) -> None:
    page, studio = conducting(context)
    assert page.inner_text("#rec-missing") == ""
    missing = [{"id": "building-councillor", "name": "Building councillor", "silences": True}]
    studio.change(page, host_recording=fake.recording(state="waiting", not_agreed=missing))
    page.wait_for_selector("#rec[data-state=waiting]:has-text('Recording is silent')")
    assert page.inner_text("#rec-missing") == "not agreed: Building councillor"
    assert "has not agreed" in page.inner_text(".voice[data-id=building-councillor]")
    assert "has not agreed" not in page.inner_text(".voice[data-id=library-friends]")
    waiting = [{**fake.desk()["waiting"][0], "agreed": False}]
    studio.change(page, host_waiting=waiting)
    page.wait_for_selector("#waiting li:has-text('has not agreed to be recorded')")
