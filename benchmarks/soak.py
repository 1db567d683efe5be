"""Does anything grow, or slip, over a long evening? `python benchmarks/soak.py [--minutes 60] [--json]`.

A real `hustings serve` with eight `speak` clients over WebRTC, recorded, and 2,000 listeners at the push door
for an hour. Meanwhile people come and go: each ten seconds a guest joins and leaves, a listener by WebRTC
and ten by push. Each ten seconds descriptors, threads and memory of every role are read from /proc.

Slope: a line through the last half (means of a minute). Memory is what each process has written for itself
(`Anonymous` of smaps_rollup); its share of what others use too (PSS) is given beside it, because on a
machine where others work it moves with what they start. "Zero" is less than one descriptor or thread, and
less than a megabyte, an hour, or within two standard errors of it.

Drift: the eight speakers say 16 chirps in turn, two a second, at known times of the monotonic clock; each
is found again in the program at its media time. Compared are the first and the last five minutes, by the
delay that a tenth of the marks stays below: others wait in jitter buffers, as long as the load has it.

Ends by itself, or at SIGTERM or Ctrl-C with what has been seen so far. `--fast` is soak_fast.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import multiprocessing.connection
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "attack"))

import joins
import marks
import numpy as np
import speech
from harness import Room, Server, serve
from marks import KINDS, SPACING, Piece
from slopes import Slope, slope

from hustings.bench.listeners import EVERY as EMPTIED
from hustings.bench.listeners import Listeners
from hustings.bench.machine import raise_descriptor_limit
from hustings.bench.push import REQUEST
from hustings.clients.listen import Listener
from hustings.clients.rtc import RtcSession
from hustings.clients.voice import start_voice
from hustings.errors import HustingsError

SPEAKERS = 8
EVERY = 10.0
"""Seconds between two looks at the processes."""
WINDOW = 300.0
"""Seconds of marks that are compared."""
SETTLE = 60.0
"""Seconds until delays count: jitter buffers find their length."""
LONGEST = 2.0
ROLES = ("supervisor", "bus", "stage", "studio", "edge", "scribe")
MEASURES = ("descriptors", "threads", "memory", "pss")
SETTINGS = {"HUSTINGS_PER_ADDRESS": "100000", "HUSTINGS_WINDOW": "600"}
"""The window is full, and memory at its height, long before the last half begins; its usual hour would fill
until the end."""
ZERO = {"descriptors": 1.0, "threads": 1.0, "memory": 1e6, "pss": 1e6}
"""An hour."""


def loops(folder: Path) -> list[Path]:
    """One file of eight seconds for each speaker: together they say all kinds in turn."""
    paths = []
    for speaker in range(SPEAKERS):
        signal_ = np.zeros(round(KINDS * SPACING * 48_000), np.float32)
        for kind in range(2 * speaker, 2 * speaker + 2):
            begin = round(kind * SPACING * 48_000)
            signal_[begin : begin + marks.LENGTH] = marks.chirp(kind)
        paths.append(folder / f"speaker-{speaker}.wav")
        speech.write_wav(paths[-1], signal_)
    return paths


class Ear:
    """A listener who finds the marks again; `delays[n]` is when mark n was heard, seconds after it was said,
    give or take a constant."""

    def __init__(self, address: str, origin: float) -> None:
        self.delays: dict[int, float] = {}
        self.expected = 0
        self._origin = origin
        self._zero: float | None = None
        self._pieces: list[Piece] = []
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._listen(address),))
        self._thread.start()

    async def _listen(self, address: str) -> None:
        running = asyncio.create_task(Listener(address, via="push", hearing=self._heard).run())
        while not self._stop.is_set() and not running.done():
            await asyncio.sleep(0.2)
        running.cancel()
        for failed in await asyncio.gather(running, return_exceptions=True):
            if isinstance(failed, HustingsError):
                print(f"the listener for marks ended: {failed}", file=sys.stderr)

    def _heard(self, now: float, media_time: int, samples: Any) -> None:
        if self._zero is None:
            self._zero = now - media_time / 48_000
        with self._lock:
            self._pieces.append((self._zero + media_time / 48_000, np.array(samples, np.float32)))

    def look(self) -> None:
        """Finds the marks of what has come since the last look."""
        with self._lock:
            pieces = list(self._pieces)
        if not pieces:
            return
        begins, ends = pieces[0][0], pieces[-1][0]
        spoken: list[float] = []
        if not self._next:
            self._next = max(0, int((begins - self._origin) / SPACING) + 1)
            self._next += -self._next % KINDS
        # `find` counts kinds from the first it is given: it begins with kind 0, and takes whole rounds.
        while self._origin + (self._next + len(spoken) + KINDS) * SPACING + LONGEST < ends:
            first = self._next + len(spoken)
            spoken += [self._origin + (first + number) * SPACING for number in range(KINDS)]
        found = marks.find(pieces, spoken, LONGEST)
        self.expected += found.expected
        self.delays |= {self._next + number: delay for number, delay in found.delays.items()}
        self._next += len(spoken)
        keep = self._origin + self._next * SPACING - 2.0
        with self._lock:
            self._pieces = [piece for piece in self._pieces if piece[0] >= keep]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)


def read(pid: int) -> dict[str, float]:
    """Descriptors, threads and bytes of one process. Raises OSError when it is gone."""
    place = Path(f"/proc/{pid}")
    sizes = dict(re.findall(r"^(Pss|Anonymous):\s+(\d+) kB", (place / "smaps_rollup").read_text(), re.M))
    threads = re.search(r"^Threads:\s+(\d+)", (place / "status").read_text(), re.M)
    assert threads is not None
    return {
        "descriptors": len(list((place / "fd").iterdir())),
        "threads": int(threads[1]),
        "memory": int(sizes["Anonymous"]) * 1024,
        "pss": int(sizes["Pss"]) * 1024,
    }


@dataclass(slots=True)
class Watched:
    """What was seen so far."""

    began: float
    samples: dict[str, list[tuple[float, dict[str, float]]]] = field(default_factory=dict)
    """By role and number."""
    pids: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    lost_listeners: int = 0
    least: float = 0.0
    """Bytes a second of the listener who had least over the whole time, roughly."""
    visits: int = 0
    failed_visits: int = 0

    def look(self, server: Server) -> None:
        now = time.monotonic() - self.began
        for role in ROLES:
            pids = [server.process.pid] if role == "supervisor" else server.pids(role)
            for number, pid in enumerate(pids):
                name = f"{role}-{number}" if number else role
                self.restarts += self.pids.setdefault(name, pid) != pid
                self.pids[name] = pid
                with contextlib.suppress(OSError, KeyError):
                    self.samples.setdefault(name, []).append((now, read(pid)))

    def slopes(self) -> dict[str, dict[str, Slope]]:
        """Of the last half, an hour."""
        return {
            name: {
                measure: slope([(at / 3600, each[measure]) for at, each in samples[len(samples) // 2 :]])
                for measure in MEASURES
            }
            for name, samples in self.samples.items()
        }


@contextlib.contextmanager
def talking(room: Room, files: list[Path], origin: float) -> Iterator[list[subprocess.Popen[str]]]:
    """All speakers, each in a process of its own."""
    voices = [
        start_voice(
            room.slug,
            ticket=ticket,
            file=file,
            name=name,
            studio_url=room.server.studio_url,
            origin=origin,
            loop=True,
            log=subprocess.DEVNULL,
        )
        for (name, ticket), file in zip(list(room.tickets.items()), files, strict=True)
    ]
    try:
        yield voices
    finally:
        for voice in voices:
            voice.terminate()
        for voice in voices:
            with contextlib.suppress(subprocess.TimeoutExpired):
                voice.wait(10)
            voice.kill()
            assert voice.stdin is not None
            voice.stdin.close()


def listen(port: int, count: int, pipe: multiprocessing.connection.Connection) -> None:
    """The listeners' process. Says "up"; after each "read" the fewest bytes one had since, and the lost."""
    raise_descriptor_limit()
    listeners = Listeners({"port": port, "request": REQUEST})
    listeners.join(count)
    pipe.send("up")
    while True:
        listeners.take()
        if pipe.poll(EMPTIED):
            if pipe.recv() == "end":
                return
            found = listeners.counts()
            pipe.send((found["least"], found["closed"]))


