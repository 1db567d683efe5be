"""A speaker: packets on an absolute clock into a session that is opened again when it breaks.

What is said keeps its time through every interruption, as a person's words would: after a reconnection
the script goes on where the clock is, so two speakers of one dialogue never slip against one another.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx

from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS
from hustings.clients.backoff import LONGEST, LONGEST_NO_PATH, LONGEST_REFUSED, Backoff
from hustings.clients.line import Line
from hustings.clients.return_feed import Played, ReturnFeed
from hustings.clients.rtc import TRANSIENT, Direction, NoPath, Relays, RtcSession
from hustings.clients.script import Script, Spoken
from hustings.clients.successor import Successor, local_address
from hustings.errors import Refused, Unavailable

SILENCE = 1.0
"""Seconds without a return packet (they come every 20 ms) after which a session is opened beside the old."""
QUIET = 0.4
"""Seconds without one after which the studio is asked, again and again, whether the stage still has us: one
that was restarted is noticed sooner, and a bad network is not taken for it."""
ASK_EVERY = 0.25
SECOND = 50
"""Frames."""
LATE = 0.2
"""Seconds behind the clock from which frames are skipped instead of sent in a burst."""
FIRST_PATIENCE = 15.0
"""Seconds a studio that does not answer is waited for at the beginning."""

type SpeakerState = Literal["connecting", "waiting", "speaking", "reconnecting", "over"]


@dataclass(slots=True)
class SpeakerStats:
    """What happened so far."""

    state: SpeakerState = "connecting"
    detail: str = ""
    """Why it waits, in the server's words."""
    frames_sent: int = 0
    frames_skipped: int = 0
    """Frames whose time passed without a session."""
    sessions: int = 0
    level: int = 127
    """Of the newest frame, -dBov."""


class Asking:
    """Asks whether a session is still known, in a thread of its own: the speaker's has packets to send."""

    def __init__(self, session: RtcSession) -> None:
        self._session = session
        self._thread: threading.Thread | None = None
        self._next = 0.0
        self._gone = False

    def is_gone(self, now: float) -> bool:
        """What the last answer was; asks again when it is time."""
        if now >= self._next and (self._thread is None or not self._thread.is_alive()):
            self._next = now + ASK_EVERY
            self._thread = threading.Thread(target=self._ask, name="still there?", daemon=True)
            self._thread.start()
        return self._gone

    def _ask(self) -> None:
        self._gone = self._session.is_gone()


