"""The host's studio in Chromium, with a whole server: who waits, speaks, leaves; what begins and ends it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import Room, Server, serve
from playwright.sync_api import Browser, BrowserContext, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, complaints, desk_is, go_on_stage
from screens import DEMO

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("console")) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    voice = tmp_path_factory.mktemp("voice") / "voice.wav"
    command = ["ffmpeg", "-v", "error", "-i", str(DEMO / "host.opus"), "-ar", "48000", str(voice)]
    subprocess.run(command, check=True)
    with chromium(voice=voice) as browser:
        yield browser


@pytest.fixture
def windows(browser: Browser) -> Iterator[list[BrowserContext]]:
    contexts = [browser.new_context(locale="en-GB", permissions=["microphone"]) for _ in range(2)]
    yield contexts
    for context in contexts:
        context.close()


def room_of(server: Server, slug: str, **details: Any) -> Room:
    room = server.room("The new library", slug=slug)
    room.invite("Elmstead Radio", role="host")
    room.invite("Ada Byron")
    edit(server, slug, **details)
    return room


def edit(server: Server, slug: str, **details: Any) -> None:
    """PATCH of a room with the operator's token."""
    answer = httpx.patch(
        f"{server.studio_url}/api/rooms/{slug}",
        json=details,
        headers={"Authorization": f"Bearer {server.token}"},
        trust_env=False,
    )
    answer.raise_for_status()


def conduct(context: BrowserContext, room: Room) -> Page:
    """The host's console, in the room."""
    page = context.new_page()
    page.goto(room.links["Elmstead Radio"])
    page.wait_for_selector("#desk[data-conducts=yes]")
    return page


def soon(page: Page, selector: str, text: str) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)",
        arg=[selector, text],
    )


def test_from_open_doors_to_the_end(windows: list[BrowserContext], server: Server) -> None:
    topics = [{"title": "Why", "minutes": 5}, {"title": "What it costs"}]
    room = room_of(server, "evening", topics=topics)
    page = conduct(windows[0], room)
    found = complaints(page)
    page.click("#open-doors")
    soon(page, "#onair", "Doors open")
    page.click("#go-live")
    soon(page, "#onair", "ON AIR 00:00:0")
    assert room.wait_for_state("live")
    soon(page, "#rec", "Recorded since")

    page.keyboard.press("n")
    page.wait_for_selector(".topic[data-now]:has-text('Why')")
    page.keyboard.press("n")
    page.wait_for_selector(".topic[data-now]:has-text('What it costs')")
    page.wait_for_selector(".topic[data-done]:has-text('Why')")
    assert page.is_disabled("#next-topic")

    page.click("#lock")
    soon(page, "#locked", "locked")
    page.click("#lock")

    page.click("#end")
    assert "End the broadcast for everybody?" in page.inner_text("#ask")
    page.keyboard.press("Escape")
    assert room.state()["status"] == "live"
    page.click("#end")
    page.click("#ask-choices >> text=End the broadcast")
    soon(page, "#onair", "Ended")
    room.wait_for_state("ended")
    assert found == []


