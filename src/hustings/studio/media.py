"""Media sessions: an offer of a speaker or a listener goes to the stage, its answer back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from hustings.bus import subjects
from hustings.bus.audience_messages import CountedOffer
from hustings.bus.messages import Done, SessionAnswer, SessionDelete, SessionOffer, SessionTrickle, Way
from hustings.errors import Refused, Unavailable
from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import RoomError
from hustings.rooms.events import apply
from hustings.rooms.model import Room
from hustings.rooms.table import RoomStatus
from hustings.studio.stage_link import Requests, StageLink, place_of

SETTLE = 2.0
"""Seconds an offer waits for the stage to have its broadcast."""
TRIES = 10
AGAIN = 0.1
"""Seconds between two of them."""
MAX_OFFERS = {"ingest": 32, "egress": 16}
"""Offers in flight at once, apart, so that listeners by WHEP never delay a speaker."""


class Execute(Protocol):
    """Commits a command of a room."""

    def __call__(self, slug: str, command: c.Command) -> Awaitable[Room]: ...


@dataclass(frozen=True, slots=True)
class Coming:
    """How a speaker comes: with a WebRTC offer (`sdp`), or by a WebSocket, which has none."""

    sdp: str = ""
    way: Way = "webrtc"
    returns: bool = True
    """Of a socket: whether it wants the others' sound."""
    when_connected: bool = False
    """The seat is taken only once the connection stands."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is told of a listener: the key made with the salt of this name (0: unknown), and his country's
    code ("": unknown)."""

    key: int = 0
    salt: str = ""
    bot: bool = False
    country: str = ""


class MediaSessions:
    """Raises RoomError, Refused, Unavailable."""

    def __init__(self, bus: Requests, link: StageLink, execute: Execute, room: Callable[[str], Room]) -> None:
        self._bus = bus
        self._link = link
        self._execute = execute
        self._room = room
        self.counted: Callable[[str, str, bytes], Visitor] = lambda _broadcast, _address, _agent: Visitor()
        """By whom a listener is counted: broadcast, address, browser."""
        self._offers = dict.fromkeys(MAX_OFFERS, 0)

    async def speak(self, slug: str, connect: c.Connect, coming: Coming) -> SessionAnswer:
        """A WHIP offer, or a socket. The invitation counts as accepted once the stage has taken the offer."""
        room = self._room(slug)
        after = apply(room, decide(room, connect))  # refuses before the stage is bothered
        assert after.broadcast is not None
        invitation = after.invitations[connect.invitation_id]
        seat = after.participants[invitation.participant_id]
        place, aside = place_of(after, seat)
        offer = SessionOffer(
            broadcast_id=after.broadcast.id,
            kind="ingest",
            sdp=coming.sdp,
            way=coming.way,
            returns=coming.returns,
            when_connected=coming.when_connected,
            participant_id=seat.id,
            name=seat.name,
            role=seat.role.value,
            muted=seat.muted,
            place=place,
            aside=aside,
        )
        with self._link.coming(seat.id):
            answer = await self._offer(offer)
            try:
                await self._execute(slug, connect)
            except (RoomError, Unavailable):
                await self.hang_up(answer.session_id)
                raise
        return answer

    async def listen(self, slug: str, sdp: str, address: str = "", agent: bytes = b"") -> SessionAnswer:
        """A WHEP offer: anybody, while the room is live; the stage bounds their number. `address` and `agent`
        become a key to count by."""
        room = self._room(slug)
        if room.status not in (RoomStatus.LIVE, RoomStatus.PAUSED) or room.broadcast is None:
            raise Refused(
                409, "Not on air", f"The room is {room.status.value}; there is nothing to hear yet."
            )
        counted = self.counted(room.broadcast.id, address, agent)
        offer = CountedOffer(
            broadcast_id=room.broadcast.id,
            kind="egress",
            sdp=sdp,
            key=counted.key,
            salt=counted.salt,
            bot=counted.bot,
            country=counted.country,
        )
        return await self._offer(offer)

    async def _offer(self, offer: SessionOffer) -> SessionAnswer:
        if self._offers[offer.kind] >= MAX_OFFERS[offer.kind]:
            raise Refused(503, "Too many at once", "Try again in a moment.")
        self._offers[offer.kind] += 1
        try:
            return await self._answered(offer)
        finally:
            self._offers[offer.kind] -= 1

    async def _answered(self, offer: SessionOffer) -> SessionAnswer:
        """A stage that has just begun may be asked before we have heard of it: then it gets the broadcast
        first."""
        for _ in range(TRIES):
            if not await self._link.settled(offer.broadcast_id, SETTLE):
                break
            try:
                return await self._bus.request(subjects.STAGE_OFFER, offer, SessionAnswer, timeout=8.0)
            except Refused as error:
                if error.status != 404:
                    raise
            await asyncio.sleep(AGAIN)
        raise Unavailable("The stage has not taken the broadcast yet.")

    async def trickle(self, session_id: str, fragment: str, etag: str) -> None:
        message = SessionTrickle(session_id=session_id, fragment=fragment, etag=etag)
        await self._bus.request(subjects.STAGE_TRICKLE, message, Done)

    async def hang_up(self, session_id: str) -> None:
        await self._bus.request(subjects.STAGE_DELETE, SessionDelete(session_id=session_id), Done)
