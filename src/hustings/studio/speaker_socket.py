"""WebSocket /whip/{slug}/socket: a speaker whose network lets no UDP through (docs/speaker-socket.md).

Each binary message is one RTP packet with Opus, both ways; the studio hands them on over the bus and keeps
nothing. Ticket, seat, mute and place are WHIP's. Queues are short and lose their oldest: late sound is no
sound. What reaches the stage is counted and recorded there as from anywhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter as Tally
from collections import deque
from typing import Any, Protocol

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from prometheus_client import Counter, Gauge
from starlette.responses import Response

from hustings.bus import subjects
from hustings.bus.messages import Message, StageHello
from hustings.bus.socket_messages import ReturnPacket, SpeakerPacket
from hustings.errors import Corrupt, HustingsError, Refused, Unavailable
from hustings.ids import is_slug
from hustings.rooms.errors import RoomError
from hustings.store.store import UnknownRoom
from hustings.studio import problems
from hustings.studio.devices import known_address
from hustings.studio.media import Coming
from hustings.studio.service import Studio
from hustings.studio.socket_rules import (
    Ahead,
    Allowance,
    Hello,
    is_sound,
    our_origin,
    pong,
    read_hello,
    read_ping,
    sequence_of,
)

router = APIRouter()

MAX_SOCKETS = 32
"""At once: each costs the studio a hundred small messages a second."""
MAX_PER_ADDRESS = 16
"""An office may have one address."""
FIRST_MESSAGE = 10.0
"""Seconds a client has to say who it is."""
SEND_TIMEOUT = 10.0
"""Seconds after which a client that does not read is let go."""
SILENT = 15.0
"""Seconds without a packet after which a client is let go; browsers send silence, too."""
STAGE_SILENT = 5.0
"""Seconds without a packet from the stage, which sends fifty a second to all, after which it must be gone."""
LOOK = 1.0
"""Seconds between two looks at who is silent."""
WAITING = 25
"""Packets that may wait for the client to read: half a second."""
PACKETS = (110.0, 300.0)
"""Packets a second (frames may be of 10 ms), and how many more at once: what a stalled network held back."""
TEXTS = (5.0, 20.0)
MAX_TOO_MUCH = 1000
"""Packets beyond what is allowed, or that are none, after which it is abuse."""

POLICY, TRY_LATER = 1008, 1013
REPLACED = 4410
"""The seat has another session now."""
ENDED = 4000
"""The session is over; the reason says why."""

_open = Gauge("hustings_studio_speaker_sockets", "Speakers on WebSockets now.")
_refused = Counter("hustings_studio_speaker_sockets_refused_total", "Speakers' WebSockets refused.", ["why"])
_cut = Counter("hustings_studio_speaker_sockets_ended_total", "Speakers' WebSockets ended.", ["why"])
_dropped = Counter(
    "hustings_studio_speaker_packets_dropped_total", "Packets on speakers' WebSockets dropped.", ["why"]
)


class _Over(Exception):
    """The socket is to be closed: code, reason, and the word for the metric."""

    def __init__(self, code: int, reason: str, why: str) -> None:
        super().__init__(reason)
        self.code = code
        self.why = why


class Subscription(Protocol):
    async def unsubscribe(self) -> None: ...


class PacketBus(Protocol):
    """The part of the bus that is needed here."""

    async def publish(self, subject: str, message: Message) -> None: ...

    async def subscribe(self, subject: str, message_type: Any, handler: Any) -> Any: ...


class SpeakerSockets:
    """How many there are, and their way to the stage."""

    def __init__(self, bus: PacketBus) -> None:
        self.bus = bus
        self._lines: set[Line] = set()
        self._per_address: Tally[str] = Tally()
        self._admitted = 0

    @classmethod
    async def begun(cls, bus: PacketBus) -> SpeakerSockets:
        """Subscribed to what ends them all: a stage that begins anew knows no session."""
        sockets = cls(bus)
        await bus.subscribe(subjects.STAGE_HELLO, StageHello, sockets._stage_began)
        return sockets

    def _stage_began(self, _hello: StageHello) -> None:
        for line in self._lines:
            line.end(_Over(TRY_LATER, "the stage began anew", "stage"))

    def admit(self, address: str) -> bool:
        """Takes a place, unless all are taken. `leave` gives it back."""
        if self._admitted >= MAX_SOCKETS or self._per_address[address] >= MAX_PER_ADDRESS:
            return False
        self._admitted += 1
        self._per_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._admitted -= 1
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]

    @contextlib.asynccontextmanager
    async def connected(self, line: Line) -> Any:
        """Meanwhile the stage's packets of this session reach `line`."""
        subscription: Subscription = await self.bus.subscribe(
            subjects.returns(line.session_id), ReturnPacket, line.from_stage
        )
        self._lines.add(line)
        _open.set(len(self._lines))
        try:
            yield
        finally:
            self._lines.discard(line)
            _open.set(len(self._lines))
            with contextlib.suppress(Exception):  # the bus may be away: then the subscription is, too
                await subscription.unsubscribe()