def test_who_waits_is_admitted_muted_sent_back_and_removed(
    windows: list[BrowserContext], server: Server
) -> None:
    room = room_of(server, "green", green_room=True)
    room.open()
    page = conduct(windows[0], room)
    guest = windows[1].new_page()
    go_on_stage(guest, room.links["Ada Byron"])
    desk_is(guest, "green")
    assert guest.inner_text("#heard") == "Nobody hears you yet"
    assert "Nobody but a host can hear you" in guest.inner_text("#hint")
    assert room.state()["participants"] == []

    soon(page, "#waiting", "microphone works")
    page.click("#waiting >> text=Admit")
    desk_is(guest, "stage")
    seat = page.locator(".voice:has-text('Ada Byron')")
    seat.locator("[data-part=clock]").click()
    guest.wait_for_selector("#clock[data-state=running]")
    seat.locator("[data-part=mute]").click()
    desk_is(guest, "muted-by-host")
    guest.keyboard.press("m")
    desk_is(guest, "stage")

    seat.locator("summary").click()
    seat.locator("[data-part=send-back]").click()
    desk_is(guest, "green")
    page.click("#waiting >> text=Admit")
    desk_is(guest, "stage")
    seat.locator("summary").click()
    seat.locator("[data-part=remove]").click()
    page.click("#ask-choices >> text=Remove and ban")
    desk_is(guest, "banned")
    soon(page, "#ban-list", "Ada Byron")
    guest.reload()
    desk_is(guest, "banned")
    room.invite("Ben Cole")
    other = windows[1].new_page()
    go_on_stage(other, room.links["Ben Cole"])
    desk_is(other, "banned")


def test_who_is_removed_is_told_and_may_be_invited_again(
    windows: list[BrowserContext], server: Server
) -> None:
    room = room_of(server, "removed")
    room.open()
    page = conduct(windows[0], room)
    guest = windows[1].new_page()
    go_on_stage(guest, room.links["Ada Byron"])
    desk_is(guest, "stage")
    seat = page.locator(".voice:has-text('Ada Byron')")
    seat.locator("summary").click()
    seat.locator("[data-part=remove]").click()
    page.locator("#ask-choices button[value=remove]").click()
    desk_is(guest, "removed")
    assert guest.is_visible("#listen")
    room.invite("Ada Byron")
    go_on_stage(guest, room.links["Ada Byron"])
    desk_is(guest, "stage")


def test_a_host_talks_off_air_with_who_waits(windows: list[BrowserContext], server: Server) -> None:
    room = room_of(server, "aside", green_room=True)
    room.open()
    room.start()
    page = conduct(windows[0], room)
    page.click("#check")
    desk_is(page, "ready")
    page.click("#join")
    desk_is(page, "heard")
    guest = windows[1].new_page()
    go_on_stage(guest, room.links["Ada Byron"])
    desk_is(guest, "green")
    page.click("#waiting >> text=Talk off air")
    desk_is(page, "aside")
    assert page.inner_text("#heard") == "Only Ada Byron hears you"
    desk_is(guest, "aside")
    assert guest.inner_text("#heard") == "Only Elmstead Radio hears you"
    page.click("#back-on-air")
    desk_is(page, "heard")
    desk_is(guest, "green")


def test_what_was_on_is_on_when_the_host_is_back(windows: list[BrowserContext], server: Server) -> None:
    room = room_of(server, "crash")
    room.open()
    room.start()
    page = conduct(windows[0], room)
    page.click("#check")
    desk_is(page, "ready")
    page.click("#join")
    desk_is(page, "heard")
    page.close()
    time.sleep(1)
    assert room.state()["status"] == "live"
    page = conduct(windows[0], room)
    soon(page, "#onair", "ON AIR")
    page.wait_for_selector(".voice:has-text('Elmstead Radio')")


def test_an_invitation_of_the_host_reaches_the_invited(windows: list[BrowserContext], server: Server) -> None:
    room = room_of(server, "invite")
    page = conduct(windows[0], room)
    page.click("#invitations details.more > summary")
    page.fill("#invite-name", "Ben Cole")
    page.click("#invite-send")
    page.wait_for_selector("#link-made")
    link = page.input_value("#link")
    assert "#l_" in link
    invited = windows[1].new_page()
    invited.goto(link)
    desk_is(invited, "invited")
    invited.click("#accept")
    desk_is(invited, "before")
    row = page.locator("#invitation-list li:has-text('Ben Cole')")
    row.locator("text=accepted").wait_for()
    row.locator("summary").click()
    row.locator("[data-part=withdraw]").click()
    page.click("#ask-choices >> text=Withdraw")
    desk_is(invited, "withdrawn")
