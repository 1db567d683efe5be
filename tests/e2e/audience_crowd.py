"""Listeners by every door for known times, and what is true of them, to hold published figures against."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from hustings.errors import Refused, Unavailable
from hustings.stage.webrtc.peer import OffererPeer

type By = Literal["push", "stream", "hls", "whep"]

MOMENT = 5
QUIET = 15.0
PARTS = 10
"""In one segment."""
PART_TEXT = re.compile(rb'URI="([a-z]+)/([0-9]+)\.([0-9]+)\.m4s"')


@dataclass(slots=True)
class Person:
    """Somebody who listens from `begin` to `end` (seconds after the crowd's start)."""

    door: By
    begin: float
    end: float
    address: str
    agent: str
    heard: list[tuple[float, float]] = field(default_factory=list)
    """Unix seconds from when to when he really did."""
    problem: str = ""


class Crowd:
    """`base`: the room's address at the audience's door."""

    def __init__(self, base: str, whep: str, broadcast: str, people: Iterable[Person]) -> None:
        parts = urlsplit(base)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path
        self._whep = whep
        self._broadcast = broadcast
        self.people = list(people)
        self._begun = 0.0
        self._offers = asyncio.Semaphore(8)

    async def run(self) -> None:
        """Until the last one has left."""
        self._begun = time.monotonic()
        await asyncio.gather(*(self._one(person) for person in self.people))

    def _left(self, person: Person) -> float:
        return self._begun + person.end - time.monotonic()

    async def _one(self, person: Person) -> None:
        await asyncio.sleep(max(0.0, self._begun + person.begin - time.monotonic()))
        while self._left(person) > 0.5:
            try:
                match person.door:
                    case "push":
                        await self._endless(person, "live")
                    case "stream":
                        await self._endless(person, "stream.ogg")
                    case "hls":
                        await self._hls(person)
                    case "whep":
                        await self._by_whep(person)
            except (
                OSError,
                EOFError,
                Refused,
                Unavailable,
                httpx.HTTPError,
                asyncio.IncompleteReadError,
            ) as error:
                person.problem = f"{type(error).__name__}: {error}"
                await asyncio.sleep(random.uniform(0.2, 0.8))

    async def _connect(self, person: Person) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            self._host, self._port, local_addr=(person.address, 0), limit=256 * 1024
        )

    def _request(self, person: Person, path: str) -> bytes:
        return (
            f"GET {self._path}/{path} HTTP/1.1\r\nHost: crowd\r\nUser-Agent: {person.agent}\r\n\r\n"
        ).encode()

    async def _endless(self, person: Person, path: str) -> None:
        reader, writer = await self._connect(person)
        begun = 0.0
        try:
            writer.write(self._request(person, path))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise EOFError(head[:40].decode("latin-1"))
            begun = time.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._left(person)):
                    while await reader.read(65536):
                        pass
        finally:
            if begun:
                person.heard.append((begun, time.time()))
            writer.close()

    async def _hls(self, person: Person) -> None:
        """Part after part at the live edge, over two connections by turns, so that both edges are met."""
        lines = [await self._connect(person), await self._connect(person)]
        first = last = 0.0
        try:
            _, text = await self._get(lines[0], person, f"hls/{self._broadcast}/opus.m3u8")
            codec, segment, part = PART_TEXT.findall(text)[-1]
            number, place = int(segment), int(part)
            turn = missed = 0
            while self._left(person) > 0:
                turn += 1
                path = f"hls/{self._broadcast}/{codec.decode()}/{number}.{place}.m4s"
                async with asyncio.timeout(max(0.1, self._left(person))):
                    status, body = await self._get(lines[turn % 2], person, path)
                if status == 200 and body:
                    last = time.time()
                    first = first or last
                    place, missed = place + 1, 0
                elif place >= PARTS:
                    number, place = number + 1, 0
                else:  # the other edge is not so far yet
                    missed += 1
                    if missed > 100:
                        raise EOFError("no more parts")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            last = time.time()
        finally:
            if first:
                person.heard.append((first, max(first, last)))
            for _, writer in lines:
                writer.close()

    async def _get(
        self, line: tuple[asyncio.StreamReader, asyncio.StreamWriter], person: Person, path: str
    ) -> tuple[int, bytes]:
        reader, writer = line
        writer.write(self._request(person, path))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        return int(head.split(b" ")[1]), body

    async def _by_whep(self, person: Person) -> None:
        peer = await OffererPeer.create("recvonly", bind_address="127.0.0.1")
        transport = httpx.AsyncHTTPTransport(local_address=person.address)
        begun = 0.0
        try:
            async with httpx.AsyncClient(transport=transport, timeout=30) as client:
                headers = {"Content-Type": "application/sdp", "User-Agent": person.agent}
                async with self._offers:
                    answer = await client.post(self._whep, content=peer.offer, headers=headers)
                if answer.status_code != 201:
                    raise EOFError(str(answer.status_code))
                peer.apply(answer.text)
                while peer.state == "connecting":
                    await asyncio.sleep(0.05)
                begun = time.time()
                while self._left(person) > 0 and peer.state == "connected":
                    while peer.receive() is not None:
                        pass
                    await asyncio.sleep(0.1)
                person.heard.append((begun, time.time()))
                where = httpx.URL(self._whep).join(answer.headers["location"])
                await client.delete(where)
        finally:
            peer.close()


