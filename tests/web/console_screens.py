"""Pictures of every state of the console, of a made-up studio: `console_screens.py FOLDER [STATE,...]`.

Each state in 360 and 1440 px, light and dark, German and English. People look at them; nothing compares.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console_fake import (
    FakeStudio,
    ago,
    context_of,
    desk,
    host_me,
    invited,
    live_room,
    person,
    recording,
    scheduled_room,
)
from pages_browser import chromium, desk_is
from playwright.sync_api import Page

import hustings

LOOKS = [
    (width, scheme, lang) for width in (360, 1440) for scheme in ("light", "dark") for lang in ("en", "de")
]
DEMO = Path(hustings.__file__).parent / "web" / "demo"

type Then = Callable[[Page, FakeStudio], None]


def check(page: Page, _: FakeStudio) -> None:
    page.click("#check")
    desk_is(page, "ready")
    page.wait_for_timeout(1500)


def join(state: str) -> Then:
    def then(page: Page, studio: FakeStudio) -> None:
        check(page, studio)
        page.click("#join")
        desk_is(page, state)
        studio.levels(
            {"elmstead-radio": -18, "building-councillor": -52, "library-friends": -70, "parents": -24}
        )
        page.wait_for_timeout(300)

    return then


def slow(page: Page, studio: FakeStudio) -> None:
    join("heard")(page, studio)
    page.wait_for_selector("#slow-says:not(:empty)")


def without(page: Page, studio: FakeStudio) -> None:
    check(page, studio)
    page.click("#join-without")
    desk_is(page, "heard")
    page.wait_for_timeout(300)


def more(page: Page, studio: FakeStudio) -> None:
    join("heard")(page, studio)
    page.click(".voice:has-text('councillor') summary")


def end(page: Page, studio: FakeStudio) -> None:
    join("heard")(page, studio)
    page.click("#end")


def back(page: Page, studio: FakeStudio) -> None:
    join("heard")(page, studio)
    page.keyboard.press("r")


def link(page: Page, studio: FakeStudio) -> None:
    page.click("#invitations details.more > summary")
    page.fill("#invite-name", "Head of planning")
    page.click("#invite-send")
    page.wait_for_selector("#link-made")


def states() -> dict[str, tuple[FakeStudio, Then | None, str]]:
    """By name: the studio, what is done, and the address's fragment."""
    accepted: dict[str, Any] = {"invitation": "accepted"}
    on: dict[str, Any] = {**accepted, "place": "stage", "seat": "seated"}
    green: dict[str, Any] = {**accepted, "place": "green", "seat": "waiting", "green_room": True}
    host = person("Elmstead Radio", "host", connected=False)
    used = FakeStudio(scheduled_room(), invited())
    used.answers["/redeem"] = (409, {"title": "This link has been used"})
    speaking = live_room()
    speaking["participants"][1] |= {"clock_until": ago(seconds=-22), "speaking": True}
    off = live_room(
        status="open", started_at=None, listeners=7, chapters=[], topic_id="", topics=live_room()["topics"]
    )
    off["participants"] = [{**p, "talked_seconds": 0.0, "clock_until": None} for p in off["participants"]]
    return {
        "invited": (FakeStudio(scheduled_room(participants=[host]), invited()), None, "t_x"),
        "declined": (
            FakeStudio(scheduled_room(participants=[host]), invited(invitation="declined")),
            None,
            "t_x",
        ),
        "before": (FakeStudio(scheduled_room(participants=[host]), invited(**accepted)), None, "t_x"),
        "ready": (
            FakeStudio(scheduled_room(participants=[host]), invited(**green | {"place": ""})),
            check,
            "t_x",
        ),
        "used": (used, None, "l_used"),
        "green": (FakeStudio(live_room(), invited("Parents' council", **green)), join("green"), "t_x"),
        "aside": (
            FakeStudio(live_room(), invited("Parents' council", **green, aside=True)),
            join("aside"),
            "t_x",
        ),
        "heard": (FakeStudio(speaking, invited(**on, clock_until=ago(seconds=-22))), join("heard"), "t_x"),
        "slow-way": (blocked(FakeStudio(speaking, invited(**on))), slow, "t_x"),
        "host": (FakeStudio(live_room(), host_me(), desk()), join("heard"), "t_x"),
        "host-relayed": (FakeStudio(live_room(), host_me(), relayed(desk())), join("heard"), "t_x"),
        "host-more": (FakeStudio(live_room(), host_me(), desk()), more, "t_x"),
        "host-end": (FakeStudio(live_room(), host_me(), desk()), end, "t_x"),
        "host-scheduled": (
            FakeStudio(
                scheduled_room(topics=live_room()["topics"]),
                host_me(place="", seat=""),
                desk(waiting=[], requests=[], quality={}, reactions={}),
            ),
            link,
            "t_x",
        ),
        **recorded(on),
        "host-open": (FakeStudio(off, host_me(), desk(requests=[], reactions={})), join("stage"), "t_x"),
    }


