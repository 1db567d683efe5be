"""The peer of `hustings bench stage`: rooms on aiortc, as one builds them with its tracks.

Every peer's sound is decoded (by aiortc), each gets the sum of the others, encoded for it alone (by aiortc).
Offers come by the lines of offer_lines.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import sys
import time
from collections import deque
from typing import Any

import aioice.ice
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

from hustings.bench.offer_lines import take_offers

SAMPLES, RATE = 960, 48_000
HELD = 5
"""Frames of a peer that wait for the mix."""


class Member:
    """One peer of a room, and what it said last."""

    def __init__(self, room: list[Member]) -> None:
        self.room = room
        self.frames: deque[Any] = deque(maxlen=HELD)
        self.gone = False


class Mixed(MediaStreamTrack):
    """The others of a room, a frame every 20 ms."""

    kind = "audio"

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member
        self._begun = 0.0
        self._pts = 0

    async def recv(self) -> AudioFrame:
        if not self._begun:
            self._begun = time.monotonic()
        wait = self._begun + self._pts / RATE - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        total = np.zeros(2 * SAMPLES, dtype=np.int32)
        for other in self._member.room:
            if other is not self._member and other.frames:
                total += other.frames[-1]
        frame = AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
        frame.planes[0].update(np.clip(total, -32768, 32767).astype(np.int16).tobytes())
        frame.sample_rate = RATE
        frame.pts = self._pts
        frame.time_base = fractions.Fraction(1, RATE)
        self._pts += SAMPLES
        return frame


async def take(member: Member, track: MediaStreamTrack) -> None:
    """Decoded frames of one peer, as long as it is there."""
    with contextlib.suppress(Exception):  # aiortc's ends of tracks and connections are of many kinds
        while True:
            frame = await track.recv()
            data = np.frombuffer(bytes(frame.planes[0]), dtype=np.int16)[: 2 * SAMPLES]  # type: ignore[union-attr]
            if len(data) == 2 * SAMPLES:
                member.frames.append(data)


class House:
    """All rooms."""

    def __init__(self) -> None:
        self._rooms: dict[str, list[Member]] = {}
        self._kept: set[object] = set()

    async def answer(self, room: str, sdp: str) -> str:
        """Takes one in."""
        members = self._rooms.setdefault(room, [])
        member = Member(members)
        members.append(member)
        connection = RTCPeerConnection()
        self._kept.add(connection)

        def track(track: MediaStreamTrack) -> None:
            self._kept.add(asyncio.create_task(take(member, track)))

        connection.on("track", track)
        connection.addTrack(Mixed(member))
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp


async def main(port: int) -> None:
    """Until ended."""
    # All of this stays on this machine; aioice would leave out just the address that is for that.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    async with await take_offers(House().answer, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
