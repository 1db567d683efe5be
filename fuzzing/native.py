"""What is fuzzed of libdatachannel: STUN, DTLS, SRTP at the media port, RTCP and RTP in a session, SDP.

Native code that fails ends the process, so each target runs in one of its own; the last inputs are in a file
that outlives it. A broken promise: the process dies, a speaker who was connected is not any more, or
somebody new cannot connect.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import mmap
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

from engine import Found, Outcome, mutate

from hustings.errors import Refused, Unavailable
from hustings.stage.webrtc import sdp
from hustings.stage.webrtc.peer import AnsweringPeer, MediaDoor, OffererPeer
from hustings.stage.webrtc.rtp import is_rtcp

SHARES = {"stun": 1500, "rtcp": 370, "answer": 6}
"""Of how many runs in ten thousand."""
SLOT, SLOTS = 2048, 64
"""Bytes of the ring in which the last inputs are."""
LOOK = 5_000
"""Datagrams between two looks whether the speaker is still there."""
COOKIE = 0x2112A442


class Ring:
    """The last inputs, in a file: written to memory, but there when this process is not."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(SLOT * SLOTS)
            self._map = mmap.mmap(file.fileno(), SLOT * SLOTS)
        self._next = 0

    def put(self, data: bytes) -> None:
        at = self._next % SLOTS * SLOT
        kept = data[: SLOT - 10]
        self._map[at : at + 10 + len(kept)] = struct.pack("<QH", self._next + 1, len(kept)) + kept
        self._next += 1

    @staticmethod
    def read(path: Path) -> list[bytes]:
        """Oldest first."""
        whole = path.read_bytes()
        found = []
        for at in range(0, len(whole), SLOT):
            number, size = struct.unpack_from("<QH", whole, at)
            if number:
                found.append((number, whole[at + 10 : at + 10 + size]))
        return [data for _, data in sorted(found)]


def stun(kind: int, username: str, password: str, chance: random.Random, more: bytes = b"") -> bytes:
    """A STUN message (RFC 8489) with a MESSAGE-INTEGRITY by `password` and a FINGERPRINT."""
    user = username.encode()
    body = struct.pack("!HH", 0x0006, len(user)) + user + bytes(-len(user) % 4)
    body += struct.pack("!HHI", 0x0024, 4, 1_853_824_767) + more
    transaction = chance.randbytes(12)
    head = struct.pack("!HHI", kind, len(body) + 24, COOKIE) + transaction
    body += struct.pack("!HH", 0x0008, 20) + hmac.digest(password.encode(), head + body, hashlib.sha1)
    head = struct.pack("!HHI", kind, len(body) + 8, COOKIE) + transaction
    return head + body + struct.pack("!HHI", 0x8028, 4, zlib.crc32(head + body) ^ 0x5354_554E)


def client_hello(chance: random.Random) -> bytes:
    """A DTLS 1.2 ClientHello (RFC 6347 4.2.2) with two cipher suites and use_srtp."""
    extensions = bytes.fromhex("000e0005000200010000000a00040002001700170000ff01000100")
    hello = b"\xfe\xfd" + chance.randbytes(32) + b"\0\0" + bytes.fromhex("0004c02bc02f0100")
    hello += struct.pack("!H", len(extensions)) + extensions
    size = len(hello).to_bytes(3)
    fragment = b"\x01" + size + b"\0\0" + b"\0\0\0" + size + hello
    return b"\x16\xfe\xfd" + bytes(8) + struct.pack("!H", len(fragment)) + fragment


def rtcp_seeds(ssrc: int) -> list[bytes]:
    """One of each (RFC 3550 6, RFC 4585, RFC 3611)."""
    report = struct.pack("!IIIIII", ssrc, 0x01000001, 65536, 10, 0, 0)
    packets = [
        struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, 1 << 63, 960, 5, 500),
        struct.pack("!BBHIQIII", 0x81, 200, 12, ssrc, 1 << 63, 960, 5, 500) + report,
        struct.pack("!BBHI", 0x81, 201, 7, ssrc) + report,
        struct.pack("!BBHIBB", 0x81, 202, 3, ssrc, 1, 4) + b"abcd\0\0",
        struct.pack("!BBHI", 0x81, 203, 1, ssrc),
        struct.pack("!BBHI", 0x81, 204, 2, ssrc) + b"name",
        struct.pack("!BBHIIHH", 0x81, 205, 3, ssrc, ssrc, 7, 0xFFFF),
        struct.pack("!BBHII", 0x81, 206, 2, ssrc, ssrc),
        struct.pack("!BBHII", 0x8F, 206, 4, ssrc, ssrc) + b"REMB\x01\0\0\0",
        struct.pack("!BBHIBBH", 0x80, 207, 4, ssrc, 4, 0, 2) + bytes(8),
    ]
    return [*packets, packets[0] + packets[3], packets[2] + packets[6]]


async def connect(door: MediaDoor) -> tuple[OffererPeer, AnsweringPeer]:
    """A speaker and the stage's side, connected."""
    speaker = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    seat = await AnsweringPeer.create(sdp.read_offer(speaker.offer, "ingest"), door)
    speaker.apply(seat.answer)
    await speaker.connected(60.0)
    return speaker, seat


async def heard(speaker: OffererPeer, seat: AnsweringPeer) -> None:
    """Raises AssertionError when what the speaker says does not come."""
    mark = b"mark" + random.randbytes(16)
    end = time.monotonic() + 40.0
    while time.monotonic() < end:
        speaker.send(speaker.stream.next(mark, level=30))
        await asyncio.sleep(0.005)
        while (data := seat.receive()) is not None:
            assert not is_rtcp(data)
            if data.endswith(mark):
                return
    raise AssertionError(f"the speaker is not heard any more: {speaker.state}, {seat.state}")


