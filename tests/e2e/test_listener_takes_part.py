"""What a listener can do besides listening, in Chromium against a real server: react, ask, vote, speak."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import Room, Server, serve, until
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, player_is
from screens import voices

pytestmark = pytest.mark.e2e

HOSTILE = "Will it <img src=x onerror=alert(1)> open on Sundays?"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with serve(tmp_path_factory.mktemp("takes-part")) as server:
        room = server.room("The new library", slug="library", speakers=["Ada Byron"])
        room.open()
        with voices(server, room, {"Ada Byron": "host.opus"}):
            room.start()
            room.wait_for_state("live")
            yield room


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def listener(browser: Browser, live: Room) -> Iterator[Callable[[], Page]]:
    """Opens the room in browsers that know nothing of each other, playing."""
    contexts = []

    def listens(door: str = "push") -> Page:
        contexts.append(browser.new_context(locale="en-GB"))
        page = contexts[-1].new_page()
        page.goto(f"{live.audience_url}?door={door}")
        page.click("#play")
        player_is(page, "playing")
        return page

    yield listens
    for context in contexts:
        context.close()


def host(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A host's command."""
    answer = httpx.post(
        f"{server.studio_url}/api/rooms/library{path}",
        json=body,
        headers={"Authorization": f"Bearer {server.token}"},
        trust_env=False,
        timeout=10,
    )
    answer.raise_for_status()
    done: dict[str, Any] = answer.json()
    return done


def says(page: Page, selector: str, text: str, within: float = 10.0) -> None:
    """Waits until an element says so."""
    page.wait_for_function(
        "([where, what]) => [...document.querySelectorAll(where)].some((e) => e.innerText.includes(what))",
        arg=[selector, text],
        timeout=within * 1000,
    )


def test_a_question_is_asked_voted_for_chosen_and_answered(listener: Callable[[], Page], live: Room) -> None:
    asks, votes = listener(), listener()
    found = complaints(asks)
    asks.click("#ask")
    asks.wait_for_function("() => document.activeElement.name === 'text'")  # its script is loaded only now
    asks.fill("textarea[name=text]", HOSTILE)
    assert "characters left" in asks.inner_text("[data-part=left]")
    asks.fill(".ask input[name=name]", "Ida")
    asks.click(".ask [type=submit]")
    says(asks, "#ask-says", "Thank you")
    says(votes, ".question-text", HOSTILE)
    assert votes.locator("#questions img").count() == 0
    votes.click(".vote")
    votes.wait_for_selector(".vote[aria-pressed=true]")
    says(votes, ".vote", "1")
    says(asks, ".vote", "1")
    votes.click(".vote")
    question = live.state()["questions"]["list"][0]
    assert (question["text"], question["name"]) == (HOSTILE, "Ida")
    host(live.server, f"/questions/{question['id']}", {"state": "chosen"})
    says(votes, ".question-says", "being answered")
    host(live.server, f"/questions/{question['id']}", {"state": "answered"})
    # "being answered" was there before: what is new is that nobody can vote any more.
    asks.wait_for_selector(".vote:disabled")
    says(asks, ".question-says", "answered")
    votes.reload()
    assert votes.locator(".vote[aria-pressed=true]").count() <= 1
    log = httpx.get(f"{live.audience_url}/questions.json", trust_env=False)
    assert HOSTILE in log.text or "onerror" in log.text
    assert found == []


def test_reactions_are_seen_by_all_as_numbers(listener: Callable[[], Page]) -> None:
    one, other = listener(), listener()
    one.click("[data-kind=applause]")
    says(other, "[data-kind=applause]", "1")
    says(one, "[data-kind=applause]", "1")
    assert other.inner_text("[data-kind=heart]") == "Heart"


def test_too_many_reactions_say_when_the_next_may_come(listener: Callable[[], Page]) -> None:
    page = listener()
    page.route(
        "**/reaction", lambda route: route.fulfill(status=429, headers={"Retry-After": "3"}, body="{}")
    )
    page.click("[data-kind=agree]")
    says(page, "#reactions-says", "Again in 3 s")
    page.wait_for_selector("[data-kind=agree][aria-disabled=true]")
    page.wait_for_selector("[data-kind=agree]:not([aria-disabled])", timeout=6000)


def raise_hand(page: Page, name: str) -> str:
    """By key; the request's id."""
    page.keyboard.press("h")
    page.wait_for_function("() => document.activeElement.name === 'name'")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel[data-step=waiting]")
    says(page, "#panel", "Your hand is up")
    request: str = page.evaluate(
        """async () => {
            const ticket = localStorage.getItem('hustings hand library');
            const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(ticket));
            return [...new Uint8Array(hash)]
                .map((b) => b.toString(16).padStart(2, '0')).join('').slice(0, 32);
        }"""
    )
    return request


def clear_name(page: Page) -> None:
    page.evaluate("localStorage.removeItem('hustings name')")


