"""Debian's Chromium as a listener or a speaker whose sound can be measured.

The page's own `<audio>` element is tapped in the page: createMediaElementSource -> AudioWorklet, so the
sound is what the element plays, after MSE and playback-rate control. Times are those at which the audio
clock says a sample reaches the output (`getOutputTimestamp`), as Unix time through
`performance.timeOrigin`. Headless Chromium plays into a null sink: the delay of a sound card or of
Bluetooth is not in them.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from alignment import Signal
from marks import Piece
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]

_TAP = """
(() => {
  const WORKLET = `
    class Tap extends AudioWorkletProcessor {
      constructor() { super(); this.block = new Float32Array(4800); this.used = 0; this.first = 0; }
      process(inputs) {
        const input = inputs[0][0];
        if (this.used === 0) this.first = currentFrame;
        if (input) this.block.set(input, this.used); else this.block.fill(0, this.used, this.used + 128);
        this.used += 128;
        if (this.used + 128 > this.block.length) {
          this.port.postMessage([this.first, this.block.slice(0, this.used)]);
          this.used = 0;
        }
        return true;
      }
    }
    registerProcessor('tap', Tap);`;
  const taps = new WeakSet();
  const state = { blocks: [], clocks: [], errors: [] };
  window.__tap = state;
  async function tap(element) {
    if (taps.has(element)) return;
    taps.add(element);
    try {
      const context = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
      const script = new Blob([WORKLET], { type: 'text/javascript' });
      await context.audioWorklet.addModule(URL.createObjectURL(script));
      const node = new AudioWorkletNode(context, 'tap', { channelCount: 1, channelCountMode: 'explicit' });
      node.port.onmessage = (event) => state.blocks.push(event.data);
      context.createMediaElementSource(element).connect(node).connect(context.destination);
      await context.resume();
      setInterval(() => {
        const stamp = context.getOutputTimestamp();
        if (stamp.contextTime > 0)
          state.clocks.push([stamp.contextTime, (performance.timeOrigin + stamp.performanceTime) / 1000]);
      }, 100);
    } catch (error) { state.errors.push(String(error)); }
  }
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () { tap(this); return play.call(this); };
  window.__drain = () => {
    const blocks = state.blocks.splice(0);
    const total = blocks.reduce((sum, [, samples]) => sum + samples.length, 0);
    const pcm = new Int16Array(total);
    const firsts = [];
    let at = 0;
    for (const [first, samples] of blocks) {
      firsts.push([first, samples.length]);
      for (let i = 0; i < samples.length; i++) pcm[at + i] = Math.max(-1, Math.min(1, samples[i])) * 32767;
      at += samples.length;
    }
    const bytes = new Uint8Array(pcm.buffer);
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768)
      text += String.fromCharCode.apply(null, bytes.subarray(i, i + 32768));
    return { firsts, pcm: btoa(text), clocks: state.clocks.splice(0), errors: state.errors };
  };
})();
"""


@contextlib.contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A headless browser; ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


def tapped_page(browser: Browser, url: str, play: str) -> Page:
    """Opens `url` with the tap in place and presses the button matching the CSS selector `play`."""
    # The worklet comes from a blob, which the page's content security policy rightly refuses.
    context = browser.new_context(bypass_csp=True, locale="en-GB")
    context.add_init_script(_TAP)
    page = context.new_page()
    page.on("pageerror", lambda error: print(f"page error: {error}"))
    page.goto(url, wait_until="domcontentloaded")
    page.locator(play).first.click()
    return page


class Tap:
    """Collects what a tapped page has played."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._blocks: list[tuple[int, Signal]] = []
        self._clocks: list[tuple[float, float]] = []

    def drain(self) -> None:
        """Takes what has come since; call it every few seconds."""
        taken = self._page.evaluate("window.__drain()")
        if taken["errors"]:
            raise RuntimeError(f"The page could not be tapped: {json.dumps(taken['errors'])}")
        pcm = np.asarray(np.frombuffer(base64.b64decode(taken["pcm"]), "<i2") / 32767, np.float32)
        at = 0
        for first, length in taken["firsts"]:
            self._blocks.append((first, pcm[at : at + length]))
            at += length
        self._clocks += [(context, wall) for context, wall in taken["clocks"]]

    def sound(self) -> Signal:
        """All of it; blocks that the audio thread skipped are silence."""
        pieces: list[Signal] = []
        end = self._blocks[0][0] if self._blocks else 0
        for first, samples in self._blocks:
            if first > end:
                pieces.append(np.zeros(first - end, np.float32))
            pieces.append(samples)
            end = first + len(samples)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def pieces(self) -> list[Piece]:
        """Each block with the Unix time at which it reached the output."""
        if not self._clocks:
            return []
        context = np.array([clock[0] for clock in self._clocks])
        # The offset between the two clocks only drifts; single readings jitter by a buffer.
        offset = np.array([wall - at for at, wall in self._clocks])
        smooth = [float(np.median(offset[max(0, i - 20) : i + 21])) for i in range(len(offset))]
        found: list[Piece] = []
        for first, samples in self._blocks:
            at = first / 48_000
            found.append((at + float(np.interp(at, context, smooth)), samples))
        return found


def fake_microphone(path: Path) -> list[str]:
    """Arguments that make `path` (48 kHz WAV) the microphone of every page."""
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
    ]
