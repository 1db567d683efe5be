"""The same speech through a browser at both ends: Chromium's fake microphone, the speaker's page, WebRTC,
the stage, push, the listener's page, MSE, and the `<audio>` element's own output.

The three processing boxes of the speaker's page are unchecked: original sound. Then nothing of Chromium's
stands in between that changes the waveform, and the raw samples that were spoken are the reference. With
processing on, noise suppression, gain control and the encoder's high-pass (OPUS_APPLICATION_VOIP) change
phases: such sound correlates only 0.4 with what was spoken, although no frame is amiss.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import speech
from alignment import RATE, Signal
from browser import Tap, chromium, fake_microphone, tapped_page
from harness import Room, serve
from playwright.sync_api import Browser, Page

SETTLE = 30.0
"""Seconds that are not judged: the stage's jitter buffer comes down slowly from a browser's uneven start."""
PROCESSING = ("echoCancellation", "noiseSuppression", "autoGainControl")


def measure_browser(seconds: float) -> tuple[Signal, list[Signal], dict[str, Any]]:
    """What the listener's page played once settled, what was spoken, and the page's own figures."""
    first, second = speech.dialogue(seconds + SETTLE + 40)
    said = np.asarray(first + second, np.float32)
    with tempfile.TemporaryDirectory(prefix="hustings-browser-") as temporary:
        folder = Path(temporary)
        microphone = folder / "microphone.wav"
        speech.write_wav(microphone, said)
        with serve(folder, levelling=False) as server, chromium(*fake_microphone(microphone)) as browser:
            room = server.room("Browser", speakers=["Ada"])
            delivered, figures = _run(browser, room, seconds + SETTLE)
    settled = delivered[round(SETTLE * RATE) :]
    return settled, [said], figures


def _run(browser: Browser, room: Room, seconds: float) -> tuple[Signal, dict[str, Any]]:
    speaker = browser.new_context(locale="en-GB").new_page()
    speaker.goto(room.links["Ada"])
    speaker.click("#accept")
    speaker.click("#check")
    speaker.wait_for_selector("#desk[data-state=ready]", timeout=20_000)
    for name in PROCESSING:
        _uncheck(speaker, name)
    room.open()
    speaker.click("#join")
    speaker.wait_for_selector("#desk[data-state=stage]", timeout=20_000)
    room.start()
    room.wait_for_state("live")
    page = tapped_page(browser, room.audience_url, "#play")
    page.wait_for_selector("#player[data-state=playing]", timeout=20_000)
    tap = Tap(page)
    _play(page, tap, SETTLE)
    before = _figures(page)
    _play(page, tap, seconds - SETTLE)
    after = _figures(page)
    counts = {name: int(after[name]) - int(before[name]) for name in ("stalls", "discontinuities")}
    return tap.sound(), counts | {"gaps": 0, "page": after}


def _play(page: Page, tap: Tap, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        page.wait_for_timeout(min(5.0, left) * 1000)
        tap.drain()


def _figures(page: Page) -> dict[str, str]:
    """What the player publishes about itself."""
    figures: dict[str, str] = page.locator("#player").evaluate("element => ({...element.dataset})")
    return figures


def _uncheck(page: Page, name: str) -> None:
    # The settings may be folded away; what counts is that the page is told of the change.
    page.locator(f"#{name}").evaluate(
        "box => { box.checked = false; box.dispatchEvent(new Event('change', {bubbles: true})); }"
    )
