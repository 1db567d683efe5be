"""aiortc, an independent WebRTC implementation, as WHIP and WHEP client of a whole server over HTTP."""

from __future__ import annotations

import asyncio
import fractions
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import av
import httpx
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from harness import Room, serve

pytestmark = [
    pytest.mark.e2e,
    # aiortc's own: it leaves sockets to the garbage collector when it closes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Tone(MediaStreamTrack):
    """A sine as a live microphone."""

    kind = "audio"

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._turn = 2 * np.pi * hertz / 48_000
        self._position = 0
        self._start = time.monotonic()

    async def recv(self) -> av.AudioFrame:
        samples = 6000 * np.sin(self._turn * np.arange(self._position, self._position + 960))
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16).reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._position, fractions.Fraction(1, 48_000)
        self._position += 960
        await asyncio.sleep(max(0.0, self._start + self._position / 48_000 - time.monotonic()))
        return frame


class Client:
    """One aiortc session at a WHIP or WHEP endpoint (RFC 9725)."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection()
        self.heard: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._resource = ""
        self.peer.on("track", lambda track: self._tasks.append(asyncio.create_task(self._listen(track))))

    async def connect(self, http: httpx.AsyncClient, url: str, ticket: str = "") -> None:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        headers = {"Content-Type": "application/sdp"} | (
            {"Authorization": f"Bearer {ticket}"} if ticket else {}
        )
        response = await http.post(url, content=self.peer.localDescription.sdp, headers=headers)
        assert response.status_code == 201, response.text
        assert response.headers["Content-Type"].startswith("application/sdp")
        self._resource = urljoin(url, response.headers["Location"])
        await self.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        async with asyncio.timeout(15):
            while self.peer.connectionState != "connected":
                await asyncio.sleep(0.02)

    async def close(self, http: httpx.AsyncClient, ticket: str = "") -> None:
        headers = {"Authorization": f"Bearer {ticket}"} if ticket else {}
        response = await http.delete(self._resource, headers=headers)
        assert response.status_code == 200
        await self.peer.close()
        await asyncio.gather(*self._tasks)

    async def seconds(self, count: float) -> None:
        """Waits until that much sound has come."""
        async with asyncio.timeout(30):
            while sum(map(len, self.heard)) < count * 48_000:
                await asyncio.sleep(0.05)

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                mono = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1)
                self.heard.append(mono / 32_768)
        except MediaStreamError:
            return

    def power_db(self, hertz: float) -> float:
        """Of one tone, median over tenths of the last two seconds."""
        tenths = np.concatenate(self.heard)[-96_000:].reshape(-1, 4800)
        turn = np.exp(-2j * np.pi * hertz * np.arange(4800) / 48_000)
        return 20 * float(np.log10(1e-9 + np.median(np.abs(np.mean(tenths * turn, axis=1)))))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with serve(tmp_path, levelling=False) as server:
        room = server.room("aiortc", speakers=["Ada", "Ben"])
        room.open()
        room.start()
        yield room


async def test_two_speakers_and_a_listener(room: Room) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        ada, ben, listener = Client(), Client(), Client()
        ada.peer.addTransceiver(Tone(400), direction="sendrecv")
        ben.peer.addTransceiver(Tone(1100), direction="sendrecv")
        listener.peer.addTransceiver("audio", direction="recvonly")
        await ada.connect(http, room.whip_url, room.tickets["Ada"])
        await ben.connect(http, room.whip_url, room.tickets["Ben"])
        await listener.connect(http, room.whep_url)
        await asyncio.gather(ada.seconds(4), ben.seconds(4), listener.seconds(4))
        assert abs(listener.power_db(400) - listener.power_db(1100)) < 6
        assert ada.power_db(1100) - ada.power_db(400) >= 40
        assert ben.power_db(400) - ben.power_db(1100) >= 40
        await listener.close(http)
        await ada.close(http, room.tickets["Ada"])
        await ben.close(http, room.tickets["Ben"])
