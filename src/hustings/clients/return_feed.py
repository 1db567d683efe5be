"""What comes back over WebRTC (mix-minus or program), played out on a 20 ms clock as an ear would."""

from __future__ import annotations

import time
from collections.abc import Callable

from hustings.audio.receiver import Pulled, Receiver
from hustings.errors import Corrupt
from hustings.stage.webrtc import rtp
from hustings.stage.webrtc.peer import OffererPeer

POLL = 0.004
"""Seconds between looks at what has arrived."""

type Played = Callable[[float, Pulled], None]
"""Called with the monotonic time at which the frame begins to sound, and the frame."""


class ReturnFeed:
    """Drains a peer into a jitter buffer; `play` takes one frame out."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._receiver = Receiver()
        self._ssrc: int | None = None
        self.last_packet: float | None = None
        """Monotonic time of the newest packet, to notice a server that has gone."""
        self.bytes = 0
        self.packets = 0

    def begin(self) -> None:
        """A new session: nothing of the old one is waited for."""
        self._receiver, self._ssrc, self.last_packet = Receiver(), None, None

    def drain(self, peer: OffererPeer, now: float) -> None:
        """Takes everything that has arrived by monotonic `now`."""
        while (data := peer.receive()) is not None:
            self.last_packet = now
            self.bytes += len(data)
            self.packets += 1
            try:
                packet = rtp.parse(data)
            except Corrupt:
                continue
            if packet.ssrc != self._ssrc:
                self._receiver, self._ssrc = Receiver(), packet.ssrc
            if packet.payload:
                self._receiver.push(packet.sequence, packet.timestamp, packet.payload, now)

    def drain_until(self, peer: OffererPeer, deadline: float) -> float:
        """Drains at short intervals until monotonic `deadline`; returns the time then.

        Taken only once a frame, a packet that comes close to the tick would seem to jitter by 20 ms.
        """
        while (now := time.monotonic()) < deadline:
            self.drain(peer, now)
            time.sleep(min(POLL, max(0.0, deadline - time.monotonic())))
        self.drain(peer, now)
        return now

    def play(self, now: float) -> None:
        """One 20 ms frame; call it every 20 ms."""
        self._played(now, self._receiver.pull(now))
