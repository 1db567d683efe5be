"""A long recording in little time: `python benchmarks/recording_hour.py [--minutes 60] [--loss 0.01]
[--json]`.

The real engine, packager and recorder on a clock that is not waited for. Four speakers whose clocks run up
to 200 ppm fast or slow, with jitter and 1 % loss, talk in turn, half a second each. Afterwards each track,
placed by its granule positions, is compared with the program at the start, in the middle and at the end:

- `lag`: in windows of 10 s, one every 5 s, the shift at which the speaker's loudness over time in the
  track (2.5 ms steps) correlates best with the same in the program: how far the two are apart;
- `onset`: each single onset in the track against the same onset in the program. Where just that packet was
  lost, the live sound conceals otherwise than a decoder of the track, and the onset moves, not the timeline.

Prints the differences in ms, the sizes and the processor's time that the recorder took.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from hustings.audio.opus import OpusEncoder
from hustings.stage.tap import Policy
from hustings.stage.webrtc.rtp import RtpStream

sys.path.append(str(Path(__file__).parents[1] / "tests" / "stage"))

PPM = (200.0, -200.0, 80.0, -30.0)
ROUND = 200
"""Frames after which everybody's turn comes again: 4 s."""
TURN = 25
HOP = 120
"""Samples between two values of loudness: 2.5 ms."""
WINDOW = 4_000
"""Hops in a window: 10 s."""
REACH = 80
"""Hops by which a window is shifted at most: 200 ms."""
PARTS = (("start", 0.0, 0.1), ("middle", 0.45, 0.55), ("end", 0.9, 1.0))
"""Of the whole length."""


