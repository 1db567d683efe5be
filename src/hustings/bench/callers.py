"""Load generator: WebRTC speakers and listeners, by a stage's bus or by the line protocol of aiortc_server.

Each speaker sends 50 Opus packets a second over loopback and takes its return feed; a listener only takes.
Says how many are connected; order "counts": packets each side has sent and had so far.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hustings.bench.generator import order, say, settings
from hustings.bench.voices import speech
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import SessionAnswer, SessionOffer
from hustings.stage.webrtc.peer import OffererPeer

TALKS_AT, RESTS_AT = 25, 75
"""Declared levels in -dBov (RFC 6464): talking, and a quiet room behind a browser's noise suppression."""
VOICES = 13
LENGTHS = {20: "a=maxptime:20\r\n", 60: "a=ptime:60\r\n"}
"""What a listener's offer says for packets of so many ms."""

type Signal = Callable[[str, str, bool, str], Awaitable[str]]
"""(room, who, speaks, offer) -> answer"""


class Speaker:
    """One that sends."""

    __slots__ = ("level", "packets", "peer")

    def __init__(self, peer: OffererPeer, packets: list[bytes], level: int) -> None:
        self.peer = peer
        self.packets = packets
        self.level = level


class Callers:
    """All of this generator's."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self.speakers: list[Speaker] = []
        self.listeners: list[OffererPeer] = []
        self.sent = 0
        self.had = 0
        self.behind = 0.0
        """Seconds the sending was late at worst since the last counts."""

    async def connect(self, signal: Signal) -> None:
        """Everybody, one by one."""
        given = self._given
        voices = {
            (seed, talks): speech(seed, talks, -RESTS_AT)
            for seed in range(min(VOICES, int(given["speakers"])))
            for talks in (True, False)
            if not talks or seed < int(given["talking"])
        }
        for room in given["rooms"]:
            for index in range(int(given["speakers"])):
                peer = await self._one(signal, room, f"p{index}", speaks=True)
                talks = index < int(given["talking"])
                packets = voices[index % VOICES, talks]
                self.speakers.append(Speaker(peer, packets, TALKS_AT if talks else RESTS_AT))
            for index in range(int(given["listeners"])):
                self.listeners.append(await self._one(signal, room, f"l{index}", speaks=False))

    async def _one(self, signal: Signal, room: str, who: str, *, speaks: bool) -> OffererPeer:
        address = self._given.get("address", "127.0.0.1")
        peer = await OffererPeer.create("sendrecv" if speaks else "recvonly", bind_address=address)
        offer = peer.offer if speaks else peer.offer + LENGTHS[int(self._given["frame"])]
        peer.apply(await signal(room, who, speaks, offer))
        await peer.connected()
        return peer

    def pump(self) -> None:
        """Sends on a steady clock, spread over the 20 ms; empties what comes back. For a thread, for ever."""
        start = time.monotonic()
        step = 0.02 / max(1, len(self.speakers))
        tick = 0
        while True:
            for index, speaker in enumerate(self.speakers):
                wait = start + tick * 0.02 + index * step - time.monotonic()
                if wait > 0.0005:
                    time.sleep(wait)
                else:
                    self.behind = max(self.behind, -wait)
                packet = speaker.peer.stream.next(
                    speaker.packets[tick % len(speaker.packets)], level=speaker.level
                )
                self.sent += speaker.peer.send(packet)
                while speaker.peer.receive() is not None:
                    self.had += 1
            # Listeners in turns, each once in half a second: their packets wait in libdatachannel meanwhile.
            for listener in self.listeners[tick % 25 :: 25]:
                while listener.receive() is not None:
                    self.had += 1
            wait = start + (tick + 1) * 0.02 - time.monotonic()
            if not self.speakers and wait > 0:
                time.sleep(wait)
            tick += 1

    def counts(self) -> dict[str, float]:
        behind, self.behind = self.behind, 0.0
        return {"sent": self.sent, "had": self.had, "behind": behind, "at": time.monotonic()}


async def by_bus(callers: Callers, url: str) -> None:
    """Connects to a stage, as the studio would for them."""
    bus = await Bus.connect(url, "load")

    async def signal(room: str, who: str, speaks: bool, offer: str) -> str:
        message = SessionOffer(
            broadcast_id=room,
            kind="ingest" if speaks else "egress",
            sdp=offer,
            participant_id=who if speaks else "",
            name=who,
            role="speaker",
            place="stage",
        )
        return (await bus.request(subjects.STAGE_OFFER, message, SessionAnswer)).sdp

    await callers.connect(signal)
    await bus.close()


async def by_lines(callers: Callers, port: int) -> None:
    """Connects to aiortc_server, or to what stands before Janus."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)

    async def signal(room: str, who: str, speaks: bool, offer: str) -> str:
        writer.write(json.dumps({"room": room, "sdp": offer}).encode() + b"\n")
        return str(json.loads(await reader.readline())["sdp"])

    await callers.connect(signal)
    writer.close()


def main() -> None:
    """Connects and says so, then pumps; order: "counts"."""
    given = settings()
    callers = Callers(given)
    asyncio.run(by_bus(callers, given["bus"]) if "bus" in given else by_lines(callers, given["port"]))
    threading.Thread(target=callers.pump, daemon=True).start()
    say(len(callers.speakers) + len(callers.listeners))
    while (told := order(60)) is not None:
        if told:
            say(callers.counts())


if __name__ == "__main__":
    main()
