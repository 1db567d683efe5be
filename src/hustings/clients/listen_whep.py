"""The WHEP door (and, for measurements, any feed over WebRTC): polled, on a 20 ms clock."""

from __future__ import annotations

import threading
import time

from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS
from hustings.audio.receiver import Pulled
from hustings.clients.return_feed import ReturnFeed
from hustings.clients.rtc import TRANSIENT, Relays, RtcSession
from hustings.clients.sink import Sink
from hustings.errors import Refused, Unavailable

SILENCE = 3.0
"""Seconds without a packet after which the session is opened again."""
PATIENCE = 20.0


class WhepEar:
    """Turns played frames into heard sound and counts what was missing."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._position = 0
        self._missing = False

    def played(self, _now: float, pulled: Pulled) -> None:
        """The timeline begins with the first real frame."""
        real = pulled.kind in ("voice", "fec")
        if self._position == 0 and not real:
            return
        if not real and not self._missing:
            if pulled.kind == "concealed":
                self._sink.result.gaps += 1
            else:
                self._sink.result.stalls += 1
        self._missing = not real
        self._sink.heard(self._position, pulled.frame)
        self._position += FRAME_SAMPLES


def listen_whep(url: str, sink: Sink, stop: threading.Event) -> str:
    """Until `stop` is set; returns why. A run of concealed frames counts as one gap, a run of silence
    for want of packets as one stall.

    RTP carries no server clock, so no latency can be told from it. Raises Refused or Unavailable.
    """
    sink.result.codec = "opus"
    ear = WhepEar(sink)
    feed = ReturnFeed(ear.played)
    first = True
    relays = Relays()  # a listener is told of them with the first answer, and uses them from the second on
    while not stop.is_set():
        session = _open(url, stop, relays)
        if session is None:
            break
        if not first:
            sink.result.reconnects += 1
        first = False
        try:
            follow(session, feed, sink, stop)
        finally:
            session.close()
    return "stopped"


def follow(session: RtcSession, feed: ReturnFeed, sink: Sink, stop: threading.Event) -> None:
    """Plays one session until it falls silent or `stop` is set."""
    feed.begin()
    begin = deadline = time.monotonic()
    while not stop.is_set() and session.peer.state == "connected":
        deadline += FRAME_SECONDS
        before = feed.bytes
        now = feed.drain_until(session.peer, deadline)
        sink.received(feed.bytes - before)
        feed.play(deadline)
        if now - (feed.last_packet or begin) > SILENCE:
            return


def _open(url: str, stop: threading.Event, relays: Relays) -> RtcSession | None:
    """Tries until it connects, is refused for good, or patience ends."""
    give_up = time.monotonic() + PATIENCE
    while not stop.is_set():
        try:
            return RtcSession.open(url, "recvonly", relays=relays)
        except Refused as error:
            if error.status not in TRANSIENT or time.monotonic() > give_up:
                raise
        except Unavailable:
            if time.monotonic() > give_up:
                raise
        stop.wait(0.5)
    return None