class Speaker:
    """Blocking; `run` in a thread of its own. Other threads may read `stats` and `origin`."""

    def __init__(
        self,
        url: str,
        ticket: str,
        script: Script,
        *,
        start_at: float | None = None,
        origin: float | None = None,
        returned: Played | None = None,
        changed: Callable[[SpeakerStats], None] | None = None,
        first: Callable[[], None] | None = None,
        verify: ssl.SSLContext | None = None,
        relay_only: bool = False,
    ) -> None:
        """`url`: WHIP endpoint. `start_at`: wall clock of the script's frame 0 (`origin`: the same on the
        monotonic clock); else it begins with the first connection. `returned` gets the return feed.
        `changed` is told every change of state and, while speaking, once a second. `first` is done once
        before the first session; it may raise Refused and Unavailable as a session's opening does.
        `relay_only`: by way of the server's relays and nothing else."""
        self._url = url
        self._verify = verify
        self._ticket = ticket
        self._script = script
        self.origin = origin
        """Monotonic time at which the first sample of frame 0 is spoken."""
        if start_at is not None:
            self.origin = time.monotonic() - (time.time() - start_at)
        self.stats = SpeakerStats()
        self.offer = ""
        """SDP of the session that stands, or stood last."""
        self._changed = changed
        self._first = first
        # Always sendrecv: the return's packets are how a vanished server is noticed (a WebRTC
        # connection stays `connected` for 28 s after its other side was killed).
        self._direction: Direction = "sendrecv"
        self._feed = ReturnFeed(returned) if returned else ReturnFeed(lambda _now, _pulled: None)
        self._plays = returned is not None
        self._line = Line(script.steer)
        self._relays = Relays(only=relay_only)
        self._next = 0
        self._over = False

    def run(self, stop: threading.Event) -> None:
        """Until the script is over or `stop` is set. Raises Refused or Unavailable."""
        session: RtcSession | None = None
        while not stop.is_set() and not self._over:
            session = session or self._connect(stop)
            if session is None:
                break
            successor = Successor(lambda: self._open("?when=connected"))
            self.stats.sessions += 1
            if self.origin is None:
                self.origin = time.monotonic()
            following: RtcSession | None = None
            try:
                following = self._speak(session, stop, successor)
            finally:
                if self._over or stop.is_set():
                    session.close()
                else:
                    session.abandon()
                following = following or successor.wait(stop, patient=not self._over)
            session = following
        if session is not None:
            session.close()
        self._tell("over")

    def _open(self, how: str = "") -> RtcSession:
        return RtcSession.open(
            self._url + how, self._direction, ticket=self._ticket, verify=self._verify, relays=self._relays
        )

    def _connect(self, stop: threading.Event) -> RtcSession | None:
        """Tries until it connects; None when there is nothing left to say, or nobody to say it to.

        Raises Refused for good, Unavailable only before the first session."""
        self._tell("reconnecting" if self.stats.sessions else "connecting")
        give_up = time.monotonic() + FIRST_PATIENCE
        backoff = Backoff()
        while not stop.is_set():
            longest = LONGEST_REFUSED
            try:
                if self._first is not None:
                    self._first()
                    self._first = None
                return self._open()
            except Refused as error:
                if error.status == httpx.codes.GONE and self.stats.sessions:
                    return None
                if error.status not in TRANSIENT:
                    raise
                self._tell("reconnecting" if self.stats.sessions else "waiting", str(error))
            except Unavailable as error:
                longest = LONGEST_NO_PATH if isinstance(error, NoPath) else LONGEST
                if not self.stats.sessions:
                    if time.monotonic() >= give_up:
                        raise
                    longest = max(min(longest, give_up - time.monotonic()), 0.1)
                self._tell("reconnecting" if self.stats.sessions else "waiting", str(error))
            if self._missed_the_end():
                return None
            stop.wait(backoff.wait(longest))
        return None

    def _missed_the_end(self) -> bool:
        """Whether the script ended while we were not connected."""
        if self.origin is None:
            return False
        return self._script.frame(max(self._next, self._current(time.monotonic()))) is None

    def _speak(self, session: RtcSession, stop: threading.Event, successor: Successor) -> RtcSession | None:
        """One session, until it breaks, the script is over or `stop` is set; or until another stands, which
        is returned."""
        peer, stream = session.peer, session.peer.stream
        self._feed.begin()
        asking = Asking(session)
        begin = time.monotonic()
        address, moved = local_address(self._url), False
        self.offer = peer.offer
        self._tell("speaking")
        self._catch_up(begin)
        while not stop.is_set() and peer.state == "connected":
            # A frame can be sent when its last sample has been spoken, as from a microphone.
            deadline = self._due(self._next)
            now = time.monotonic()
            if now < deadline:
                now = self._sleep(session, deadline, now)
            elif now - deadline > LATE:
                stream.skip(FRAME_SAMPLES * self._catch_up(now))
            spoken = self._script.frame(self._next)
            if spoken is None:
                self._over = True
                return None
            peer.send(stream.next(spoken.packet, level=spoken.level))
            self._sent(spoken)
            self._feed.drain(peer, now)
            if self._plays:
                self._feed.play(now)
            quiet = now - (self._feed.last_packet or begin + 1.0)
            if quiet > QUIET and asking.is_gone(now):
                return None
            if self.stats.frames_sent % SECOND == 0:
                peer.report()
                self._line.take(peer.far)
            if self.stats.frames_sent % (SECOND // 4) == 0:
                # Without a way out at all there is no address, and the old one may come back.
                moved = moved or (address != "" and local_address(self._url) not in ("", address))
            silent = quiet > SILENCE
            self._tell("reconnecting" if silent or moved else "speaking")
            following = successor.look(silent or moved, now)
            if following is not None or successor.refused:
                return following
        return None

    def _sleep(self, session: RtcSession, deadline: float, now: float) -> float:
        """Until `deadline`; the time then. Who plays the return looks after it meanwhile."""
        if self._plays:
            return self._feed.drain_until(session.peer, deadline)
        time.sleep(deadline - now)
        return time.monotonic()

    def _due(self, number: int) -> float:
        assert self.origin is not None
        return self.origin + (number + 1) * FRAME_SECONDS

    def _current(self, now: float) -> int:
        """The frame that is being spoken at `now`."""
        assert self.origin is not None
        return int((now - self.origin) / FRAME_SECONDS)

    def _catch_up(self, now: float) -> int:
        """Passes over the frames whose time is gone; returns how many."""
        skipped = max(0, self._current(now) - self._next)
        self._next += skipped
        if self.stats.frames_sent:
            self.stats.frames_skipped += skipped
        return skipped

    def _sent(self, spoken: Spoken) -> None:
        self._next += 1
        self.stats.frames_sent += 1
        self.stats.level = spoken.level
        if self._changed is not None and self.stats.frames_sent % 50 == 0:
            self._changed(self.stats)

    def _tell(self, state: SpeakerState, detail: str = "") -> None:
        stats = self.stats
        if (stats.state, stats.detail) != (state, detail):
            stats.state, stats.detail = state, detail
            if self._changed is not None:
                self._changed(stats)
