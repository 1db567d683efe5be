"""Sessions by WHIP, WHEP and WebSocket: from offer to answer, trickle, replacement, end. Lives in the event
loop."""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Gauge

from hustings import ids
from hustings.bus.audience_messages import CountedOffer
from hustings.bus.messages import Place, SessionAnswer, SessionOffer, SessionTrickle
from hustings.errors import HustingsError, Refused
from hustings.stage.counting import Ear, EarCounting
from hustings.stage.engine import BroadcastEngine
from hustings.stage.socket_peer import SocketPeer, SocketPeers
from hustings.stage.ticker import Held, Ticker
from hustings.stage.webrtc import sdp
from hustings.stage.webrtc.peer import AnsweringPeer, MediaDoor
from hustings.stage.webrtc.relay_door import RelayDoor
from hustings.stage.whep_audience import Wish

log = structlog.get_logger()

MAX_LISTENERS = 300
"""WHEP sessions of the whole stage that are sent a packet in each tick, which costs it some 10 us. Who takes
long ones (whep_audience.py) counts for half: should they all report loss, they all get short ones. The rest
of the audience has the edges."""
CONNECT_TIMEOUT = 20.0
"""Seconds from answer to connected (ICE and DTLS); RFC 8445 gives up later than a person does."""
LOOK_INTERVAL = 0.25
"""Seconds between two looks at the states of all connections."""
MAX_TRICKLED = 32
"""Candidates taken by PATCH in one session."""
SAID = ("deleted", "ended", "removed")
"""Causes by which somebody ended a session; with others it was noticed some time later."""
REMEMBERED = 256
"""Sessions known to have been replaced: whoever asks is told so, and not that the stage was restarted."""

_offers = Counter("hustings_stage_offers_total", "Offers by kind and outcome.", ["kind", "outcome"])
_sessions = Gauge("hustings_stage_sessions", "Sessions now.", ["kind"])
_ended = Counter("hustings_stage_sessions_ended_total", "Sessions that ended, by cause.", ["cause"])


@dataclass(slots=True)
class Session:
    """One session. `etag` names its ICE session (RFC 9725 4.3.1)."""

    session_id: str
    kind: sdp.Kind
    broadcast_id: str
    peer: AnsweringPeer | SocketPeer
    etag: str
    created: float
    trickled: int = 0
    ear: Ear | None = None
    """Of one who listens."""
    waiting: Callable[[], str] | None = None
    """Takes the seat, in the tick's thread, once the connection stands (SessionOffer.when_connected)."""