@contextlib.contextmanager
def listening(port: int, count: int) -> Iterator[multiprocessing.connection.Connection]:
    """`count` listeners in a process of their own."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=listen, args=(port, count, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.recv() == "up"
        yield ours
    finally:
        with contextlib.suppress(OSError):
            ours.send("end")
        process.join(20)
        if process.is_alive():
            process.kill()


class Visitors:
    """People who come and go all the time."""

    def __init__(self, room: Room, ticket: str, watched: Watched) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(room, ticket, watched))

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self, room: Room, ticket: str, watched: Watched) -> None:
        host, port = room.server.audience_url.removeprefix("http://").split(":")
        while not self._stop.wait(EVERY):
            watched.visits += 1
            try:
                RtcSession.open(room.whip_url, "sendrecv", ticket=ticket).close()
                RtcSession.open(room.whep_url, "recvonly").close()
                found = joins.join((host, int(port)), f"/r/{room.slug}/live", 10, 1.0)
                watched.failed_visits += len(found["heard"]) < 10
            except (HustingsError, OSError) as error:
                watched.failed_visits += 1
                print(f"a visit failed: {error}", file=sys.stderr)


def run(minutes: float, listeners: int, folder: Path) -> tuple[Watched, Ear]:
    """The evening. Ends early when told to."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    files = loops(folder)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(folder, levelling=False, environment=SETTINGS))
        server.api.create_room("A long evening", slug="hall")
        room = Room(server, "hall")
        for number in range(SPEAKERS):
            room.invite(f"Speaker {number}")
        room.open()
        origin = time.monotonic() + 5.0
        voices = stack.enter_context(talking(room, files, origin))
        ticket = server.api.invite(room.slug, "Guest")["ticket"]
        room.start()
        room.wait_for_state("live", 60.0)
        ear = Ear(room.audience_url, origin)
        stack.callback(ear.close)
        port = int(server.audience_url.rpartition(":")[2])
        pipe = stack.enter_context(listening(port, listeners))
        watched = Watched(time.monotonic())
        stack.enter_context(Visitors(room, ticket, watched))
        end_at, turns = watched.began + 60 * minutes, 0
        while not ended.wait(EVERY) and time.monotonic() < end_at:
            turns += 1
            watched.look(server)
            pipe.send("read")
            least, closed = pipe.recv()
            watched.lost_listeners = max(watched.lost_listeners, closed)
            watched.restarts += sum(voice.poll() is not None for voice in voices)
            if turns % 6 == 0:
                ear.look()
                said = {name: each[-1][1] for name, each in watched.samples.items()}
                short = {name: f"{one['memory'] / 1e6:.1f} MB" for name, one in said.items()}
                print(
                    f"{turns // 6} min: least {least / EVERY:.0f} B/s, {short}", file=sys.stderr, flush=True
                )
        ear.look()
        room.stop()
    return watched, ear