@router.websocket("/whip/{slug}/socket")
async def speaker_socket(websocket: WebSocket, slug: str) -> None:
    """See the module."""
    studio: Studio = websocket.app.state.studio
    sockets: SpeakerSockets = websocket.app.state.speaker_sockets
    headers = websocket.headers
    own = (studio.urls.studio(), studio.urls.audience())
    if not our_origin(headers.get("origin"), headers.get("host"), own):
        _refused.labels("origin").inc()
        await websocket.close(POLICY)  # before accepting: answered with 403
        return
    await websocket.accept()
    address = known_address(websocket.client.host) if websocket.client else ""
    if not sockets.admit(address):
        _refused.labels("full").inc()
        await _close(websocket, TRY_LATER, "too many sockets")
        return
    try:
        await _serve(websocket, slug, address, studio, sockets)
    except _Over as over:
        _cut.labels(over.why).inc()
        await _close(websocket, over.code, str(over))
    except (WebSocketDisconnect, RuntimeError):
        _cut.labels("left").inc()
    finally:
        sockets.leave(address)


async def _serve(
    websocket: WebSocket, slug: str, address: str, studio: Studio, sockets: SpeakerSockets
) -> None:
    try:
        hello = read_hello(await asyncio.wait_for(_text(websocket), FIRST_MESSAGE))
    except (TimeoutError, Corrupt) as error:
        raise _Over(POLICY, "say who you are first", "no hello") from error
    try:
        session_id, name = await _begin(studio, slug, hello, address)
    except (RoomError, Refused, Unavailable, UnknownRoom) as error:
        answer = _problem(error)
        _refused.labels(str(answer.status_code)).inc()
        await _refuse(websocket, answer)
        return
    line = Line(websocket, session_id, sockets.bus, asyncio.get_running_loop().time())
    line.hears = hello.returns
    try:
        async with sockets.connected(line):
            ready = {"type": "ready", "session": name, "payload_type": 111, "level_id": 1}
            await websocket.send_text(json.dumps(ready))
            await line.run()
    finally:
        with contextlib.suppress(Refused, Unavailable):
            await studio.media.hang_up(session_id)


async def _begin(studio: Studio, slug: str, hello: Hello, address: str) -> tuple[str, str]:
    """Takes the seat by the rules of a WHIP offer: the stage's identifier of the session, and its name."""
    if not is_slug(slug):
        raise UnknownRoom(slug)
    guest = await studio.guest(slug, hello.ticket)
    marks = studio.marks.of(slug, address, hello.device)
    answer = await studio.speak(guest, Coming(way="socket", returns=hello.returns), marks)
    return answer.session_id, studio.ids.name("whip", slug, guest.participant_id, answer.session_id)


async def _text(websocket: WebSocket) -> object:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return message.get("text")


