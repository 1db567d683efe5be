"""`hustings speak`: a speaker without a browser, over real WebRTC."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hustings.audio.receiver import Pulled
from hustings.clients.api import StudioApi
from hustings.clients.delivered import WavWriter
from hustings.clients.script import Script
from hustings.clients.sound_file import check_sound
from hustings.clients.speaker import Speaker, SpeakerStats
from hustings.errors import Refused, UsageError
from hustings.ids import is_slug

SILENT_LEVEL = 60
"""-dBov at which the level meter is empty."""


def speak(
    slug: str,
    *,
    ticket: str,
    file: Path,
    name: str = "",
    loop: bool = False,
    consent: bool = True,
    studio_url: str = "http://127.0.0.1:8001",
    start_at: float | None = None,
    origin: float | None = None,
    return_out: Path | None = None,
    stop: threading.Event | None = None,
    verify: ssl.SSLContext | None = None,
    relay_only: bool = False,
) -> SpeakerStats:
    """Speaks `file` into room `slug` until it ends (with `loop`: until Ctrl-C or `stop`).

    `name` is shown in the progress line. `consent`: agrees to be recorded before the first word.
    `start_at`: wall clock (Unix seconds) at which the file begins, so that several speakers keep step; a
    time in the past joins in the middle. `origin`: the same on this machine's monotonic clock.
    `return_out`: WAV of what the speaker hears (everybody else). `verify`: as in StudioApi. `relay_only`:
    by way of the server's relays (TURN) and nothing else, to try them out. Raises HustingsError.
    """
    if not is_slug(slug):
        raise UsageError(f"'{slug}' is no room's slug; `hustings room create` prints it.")
    if not ticket:
        raise UsageError("A speaker needs a ticket; `hustings invite` prints one.")
    check_sound(file)
    script = Script.from_file(file, loop=loop)
    stop = stop or threading.Event()
    url = f"{studio_url.rstrip('/')}/whip/{slug}"
    recording = _Recording(return_out) if return_out else None
    with Progress(name or file.stem) as progress:
        speaker = Speaker(
            url,
            ticket,
            script,
            start_at=start_at,
            origin=origin,
            returned=recording.played if recording else None,
            changed=progress.show,
            first=(lambda: _agree(studio_url, slug, ticket, verify)) if consent else None,
            verify=verify,
            relay_only=relay_only,
        )
        try:
            _until_done(speaker, stop)
        finally:
            if recording is not None:
                recording.close()
    return speaker.stats


def _agree(studio_url: str, slug: str, ticket: str, verify: ssl.SSLContext | None) -> None:
    """Raises Refused, Unavailable; not for a ticket that no longer holds, of which the offer says more."""
    with StudioApi(studio_url, ticket, verify=verify) as api:
        try:
            api.agree(slug, True)
        except Refused as error:
            if error.status != httpx.codes.UNAUTHORIZED:
                raise


def _until_done(speaker: Speaker, stop: threading.Event) -> None:
    """Runs the speaker aside, so that Ctrl-C is noticed here and ends it with DELETE."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            speaker.run(stop)
        except BaseException as error:  # noqa: BLE001  # handed over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="speaker")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.5)
    except KeyboardInterrupt:
        stop.set()
        thread.join(5.0)
    if failure:
        raise failure[0]


class _Recording:
    """The return feed into a WAV, frame after frame."""

    def __init__(self, path: Path) -> None:
        self._wav = WavWriter(path)

    def played(self, _now: float, pulled: Pulled) -> None:
        self._wav.write(pulled.frame)

    def close(self) -> None:
        self._wav.close()


class Progress:
    """One line that changes on a terminal; elsewhere a line per change of state."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if sys.stderr.isatty() else None
        self._began = time.monotonic()
        self._shown = ""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, stats: SpeakerStats) -> None:
        """Called from the speaker's thread."""
        words = describe(self._name, stats)
        if self._live is not None:
            self._live.update(Text(f"{words}  {_meter(stats.level)}"), refresh=True)
        elif words != self._shown:
            self._shown = words
            print(words, file=sys.stderr, flush=True)


def describe(name: str, stats: SpeakerStats) -> str:
    """The state in words."""
    detail = f": {stats.detail}" if stats.detail else ""
    return {
        "connecting": f"{name}: connecting",
        "waiting": f"{name}: waiting{detail}",
        "speaking": f"{name}: speaking",
        "reconnecting": f"{name}: connecting again{detail}",
        "over": f"{name}: done, {stats.frames_sent * 0.02:.1f} s spoken",
    }[stats.state]


def _meter(level: int) -> str:
    filled = max(0, min(20, round((SILENT_LEVEL - level) / 3)))
    return "▮" * filled + "▯" * (20 - filled)
