"""Throw anything at a Receiver: packets real, broken and invented, in any order, at any time.

Run for ever: .venv/bin/python fuzzing/fuzz_receiver.py. Bounded: add --runs N [--seed S]. A failure prints
the seed that repeats it. What must hold: nothing is raised, every pull is one finite frame, memory stays
bounded, every packet is accounted.
"""

from __future__ import annotations

import argparse
import itertools
import random
from functools import cache

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES
from hustings.audio.opus import OpusEncoder
from hustings.audio.receiver import Receiver


@cache
def real_packets() -> tuple[bytes, ...]:
    """Half a second of noise in each of Opus's modes."""
    noise = np.random.default_rng(0).standard_normal((8, FRAME_SAMPLES)).astype(np.float32) * np.float32(0.1)
    packets: list[bytes] = []
    for bitrate in (8_000, 16_000, 32_000, 96_000):
        encoder = OpusEncoder(bitrate)
        packets += [encoder.encode(frame) for frame in noise]
    return tuple(packets)


def payload(dice: random.Random) -> bytes:
    """A whole packet, a damaged one, or noise behind any TOC byte."""
    packet = dice.choice(real_packets())
    match dice.randrange(6):
        case 0:
            return packet[: dice.randrange(len(packet) + 1)]
        case 1:
            broken = bytearray(packet)
            for _ in range(dice.randrange(1, 6)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            return bytes(broken)
        case 2:
            return dice.randbytes(dice.choice((0, 1, 2, 3, 40, 1275, 5000)))
        case _:
            return packet


def once(seed: int) -> None:
    """One receiver's life: some hundred packets and pulls."""
    dice = random.Random(seed)
    receiver = Receiver()
    sequence, timestamp, now = dice.getrandbits(16), dice.getrandbits(32), dice.uniform(-5.0, 1e6)
    wildness = dice.choice((0.0, 0.05, 0.5))
    pushed = 0
    for _ in range(dice.randrange(50, 400)):
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2, 5))):
            if dice.random() < wildness:
                sequence = dice.choice((sequence + dice.randrange(-40, 40), dice.getrandbits(16)))
                timestamp = dice.choice((timestamp + dice.randrange(-9000, 9000), dice.getrandbits(32)))
            level = dice.choice((None, -30.0))
            receiver.push(sequence % 2**16, timestamp % 2**32, payload(dice), now, level)
            pushed += 1
            sequence, timestamp = sequence + 1, timestamp + FRAME_SAMPLES
        now += dice.choice((0.02, 0.02, 0.02, 0.0, 0.3, -0.01)) if dice.random() < wildness else 0.02
        frame = receiver.pull(now).frame
        assert frame.shape == (FRAME_SAMPLES,)
        assert np.isfinite(frame).all()
    stats = receiver.stats
    assert stats.packets_waiting <= 140
    assert stats.packets_received == pushed
    assert stats.packets_received == (
        stats.packets_played
        + stats.packets_late
        + stats.packets_duplicate
        + stats.packets_discarded
        + stats.packets_waiting
    )
    receiver.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=0, help="stop after so many runs (default: never)")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    options = parser.parse_args()
    seeds = itertools.count(options.seed)
    for done, seed in enumerate(seeds, start=1):
        try:
            once(seed)
        except BaseException:
            print(f"failed with --seed {seed} --runs 1")
            raise
        if done == options.runs:
            break
    print(f"{options.runs} runs, nothing found")


if __name__ == "__main__":
    main()
