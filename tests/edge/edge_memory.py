"""An edge without sockets: transports, bus and clock in memory, moved on by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from edge_fakes import BROADCAST, CODECS, ChunkMaker, make_init, room

from hustings.bus import subjects
from hustings.bus.messages import (
    Codec,
    Done,
    InputKind,
    ListenerBatch,
    MediaChunk,
    Message,
    Reactions,
    RoomPublic,
    RoomsSnapshot,
    RoomsSnapshotRequest,
    RoomStatus,
    TimedEvent,
    Window,
    WindowRequest,
)
from hustings.clock import FakeClock
from hustings.config import Settings
from hustings.edge.app import Edge
from hustings.edge.protocol import Connection
from hustings.edge.static import StaticFiles
from hustings.errors import Unavailable


class MemoryTransport(asyncio.Transport):
    """Keeps what is written. `room` bytes are taken at once (the kernel's buffer); the rest waits in the
    transport's own buffer, with asyncio's rules for pausing and resuming, until `take` is called."""

    def __init__(self, address: str = "192.0.2.1", *, room: int | None = None) -> None:
        super().__init__()
        self.address = address
        self.taken = bytearray()
        self.buffered = bytearray()
        self.room = room
        self.protocol: Connection | None = None
        self.closing = False
        self.lost = False
        self.eof_sent = False
        self.reading = True
        self._high, self._low = 65536, 16384
        self._paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.address, 12345) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is not None
        self._high, self._low = high, low

    def get_write_buffer_size(self) -> int:
        return len(self.buffered)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self.lost, "write after connection_lost"
        assert not self.eof_sent, "write after write_eof"
        if self.closing:
            return
        assert isinstance(data, bytes), "the shared object itself, not a copy"
        self.buffered += data
        self._flush()
        if len(self.buffered) > self._high and not self._paused:
            self._paused = True
            assert self.protocol is not None
            self.protocol.pause_writing()

    def take(self, count: int | None = None) -> None:
        """The client reads `count` bytes more (all, for ever: None)."""
        self.room = None if count is None else (self.room or 0) + count
        self._flush()
        if self._paused and len(self.buffered) <= self._low and not self.lost:
            self._paused = False
            assert self.protocol is not None
            self.protocol.resume_writing()
        if self.closing and not self.buffered:
            self._lose()

    def _flush(self) -> None:
        count = len(self.buffered) if self.room is None else min(self.room, len(self.buffered))
        self.taken += self.buffered[:count]
        del self.buffered[:count]
        if self.room is not None:
            self.room -= count

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            assert self.protocol is not None
            self.protocol.connection_lost(None)

    def write_eof(self) -> None:
        self.eof_sent = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closing = True
        if not self.buffered:
            self._lose()

    def abort(self) -> None:
        self.closing = True
        self.buffered.clear()
        self._lose()

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@dataclass(slots=True)
class Answer:
    """A response as a client reads it."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def read_answers(data: bytes, *, heads: bool = False) -> list[Answer]:
    """All complete final responses in `data`; an endless one has what there is as its body."""
    answers = []
    while data:
        if data.startswith(CONTINUE):
            data = data.removeprefix(CONTINUE)
            continue
        head, separator, rest = data.partition(b"\r\n\r\n")
        assert separator, f"response head cut short: {data[:80]!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        version, code, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        pairs = [line.split(": ", 1) for line in lines]
        names = [name.lower() for name, _ in pairs]
        assert len(set(names)) == len(names), f"a header twice: {names}"
        headers = {name.lower(): value for name, value in pairs}
        assert "date" in headers
        bodyless = heads or code in ("204", "304")
        length = len(rest) if "content-length" not in headers else int(headers["content-length"])
        length = 0 if bodyless else length
        assert len(rest) >= length, "body cut short"
        answers.append(Answer(int(code), headers, rest[:length]))
        data = rest[length:]
    return answers


class Client:
    """One connection to an edge in memory."""

    def __init__(self, edge: Edge, address: str = "192.0.2.1", *, room: int | None = None) -> None:
        self.transport = MemoryTransport(address, room=room)
        self.protocol = edge.connection()
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        if not self.transport.lost:
            self.protocol.data_received(data)

    def get(self, path: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> None:
        head = [f"{method} {path} {version}", "Host: hustings.example", *lines]
        self.send(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))

    def answers(self, *, heads: bool = False) -> list[Answer]:
        """What has come since the last call."""
        data = bytes(self.transport.taken)
        self.transport.taken.clear()
        return read_answers(data, heads=heads)

    def ask(self, path: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1") -> Answer:
        """One request, its reply."""
        self.get(path, *lines, method=method, version=version)
        (answer,) = self.answers(heads=method == "HEAD")
        return answer

    def post(self, path: str, content: object, *lines: str, kind: str = "application/json") -> Answer:
        """Sends `content` as JSON (bytes: as they are); the reply."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.get(path, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines, method="POST")
        self.send(body)
        (answer,) = self.answers()
        return answer

    def is_closed(self) -> bool:
        return self.transport.lost


class FakeSubscription:
    def __init__(self, bus: FakeBus, subject: str) -> None:
        self._bus = bus
        self.subject = subject

    async def unsubscribe(self) -> None:
        self._bus.handlers.pop(self.subject, None)


class FakeBus:
    """A bus with a stage and a studio on it. `cut` stops all; what is published then is lost."""

    def __init__(self) -> None:
        self.connected = True
        self.handlers: dict[str, Callable[[Any], None]] = {}
        self.reconnect: list[Callable[[], None]] = []
        self.chunks: dict[Codec, list[MediaChunk]] = {"opus": [], "aac": []}
        self.rooms: dict[str, RoomPublic] = {}
        self.requests: list[Message] = []
        self.published: list[Message] = []
        self.batches: list[ListenerBatch] = []
        self.reactions: list[Reactions] = []
        self.refuse_batches: Exception | None = None
        self.inits: dict[Codec, bytes] = {codec: make_init(codec) for codec in CODECS}
        self.stage_answers = True
        self.page = 10
        """Chunks in one window."""
        self.on_window: Callable[[], None] | None = None

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self.reconnect.append(callback)

    async def publish(self, subject: str, message: Message) -> None:
        self.published.append(message)
        self.send(subject, message)

    def send(self, subject: str, message: Message) -> None:
        if self.connected and subject in self.handlers:
            self.handlers[subject](message)

    async def subscribe[M: Message](
        self, subject: str, message_type: type[M], handler: Callable[[M], None]
    ) -> FakeSubscription:
        self.handlers[subject] = handler
        return FakeSubscription(self, subject)

    async def request[M: Message](
        self, subject: str, message: Message, answer_type: type[M], timeout: float = 5.0
    ) -> M:
        self.requests.append(message)
        if not self.connected:
            raise Unavailable("away")
        answer: Message
        if isinstance(message, ListenerBatch):
            if self.refuse_batches is not None:
                raise self.refuse_batches
            self.batches.append(message)
            answer = Done()
            assert isinstance(answer, answer_type)
            return answer
        if isinstance(message, Reactions):
            self.reactions.append(message)
            answer = Done()
            assert isinstance(answer, answer_type)
            return answer
        if subject == subjects.ROOMS_SNAPSHOT:
            assert isinstance(message, RoomsSnapshotRequest)
            rooms = [
                self.rooms[slug] for slug in sorted(self.rooms) if message.first or slug > message.after_slug
            ]
            answer = RoomsSnapshot(rooms=rooms[:2], more=len(rooms) > 2)
        else:
            assert isinstance(message, WindowRequest)
            if not self.stage_answers:
                raise Unavailable("no stage")
            kept = self.chunks[message.codec]
            later = [chunk for chunk in kept if chunk.seq > message.after_seq]
            last = kept[-1].seq if kept else -1
            answer = Window(init=self.inits[message.codec], chunks=later[: self.page], last_seq=last)
            if self.on_window is not None:
                self.on_window()
        assert isinstance(answer, answer_type)
        return answer

    def cut(self) -> None:
        self.connected = False

    def heal(self) -> None:
        self.connected = True
        for callback in self.reconnect:
            callback()


async def settle(turns: int = 60) -> None:
    """Lets everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


@dataclass(slots=True)
class House:
    """An edge with its bus and clock."""

    edge: Edge
    bus: FakeBus
    clock: FakeClock
    makers: dict[Codec, ChunkMaker] = field(default_factory=dict)
    version: int = 0

    def client(self, address: str = "192.0.2.1", *, room: int | None = None) -> Client:
        return Client(self.edge, address, room=room)

    async def room(
        self,
        status: RoomStatus,
        slug: str = "hall",
        broadcast_id: str = BROADCAST,
        accepts: list[InputKind] | None = None,
    ) -> None:
        self.version += 1
        made = room(slug, status, self.version, broadcast_id)
        self.bus.rooms[slug] = msgspec.structs.replace(made, accepts=accepts)
        self.edge.book.update(self.bus.rooms[slug])
        self.edge.book.loaded = True
        await settle()

    def go_live(self, *, first_seq: int = 0, epoch: int = 0) -> None:
        since = self.clock.wall() - first_seq / 5
        self.makers = {
            codec: ChunkMaker(codec, first_seq=first_seq, epoch=epoch, live_since=since) for codec in CODECS
        }

    def produce(self, count: int = 1, *, lost: bool = False) -> None:
        """`count` chunks of each codec leave the stage; `lost`: the bus does not bring them."""
        for _ in range(count):
            for codec, maker in self.makers.items():
                chunk = maker.next()
                self.bus.chunks[codec].append(chunk)
                if not lost:
                    self.bus.send(subjects.media(BROADCAST, codec), chunk)

    def event(self, kind: str, **data: object) -> None:
        event = TimedEvent(
            broadcast_id=BROADCAST, seq=1, media_time=0, wall_clock=self.clock.wall(), kind=kind, data=data
        )
        self.bus.send(subjects.timed(BROADCAST), event)

    async def live(self, chunks: int = 0) -> None:
        """The room is live and the edge has its first `chunks`."""
        self.go_live()
        self.produce(chunks, lost=True)
        await self.room("live")

    def step(self, seconds: float) -> None:
        """Time goes on, with the edge's ticks."""
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            self.edge.tick()

    async def end(self) -> None:
        await self.edge.close()
        await settle()


def make_house(folder: Path, **settings: Any) -> House:
    """An edge with nothing in it. Call within a running event loop."""
    clock, bus = FakeClock(), FakeBus()
    fixed = Settings.model_validate({"listeners": 1000, "per_address": 100, "window": 60, **settings})
    edge = Edge(
        fixed,
        bus=bus,
        clock=clock,
        call_soon=lambda work: work(),
        static=StaticFiles(folder),
        thread_time=lambda: 0.0,
    )
    bus.on_reconnect(edge.resync)
    return House(edge, bus, clock)


@dataclass(slots=True)
class Records:
    """Push records out of a response's bytes."""

    items: list[tuple[int, bytes]]

    def kinds(self) -> list[int]:
        return [kind for kind, _ in self.items]

    def json(self, kind: int) -> list[dict[str, Any]]:
        return [json.loads(payload) for each, payload in self.items if each == kind]


def dechunk(data: bytes) -> tuple[bytes, bool]:
    """(content, ended) of the chunked coding; a last chunk cut short gives what is there."""
    content = b""
    while data:
        size, separator, rest = data.partition(b"\r\n")
        if not separator:
            break
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n"
            return content, True
        content += rest[:length]
        if len(rest) < length + 2:
            break
        assert rest[length : length + 2] == b"\r\n"
        data = rest[length + 2 :]
    return content, False


def read_records(content: bytes) -> Records:
    """All whole records; the last one may be cut short."""
    items = []
    while len(content) >= 8:
        kind, flags, reserved = content[0], content[1], content[2:4]
        assert 1 <= kind <= 7
        assert (flags, reserved) == (0, b"\0\0")
        length = int.from_bytes(content[4:8])
        if len(content) < 8 + length:
            break
        items.append((kind, content[8 : 8 + length]))
        content = content[8 + length :]
    return Records(items)
