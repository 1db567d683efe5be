"""What one tick of the stage costs, without network, threads or other processes, in microseconds.

Run: .venv/bin/python benchmarks/tick_cost.py [--speakers 13] [--talking 3] [--seconds 20] [--profile]
[--json]

A `BroadcastEngine` under a clock of its own gets the packets that `stage_load.py` sends (the same voices, 50
a second and speaker) and runs its ticks back to back. Shown are the CPU time of a tick with its packets, of
this what libopus itself takes, and what packaging a frame takes, which the stage does in another thread.
`--profile`: Python's profile of it; its own cost makes small functions look dearer than they are.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from hustings.audio import opus
from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS
from hustings.bench.voices import speech
from hustings.stage.engine import BroadcastEngine
from hustings.stage.packager import Packager
from hustings.stage.webrtc.rtp import RtpStream

PAYLOAD_TYPE, LEVEL_ID = 111, 1
WARM_UP = 200
"""Ticks before anything counts: silent speakers come to rest, levelling settles."""


class Timed:
    """Calls a function and adds up the time it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.seconds = 0.0

    def __call__(self, *arguments: Any) -> Any:
        start = time.thread_time()
        result = self._function(*arguments)
        self.seconds += time.thread_time() - start
        return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speakers", type=int, default=13)
    parser.add_argument("--talking", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if "OPENBLAS_NUM_THREADS" not in os.environ:  # as in a stage; it must be there when numpy is loaded
        os.execve(
            sys.executable,
            [sys.executable, *sys.orig_argv[1:]],
            {**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
    run = Run(options.speakers, options.talking)
    profile = cProfile.Profile() if options.profile else None
    figures = run.measure(round(options.seconds / FRAME_SECONDS), profile)
    if options.json:
        print(json.dumps({name: round(value, 1) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{value:8.1f} us  {name}")
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)


class Run:
    """A broadcast with everybody connected."""

    def __init__(self, speakers: int, talking: int) -> None:
        self._engine = BroadcastEngine("bench", "bench", max_voices=speakers)
        self._packager = Packager("bench", 0, 96_000)
        self._voices: list[tuple[str, list[bytes], int, RtpStream]] = []
        for index in range(speakers):
            stream = RtpStream(index + 1, PAYLOAD_TYPE, sequence=0, timestamp=0, level_id=LEVEL_ID)
            packets = speech(index, index < talking, -75)
            self._voices.append((f"s{index}", packets, 25 if index < talking else 75, stream))
            self._engine.connect(
                f"s{index}",
                participant_id=f"p{index}",
                name=f"Speaker {index}",
                role="speaker",
                muted=False,
                payload_type=PAYLOAD_TYPE,
                level_id=LEVEL_ID,
                returns=True,
            )
        self._engine.go_live(0.0, 0.0)
        self._number = 0

    def measure(self, ticks: int, profile: cProfile.Profile | None = None) -> dict[str, float]:
        """Medians over `ticks`."""
        for _ in range(WARM_UP):
            self._tick()
        timed = Timed(opus._encode_float), Timed(opus._decode_float)
        opus._encode_float, opus._decode_float = timed  # type: ignore[assignment]
        whole: list[float] = []
        package: list[float] = []
        if profile is not None:
            profile.enable()
        for _ in range(ticks):
            spent, packaged = self._tick()
            whole.append(spent)
            package.append(packaged)
        if profile is not None:
            profile.disable()
        return {
            "tick with its packets, fastest tenth": statistics.quantiles(whole, n=10)[0] * 1e6,
            "tick with its packets, median": statistics.median(whole) * 1e6,
            "tick with its packets, mean": statistics.fmean(whole) * 1e6,
            "... of it encoding in libopus": timed[0].seconds / ticks * 1e6,
            "... of it decoding in libopus": timed[1].seconds / ticks * 1e6,
            "packaging a frame, mean": statistics.fmean(package) * 1e6,
        }

    def _tick(self) -> tuple[float, float]:
        now = self._number * FRAME_SECONDS
        packets = [
            (session, stream.next(voice[self._number % len(voice)], FRAME_SAMPLES, level=level))
            for session, voice, level, stream in self._voices
        ]
        start = time.thread_time()
        for session, data in packets:
            self._engine.packet(session, data, now)
        output = self._engine.tick(now + 0.01, now)
        self._engine.drain_events()
        middle = time.thread_time()
        if output.program is not None:
            self._packager.push(output.program)
        self._number += 1
        return middle - start, time.thread_time() - middle


if __name__ == "__main__":
    main()