@dataclass(slots=True)
class Truth:
    """What ought to be published."""

    peak: int
    seconds: float
    unique: int
    peak_by_door: dict[str, int]
    seconds_by_door: dict[str, float]
    unique_by_door: dict[str, int]


def truth(people: Iterable[Person], threshold: float) -> Truth:
    """By the method: who listened for `threshold` seconds counts, with all he heard; moments are full 5 s."""
    counted = [
        (p, stretch)
        for p, stretches in _listeners(people)
        for stretch in stretches
        if stretch[1] - stretch[0] >= threshold
    ]

    def peak(of: list[tuple[Person, tuple[float, float]]]) -> int:
        moments: dict[int, int] = {}
        for _, (begin, end) in of:
            for moment in range(int(begin // MOMENT) + 1, int(end // MOMENT) + 1):
                moments[moment] = moments.get(moment, 0) + 1
        return max(moments.values(), default=0)

    def seconds(of: list[tuple[Person, tuple[float, float]]]) -> float:
        return sum(end - begin for _, (begin, end) in of)

    def unique(of: list[tuple[Person, tuple[float, float]]]) -> int:
        return len({(p.address, p.agent) for p, _ in of})

    doors = {
        door: [each for each in counted if each[0].door == door] for door in ("push", "hls", "stream", "whep")
    }
    return Truth(
        peak(counted),
        seconds(counted),
        unique(counted),
        {door: peak(of) for door, of in doors.items()},
        {door: seconds(of) for door, of in doors.items()},
        {door: unique(of) for door, of in doors.items()},
    )


def _listeners(people: Iterable[Person]) -> Iterator[tuple[Person, list[tuple[float, float]]]]:
    """Who is one listener, and when he listened. By HLS that is an address and a browser, however many
    players there are, and who comes again within 15 s was not away: there are no connections to go by."""
    by_hls: dict[tuple[str, str], list[Person]] = {}
    for person in people:
        if person.door == "hls":
            by_hls.setdefault((person.address, person.agent), []).append(person)
        else:
            yield person, person.heard
    for same in by_hls.values():
        joined: list[tuple[float, float]] = []
        for begin, end in sorted(stretch for person in same for stretch in person.heard):
            if joined and begin - joined[-1][1] <= QUIET:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        yield same[0], joined


def compared(totals: dict[str, Any], true: Truth) -> list[tuple[str, float, float, float]]:
    """(name, published, true, difference in percent) of every figure."""
    net = totals["net"]
    rows = [
        ("peak", net["peak"], true.peak),
        ("unique", net["unique"], true.unique),
        ("listening_seconds", net["listening_seconds"], true.seconds),
    ]
    for door, of in net["by_door"].items():
        rows += [
            (f"{door} peak", of["peak"], true.peak_by_door[door]),
            (f"{door} unique", of["unique"], true.unique_by_door[door]),
            (f"{door} listening_seconds", of["listening_seconds"], true.seconds_by_door[door]),
        ]
    return [(name, said, is_so, 100 * (said - is_so) / is_so if is_so else 0.0) for name, said, is_so in rows]


async def nothing_taken(base: str, requests: int) -> None:
    """Programs that call themselves browsers: they load the page and the playlist, and open the push without
    reading it, but take no media."""
    parts = urlsplit(base)
    host, port = parts.hostname or "", parts.port or 80
    paths = (parts.path, f"{parts.path}/hls/index.m3u8", f"{parts.path}/state.json")
    idle: list[asyncio.StreamWriter] = []
    done = 0
    while done < requests:
        reader, writer = await asyncio.open_connection(
            host, port, local_addr=(f"127.0.210.{1 + done % 200}", 0)
        )
        for number in range(25):
            path = paths[number % 3]
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 none\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: ([0-9]+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            done += 1
        writer.close()
        if len(idle) < 50:
            _, waiting = await asyncio.open_connection(
                host, port, local_addr=(f"127.0.211.{1 + len(idle)}", 0), limit=1024
            )
            waiting.write(
                f"GET {parts.path}/live HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 idle\r\n\r\n".encode()
            )
            waiting.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket it can
            idle.append(waiting)
        await asyncio.sleep(0.05)
    for each in idle:
        each.close()
