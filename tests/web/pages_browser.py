"""A Chromium that listens and speaks without anybody at the keyboard, for tests and pictures of the pages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
]
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@contextlib.contextmanager
def chromium(*, voice: Path | None = None, more: Sequence[str] = ()) -> Iterator[Browser]:
    """Debian's Chromium, headless. `voice`: a WAV file it hears at its microphone, looped; `more`:
    arguments."""
    arguments = [*QUIET, *more, "--autoplay-policy=user-gesture-required", *MICROPHONE]
    if voice is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={voice}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def chromium_refusing(beside: Browser) -> Iterator[Browser]:
    """A second browser, with a microphone that nobody allows it to use."""
    arguments = [*QUIET, "--use-fake-device-for-media-stream"]
    browser = beside.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    try:
        yield browser
    finally:
        browser.close()


def complaints(page: Page) -> list[str]:
    """Fills up with what the page's script throws and what its policy (CSP) forbids."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on(
        "console",
        lambda message: (
            found.append(message.text)
            if "Content Security Policy" in message.text or message.type == "warning"
            else None
        ),
    )
    return found


def player(page: Page) -> dict[str, str]:
    """The listener's player: state, and the figures it shows to those who look closely."""
    figures: dict[str, str] = page.locator("#player").evaluate("element => ({...element.dataset})")
    return figures


def player_is(page: Page, state: str, within: float = 20.0) -> None:
    page.wait_for_selector(f"#player[data-state={state}]", timeout=within * 1000)


def desk_is(page: Page, state: str, within: float = 20.0) -> None:
    """Waits until the console says so; what it says instead is in the error."""
    try:
        page.wait_for_selector(f"#desk[data-state={state}]", state="attached", timeout=within * 1000)
    except TimeoutError as error:
        shown = page.evaluate("document.querySelector('#desk')?.dataset.state ?? document.body.innerText")
        raise AssertionError(f"the console is not '{state}' but '{shown}', at {page.url}") from error


def go_on_stage(page: Page, link: str) -> None:
    """Opens a speaker's link, accepts, checks the microphone and goes on stage."""
    check_microphone(page, link)
    desk_is(page, "ready")
    page.click("#join")


def check_microphone(page: Page, link: str) -> None:
    """Opens a speaker's link, accepts if that was not done before, and asks for the microphone."""
    page.goto(link)
    page.wait_for_selector("#desk:is([data-state=invited], [data-state=before])")
    if page.get_attribute("#desk", "data-state") == "invited":
        page.click("#accept")
        desk_is(page, "before")
    page.click("#check")
