"""The same speech through a browser at both ends: Chromium's fake microphone, the speaker's page, WebRTC,
the stage, push, the listener's page, MSE, and the `<audio>` element's own output.

Chromium filters what is low twice, on capture and in its encoder (OPUS_APPLICATION_VOIP), and so turns its
phase: speech correlates 0.84 with itself behind that encoder alone, at any bitrate, although nothing is
amiss. So one fixed linear filter (85 ms, estimated from the whole recording) is put on what was spoken
before the two are compared. Being the same all the time, it cannot hide a frame that is missing or doubled.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import speech
from alignment import RATE, Signal, compare, shifted
from browser import Tap, chromium, fake_microphone, tapped_page
from harness import Room, serve
from playwright.sync_api import Browser, Page

TAPS = 4096
SPAN = 60 * RATE
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
    return settled, [equalised(said, settled)], figures


def _run(browser: Browser, room: Room, seconds: float) -> tuple[Signal, dict[str, Any]]:
    speaker = browser.new_context(locale="en-GB").new_page()
    speaker.goto(room.links["Ada"])
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


def equalised(said: Signal, delivered: Signal) -> Signal:
    """`said` behind the one linear filter that makes it most like `delivered` (Wiener, Welch's method)."""
    lag = round(compare(delivered, [said], low=-SPAN, high=SPAN).lags_ms[0] * RATE / 1000)
    placed = shifted(said, lag, len(delivered))
    window = np.hanning(TAPS)
    power = np.zeros(TAPS // 2 + 1)
    cross = np.zeros(TAPS // 2 + 1, np.complex128)
    for start in range(0, len(delivered) - TAPS, TAPS // 2):
        spoken = np.fft.rfft(placed[start : start + TAPS] * window)
        heard = np.fft.rfft(delivered[start : start + TAPS] * window)
        power += np.abs(spoken) ** 2
        cross += heard * np.conj(spoken)
    response = np.fft.irfft(cross / (power + 1e-6 * power.max()))
    taps = np.roll(response, TAPS // 2) * np.hanning(TAPS)
    size = 1 << int(np.ceil(np.log2(len(said) + TAPS)))
    filtered = np.fft.irfft(np.fft.rfft(said, size) * np.fft.rfft(taps, size), size)
    return np.asarray(filtered[TAPS // 2 : TAPS // 2 + len(said)], np.float32)
