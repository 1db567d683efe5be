"""What one frame of 20 ms costs in each part of the audio core, in microseconds.

Run: .venv/bin/python benchmarks/audio_cost.py [--json]. The median of several rounds is shown, because other
work on the machine only ever makes a round slower.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from hustings.audio.aac import AacEncoder
from hustings.audio.frame import FRAME_SAMPLES, Samples
from hustings.audio.level import SpeakingDetector, level_dbov
from hustings.audio.limiter import Limiter
from hustings.audio.loudness import Leveller, Loudness
from hustings.audio.mixer import mix
from hustings.audio.opus import OpusDecoder, OpusEncoder
from hustings.audio.receiver import Receiver

ROUNDS = 9
FRAMES = 150


def voice() -> Samples:
    """Three seconds of something voiced: harmonics of a gliding pitch under a syllable envelope."""
    at = np.arange(FRAMES * FRAME_SAMPLES) / 48_000
    phase = 2 * np.pi * 120 * (at + 0.01 * np.sin(2 * np.pi * 0.7 * at))
    sound = sum(np.sin(k * phase + k * k) / k for k in range(1, 20))
    return np.asarray(0.1 * sound * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * at)), dtype=np.float32)


def cost(work: Callable[[], Iterable[object]], calls: int) -> float:
    """Median over rounds of the time per call, microseconds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in work():
            pass
        rounds.append((time.perf_counter() - start) / calls * 1e6)
    return statistics.median(rounds)


def receive(packets: list[bytes], levelled: bool = False) -> Iterable[object]:
    """Push and pull in step, as the stage's tick does."""
    receiver, leveller = Receiver(), Leveller(enabled=levelled)
    for n, packet in enumerate(packets):
        receiver.push(n, n * FRAME_SAMPLES, packet, n * 0.02, -20)
        pulled = receiver.pull(n * 0.02 + 0.001)
        yield leveller.process(pulled.frame, True)


def meter(frames: list[Samples]) -> Iterable[object]:
    loudness = Loudness()
    for frame in frames:
        loudness.push(frame)
        yield None


def encode_aac(sound: Samples) -> Iterable[object]:
    encoder = AacEncoder()
    yield encoder.encode(sound)


def measure() -> dict[str, float]:
    sound = voice()
    frames = list(sound.reshape(-1, FRAME_SAMPLES))
    results: dict[str, float] = {}
    packets: dict[str, list[bytes]] = {}
    for name, encoder in (
        ("voip", OpusEncoder(application="voip")),
        ("voip without FEC", OpusEncoder(application="voip", fec=False)),
        ("audio", OpusEncoder(application="audio", fec=False)),
    ):
        packets[name] = [encoder.encode(frame) for frame in frames]
        results[f"encode {name}, 32 kbit/s, complexity 5"] = cost(
            partial(map, encoder.encode, frames), FRAMES
        )
    decoder = OpusDecoder()
    for name in ("voip", "audio"):
        results[f"decode {name}"] = cost(partial(map, decoder.decode, packets[name]), FRAMES)
        results[f"receiver {name}: push + pull"] = cost(partial(receive, packets[name]), FRAMES)
        results[f"speaker's whole chain {name}: push + pull + leveller"] = cost(
            partial(receive, packets[name], True), FRAMES
        )
    leveller, detector = Leveller(), SpeakingDetector()
    results["leveller"] = cost(lambda: (leveller.process(frame, True) for frame in frames), FRAMES)
    results["level + speaking"] = cost(
        lambda: (detector.update(level_dbov(frame), n * 0.02) for n, frame in enumerate(frames)), FRAMES
    )
    results["loudness meter"] = cost(lambda: meter(frames), FRAMES)
    for name, gain in (("quiet", 0.1), ("near the ceiling", 0.8), ("limiting", 4.0)):
        limiter, loud = Limiter(), [frame * np.float32(gain / np.abs(sound).max()) for frame in frames]
        results[f"limiter, {name}"] = cost(partial(map, limiter.process, loud), FRAMES)
    stack = np.stack(frames[:13])
    results["mix and 13 mix-minus"] = cost(lambda: (mix(stack) for _ in range(FRAMES)), FRAMES)
    results["AAC, per 1024 samples"] = cost(lambda: encode_aac(sound), len(sound) // 1024)
    return results


def main() -> None:
    results = measure()
    if "--json" in sys.argv[1:]:
        rows = [
            {"bench": "audio", "subject": "hustings", "metric": name, "value": round(value, 1), "unit": "us"}
            for name, value in results.items()
        ]
        print(json.dumps(rows, indent=1))
        return
    for name, value in results.items():
        print(f"{value:8.1f} us  {name}")


if __name__ == "__main__":
    main()