def loop(index: int) -> list[tuple[bytes, int]]:
    """One round of a speaker's packets, with their levels in -dBov."""
    encoder = OpusEncoder(32_000, application="voip", fec=True)
    t = np.arange(ROUND * 960) / 48_000
    begins = index * (ROUND // 4) * 960
    gate = ((t * 48_000 >= begins) & (t * 48_000 < begins + TURN * 960)).astype(np.float32)
    samples = (0.3 * gate * np.sin(2 * np.pi * (400 + 130 * index) * t)).astype(np.float32)
    frames = samples.reshape(-1, 960)
    return [(encoder.encode(frame), 13 if frame.any() else 127) for frame in frames]


class Speaker:
    """Sends by a clock of its own; what it sends is lost or late now and then."""

    def __init__(self, index: int, seed: int, loss: float) -> None:
        self._loss = loss
        self.name = f"p{index}"
        self.session = f"session-{index}"
        self._packets = loop(index)
        self._stream = RtpStream(1000 + index, 111, sequence=65_000, timestamp=2**32 - 9_000, level_id=1)
        self._chance = random.Random(seed)
        self._step = 0.02 / (1 + PPM[index] * 1e-6)
        self._next = 0.0
        self._sent = 0
        self._flying: list[tuple[float, bytes]] = []

    def arrived(self, now: float) -> list[bytes]:
        while self._next <= now:
            payload, level = self._packets[self._sent % ROUND]
            data = self._stream.next(payload, level=level)
            if self._chance.random() >= self._loss:
                self._flying.append((self._next + min(0.03, self._chance.expovariate(400)), data))
            self._sent += 1
            self._next += self._step
        there = [data for at, data in self._flying if at <= now]
        self._flying = [each for each in self._flying if each[0] > now]
        return there


def loudness(samples: NDArray[np.float32], hertz: float) -> NDArray[np.float64]:
    """Of one speaker's tone, whatever else is heard; one value each HOP."""
    blocks: list[NDArray[np.complex64]] = []
    for start in range(0, len(samples) // HOP * HOP, 40_000 * HOP):
        part = samples[start : start + 40_000 * HOP]
        part = part[: len(part) // HOP * HOP]
        turn = np.exp(-2j * np.pi * hertz * ((np.arange(len(part)) + start) / 48_000))
        blocks.append((part * turn).reshape(-1, HOP).sum(axis=1).astype(np.complex64))
    # 20 ms: the others' tones, 130 Hz and more away, are as good as gone.
    level: NDArray[np.float64] = np.abs(np.convolve(np.concatenate(blocks), np.ones(8) / 960, "same"))
    return level


def onsets(level: NDArray[np.float64], offset: int) -> NDArray[np.int64]:
    """Media times at which a tone begins after at least 0.3 s without it."""
    loud = np.flatnonzero(level > 0.06)
    begins = loud[np.flatnonzero(np.diff(loud, prepend=-1_000) > 120)]
    return begins * HOP + offset


def lags(track: NDArray[np.float64], begins: int, program: NDArray[np.float64]) -> list[tuple[float, float]]:
    """(media time in s, ms by which the track is behind the program) of windows that overlap by half, by
    their middles, where both are there. The loudness of the track
    begins at media time `begins`, the program's at 0."""
    found = []
    for first in range(REACH, len(program) - WINDOW - REACH, WINDOW // 2):
        own = round((first * HOP - begins) / HOP)
        if own < 0 or own + WINDOW > len(track):
            continue
        piece = track[own : own + WINDOW] - track[own : own + WINDOW].mean()
        around = program[first - REACH : first + WINDOW + REACH]
        likeness = np.correlate(around - around.mean(), piece, "valid")
        best = min(max(int(likeness.argmax()), 1), 2 * REACH - 1)
        left, top, right = likeness[best - 1 : best + 2]
        finer = (left - right) / 2 / (left - 2 * top + right)  # the parabola through the three
        off = begins + own * HOP - first * HOP - (best - REACH + finer) * HOP
        found.append(((first + WINDOW // 2) * HOP / 48_000, float(off) / 48))
    return found


def decode(data: bytes) -> NDArray[np.float32]:
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(stream)])


def run(minutes: float, loss: float) -> dict[str, Any]:
    from record_support import MemoryDisk, Studio

    disk = MemoryDisk()
    room = Studio(disk)
    speakers = [Speaker(index, index, loss) for index in range(4)]
    for speaker in speakers:
        room.engine.connect(
            speaker.session,
            participant_id=speaker.name,
            name=speaker.name,
            role="speaker",
            muted=False,
            payload_type=111,
            level_id=1,
            returns=False,
        )
    recorder, spent = room.recorder, [0.0]

    def timed(name: str) -> None:
        inner = getattr(recorder, name)

        def outer(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*arguments)
            finally:
                spent[0] += time.perf_counter() - began

        setattr(recorder, name, outer)

    for name in ("tick", "chunk", "write", "sync"):
        timed(name)
    start = room.now
    room.engine.tap.policy = Policy(True, False, frozenset(speaker.name for speaker in speakers))
    room.engine.go_live(room.wall, room.wall)
    for _ in range(round(minutes * 3_000)):
        for speaker in speakers:
            for data in speaker.arrived(room.now - start):
                room.engine.packet(speaker.session, data, room.now - 0.001)
        room.tick()
        room.outputs.clear()
    room.end()
    return measure({str(path): bytes(file.data) for path, file in disk.files.items()}, minutes, spent[0])


def measure(files: dict[str, bytes], minutes: float, spent: float) -> dict[str, Any]:
    segments = sorted(
        (int(Path(path).stem), data)
        for path, data in files.items()
        if "/program/opus/" in path and ".m4s" in path
    )
    program = decode(files["/data/program/opus/init.mp4"] + b"".join(data for _, data in segments))
    result: dict[str, Any] = {"minutes": minutes, "recorder_cpu_percent": round(spent / minutes / 0.6, 2)}
    shifts: list[tuple[float, float]] = []
    differences: list[tuple[float, float]] = []
    for index in range(4):
        lines = files[f"/data/tracks/p{index}.0.jsonl"].splitlines()
        begins = json.loads(lines[0])["begins"]
        totals = json.loads(lines[-1])
        assert totals["received"] == totals["written"] + totals["declared"]
        mixed = loudness(program, 400.0 + 130 * index)
        own = loudness(decode(files[f"/data/tracks/p{index}.0.opus"]), 400.0 + 130 * index)
        shifts += lags(own, begins, mixed)
        heard = onsets(mixed, 0)
        for onset in onsets(own, begins):
            nearest = heard[np.abs(heard - onset).argmin()]
            differences.append((onset / 48_000, (onset - nearest) / 48))
    for kind, found in (("lag", shifts), ("onset", differences)):
        result |= spread(kind, np.array(found), minutes * 60)
    tracks = sum(len(data) for path, data in files.items() if "/tracks/" in path)
    result["windows"], result["onsets"] = len(shifts), len(differences)
    result["tracks_mb_an_hour"] = round(tracks / minutes * 60 / 1e6, 1)
    result["all_mb_an_hour"] = round(sum(map(len, files.values())) / minutes * 60 / 1e6, 1)
    return result


def spread(kind: str, found: NDArray[np.float64], length: float) -> dict[str, float]:
    """`found`: (media time in s, ms). How far apart, at the start, in the middle, at the end and anywhere."""
    result = {}
    for name, low, high in (*PARTS, ("all", 0.0, 1.0)):
        part = np.abs(found[(found[:, 0] >= low * length) & (found[:, 0] <= high * length), 1])
        result[f"{kind}_{name}_ms_p50"] = round(float(np.median(part)), 1)
        result[f"{kind}_{name}_ms_p95"] = round(float(np.percentile(part, 95)), 1)
        result[f"{kind}_{name}_ms_max"] = round(float(part.max()), 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = run(arguments.minutes, arguments.loss)
    print(json.dumps(result) if arguments.json else "\n".join(f"{k:22} {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