def blocked(studio: FakeStudio) -> FakeStudio:
    studio.blocked = True
    return studio


def relayed(host: dict[str, Any]) -> dict[str, Any]:
    """One of the speakers comes by WebSocket."""
    host["quality"]["building-councillor"]["way"] = "socket"
    return host


def recorded(on: dict[str, Any]) -> dict[str, tuple[FakeStudio, Then | None, str]]:
    """What recording adds. `on`: of one on the stage."""
    off = live_room(recording={"state": "off_record", "since": ago(seconds=40)})
    missing = [{"id": "building-councillor", "name": "Building councillor", "silences": True}]
    waiting = desk(recording=recording(state="waiting", not_agreed=missing))
    waiting["waiting"][0]["agreed"] = False
    return {
        "consent": (FakeStudio(live_room(), invited(**on, agreed_at=None)), check, "t_x"),
        "consent-green": (
            FakeStudio(
                live_room(), invited(**on | {"seat": "", "place": ""}, green_room=True, agreed_at=None)
            ),
            check,
            "t_x",
        ),
        "without": (FakeStudio(live_room(), invited(**on, agreed_at=None)), without, "t_x"),
        "off-record": (FakeStudio(off, invited(**on)), join("heard"), "t_x"),
        "host-off-record": (
            FakeStudio(off, host_me(), desk(recording=recording(state="off_record", off_record=True))),
            join("heard"),
            "t_x",
        ),
        "host-back": (
            FakeStudio(off, host_me(), desk(recording=recording(state="off_record", off_record=True))),
            back,
            "t_x",
        ),
        "host-waiting": (FakeStudio(live_room(), host_me(), waiting), join("heard"), "t_x"),
        "host-failing": (
            FakeStudio(
                live_room(),
                host_me(),
                desk(recording=recording(state="failing", problem="The disk is full.")),
            ),
            join("heard"),
            "t_x",
        ),
        "host-spare": (
            FakeStudio(
                live_room(),
                host_me(),
                desk(
                    recording=recording(
                        problem="The disk is full. The recording goes on in the spare folder."
                    )
                ),
            ),
            join("heard"),
            "t_x",
        ),
        "host-unknown": (
            FakeStudio(live_room(), host_me(), desk(recording=recording(state=""))),
            join("heard"),
            "t_x",
        ),
        "host-not-recorded": (
            FakeStudio(
                live_room(recording={"state": "off", "since": ago(minutes=32)}),
                host_me(recording=False, agreed_at=None),
                desk(recording=recording(on=False, state="off", safe_seconds=0)),
            ),
            join("heard"),
            "t_x",
        ),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    only = sys.argv[2].split(",") if len(sys.argv) > 2 and sys.argv[2] else []
    looks = [
        look
        for look in LOOKS
        if len(sys.argv) < 4 or f"{look[0]}-{look[1]}-{look[2]}" in sys.argv[3].split(",")
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "voice.wav"
        subprocess.run(["ffmpeg", "-v", "error", "-i", DEMO / "host.opus", "-ar", "48000", wav], check=True)
        with chromium(voice=wav) as browser:
            for name in states():
                if only and name not in only:
                    continue
                for width, scheme, lang in looks:
                    studio, then, fragment = states()[name]
                    context = context_of(browser, width, scheme, lang)
                    page = studio.open(context, fragment)
                    page.on("pageerror", lambda error: print(error))
                    page.wait_for_selector("#desk:not([data-state=loading])", state="attached")
                    page.wait_for_timeout(500)
                    if then:
                        then(page, studio)
                    # As high as the page is: what sticks to the window's end would else lie over its middle.
                    high = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(high, 780)})
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}-{lang}.png")
                    context.close()
                print(name, flush=True)


if __name__ == "__main__":
    main()
