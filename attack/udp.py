"""Attack 5: garbage at the media port, from many sockets: noise, nothing, forged STUN, DTLS and SRTP."""

from __future__ import annotations

import random
import socket
import struct
import time
from typing import Any

from sockets import Address

_STUN_COOKIE = 0x2112A442


def noise(chance: random.Random) -> bytes:
    """Anything."""
    return chance.randbytes(chance.randrange(1, 1200))


def nothing(_chance: random.Random) -> bytes:
    """An empty datagram."""
    return b""


def stun(chance: random.Random) -> bytes:
    """A binding request (RFC 8489) with a user name and a wrong MESSAGE-INTEGRITY."""
    user = chance.randbytes(8).hex().encode()[: 4 * chance.randrange(1, 4)]
    username = struct.pack("!HH", 0x0006, len(user)) + user
    integrity = struct.pack("!HH", 0x0008, 20) + chance.randbytes(20)
    body = username + integrity
    return struct.pack("!HHI", 0x0001, len(body), _STUN_COOKIE) + chance.randbytes(12) + body


def srtp(chance: random.Random) -> bytes:
    """An RTP header (RFC 3550) with a tag nobody can have made."""
    head = struct.pack(
        "!BBHII", 0x80, 111, chance.randrange(65536), chance.getrandbits(32), chance.getrandbits(32)
    )
    return head + chance.randbytes(chance.randrange(0, 160))


def dtls(chance: random.Random) -> bytes:
    """A handshake record (RFC 6347 4.1) that begins like a ClientHello."""
    body = b"\x01" + chance.randbytes(chance.randrange(12, 300))
    return (
        b"\x16\xfe\xfd"
        + struct.pack("!HHI", 0, 0, chance.getrandbits(32))
        + struct.pack("!H", len(body))
        + body
    )


def zero_check(chance: random.Random) -> bytes:
    """A connectivity check as the relay door takes them, in nobody's name."""
    name = chance.randbytes(16).hex().encode() + b":h6vY\0\0\0"
    body = struct.pack("!HH", 0x0006, 37) + name + struct.pack("!HHQ", 0x802A, 8, 0)
    body += struct.pack("!HH", 0x0008, 20) + chance.randbytes(20)
    return struct.pack("!HHI", 0x0001, len(body), _STUN_COOKIE) + chance.randbytes(12) + body


KINDS = (noise, nothing, stun, srtp, dtls, zero_check)


def flood(port: int, rate: int, seconds: float, seed: int = 1, sockets: int = 64) -> dict[str, Any]:
    """`rate` datagrams a second to 127.0.0.1:`port`, of all kinds in turn."""
    chance = random.Random(seed)
    target: Address = ("127.0.0.1", port)
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(sockets)]
    for number, sender in enumerate(senders):
        sender.bind((f"127.0.8.{1 + number % 250}", 0))
        sender.setblocking(False)
    packets = [[kind(chance) for _ in range(200)] for kind in KINDS]
    sent = refused = 0
    start = time.monotonic()
    try:
        while (elapsed := time.monotonic() - start) < seconds:
            due = int(elapsed * rate) - sent - refused
            for _ in range(due):
                number = sent + refused
                packet = packets[number % len(KINDS)][number // len(KINDS) % 200]
                try:
                    senders[number % sockets].sendto(packet, target)
                    sent += 1
                except OSError:
                    refused += 1
            time.sleep(0.005)
    finally:
        for sender in senders:
            sender.close()
    return {"sent": sent, "refused": refused, "per_second": sent / seconds}
