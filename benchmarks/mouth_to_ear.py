"""Mouth to ear: how long a sound takes from a speaker's mouth to every kind of ear, on this machine.

    .venv/bin/python benchmarks/mouth_to_ear.py [--marks 200] [--json] [--ears whep,return,push,hls]

A `speak` client (a process of its own, real WebRTC) says two distinct chirps a second at known times.
Each ear hears them through a real `hustings serve`:

whep    a Python WHEP client, when its jitter buffer hands out the frame for playing
return  another speaker's return feed (mix-minus), likewise
push    Chromium on the room's page, push through MSE
hls     Chromium on the room's page with ?door=hls, LL-HLS through hls.js

"Mouth" is the moment the chirp's first sample is spoken: the 20 ms a packet takes to fill are in the
figure. "Ear" is the moment its first sample is handed out for playing; in Chromium the moment the audio
clock gives it for the output. Microphone and sound card (or Bluetooth) are in none of them: headless
Chromium plays into a null sink.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

import marks
import numpy as np
import speech
from harness import Room, Server, serve
from marks import SPACING, Piece

from hustings.audio.frame import silence
from hustings.audio.receiver import Pulled
from hustings.clients.delivered import percentile
from hustings.clients.listen_whep import follow
from hustings.clients.return_feed import ReturnFeed
from hustings.clients.rtc import RtcSession
from hustings.clients.script import Script, encode
from hustings.clients.sink import Sink
from hustings.clients.speaker import Speaker
from hustings.clients.voice import start_voice
from hustings.clock import SystemClock

LIMITS = {"whep": (150, 220), "return": (150, 220), "push": (700, 900), "hls": (2500, 3000)}
"""Milliseconds, p50 and p95, on loopback."""
LONGEST = {"whep": 1.5, "return": 1.5, "push": 3.0, "hls": 6.0}
"""Seconds within which a mark must be heard."""
LEAD = 4.0
TAIL = 7.0
PLAY = "#play"


@dataclass(frozen=True, slots=True)
class Row:
    """One ear's figures; milliseconds."""

    ear: str
    marks: int
    lost: int
    p50: float
    p95: float
    longest: float
    limit_p50: int
    limit_p95: int

    @property
    def ok(self) -> bool:
        return self.p50 <= self.limit_p50 and self.p95 <= self.limit_p95


class Heard:
    """What one Python ear played, with monotonic times."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def played(self, now: float, pulled: Pulled) -> None:
        self.pieces.append((now, np.array(pulled.frame)))


def measure(count: int, ears: list[str], folder: Path) -> list[Row]:
    """Takes about `count` / 2 + 25 seconds."""
    track = marks.track(count, LEAD)
    speech.write_wav(
        folder / "marks.wav", np.concatenate((track, np.zeros(round(TAIL * 48_000), np.float32)))
    )
    with serve(folder, levelling=False) as server, ExitStack() as stack:
        room = server.room("Mouth to ear", speakers=["Mouth", "Ear"])
        room.open()
        heard = {"return": stack.enter_context(_second_speaker(room))}
        room.start()
        if {"push", "hls"} & set(ears):
            room.wait_for_state("live")
        origin = time.monotonic() + 6.0 + (8.0 if {"push", "hls"} & set(ears) else 0.0)
        stack.enter_context(_mouth(server, room, folder, origin))
        if "whep" in ears:
            heard["whep"] = stack.enter_context(_whep(room))
        end = origin + LEAD + count * SPACING + TAIL
        taps = _browser_ears(stack, room, ears, end)
        time.sleep(max(0.0, end - time.monotonic()))
    spoken = [origin + LEAD + number * SPACING for number in range(count)]
    to_wall = time.time() - time.monotonic()
    rows = [_row(ear, heard[ear].pieces, spoken) for ear in ("whep", "return") if ear in ears]
    walls = [moment + to_wall for moment in spoken]
    return rows + [_row(ear, pieces, walls) for ear, pieces in taps.items()]


def _row(ear: str, pieces: list[Piece], spoken: list[float]) -> Row:
    found = marks.find(pieces, spoken, LONGEST[ear])
    delays = [delay * 1000 for delay in found.delays.values()] or [float("inf")]
    return Row(
        ear,
        len(found.delays),
        found.expected - len(found.delays),
        round(percentile(delays, 50), 1),
        round(percentile(delays, 95), 1),
        round(max(delays), 1),
        *LIMITS[ear],
    )


@contextmanager
def _mouth(server: Server, room: Room, folder: Path, origin: float) -> Iterator[None]:
    with (folder / "speak.log").open("wb") as log:
        voice = start_voice(
            room.slug,
            ticket=room.tickets["Mouth"],
            file=folder / "marks.wav",
            name="Mouth",
            studio_url=server.studio_url,
            origin=origin,
            log=log,
        )
    try:
        yield
    finally:
        voice.terminate()
        voice.wait(10)
        assert voice.stdin is not None
        voice.stdin.close()


@contextmanager
def _second_speaker(room: Room) -> Iterator[Heard]:
    """Says nothing and hears the first."""
    heard, stop = Heard(), threading.Event()
    script = Script(encode([silence()] * 50), loop=True)
    speaker = Speaker(room.whip_url, room.tickets["Ear"], script, returned=heard.played)
    thread = threading.Thread(target=speaker.run, args=(stop,))
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def _whep(room: Room) -> Iterator[Heard]:
    heard, stop = Heard(), threading.Event()
    session = RtcSession.open(room.whep_url, "recvonly")
    feed, sink = ReturnFeed(heard.played), Sink(SystemClock())
    thread = threading.Thread(target=follow, args=(session, feed, sink, stop))
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join(10)
        session.close()


def _browser_ears(stack: ExitStack, room: Room, ears: list[str], end: float) -> dict[str, list[Piece]]:
    """Runs the browser's ears until monotonic `end`."""
    wanted = {"push": room.audience_url, "hls": f"{room.audience_url}?door=hls"}
    wanted = {ear: url for ear, url in wanted.items() if ear in ears}
    if not wanted:
        return {}
    from browser import Tap, chromium, tapped_page

    browser = stack.enter_context(chromium())
    taps = {ear: Tap(tapped_page(browser, url, PLAY)) for ear, url in wanted.items()}
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(5.0, left))
        for tap in taps.values():
            tap.drain()
    return {ear: tap.pieces() for ear, tap in taps.items()}


def show(rows: list[Row]) -> None:
    """A small table."""
    print(f"{'ear':<8}{'marks':>7}{'lost':>6}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'limits':>13}")
    for row in rows:
        limits = f"{row.limit_p50}/{row.limit_p95}"
        print(
            f"{row.ear:<8}{row.marks:>7}{row.lost:>6}{row.p50:>9.1f}{row.p95:>9.1f}{row.longest:>9.1f}"
            f"{limits:>13}  {'ok' if row.ok else 'FAILED'}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--marks", type=int, default=200)
    parser.add_argument("--ears", default="whep,return,push,hls")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hustings-ears-") as folder:
        rows = measure(options.marks, options.ears.split(","), Path(folder))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
