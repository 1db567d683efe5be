"""A bad network between two network namespaces of our own: packets go through this process, which loses,
delays, reorders, doubles and swallows them by a seeded chance. Linux, root; no netem needed.

with BadNetwork(seed=1) as network:
    with network.inside("server"):      # this thread, and what it starts, are in that namespace
        ...
    network.fault = Fault(loss=0.1)

Every IP packet of both directions passes, so a black-out takes the HTTP requests with the sound.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

type Side = Literal["server", "client"]

SERVER: Final = "10.231.0.1"
CLIENT: Final = "10.231.1.1"
MOVED: Final = "10.231.1.2"
"""The client's address after `move`."""
ADDRESSES: Final[dict[Side, str]] = {"server": SERVER, "client": CLIENT}
PATH: Final = 0.01
"""Seconds one way on the undisturbed network."""
LATER: Final = 0.06
"""By how much a reordered packet comes later: three frames."""
LONGEST: Final = 2000
"""Packets under way at most; more are lost, as in any queue."""
_TUNSETIFF: Final = 0x400454CA
_TUN_NO_INFO: Final = 0x1001


@dataclass(frozen=True, slots=True)
class Fault:
    """What the network does to each packet. Shares 0..1; `jitter`: seconds at most, order kept."""

    loss: float = 0.0
    jitter: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    dark: bool = False
    """A black-out: nothing passes."""


def possible() -> bool:
    """Whether this machine lets us make namespaces and TUN devices."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return False
    name = f"hus{os.getpid()}p"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=False)
    return made


class BadNetwork:
    """Two namespaces and what is between them."""

    def __init__(self, seed: int) -> None:
        self.fault = Fault()
        """In force for the packets that set out from now on."""
        self.passed = self.lost = 0
        self._chance = random.Random(seed)
        self._names: dict[Side, str] = {side: f"hus{os.getpid()}{side[0]}" for side in ("server", "client")}
        self._tuns: dict[int, int] = {}
        """Descriptor to descriptor of the other side."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="bad network", daemon=True)

    def __enter__(self) -> Self:
        try:
            for side in ADDRESSES:
                self._ip("netns", "add", self._names[side])
                self._in(side, "link", "set", "lo", "up")
            ends = [self._tun("server"), self._tun("client")]
            self._tuns = {ends[0]: ends[1], ends[1]: ends[0]}
            for side, address in ADDRESSES.items():
                self._in(side, "addr", "add", f"{address}/32", "dev", "bad0")
                self._in(side, "link", "set", "bad0", "up")
                self._in(side, "route", "add", "default", "dev", "bad0")
        except BaseException:
            self._remove()
            raise
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._remove()

    @contextlib.contextmanager
    def inside(self, side: Side) -> Iterator[None]:
        """This thread, and the processes and threads it starts, are on that side."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self._names[side]}", os.O_RDONLY)
        try:
            os.setns(there, os.CLONE_NEWNET)
            try:
                yield
            finally:
                os.setns(home, os.CLONE_NEWNET)
        finally:
            os.close(home)
            os.close(there)

    def move(self) -> None:
        """The client gets another address; packets to the old one go nowhere."""
        self._in("client", "addr", "add", f"{MOVED}/32", "dev", "bad0")
        self._in("client", "addr", "del", f"{CLIENT}/32", "dev", "bad0")

    def _carry(self) -> None:
        """Until the end: reads both sides, and delivers what is due."""
        under_way: list[tuple[float, int, int, bytes]] = []
        newest = dict.fromkeys(self._tuns, 0.0)
        count = 0
        while not self._stop.is_set():
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, _, to, data = heapq.heappop(under_way)
                with contextlib.suppress(OSError):
                    os.write(to, data)
            wait = min(0.1, under_way[0][0] - now) if under_way else 0.1
            for source in select.select(list(self._tuns), [], [], max(wait, 0.0))[0]:
                data = os.read(source, 65_536)
                for due in self._fates(time.monotonic(), source, newest):
                    if len(under_way) < LONGEST:
                        count += 1
                        heapq.heappush(under_way, (due, count, self._tuns[source], data))

    def _fates(self, now: float, source: int, newest: dict[int, float]) -> list[float]:
        """When this packet arrives: never, once, or twice."""
        fault, chance = self.fault, self._chance
        if fault.dark or chance.random() < fault.loss:
            self.lost += 1
            return []
        self.passed += 1
        due = now + PATH + fault.jitter * chance.random()
        if chance.random() < fault.reorder:
            return [due + LATER]
        due = newest[source] = max(due, newest[source])
        return [due, due] if chance.random() < fault.duplicate else [due]

    def _tun(self, side: Side) -> int:
        with self.inside(side):
            tun = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"bad0", _TUN_NO_INFO))
            return tun

    def _remove(self) -> None:
        for tun in self._tuns:
            os.close(tun)
        self._tuns = {}
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _in(self, side: Side, *arguments: str) -> None:
        self._ip("-n", self._names[side], *arguments)

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)