class Line:
    """One speaker's socket."""

    def __init__(self, websocket: WebSocket, session_id: str, bus: PacketBus, now: float) -> None:
        self.session_id = session_id
        self.hears = True
        self._websocket = websocket
        self._bus = bus
        self._packets = Allowance(*PACKETS, now)
        self._texts = Allowance(*TEXTS, now)
        self._too_much = 0
        self._ahead = Ahead()
        self._waiting: deque[bytes] = deque()
        self._pongs: deque[str] = deque(maxlen=8)
        self._woken = asyncio.Event()
        self._over: _Over | None = None
        self._heard_client = self._heard_stage = now

    async def run(self) -> None:
        """For as long as both sides are there. Raises _Over or WebSocketDisconnect."""
        tasks = [asyncio.create_task(each()) for each in (self._read, self._write, self._watch)]
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for task in done:
            task.result()

    def end(self, over: _Over) -> None:
        """The writer says so and stops."""
        self._over = self._over or over
        self._woken.set()

    def from_stage(self, message: ReturnPacket) -> None:
        """A packet for the speaker's ear, or the end of his session."""
        self._heard_stage = asyncio.get_running_loop().time()
        if message.ended:
            replaced = message.ended == "replaced"
            self.end(_Over(REPLACED if replaced else ENDED, message.ended, message.ended))
            return
        self._waiting.append(message.data)
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            _dropped.labels("slow client").inc()
        self._woken.set()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            data = message.get("bytes")
            if data is None:
                self._take_text(message.get("text"), loop.time())
            else:
                await self._take_sound(data, loop.time())

    async def _take_sound(self, data: bytes, now: float) -> None:
        if not is_sound(data):
            self._refuse_one("no packet")
        elif not self._packets.take(now):
            self._refuse_one("too many")
        else:
            self._heard_client = now
            await self._bus.publish(
                subjects.STAGE_PACKETS, SpeakerPacket(session_id=self.session_id, data=data)
            )

    def _refuse_one(self, why: str) -> None:
        _dropped.labels(why).inc()
        self._too_much += 1
        if self._too_much > MAX_TOO_MUCH:
            raise _Over(POLICY, "too much, or no sound", "abuse")

    def _take_text(self, text: object, now: float) -> None:
        try:
            ping = read_ping(text)
        except Corrupt as error:
            raise _Over(POLICY, str(error)[:100], "abuse") from error
        if not self._texts.take(now):
            raise _Over(POLICY, "too many texts", "abuse")
        if ping.got is not None:
            self._ahead.got(ping.got)
        self._pongs.append(pong(ping))
        self._woken.set()

    async def _write(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._over is not None:
                raise self._over
            while self._pongs:
                await self._send(self._websocket.send_text(self._pongs.popleft()))
            while self._waiting:
                packet = self._waiting.popleft()
                if self._ahead.too_far:
                    _dropped.labels("slow client").inc()
                    continue
                self._ahead.sent(sequence_of(packet))
                await self._send(self._websocket.send_bytes(packet))

    async def _send(self, sending: Any) -> None:
        try:
            await asyncio.wait_for(sending, SEND_TIMEOUT)
        except TimeoutError:
            raise _Over(TRY_LATER, "too slow", "slow") from None

    async def _watch(self) -> None:
        """Ends the line when one side has fallen silent."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK)
            now = loop.time()
            if now - self._heard_client > SILENT:
                raise _Over(POLICY, "no sound came", "silent")
            if self.hears and now - self._heard_stage > STAGE_SILENT:
                raise _Over(TRY_LATER, "the stage does not answer", "stage")


def _problem(error: HustingsError) -> Response:
    """What WHIP would have answered."""
    match error:
        case Refused():
            return problems.from_refused(error)
        case Unavailable():
            return problems.from_unavailable(error)
        case RoomError():
            return problems.from_room_error(error)
        case _:
            return problems.problem(404, "No such room", str(error), where="path: slug")


async def _refuse(websocket: WebSocket, answer: Response) -> None:
    retry = answer.headers.get("retry-after", "0")
    message = {"type": "refused", "retry_after": int(retry), "problem": json.loads(bytes(answer.body))}
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.send_text(json.dumps(message))
    await _close(websocket, 4000 + answer.status_code, "refused")


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason)