class Sessions:
    """All sessions of the stage."""

    def __init__(
        self,
        door: MediaDoor,
        ticker: Ticker,
        clock: Callable[[], float] = time.monotonic,
        counting: EarCounting | None = None,
    ) -> None:
        self._counting = counting
        self._door = door
        self._ticker = ticker
        self._clock = clock
        self.sockets = SocketPeers(clock)
        self._peers: weakref.WeakValueDictionary[str, AnsweringPeer] = weakref.WeakValueDictionary()
        """By the name that checks are sent to."""
        self.relay_door = RelayDoor(door.near, self._password_of, clock)
        """Closed, until somebody opens it."""
        self._sessions: dict[str, Session] = {}
        self._some = asyncio.Event()
        """There are sessions."""
        self._answering = 0
        self._replaced: deque[str] = deque(maxlen=REMEMBERED)

    def __len__(self) -> int:
        return len(self._sessions)

    async def offer(self, engine: BroadcastEngine, offer: SessionOffer) -> SessionAnswer:
        """Answers an offer. Raises Refused: 413, 400, 422 (the offer), 503 (full), 404 (just closed)."""
        try:
            answer = await self._offer(engine, offer)
        except HustingsError as error:
            status = error.status if isinstance(error, Refused) else 0
            outcome = {413: "malformed", 400: "malformed", 422: "unservable", 503: "full"}.get(
                status, "failed"
            )
            _offers.labels(offer.kind, outcome).inc()
            raise
        _offers.labels(offer.kind, "answered").inc()
        return answer

    async def _offer(self, engine: BroadcastEngine, offer: SessionOffer) -> SessionAnswer:
        if offer.kind == "ingest" and not offer.participant_id:
            raise Refused(400, "Incomplete offer", "a speaker needs a participant_id", "participant_id")
        if offer.when_connected:  # a stage that began anew knows no seat: said now, not once it is connected
            await asyncio.wrap_future(self._ticker.call(lambda: _seat_to_keep(engine, offer)))
        session = Session(
            ids.new_id(),
            offer.kind,
            engine.broadcast_id,
            await self._peer(offer),
            secrets.token_hex(8),
            self._clock(),
        )

        def take_over() -> str:
            return self._take_over(engine, offer, session)

        replaced = ""
        if offer.when_connected:
            session.waiting = take_over
        else:
            try:
                replaced = await asyncio.wrap_future(self._ticker.call(take_over))
            except BaseException:
                session.peer.close()
                raise
        self._sessions[session.session_id] = session
        self._some.set()
        if self._counting is not None and session.kind == "egress" and isinstance(offer, CountedOffer):
            session.ear = self._counting.begin(offer, engine.slug)
        if isinstance(session.peer, SocketPeer):
            self.sockets.add(session.session_id, session.peer)
        _sessions.labels(session.kind).inc()
        if replaced:
            self._replaced.append(replaced)
            self._close(replaced, "replaced")
        return SessionAnswer(session_id=session.session_id, sdp=session.peer.answer, etag=session.etag)

    async def _peer(self, offer: SessionOffer) -> AnsweringPeer | SocketPeer:
        if offer.way == "socket":
            return self.sockets.create(offer.returns)
        description = sdp.read_offer(offer.sdp, offer.kind)
        if offer.kind == "egress" and self._listeners() + self._answering >= MAX_LISTENERS:
            raise Refused(503, "No room for another WebRTC listener", "listen at the room's page instead")
        self._answering += 1
        try:
            peer = await AnsweringPeer.create(description, self._door)
        finally:
            self._answering -= 1
        if self.relay_door.port:
            self._peers[peer.ufrag] = peer
            peer.answer = sdp.with_relay_door(peer.answer, self.relay_door.port)
        return peer

    def _password_of(self, ufrag: str) -> str | None:
        peer = self._peers.get(ufrag)
        return peer.password if peer is not None else None

    def _listeners(self) -> float:
        """Of `MAX_LISTENERS`, those that are there."""
        offers = [session.peer.offer for session in self._sessions.values() if session.kind == "egress"]
        return sum(1.0 if Wish(offer.ptime, offer.max_ptime).refuses else 0.5 for offer in offers)

    def _take_over(self, engine: BroadcastEngine, offer: SessionOffer, session: Session) -> str:
        """In the tick's thread: from here on the session's packets count."""
        if self._ticker.engines.get(engine.broadcast_id) is not engine:
            raise Refused(404, "The doors are closed", "the broadcast has just ended")
        speaks = session.kind == "ingest"
        replaced = ""
        place, aside = offer.place, offer.aside
        if offer.when_connected:  # that was seconds ago: he may have been moved since, or removed
            place, aside = _seat_to_keep(engine, offer)
        if speaks:
            replaced = engine.connect(
                session.session_id,
                participant_id=offer.participant_id,
                name=offer.name,
                role=offer.role,
                muted=offer.muted,
                payload_type=session.peer.offer.payload_type,
                level_id=session.peer.offer.level_id,
                returns=session.peer.sends,
                place=place,
                aside=aside,
                way=offer.way,
            )
            self._ticker.drop(replaced)
        else:
            described = session.peer.offer
            engine.listen(session.session_id, Wish(described.ptime, described.max_ptime))
        self._ticker.hold(session.session_id, Held(engine.broadcast_id, session.peer), speaks=speaks)
        return replaced

    def trickle(self, message: SessionTrickle) -> None:
        """PATCH. Raises Refused: 410 another session has the seat now, 404 no such session, 428 and 412
        (If-Match), 422 ICE restart, 400.

        RFC 9725 4.3.1.1: a server that supports trickle but no restart answers a restart with 422; the
        client then opens a new session, which takes over the same seat.
        """
        session = self._sessions.get(message.session_id)
        if session is None and message.session_id in self._replaced:
            raise Refused(410, "No longer yours", "another session has taken this seat")
        if session is None or isinstance(session.peer, SocketPeer):
            raise Refused(404, "No such session", "it has ended; send a new offer")
        if not message.etag:
            raise Refused(428, "If-Match is missing", "send the ETag of the session's answer", "If-Match")
        fragment = sdp.read_fragment(message.fragment)
        named = message.etag.removeprefix("W/").strip('"')
        offer = session.peer.offer
        restart = bool(fragment.ufrag) and (fragment.ufrag, fragment.pwd) != (offer.ufrag, offer.pwd)
        if named == "*" or restart:
            raise Refused(422, "ICE restart is not supported", "send a new offer; it takes over your seat")
        if named != session.etag:
            raise Refused(412, "If-Match does not match", "the session has another ETag", "If-Match")
        room = MAX_TRICKLED - session.trickled
        session.trickled += len(fragment.candidates)
        session.peer.add_candidates(fragment.candidates[: max(0, room)], offer.mid)

    async def delete(self, session_id: str) -> None:
        """Ends a session. Raises Refused (404)."""
        if session_id not in self._sessions:
            raise Refused(404, "No such session", "it has ended already")
        await self._end(session_id, "deleted")

    async def close_all(self, session_ids: list[str], cause: str) -> None:
        """Ends sessions that the engine knows no more."""

        def let_go() -> None:
            for session_id in session_ids:
                self._ticker.drop(session_id)

        await asyncio.wrap_future(self._ticker.call(let_go))
        for session_id in session_ids:
            self._close(session_id, cause)

    async def look(self) -> None:
        """Ends the sessions whose connection has failed, was closed, or never came about."""
        now = self._clock()
        self.relay_door.sweep()
        for session in list(self._sessions.values()):
            state = session.peer.state
            if state == "closed":
                await self._end(session.session_id, "lost")
            elif state == "connecting" and now - session.created > CONNECT_TIMEOUT:
                await self._end(session.session_id, "never connected")
            elif state == "connected" and session.waiting is not None:
                await self._take_seat(session, session.waiting)
            if session.ear is not None:
                self._listens(session, session.ear, state == "connected", now)

    def _listens(self, session: Session, ear: Ear, connected: bool, now: float) -> None:
        """Takes stock of a listener."""
        engine = self._ticker.engines.get(session.broadcast_id)
        ear.look(now, hears=connected and engine is not None and engine.live)

    async def _take_seat(self, session: Session, take_over: Callable[[], str]) -> None:
        """The connection stands that was to be waited for."""
        session.waiting = None
        while session.peer.receive() is not None:
            pass  # what was said meanwhile was heard on the other way
        try:
            replaced = await asyncio.wrap_future(self._ticker.call(take_over))
        except Refused:
            await self._end(session.session_id, "refused")
            return
        if replaced:
            self._close(replaced, "replaced")

    async def watch(self) -> None:
        """Looks again and again, while there are sessions, until cancelled."""
        while True:
            if not self._sessions:
                self._some.clear()
                await self._some.wait()
            await asyncio.sleep(LOOK_INTERVAL)
            await self.look()

    async def _end(self, session_id: str, cause: str) -> None:
        session = self._sessions.get(session_id)
        if session is None:
            return

        def leave() -> None:
            self._ticker.drop(session_id)
            engine = self._ticker.engines.get(session.broadcast_id)
            if engine is not None:
                engine.disconnect(session_id)

        await asyncio.wrap_future(self._ticker.call(leave))
        self._close(session_id, cause)

    def _close(self, session_id: str, cause: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.peer.close()
            if session.ear is not None:
                session.ear.leave(self._clock(), said=cause in SAID)
            self.sockets.end(session_id, cause)
            _sessions.labels(session.kind).dec()
            _ended.labels(cause).inc()
            log.info("session ended", kind=session.kind, cause=cause)


def _seat_to_keep(engine: BroadcastEngine, offer: SessionOffer) -> tuple[Place, str]:
    """Where the participant sits now. In the tick's thread. Raises Refused (404)."""
    found = engine.where(offer.participant_id)
    if found is None:
        raise Refused(404, "No seat to keep", "send an offer that takes the seat at once")
    return found
