"""Fuzzes the offer checks: `python fuzzing/fuzz_sdp.py [--seconds N] [--seed N] [--library]`.

Mutates a browser's offer and checks that only Refused (4xx) leaves the reader and that what is accepted
is written anew without a foreign byte. With `--library` each accepted offer also goes to libdatachannel.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from hustings.errors import Refused, Unavailable
from hustings.stage.webrtc import sdp
from hustings.stage.webrtc.peer import AnsweringPeer, MediaDoor, OffererPeer


def mutate(random_: random.Random, text: str) -> str:
    """Lines dropped, doubled, swapped; characters changed; long and strange values."""
    lines = text.split("\r\n")
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(lines))
        line = lines[at]
        position = random_.randrange(len(line) + 1)
        match random_.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(random_.randrange(len(lines)), line)
            case 2:
                lines[at] = (
                    line[:position] + chr(random_.choice((0, 9, 32, 58, 255, 0x0661))) + line[position:]
                )
            case 3:
                lines[at] = line[:position] + "9" * random_.choice((1, 20, 5000))
            case 4:
                lines[at] = line[:position]
            case 5:
                lines[at] = line + " " + random_.choice(lines)
            case _:
                lines[at] = line.replace("1", str(random_.randrange(-5, 10**12)))
        if not lines:
            break
    return "\r\n".join(lines)


async def run(seconds: float, seed: int, library: bool) -> int:
    random_ = random.Random(seed)
    peer = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    offer = peer.offer
    peer.close()
    door = MediaDoor("127.0.0.1", random_.randint(20000, 30000))
    end = time.monotonic() + seconds
    runs = accepted = answered = 0
    while time.monotonic() < end:
        text = mutate(random_, offer)
        runs += 1
        try:
            session = sdp.read_offer(text, random_.choice(("ingest", "egress")))
            sdp.read_fragment(text)
            rebuilt = session.text()
            assert rebuilt.isascii()
            assert len(rebuilt.splitlines()) <= 19 + sdp.MAX_CANDIDATES
            accepted += 1
            if library:
                (await AnsweringPeer.create(session, door)).close()
                answered += 1
        except Refused as refused:
            if not 400 <= refused.status < 500:
                raise
        except Unavailable:
            pass
        except Exception as error:
            print(f"{error!r}: {text!r}")
            return 1
    print(f"{runs} offers, {accepted} accepted, {answered} answered by the library, the others refused")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--library", action="store_true")
    arguments = parser.parse_args()
    return asyncio.run(run(arguments.seconds, arguments.seed, arguments.library))


if __name__ == "__main__":
    sys.exit(main())
