"""The listener's page in all its states, without a server: accessible, readable, harmless."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from listener_pages import HOME, LIVE, STATES, VIEWS, arrange, called, fake, look, opened, studio_says, wait
from pages_browser import chromium, complaints
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SMALL = """[...document.querySelectorAll('a, button, select, summary, input, textarea')]
    .filter((element) => element.checkVisibility() && !element.classList.contains('skip'))
    .map((element) => [element.id || element.textContent.trim(), element.getBoundingClientRect().height])
    .filter(([, height]) => height < 43.5)"""
HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">‮"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = opened(browser, "light", 1440)
    yield page
    page.context.close()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_axe_finds_nothing_and_everything_can_be_touched(
    browser: Browser, state: str, scheme: Literal["light", "dark"], width: int
) -> None:
    page = opened(browser, scheme, width)
    found = complaints(page)
    arrange(page, state)
    results = Axe().run(page)
    small = page.evaluate(SMALL)
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3')]"
        ".filter((h) => h.checkVisibility()).map((h) => +h.tagName[1])"
    )
    page.context.close()
    assert results.violations_count == 0, results.generate_report()
    assert small == []
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert found == []


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_cut_off_when_text_is_twice_as_large(browser: Browser, state: str) -> None:
    page = opened(browser, "light", 360, "de-DE")
    arrange(page, state)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.context.close()
    assert wide <= 360


def test_the_embedded_player_is_accessible_and_loads_no_more_than_it_needs(page: Page) -> None:
    found = complaints(page)
    door = arrange(page, "live", "/r/library/embed")
    assert Axe().run(page).violations_count == 0
    assert page.inner_text("#who") == "Elmstead Radio"
    assert not any("listen_hand" in path or "listen_questions" in path for path in door.requests)
    assert found == []


def test_what_only_some_need_is_loaded_when_they_do(page: Page) -> None:
    door = arrange(page, "live")
    page.wait_for_load_state("networkidle")
    late = (
        "listen_hand",
        "listen_stage",
        "listen_questions",
        "listen_react",
        "listen_share",
        "listen_rewind",
    )
    early = [path for path in door.requests if any(name in path for name in (*late, "seat", "whip", "hls"))]
    assert early == []


def test_hostile_texts_are_texts(page: Page) -> None:
    people = (replace(LIVE.participants[0], name=HOSTILE),)
    invited = (replace(LIVE.invitations[1], name=HOSTILE, word=HOSTILE),)
    topics = (replace(LIVE.topics[0], title=HOSTILE),)
    asked = (replace(LIVE.questions.list[0], text=HOSTILE, name=HOSTILE),)
    view = replace(
        LIVE,
        title=HOSTILE,
        description=HOSTILE,
        participants=people,
        invitations=invited,
        topics=topics,
        questions=replace(LIVE.questions, list=asked),
    )
    door = fake(page, view)
    page.goto(f"{HOME}/r/library")
    page.wait_for_selector("#show-keys:not([hidden])")
    door.change(listeners=7)
    look(page)
    page.wait_for_function("() => document.getElementById('count').innerText.startsWith('7')")
    assert page.locator("main img, main script:not([type])").count() == 0
    assert "owned" not in page.title().split(" · ")[0] or page.title().startswith("<script>")
    assert page.evaluate("document.querySelector('[data-part=word]').textContent") == HOSTILE


def test_a_hand_tells_nobody_its_ticket_and_comes_down_with_it(page: Page) -> None:
    door = arrange(page, "hand waiting")
    (path, hand) = door.posts[0]
    assert path == "/r/library/hand"
    assert set(hand) == {"name", "ticket_hash", "device"}
    ticket = page.evaluate("localStorage.getItem('hustings hand library')")
    assert ticket.startswith("t_")
    assert len(ticket) >= 2 + 22
    assert ticket not in str(hand)
    page.keyboard.press("h")
    page.wait_for_selector("#panel", state="hidden")
    page.wait_for_function("() => !localStorage.getItem('hustings hand library')")
    assert door.posts[1] == ("/r/library/hand", {"lower": True, "ticket": ticket})


def test_nobody_is_asked_for_a_microphone_before_being_called(page: Page) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => { window.asked = true; return new Promise(() => {}); }"
    )
    door = fake(page, LIVE)
    page.goto(f"{HOME}/r/library")
    page.wait_for_selector("#hand:not([hidden])")
    wait(page, door)
    called_page = door.room["hands"]["queue"][1]
    door.change(hands={"open": True, "queue": [], "called": [called_page]})
    look(page)
    page.wait_for_selector("#panel[data-step=called]")
    assert not page.evaluate("window.asked")
    page.keyboard.press("Enter")
    page.wait_for_function("() => window.asked")


def test_where_hands_are_not_taken_none_is_offered(page: Page) -> None:
    door = arrange(page, "hand waiting")
    door.change(hands={"open": False, "queue": [], "called": []})
    look(page)
    page.wait_for_selector("#panel", state="hidden")
    page.wait_for_selector("#hand", state="hidden")
    assert "taken down" in page.inner_text("#tell")


def test_a_refused_question_keeps_its_text(page: Page) -> None:
    door = arrange(page, "ask")
    page.fill("textarea[name=text]", "Why?")
    door.status = 429
    page.click(".ask [type=submit]")
    page.wait_for_function("() => document.getElementById('ask-says')?.innerText.includes('wait 3 s')")
    assert page.input_value("textarea[name=text]") == "Why?"
    door.status = 202
    page.click(".ask [type=submit]")
    page.wait_for_selector(".ask", state="detached")
    assert door.posts[-1][1]["text"] == "Why?"


def test_a_lost_line_is_said_and_found_again(page: Page) -> None:
    door = arrange(page, "live")
    page.route("**/state.json", lambda route: route.abort())
    look(page)
    page.wait_for_selector("#stale:not([hidden])")
    page.unroute("**/state.json")
    door.change(listeners=9)
    look(page)
    page.wait_for_selector("#stale", state="hidden")
    assert page.inner_text("#count").startswith("9")


def test_reduced_motion_moves_nothing(browser: Browser) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    arrange(page, "live")
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()


def test_all_states_are_drawn_in_both_languages(browser: Browser) -> None:
    for lang in ("de-DE", "en-GB"):
        for state in VIEWS:
            page = opened(browser, "light", 1440, lang)
            found = complaints(page)
            arrange(page, state)
            assert page.get_attribute("html", "lang") == lang[:2]
            assert found == []
            page.context.close()


def test_the_one_who_is_called_is_not_called_twice(page: Page) -> None:
    door = arrange(page, "live")
    called(page, door)
    door.change(listeners=1205)
    look(page)
    page.wait_for_timeout(300)
    assert page.get_attribute("#panel", "data-step") == "called"
    assert page.evaluate("document.activeElement.dataset.do") == "speak"


def test_the_sign_says_whether_it_is_kept(page: Page) -> None:
    door = arrange(page, "live")
    assert page.inner_text("#rec") == "Recorded"
    since = "2026-11-23T20:20:00Z"
    door.change(recording={"state": "off_record", "since": since})
    look(page)
    page.wait_for_selector("#rec[data-state=off_record]:has-text('Off the record')")
    assert "is not kept" in page.inner_text("#lead")
    door.change(recording={"state": "off", "since": since})
    look(page)
    page.wait_for_selector("#rec[data-state=off]:has-text('Not recorded')")
    assert not page.is_visible("#lead")
    door.change(recording=None, status="ended")
    look(page)
    page.wait_for_selector("#rec", state="hidden")


def test_a_listener_who_is_called_is_asked_before_anything_is_kept(page: Page) -> None:
    asked = studio_says(page, {"seat": "", "recording": True, "agreed_at": None})
    door = fake(page, LIVE)
    page.goto(f"{HOME}/r/library")
    page.wait_for_selector("#hand:not([hidden])")
    called(page, door)
    page.wait_for_selector("#panel [data-part=consent]:not([hidden])")
    assert "nothing of you is kept" in page.inner_text("#panel")
    assert page.inner_text("#panel [data-do=speak]") == "I agree: on the stage"
    assert page.is_visible("#panel [data-do=without]")
    assert all(not path.endswith("/consent") for path, _ in asked)
    page.click("#panel [data-do=speak]")
    page.wait_for_selector("#panel[data-step=stage]")
    assert ("/api/rooms/library/me/consent", {"agree": True}) in asked
    page.click("#panel [data-do=consent]")
    page.wait_for_selector("#panel [data-part=agreed]:has-text('You have not agreed')")
    assert asked[-1] == ("/api/rooms/library/me/consent", {"agree": False})


def test_a_room_that_does_not_record_asks_for_nothing(page: Page) -> None:
    studio_says(page, {"seat": "", "recording": False, "agreed_at": None})
    door = fake(page, LIVE)
    page.goto(f"{HOME}/r/library")
    page.wait_for_selector("#hand:not([hidden])")
    called(page, door)
    page.wait_for_timeout(200)
    assert not page.is_visible("#panel [data-part=consent]")
    assert not page.is_visible("#panel [data-do=without]")
