"""A bus, a stage and speakers for end-to-end tests: real sockets, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import sysconfig
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hustings.audio.level import level_dbov
from hustings.audio.opus import OpusDecoder, OpusEncoder
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import (
    Done,
    MediaChunk,
    OpenBroadcast,
    SessionAnswer,
    SessionOffer,
    StageReport,
    TimedEvent,
)
from hustings.config import Settings
from hustings.stage.service import StageService
from hustings.stage.webrtc import rtp
from hustings.stage.webrtc.peer import MediaDoor, OffererPeer

BROADCAST = "20261122T160000-abcdef"


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Waits until `condition` holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def nats_server() -> AsyncIterator[str]:
    """A bus of its own; gives its address."""
    port = free_port(socket.SOCK_STREAM)
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    process = await asyncio.create_subprocess_exec(
        program, "-a", "127.0.0.1", "-p", str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


class Watched:
    """A stage in this process and what it says on the bus."""

    def __init__(self, bus: Bus, service: StageService, door: MediaDoor) -> None:
        self.bus = bus
        self.service = service
        self.door = door
        self.reports: list[StageReport] = []
        self.events: list[TimedEvent] = []
        self.chunks: list[MediaChunk] = []

    async def open(self, **more: object) -> None:
        message = OpenBroadcast(broadcast_id=BROADCAST, slug="room", **more)  # type: ignore[arg-type]  # test's
        await self.bus.request(subjects.STAGE_OPEN, message, Done)

    async def answer(
        self, peer: OffererPeer, participant: str = "", *, muted: bool = False, more: str = ""
    ) -> SessionAnswer:
        """Sends the peer's offer to the stage, as the studio does, with `more` lines; applies the answer."""
        offer = SessionOffer(
            broadcast_id=BROADCAST,
            kind="ingest" if participant else "egress",
            sdp=peer.offer + more,
            participant_id=participant,
            name=participant.title(),
            role="speaker",
            muted=muted,
        )
        answer = await self.bus.request(subjects.STAGE_OFFER, offer, SessionAnswer)
        peer.apply(answer.sdp)
        await peer.connected()
        return answer

    def seat(self, participant: str) -> dict[str, object]:
        """The newest report of one seat; empty when there is none."""
        if self.reports:
            for seat in self.reports[-1].seats:
                if seat.participant_id == participant:
                    return {name: getattr(seat, name) for name in seat.__struct_fields__}
        return {}


@contextlib.asynccontextmanager
async def stage(**settings: object) -> AsyncIterator[Watched]:
    """A bus and a stage on it; the broadcast's topics are watched."""
    async with nats_server() as url:
        bus, own = await Bus.connect(url, "test"), await Bus.connect(url, "stage")
        port = free_port(socket.SOCK_DGRAM)
        door = MediaDoor("127.0.0.1", port)
        listener = door.listen()
        service = StageService(own, Settings(bus=url, **settings), door)  # type: ignore[arg-type]  # test's
        watched = Watched(bus, service, door)
        await bus.subscribe(subjects.STAGE_REPORT, StageReport, watched.reports.append)
        await bus.subscribe(subjects.timed(BROADCAST), TimedEvent, watched.events.append)
        await bus.subscribe(subjects.media(BROADCAST, "*"), MediaChunk, watched.chunks.append)
        await service.start()
        for connection in (bus, own):  # both are subscribed when the first request is made
            await connection._nats.flush()
        try:
            yield watched
        finally:
            await service.close()
            await own.close()
            await bus.close()
            listener.stop()


def tone(hertz: float, seconds: float, gain: float = 0.2) -> NDArray[np.float32]:
    """A sine that swells and falls four times a second, as voices do."""
    t = np.arange(int(seconds * 48000)) / 48000
    envelope = 0.6 + 0.4 * np.sin(2 * math.pi * 4 * t)
    return (gain * envelope * np.sin(2 * math.pi * hertz * t)).astype(np.float32)


class Voice:
    """Speaks samples through a peer in real time and keeps what comes back, decoded."""

    def __init__(self, peer: OffererPeer) -> None:
        self.peer = peer
        self.heard: list[NDArray[np.float32]] = []
        self.sequences: list[int] = []
        self._encoder = OpusEncoder(48_000, application="audio", fec=False)
        self._decoder = OpusDecoder()

    async def speak(self, samples: NDArray[np.float32]) -> None:
        """Packet by packet, on a steady clock."""
        start = time.monotonic()
        for index in range(len(samples) // 960):
            frame = samples[index * 960 : index * 960 + 960]
            level = -round(max(level_dbov(frame), -127.0))
            self.peer.send(self.peer.stream.next(self._encoder.encode(frame), level=level))
            self.listen()
            await asyncio.sleep(max(0.0, start + (index + 1) * 0.02 - time.monotonic()))
        self.listen()

    def listen(self) -> None:
        """Decodes what has arrived."""
        while (data := self.peer.receive()) is not None:
            packet = rtp.parse(data)
            self.sequences.append(packet.sequence)
            self.heard.append(self._decoder.decode(packet.payload))

    def sound(self) -> NDArray[np.float32]:
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.float32)


def power_db(samples: NDArray[np.float32], hertz: float, width: float = 12.0) -> float:
    """Power around one frequency, dB; for comparing tones in one recording."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / 48000)
    near = np.abs(frequencies - hertz) <= width
    return 10 * math.log10(float(spectrum[near].sum()) + 1e-20)
