"""Speakers whose network blocks UDP: their RTP packets come over the bus, from the studio's WebSocket.

A `SocketPeer` stands where a WebRTC peer would: the tick takes packets from it and gives it packets, and
jitter buffer, level, recording and returns see no difference. Queues are bounded and lose their oldest.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import Message
from hustings.bus.socket_messages import ReturnPacket, SpeakerPacket
from hustings.stage.webrtc.peer import PeerState
from hustings.stage.webrtc.rtp import RtpStream

PAYLOAD_TYPE = 111
LEVEL_ID = 1
"""Payload type and extension id of the level (RFC 6464) in all packets of this way: nothing is negotiated."""
MOST_ARRIVED = 256
"""Packets that may wait for the tick, which looks every 5 ms: five seconds of sound."""
MOST_LEAVING = 25
"""Packets that may wait for the bus: half a second. What is older nobody wants to hear any more."""
LOST_AFTER = 15.0
"""Seconds without a packet after which the session ends; the studio, had it lived, would have said so."""

_dropped = Counter(
    "hustings_stage_socket_dropped_total",
    "Packets of speakers on WebSockets that did not fit into a queue.",
    ["direction"],
)
_arrived, _leaving, _unknown = (_dropped.labels(each) for each in ("in", "out", "unknown"))


class Publish(Protocol):
    """The part of the bus that is needed here."""

    async def publish(self, subject: str, message: Message) -> None: ...


class Terms(NamedTuple):
    """What an offer's SDP would say."""

    payload_type: int = PAYLOAD_TYPE
    level_id: int = LEVEL_ID
    ptime: int = 0
    max_ptime: int = 0


class SocketPeer:
    """One session. `receive` and `send` are the tick's, all else the event loop's."""

    offer = Terms()
    answer = ""

    def __init__(self, sends: bool, wake: Callable[[], None], clock: Callable[[], float]) -> None:
        self.sends = sends
        """Whether the other side wants our sound."""
        self.stream = RtpStream(
            1 + secrets.randbelow(0xFFFF_FFFE),
            PAYLOAD_TYPE,
            sequence=secrets.randbelow(0x8000),
            timestamp=secrets.randbits(32),
        )
        self.leaving: deque[bytes] = deque()
        self._arrived: deque[bytes] = deque()
        self._wake = wake
        self._clock = clock
        self._last = -1.0
        self._closed = False

    @property
    def state(self) -> PeerState:
        """ "connected" from the first packet on; "closed" also when none has come for LOST_AFTER."""
        if self._closed:
            return "closed"
        if self._last < 0:
            return "connecting"
        return "closed" if self._clock() - self._last > LOST_AFTER else "connected"

    def take(self, data: bytes) -> None:
        """A packet that came over the bus."""
        if self._closed:
            return
        self._last = self._clock()
        self._arrived.append(data)
        if len(self._arrived) > MOST_ARRIVED:
            self._arrived.popleft()
            _arrived.inc()

    def receive(self) -> bytes | None:
        """The next RTP packet that has arrived, or None."""
        try:
            return self._arrived.popleft()
        except IndexError:
            return None

    def send(self, packet: bytes) -> bool:
        """Gives one RTP packet to the bus; False when the session is over."""
        if self._closed:
            return False
        self.leaving.append(packet)
        if len(self.leaving) > MOST_LEAVING:
            try:
                self.leaving.popleft()
                _leaving.inc()
            except IndexError:
                pass  # the event loop took them all in this very moment
        self._wake()
        return True

    def close(self) -> None:
        """Ends it. May be repeated."""
        self._closed = True
        self._arrived.clear()
        self.leaving.clear()


class SocketPeers:
    """All of them, and the way between the tick's thread and the bus."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._peers: dict[str, SocketPeer] = {}
        self._endings: deque[tuple[str, str]] = deque(maxlen=1024)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._posted = asyncio.Event()
        self._woken = False

    def create(self, sends: bool) -> SocketPeer:
        """A session's peer, not known by any name yet."""
        self._loop = asyncio.get_running_loop()
        return SocketPeer(sends, self._wake, self._clock)

    def add(self, session_id: str, peer: SocketPeer) -> None:
        """From now on packets of this session reach `peer`."""
        self._peers[session_id] = peer

    def end(self, session_id: str, cause: str) -> None:
        """The studio is told that the session is over. Sessions of another way are none of ours."""
        if self._peers.pop(session_id, None) is not None:
            self._endings.append((session_id, cause))
            self._posted.set()

    def packet(self, message: SpeakerPacket) -> None:
        """A speaker's packet from the bus."""
        peer = self._peers.get(message.session_id)
        if peer is None:
            _unknown.inc()  # sent before the studio knew that the session was over
        else:
            peer.take(message.data)

    def _wake(self) -> None:
        """In the tick's thread, fifty times a second and peer: the event loop is woken once for all."""
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon_threadsafe(self._posted.set)

    async def run(self, bus: Publish) -> None:
        """Publishes what the tick sends, until cancelled."""
        while True:
            await self._posted.wait()
            await self.flush(bus)

    async def flush(self, bus: Publish) -> None:
        """Publishes what there is."""
        self._posted.clear()
        self._woken = False  # before looking: what is sent from here on wakes again
        for session_id, peer in list(self._peers.items()):
            subject = subjects.returns(session_id)
            while peer.leaving:
                await bus.publish(subject, ReturnPacket(data=peer.leaving.popleft()))
        while self._endings:
            session_id, cause = self._endings.popleft()
            await bus.publish(subjects.returns(session_id), ReturnPacket(ended=cause))