async def fuzz_stun(runs: int, chance: random.Random, keep: Callable[[bytes], None]) -> None:
    """Datagrams at the media port, of strangers and with what only a session's people know."""
    held = MediaDoor("127.0.0.1", 0).listen()
    speaker, seat = await connect(held.door)
    waiting = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    half = await AnsweringPeer.create(sdp.read_offer(waiting.offer, "ingest"), held.door)
    pool: list[bytes] = []
    for peer in (seat, half):
        ours, theirs = sdp.read_answer(peer.answer), peer.offer
        # Who knows a session's name and password is its speaker, and may lead its sound elsewhere: only the
        # one in which nobody talks yet is tried with them. Of the other strangers know what they try.
        name, password = (ours.ufrag, ours.pwd) if peer is half else (ours.ufrag[:4], "x" * 22)
        for user in (f"{name}:{theirs.ufrag}", name, f"x:{name}", f"{name}:", ""):
            for kind in (0x0001, 0x0011, 0x0101, 0x0111):
                more = chance.choice((b"", struct.pack("!HHQ", 0x802A, 8, 7), struct.pack("!HH", 0x0025, 0)))
                pool.append(stun(kind, user, password, chance, more))
    pool += [
        client_hello(chance),
        b"\x80\x6f" + bytes(30),
        b"\x80\xc8\0\6" + bytes(24),
        b"\x17\xfe\xfd" + bytes(30),
    ]
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
    try:
        for number, one in enumerate(sockets):
            one.bind((f"127.0.8.{1 + number}", 0))
            one.setblocking(False)
        for number in range(runs):
            data = mutate(chance.choice(pool), chance, pool, ())[:1400]
            keep(data)
            try:
                sockets[number % 16].sendto(data, ("127.0.0.1", held.door.port))
            except OSError:
                pass
            if number % 100 == 0:
                await asyncio.sleep(
                    0.002
                )  # the other side reads: what does not fit in its buffer tests nothing
            if number % LOOK == 0:
                await heard(speaker, seat)
        await heard(speaker, seat)
        for each in await connect(held.door):
            each.close()
    finally:
        for one in sockets:
            one.close()
        for end in (speaker, seat, waiting, half):
            end.close()
        held.stop()


async def fuzz_rtcp(runs: int, chance: random.Random, keep: Callable[[bytes], None]) -> None:
    """RTCP and RTP inside a session: what somebody sends who was let in."""
    held = MediaDoor("127.0.0.1", 0).listen()
    speaker, seat = await connect(held.door)
    own = speaker.stream.ssrc.to_bytes(4)
    pool = rtcp_seeds(speaker.stream.ssrc) + [speaker.stream.next(b"sound", level=30) for _ in range(4)]
    for number in range(runs):
        data = mutate(chance.choice(pool), chance, pool, ())[:1300]
        if not is_rtcp(data) and data[8:12] == own:
            # Sequence numbers that jump about in his own stream are what SRTP takes for a replay (RFC 3711
            # 3.3.2): he silences himself and nobody else.
            data = data[:8] + b"else" + data[12:]
        keep(data)
        # The handler of the sending side reads RTCP that goes out, too: both are ours.
        speaker.send(data)
        if number % 50 == 0:
            await asyncio.sleep(0)
            while (got := seat.receive()) is not None:
                assert not is_rtcp(got)
            while speaker.receive() is not None:
                pass
        if number % LOOK == 0:
            await heard(speaker, seat)
    await heard(speaker, seat)
    speaker.close()
    seat.close()
    held.stop()


async def fuzz_answer(runs: int, chance: random.Random, keep: Callable[[bytes], None]) -> None:
    """Offers that our own checks let through go to the library."""
    held = MediaDoor("127.0.0.1", 0).listen()
    peer = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    good = peer.offer.encode()
    peer.close()
    done = 0
    while done < runs:
        data = mutate(good, chance, [good], ())
        try:
            session = sdp.read_offer(data.decode("latin-1"), "ingest")
        except Refused:
            continue
        keep(data)
        done += 1
        try:
            (await AnsweringPeer.create(session, held.door)).close()
        except (Refused, Unavailable):
            pass
    for each in await connect(held.door):
        each.close()
    held.stop()


KINDS = {"stun": fuzz_stun, "rtcp": fuzz_rtcp, "answer": fuzz_answer}


def run_apart(name: str, runs: int, seed: int) -> Outcome:
    """In a process of its own. Raises Found, with the last inputs one after another."""
    with tempfile.TemporaryDirectory() as folder:
        ring = Path(folder) / "ring"
        command = [sys.executable, __file__, name, str(runs), str(seed), str(ring)]
        limit = 600 + runs / 200
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired as error:
            raise Found(name, b"".join(Ring.read(ring)[-8:])) from error
        if ended.returncode:
            print(ended.stderr[-3000:], file=sys.stderr)
            print(f"{name}: ended with {ended.returncode}", file=sys.stderr)
            raise Found(name, b"".join(Ring.read(ring)[-8:]))
        return Outcome(name, runs, json.loads(ended.stdout.splitlines()[-1]), 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(KINDS))
    parser.add_argument("runs", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("ring", type=Path)
    options = parser.parse_args()
    ring = Ring(options.ring)
    chance = random.Random(f"{options.seed} {options.name}")
    began = time.monotonic()
    asyncio.run(KINDS[options.name](options.runs, chance, ring.put))
    print(json.dumps(time.monotonic() - began))


if __name__ == "__main__":
    main()
