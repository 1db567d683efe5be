"""Who speaks through a bad network, and who listens to what comes of it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from bad_network import BadNetwork
from harness import Room
from playwright.sync_api import Page

from hustings.audio.level import level_dbov
from hustings.audio.receiver import Pulled
from hustings.clients.delivered import WavWriter
from hustings.clients.return_feed import ReturnFeed
from hustings.clients.rtc import RtcSession
from hustings.clients.sound_file import read_frames
from hustings.clients.voice import start_voice
from hustings.errors import Unavailable

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from pages_browser import chromium, go_on_stage
from screens import DEMO

VOICE = -38.0
"""dBov from which a frame of the voice is spoken ..."""
LOUD = -50.0
"""... and from which one counts as sound at the ear."""
SECOND = 50
"""Frames."""
MOSTLY = 0.8
"""Share of them with sound in a second in which it is back."""


def _open(url: str) -> RtcSession:
    """A busy machine may need more than one try."""
    end = time.monotonic() + 60
    while True:
        try:
            return RtcSession.open(url, "recvonly")
        except Unavailable:
            if time.monotonic() > end:
                raise


class Ear:
    """A WHEP listener: when there was sound. Runs in a thread until `stop` is set."""

    def __init__(self, url: str) -> None:
        self.frames: list[tuple[float, bool]] = []
        """Monotonic time and whether it was loud, oldest first."""
        self._session = _open(url)
        self._feed = ReturnFeed(self._played)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._session.close()

    def back(self, since: float) -> float | None:
        """Seconds from `since` to the first sound of a second that is nearly all sound; None: not yet."""
        after = [(at, loud) for at, loud in list(self.frames) if at >= since]
        for first, (at, loud) in enumerate(after[: len(after) - SECOND + 1]):
            if loud and sum(loud for _, loud in after[first : first + SECOND]) >= MOSTLY * SECOND:
                return at - since
        return None

    def longest(self, since: float, until: float) -> float:
        """Seconds of the longest stretch without sound."""
        longest = run = 0
        for at, loud in list(self.frames):
            if since <= at <= until:
                run = 0 if loud else run + 1
                longest = max(longest, run)
        return longest * 0.02

    def heard(self, since: float, until: float) -> float:
        frames = [loud for at, loud in list(self.frames) if since <= at <= until]
        return sum(frames) / max(1, len(frames))

    def _played(self, now: float, pulled: Pulled) -> None:
        self.frames.append((now, level_dbov(pulled.frame) > LOUD))

    def _listen(self) -> None:
        self._feed.begin()
        deadline = time.monotonic()
        while not self._stop.is_set():
            deadline += 0.02
            self._feed.drain_until(self._session.peer, deadline)
            self._feed.play(deadline)


def voice_file(path: Path) -> Path:
    """The demo's voices without their pauses: speech at every moment, so that silence is the network's."""
    frames = [frame for name in ("guest", "host") for frame in read_frames(DEMO / f"{name}.opus")]
    wav = WavWriter(path)
    wav.write(np.concatenate([frame for frame in frames if level_dbov(frame) > VOICE]))
    wav.close()
    return path


@contextmanager
def voice(network: BadNetwork, room: Room, file: Path) -> Iterator[None]:
    """`hustings speak` from the client's side until the end, in a loop."""
    with network.inside("client"):
        process = start_voice(
            room.slug,
            ticket=room.tickets["Ada"],
            file=file,
            name="Ada",
            studio_url=room.server.studio_url,
            origin=time.monotonic(),
            loop=True,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(15)
        if process.stdin is not None:
            process.stdin.close()


@contextmanager
def speaking_page(network: BadNetwork, room: Room, file: Path) -> Iterator[Page]:
    """Chromium on the speaker's page, on the client's side, heard until the end."""
    # Microphones are for secure addresses; the namespace has none that a certificate would be for.
    safe = f"--unsafely-treat-insecure-origin-as-secure={room.server.studio_url}"
    with ExitStack() as stack:
        with network.inside("client"):
            found = stack.enter_context(chromium(voice=file, more=[safe]))
        page = found.new_context(locale="en-GB").new_page()
        go_on_stage(page, room.links["Ada"])
        yield page
