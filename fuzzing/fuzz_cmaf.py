"""Feeds broken chunks and init segments to their readers: nothing but Corrupt may leave them.

python fuzzing/fuzz_cmaf.py [SECONDS]
"""

from __future__ import annotations

import random
import struct
import sys
import time

from hustings.cmaf.chunker import MAX_SAMPLES, read_chunk, read_chunks, write_chunk
from hustings.cmaf.init_segment import AAC_LC_MONO_48K, init_segment, read_init
from hustings.errors import Corrupt

_NASTY = [0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x0002_0000, 0x0F01]


def _seeds() -> list[bytes]:
    units = [bytes([65 + index]) * (index + 1) for index in range(10)]
    return [
        write_chunk(units, sequence_number=1, base_decode_time=9_600, sample_duration=960),
        write_chunk(
            units,
            sequence_number=2,
            base_decode_time=1 << 40,
            sample_duration=1024,
            segment_start=True,
            wall_clock=1.79e9,
        ),
        init_segment("opus"),
        init_segment("aac", audio_specific_config=AAC_LC_MONO_48K),
    ]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """One to four faults: bytes and 32-bit fields overwritten, pieces removed, repeated or moved."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not broken:
            break
        at = chance.randrange(len(broken))
        match chance.randrange(6):
            case 0:
                broken[at] = chance.randrange(256)
            case 1:
                broken[at] ^= 1 << chance.randrange(8)
            case 2:
                at -= at % 4
                broken[at : at + 4] = struct.pack(">I", chance.choice(_NASTY))
            case 3:
                del broken[at : at + chance.randint(1, 40)]
            case 4:
                piece = broken[at : at + chance.randint(1, 120)]
                broken[at:at] = piece
            case _:
                broken = broken[:at]
    return bytes(broken)


def check(data: bytes) -> bool:
    """Reads `data` in every way; returns whether all refused it. What is accepted is sound."""
    refused = True
    for read in (read_chunk, read_chunks, read_init):
        try:
            result = read(data)
        except Corrupt:
            continue
        refused = False
        chunks = result if isinstance(result, list) else [result]
        for chunk in chunks:
            samples = getattr(chunk, "samples", [])
            assert len(samples) <= 2 * MAX_SAMPLES
            assert all(at >= 0 and size > 0 and at + size <= len(data) for at, size, _ in samples)
    return refused


def fuzz(*, seed: int, rounds: int) -> int:
    """How many of `rounds` broken inputs were refused; raises what a reader should not raise."""
    chance = random.Random(seed)
    seeds = _seeds()
    return sum(check(mutate(chance.choice(seeds), chance)) for _ in range(rounds))


if __name__ == "__main__":
    until = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
    number = refused = 0
    while time.monotonic() < until:
        refused += fuzz(seed=number, rounds=1_000)
        number += 1
    print(f"{number * 1_000} inputs, {refused} refused, no other exception")
