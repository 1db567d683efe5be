"""Attack 5, second half: a stranger's DTLS ClientHello at the media port, before and beside the right one.

A server that takes a ClientHello before ICE has shown that its sender was invited lets anybody who is quicker
spoil the handshake. Here 1,000 clients (real ones: libdatachannel, WHEP) connect, a few at a time, while
strangers send ClientHellos, whole and broken, and STUN with guessed names: all the time from many ports, and
in bursts while each offer is on its way. As root they also claim the client's own address and port.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import threading
import time
from typing import Any
from urllib.parse import urljoin

import httpx
import udp

from hustings.errors import HustingsError
from hustings.stage.webrtc.peer import OffererPeer

AT_ONCE = 4
BURST = 20
_CANDIDATE = re.compile(r"a=candidate:\S+ 1 UDP \d+ (127\.\S+|\d+\.\d+\.\d+\.\d+) (\d+) typ host")


def client_hello(chance: random.Random) -> bytes:
    """A DTLS 1.2 ClientHello (RFC 6347 4.2.2) that a server would answer."""
    extensions = bytes.fromhex("000e0005000200010000000a00040002001700170000ff01000100")
    hello = b"\xfe\xfd" + chance.randbytes(32) + b"\0\0" + bytes.fromhex("0004c02bc02f0100")
    hello += struct.pack("!H", len(extensions)) + extensions
    size = len(hello).to_bytes(3)
    fragment = b"\x01" + size + b"\0\0" + b"\0\0\0" + size + hello
    return b"\x16\xfe\xfd" + bytes(8) + struct.pack("!H", len(fragment)) + fragment


class Strangers:
    """Send to one media port of 127.0.0.1; `sent` counts."""

    def __init__(self, port: int, rate: int, *, forge: bool) -> None:
        self.sent = self.forged = 0
        self._to = ("127.0.0.1", port)
        self._rate = rate
        self._chance = random.Random(5)
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(32)]
        for number, sock in enumerate(self._sockets):
            sock.bind((f"127.0.8.{1 + number}", 0))
            sock.setblocking(False)
        self._raw: socket.socket | None = None
        if forge:
            try:
                self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            except PermissionError:
                print("not root: nobody's address is claimed")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Strangers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()
        if self._raw is not None:
            self._raw.close()

    def _run(self) -> None:
        start = time.monotonic()
        while not self._stop.wait(0.005):
            for _ in range(min(500, int((time.monotonic() - start) * self._rate) - self.sent)):
                self._send(udp.stun(self._chance) if self.sent % 4 == 3 else self._hello())

    def _hello(self) -> bytes:
        hello = bytearray(client_hello(self._chance))
        if self._chance.random() < 0.5:
            hello[self._chance.randrange(13, len(hello))] ^= 1 << self._chance.randrange(8)
        return bytes(hello)

    def _send(self, data: bytes) -> None:
        self.sent += 1
        try:
            self._sockets[self.sent % len(self._sockets)].sendto(data, self._to)
        except OSError:
            pass

    def burst(self, offer: str) -> None:
        """While the answer to `offer` is on its way."""
        for _ in range(BURST):
            self._send(self._hello())
        if self._raw is None:
            return
        for address, port in _CANDIDATE.findall(offer):
            if address.startswith("127."):
                datagram = _datagram(address, int(port), self._to, self._hello())
                self._raw.sendto(datagram, self._to)
                self.forged += 1


def _datagram(source: str, port: int, to: tuple[str, int], data: bytes) -> bytes:
    """An IPv4 packet (RFC 791) with a UDP datagram (RFC 768); its checksum is left to the kernel."""
    size = 28 + len(data)
    ends = socket.inet_aton(source) + socket.inet_aton(to[0])
    head = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0, 64, socket.IPPROTO_UDP, 0) + ends
    return head + struct.pack("!HHHH", port, to[1], 8 + len(data), 0) + data


async def _connect(client: httpx.AsyncClient, url: str, strangers: Strangers) -> float:
    """Seconds from the offer to a connection over which packets can go. Raises HustingsError."""
    peer = await OffererPeer.create("recvonly", bind_address="127.0.0.1")
    began = time.monotonic()
    try:
        strangers.burst(peer.offer)
        answer = await client.post(url, content=peer.offer, headers={"Content-Type": "application/sdp"})
        answer.raise_for_status()
        strangers.burst(peer.offer)
        peer.apply(answer.text)
        await peer.connected(30.0)
        lasted = time.monotonic() - began
        await client.delete(urljoin(url, answer.headers["Location"]))
    finally:
        peer.close()
    return lasted


async def _all(url: str, strangers: Strangers, count: int) -> tuple[list[float], list[str]]:
    seconds: list[float] = []
    failures: list[str] = []
    left = iter(range(count))

    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as client:

        async def some() -> None:
            for _ in left:
                try:
                    seconds.append(await _connect(client, url, strangers))
                except (HustingsError, httpx.HTTPError) as error:
                    failures.append(f"{type(error).__name__}: {error}"[:200])

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return sorted(seconds), failures


def race(url: str, port: int, count: int, rate: int = 2_000, forge: bool = False) -> dict[str, Any]:
    """`count` clients connect at WHEP `url` beside `rate` datagrams a second to the media `port`."""
    with Strangers(port, rate, forge=forge) as strangers:
        seconds, failures = asyncio.run(_all(url, strangers, count))
    return {"seconds": seconds, "failures": failures, "sent": strangers.sent, "forged": strangers.forged}
