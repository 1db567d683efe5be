"""The console where something is wrong or rare, of a made-up studio: what console_screens.py leaves out."""

from __future__ import annotations

from typing import Any

import console_screens
from console_fake import FakeStudio, ago, desk, host_me, invited, live_room, scheduled_room
from pages_browser import desk_is
from playwright.sync_api import BrowserContext, Page

from hustings.studio.i18n import load_texts

MICROPHONE = """
(() => {
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext({ sampleRate: 48000 });
    const end = context.createMediaStreamDestination();
    const sound = new AudioBuffer({ length: 48000 * 1.1, sampleRate: 48000 });
    const samples = sound.getChannelData(0);
    for (let i = 0; i < samples.length; i += 1) samples[i] = (%s)(i / 48000);
    const source = new AudioBufferSourceNode(context, { buffer: sound, loop: true });
    source.connect(end);
    source.start();
    return end.stream;
  };
})();
"""
TONE = "(t) => Math.max(-1, Math.min(1, %s * Math.sin(2 * Math.PI * 220 * t)))"
LOUDSPEAKER = "(t) => t < 0.9 ? 0.3 * Math.sin(2 * Math.PI * (450 * t + (1750 * t * t) / 1.8)) : 0"
"""What the console's echo test plays (console_echo.js)."""
NO_MICROPHONE = 'navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "%s"); };'
NOT_SECURE = 'Object.defineProperty(window, "isSecureContext", { value: false });'

type Trouble = tuple[FakeStudio, console_screens.Then | None, str, str]
"""The studio, what is done, the address's fragment, and a script that runs before the page's."""


def says(state: str, level: str) -> console_screens.Then:
    """The check, until the meter says something that ends so (speak.level.*)."""

    def then(page: Page, _: FakeStudio) -> None:
        page.click("#check")
        desk_is(page, state)
        page.wait_for_selector(
            f"#level-says:has-text('{_text(page, f'speak.level.{level}')}')", timeout=15_000
        )

    return then


def echo(page: Page, _: FakeStudio) -> None:
    page.click("#check")
    desk_is(page, "ready")
    page.wait_for_timeout(1000)
    page.click("#tone")
    page.wait_for_selector("#test-says.warn", timeout=20_000)


def asks(state: str) -> console_screens.Then:
    def then(page: Page, _: FakeStudio) -> None:
        page.click("#check")
        desk_is(page, state)

    return then


def seated(state: str, script: str = "", **changed: Any) -> console_screens.Then:
    """On the stage; then something changes."""

    def then(page: Page, studio: FakeStudio) -> None:
        console_screens.join("heard")(page, studio)
        if script:
            page.evaluate(script)
        if changed:
            studio.change(page, **changed)
        desk_is(page, state)

    return then


def dead(state: str) -> console_screens.Then:
    return lambda page, _: desk_is(page, state)


def redeeming(status: int, **problem: str) -> FakeStudio:
    studio = FakeStudio(scheduled_room(), invited())
    studio.answers["/redeem"] = (status, problem)
    return studio


def troubles() -> dict[str, Trouble]:
    """By name."""
    accepted: dict[str, Any] = {"invitation": "accepted"}
    on: dict[str, Any] = {**accepted, "place": "stage", "seat": "seated"}
    lose = "fakeStage.refuse = {status: 503, title: 'Away'}; fakeStage.peers.at(-1).close()"

    def checking() -> FakeStudio:
        return FakeStudio(scheduled_room(), invited(**accepted))

    def speaking(**more: Any) -> FakeStudio:
        return FakeStudio(live_room(), invited(**on, **more))

    asked = [
        {"id": "q8", "text": "Why was nobody told in May?", "name": "Karl M.", "asked_at": ago(minutes=4)},
        {"id": "q9", "text": "Who decides in the end?", "name": "", "asked_at": ago(minutes=1)},
    ]
    gone = [{"participant_id": "x", "name": "Anonymous 12", "at": ago(minutes=9)}]
    return {
        "clipped": (checking(), says("ready", "clipped"), "t_x", MICROPHONE % (TONE % 4)),
        "silent": (checking(), says("ready", "none"), "t_x", MICROPHONE % (TONE % 0)),
        "echo": (checking(), echo, "t_x", MICROPHONE % LOUDSPEAKER),
        "refused": (checking(), asks("refused"), "t_x", NO_MICROPHONE % "NotAllowedError"),
        "no-microphone": (checking(), asks("missing"), "t_x", NO_MICROPHONE % "NotFoundError"),
        "not-secure": (checking(), asks("insecure"), "t_x", NOT_SECURE),
        "muted": (speaking(), seated("muted", me_muted=True), "t_x", ""),
        "muted-by-host": (
            speaking(),
            seated("muted-by-host", me_muted=True, me_muted_by_host=True),
            "t_x",
            "",
        ),
        "clock-over": (speaking(clock_until=ago(seconds=65)), console_screens.join("heard"), "t_x", ""),
        "reconnecting": (speaking(), seated("reconnecting", lose), "t_x", ""),
        "removed": (speaking(), seated("removed", me_seat="removed"), "t_x", ""),
        "banned": (redeeming(403, title="You were removed"), dead("banned"), "l_banned", ""),
        "withdrawn": (
            redeeming(401, title="No longer", state="withdrawn"),
            dead("withdrawn"),
            "l_withdrawn",
            "",
        ),
        "ended": (
            FakeStudio(live_room(status="ended", ended_at=ago(minutes=1)), invited(**accepted)),
            None,
            "t_x",
            "",
        ),
        "host-moderated": (
            FakeStudio(
                live_room(locked=True), host_me(), desk(moderated=True, questions_pending=asked, bans=gone)
            ),
            console_screens.join("heard"),
            "t_x",
            "",
        ),
    }


def arranged(context: BrowserContext, state: str) -> Page:
    """A page of `context` in a state of console_screens.py or of this file."""
    if state in console_screens.states():
        studio, then, fragment = console_screens.states()[state]
    else:
        studio, then, fragment, script = troubles()[state]
        context.add_init_script(script or "0")
    page = studio.open(context, fragment)
    page.on("pageerror", lambda error: print(error))
    page.wait_for_selector("#desk:not([data-state=loading])", state="attached")
    if then:
        then(page, studio)
    return page


def _text(page: Page, key: str) -> str:
    """In the page's language."""
    return load_texts()["de" if page.get_attribute("html", "lang") == "de" else "en"](key)
