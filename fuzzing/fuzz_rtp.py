"""Fuzzes the RTP parser: `python fuzzing/fuzz_rtp.py [--seconds N] [--seed N]`.

Mutates valid packets and checks that only Corrupt leaves `parse` and that the payload is part of the
packet. Prints the packet that broke it, as hexadecimal, and exits 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from hustings.errors import Corrupt
from hustings.stage.webrtc import rtp


def mutate(random_: random.Random, data: bytes) -> bytes:
    """A few flips, cuts, repeats and inserts."""
    result = bytearray(data)
    for _ in range(random_.randint(1, 5)):
        at = random_.randrange(len(result) + 1)
        match random_.randrange(4):
            case 0 if at < len(result):
                result[at] ^= 1 << random_.randrange(8)
            case 1:
                del result[at:]
            case 2:
                result[at:at] = random_.randbytes(random_.randint(1, 9))
            case _:
                result[at:at] = result[: random_.randint(0, 40)]
    return bytes(result)


def seed_packet(random_: random.Random) -> bytes:
    extensions = {
        random_.randint(1, 20): random_.randbytes(random_.randint(0, 20))
        for _ in range(random_.randint(0, 4))
    }
    payload = random_.randbytes(random_.randint(0, 60))
    return rtp.build(111, random_.getrandbits(16), random_.getrandbits(32), 7, payload, extensions=extensions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random_ = random.Random(arguments.seed)
    end = time.monotonic() + arguments.seconds
    runs = parsed = 0
    while time.monotonic() < end:
        data = mutate(random_, seed_packet(random_))
        runs += 1
        try:
            packet = rtp.parse(data, random_.randint(0, 14))
            assert packet.payload in data
            assert packet.level is None or 0 <= packet.level <= 127
            parsed += 1
        except Corrupt:
            pass
        except Exception as error:
            print(f"{error!r}: {data.hex()}")
            return 1
    print(f"{runs} packets, {parsed} parsed, the others Corrupt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
