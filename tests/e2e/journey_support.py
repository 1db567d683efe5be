"""Voices that can be told apart: each person's microphone hears a tone of its own, and the sound at every
door and in every ear is asked which tones it holds."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
from harness import HUSTINGS
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import CHROMIUM, MICROPHONE, QUIET

RATE = 48_000
TONES = {"host": 500.0, "guest": 800.0, "listener": 1250.0}
HEARD = -36.0
"""dBFS of a tone from which on it counts as heard; what is not heard lies below SILENT (the syllables
of the other tones leave some -55 at its place)."""
SILENT = -44.0


def voice_file(folder: Path, who: str) -> Path:
    """Syllables of a tone, so that a browser's noise suppression takes it for speech."""
    random = np.random.default_rng(len(who))
    pieces = []
    for _ in range(40):
        length = int(random.uniform(0.15, 0.4) * RATE)
        time = np.arange(length) / RATE
        rise = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
        tone = np.sin(2 * np.pi * TONES[who] * time) + 0.3 * np.sin(4 * np.pi * TONES[who] * time)
        pieces += [0.25 * rise * tone, np.zeros(int(random.uniform(0.05, 0.15) * RATE))]
    samples = (np.concatenate(pieces) * 32767).astype("<i2")
    path = folder / f"{who}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return path


def browser_with_voice(beside: Browser, voice: Path) -> Browser:
    """One more Chromium, with this voice at its microphone."""
    arguments = [
        *QUIET,
        *MICROPHONE,
        "--autoplay-policy=user-gesture-required",
        f"--use-file-for-fake-audio-capture={voice}",
    ]
    return beside.browser_type.launch(executable_path=CHROMIUM, args=arguments)


def tone_levels(samples: np.ndarray) -> dict[str, float]:
    """dBFS of each person's tone in the loudest tenth of 100 ms windows."""
    size = RATE // 10
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    assert len(windows), "there is some sound to look at"
    shape = np.hanning(size)
    levels: dict[str, float] = {}
    for who, frequency in TONES.items():
        wave_shape = np.exp(-2j * np.pi * frequency * np.arange(size) / RATE)
        amplitude = 2 * np.abs(windows @ (shape * wave_shape)) / shape.sum()
        levels[who] = float(20 * np.log10(np.quantile(amplitude, 0.9) + 1e-9))
    return levels


TRIES = 5
"""Times the program is listened to until it is as it should be."""


def program(audience_url: str, folder: Path, seconds: float = 3.0) -> dict[str, float]:
    """Which tones the audience hears, by a listener over the push door."""
    out = folder / "program.wav"
    command = [
        *HUSTINGS,
        "listen",
        audience_url,
        "--via",
        "push",
        "--seconds",
        str(seconds),
        "--out",
        str(out),
    ]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    with wave.open(str(out), "rb") as file:
        channels = file.getnchannels()
        raw = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64) / 32768
    return tone_levels(raw[::channels])


_RETURN = """
async ([selector, tones]) => {
  const sound = document.querySelector(selector);
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(sound.srcObject).connect(analyser);
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  const loudest = Object.fromEntries(Object.keys(tones).map((who) => [who, -200]));
  const until = performance.now() + 2500;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    analyser.getFloatFrequencyData(spectrum);
    for (const [who, hertz] of Object.entries(tones)) {
      const bin = Math.round(hertz / (context.sampleRate / analyser.fftSize));
      loudest[who] = Math.max(loudest[who], ...spectrum.slice(bin - 1, bin + 2));
    }
  }
  await context.close();
  return loudest;
}
"""


def ear(page: Page, selector: str) -> dict[str, float]:
    """Which tones whoever sits at `page` hears in the element `selector` (a WebRTC stream)."""
    levels: dict[str, float] = page.evaluate(_RETURN, [selector, TONES])
    return {who: max(level, -200.0) for who, level in levels.items()}


def heard(levels: dict[str, float]) -> set[str]:
    """Whose tones are there. Fails for one that is neither clearly there nor clearly not."""
    unclear = {who: level for who, level in levels.items() if SILENT < level < HEARD}
    assert not unclear, f"neither heard nor silent: {levels}"
    return {who for who, level in levels.items() if level >= HEARD}


def program_becomes(audience_url: str, folder: Path, wanted: set[str]) -> None:
    """The audience hears these and nobody else, now or within some tries: whoever begins to listen is given
    what was said in the second before, and a busy machine is behind."""
    for _ in range(TRIES):
        levels = program(audience_url, folder)
        loud = {who for who, level in levels.items() if level >= HEARD}
        if loud == wanted and not any(SILENT < level < HEARD for level in levels.values()):
            return
    raise AssertionError(f"wanted {wanted}, heard {levels}")