@dataclass(frozen=True, slots=True)
class Drift:
    """What a tenth of the delays stays below, ms against the first window; `apart`: two speakers, at most."""

    windows: list[float]
    overall: float
    apart: float
    found: int
    expected: int


def drift(ear: Ear) -> Drift:
    delays = {n * SPACING: delay * 1000 for n, delay in ear.delays.items() if n * SPACING >= SETTLE}
    ends = max(delays, default=0.0)
    count = max(1, int((ends - SETTLE) / WINDOW))
    grouped: list[dict[int, list[float]]] = [{} for _ in range(count)]
    for at, delay in delays.items():
        window = min(count - 1, int((at - SETTLE) / WINDOW))
        speaker = int(at / SPACING) % KINDS // 2
        grouped[window].setdefault(speaker, []).append(delay)
    grouped = [group for group in grouped if group]
    if not grouped:
        return Drift([], float("nan"), float("nan"), len(ear.delays), ear.expected)
    whole = [_quick([d for each in group.values() for d in each]) for group in grouped]
    each = [{who: _quick(them) for who, them in group.items()} for group in grouped]
    changes = [each[-1][who] - each[0][who] for who in each[0] if who in each[-1]]
    apart = max(changes) - min(changes) if changes else float("nan")
    return Drift(
        [round(one - whole[0], 2) for one in whole],
        round(whole[-1] - whole[0], 2),
        round(apart, 2),
        len(ear.delays),
        ear.expected,
    )


def _quick(delays: list[float]) -> float:
    return sorted(delays)[len(delays) // 10]


def zero(measure: str, found: Slope) -> bool:
    return abs(found.slope) <= max(ZERO[measure], 2 * found.error)


def main() -> int:
    """0 when nothing grows and nothing slips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--listeners", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, help="write all samples and marks to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hustings-soak-") as folder:
        watched, ear = run(options.minutes, options.listeners, Path(folder))
    slopes, slipped = watched.slopes(), drift(ear)
    length = (time.monotonic() - watched.began) / 60
    if options.keep:
        kept = {"samples": watched.samples, "delays": ear.delays}
        options.keep.write_text(json.dumps(kept))
    # PSS is told, not judged.
    judged = {name: {m: s for m, s in each.items() if m != "pss"} for name, each in slopes.items()}
    good = all(zero(measure, one) for each in judged.values() for measure, one in each.items())
    good &= abs(slipped.overall) < 20 and slipped.apart < 20
    good &= not (watched.lost_listeners or watched.restarts)
    if options.json:
        rows = {n: {m: [s.slope, s.error, s.last] for m, s in each.items()} for n, each in slopes.items()}
        print(json.dumps({"minutes": length, "slopes": rows, "drift": slipped.windows, "good": good}))
        return 0 if good else 1
    print(f"{length:.0f} min, {options.listeners} listeners; slope an hour of the last half (standard error)")
    for name, each in slopes.items():
        for measure, one in each.items():
            unit = 1e6 if measure in ("memory", "pss") else 1
            figures = f"{one.last / unit:9.1f} {one.slope / unit:+9.3f} ({one.error / unit:.3f})"
            fine = "" if measure == "pss" else ("ok" if zero(measure, one) else "GROWS")
            print(f"{name:<11} {measure:<12} {figures:<30} {fine}")
    print(f"drift: {slipped.overall:+.2f} ms, speakers apart {slipped.apart:.2f} ms; {slipped}")
    print(f"listeners lost {watched.lost_listeners}, restarts {watched.restarts}")
    print(f"visits {watched.visits}, failed {watched.failed_visits}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