def test_a_raised_hand_is_brought_up_speaks_is_muted_and_sent_back(
    listener: Callable[[], Page], live: Room
) -> None:
    page, hears = listener(), listener()
    found = complaints(page)
    request = raise_hand(page, "Ida Wells")
    host(live.server, f"/requests/{request}/bring-up", {})
    page.wait_for_selector("#panel[data-step=called]")
    assert "your microphone" in page.inner_text("#panel")
    assert page.evaluate("document.activeElement.dataset.do") == "speak", "one key away from speaking"
    assert "Ida Wells" not in [each["name"] for each in live.state()["participants"]]
    page.keyboard.press("Enter")
    says(page, "#panel legend", "You are heard", within=15)
    assert page.evaluate("document.getElementById('audio').muted"), "the broadcast would be an echo"
    page.wait_for_function("() => document.getElementById('stage-sound').srcObject?.active")
    says(hears, ".seat-name", "Ida Wells")
    # Chromium's own microphone beeps: it is heard.
    says(hears, ".seat[data-speaking] .seat-name", "Ida Wells", within=15)
    page.keyboard.press("m")
    says(page, "#panel legend", "You are muted")
    says(hears, ".seat[data-muted] .seat-name", "Ida Wells")
    page.keyboard.press("m")
    says(page, "#panel legend", "You are heard")
    me = next(each["id"] for each in live.state()["participants"] if each["name"] == "Ida Wells")
    host(live.server, f"/participants/{me}/mute", {"muted": True})
    says(page, "#panel legend", "The host has muted you")
    host(live.server, f"/participants/{me}/send-back", {})
    says(page, "#tell", "You are listening again")
    assert page.locator("#panel").is_hidden()
    assert not page.evaluate("document.getElementById('audio').muted")
    player_is(page, "playing")
    assert page.evaluate("document.getElementById('stage-sound').srcObject") is None
    assert found == []


def test_a_hand_stays_up_over_a_reload_and_comes_down_by_key(
    listener: Callable[[], Page], live: Room
) -> None:
    page = listener()
    clear_name(page)
    request = raise_hand(page, "Ben Cole")
    page.reload()
    page.wait_for_selector("#panel[data-step=waiting]")
    assert live.state()["hands"]["queue"] == [request]
    page.keyboard.press("h")
    says(page, "#tell", "Your hand is down")
    end = time.monotonic() + 10
    while live.state()["hands"]["queue"]:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_hand_taken_down_by_the_host_is_said(listener: Callable[[], Page], live: Room) -> None:
    page = listener()
    request = raise_hand(page, "Ben Cole")
    host(live.server, f"/requests/{request}/lower", {})
    says(page, "#tell", "was taken down")
    assert page.get_attribute("#hand", "aria-pressed") == "false"


def loses_it_while_away(page: Page, live: Room, request: str) -> str:
    """The host takes a hand down whose page is gone; the page's address."""
    address = page.url
    page.goto("about:blank")
    host(live.server, f"/requests/{request}/lower", {})
    # The page itself, too: one that still has the hand would see it go, and say that it was taken down.
    until(lambda: request not in httpx.get(address, trust_env=False, timeout=30).text, 60)
    return address


def test_who_comes_back_to_a_hand_that_is_gone_is_told(listener: Callable[[], Page], live: Room) -> None:
    page = listener()
    request = raise_hand(page, "Ben Cole")
    address = loses_it_while_away(page, live, request)
    page.goto(address)
    says(page, "#tell", "was given back meanwhile", within=60)
    assert page.get_attribute("#hand", "aria-pressed") == "false"


def test_an_answer_older_than_the_page_puts_no_hand_up_again(
    listener: Callable[[], Page], live: Room
) -> None:
    """Two edges, or a cache between, may answer in another order than they were told."""
    page = listener()
    request = raise_hand(page, "Ben Cole")
    until(lambda: request in live.state()["hands"]["queue"], 60)
    old = json.dumps(live.state())
    address = loses_it_while_away(page, live, request)
    page.route("**/state.json", lambda route: route.fulfill(body=old, content_type="application/json"))
    page.goto(address)
    says(page, "#tell", "was given back meanwhile", within=60)
    assert page.get_attribute("#hand", "aria-pressed") == "false"


def test_a_refused_microphone_says_what_to_do_and_can_be_tried_again(
    listener: Callable[[], Page], live: Room
) -> None:
    page = listener()
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('no', 'NotAllowedError')) }"
    )
    request = raise_hand(page, "Eve Old")
    host(live.server, f"/requests/{request}/bring-up", {})
    page.wait_for_selector("#panel[data-step=called]")
    page.click("[data-do=speak]")
    says(page, "#panel [role=alert]", "allow it")
    page.click("#panel [data-step=called] [data-do=lower]")
    says(page, "#tell", "Your hand is down")
