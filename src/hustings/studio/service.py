"""What the studio does, apart from HTTP: one method per wish. Committed first, then told to the stage."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from hustings.bus import subjects
from hustings.bus.messages import (
    AudienceReport,
    Done,
    SessionAnswer,
    SessionDelete,
    SessionOffer,
    SessionTrickle,
    StageHello,
    StageReport,
)
from hustings.clock import Clock
from hustings.config import Settings
from hustings.errors import Refused, Unavailable
from hustings.ids import new_broadcast_id, new_id, new_secret, secret_hash, slugify
from hustings.rooms import commands as c
from hustings.rooms.decide import CONNECTABLE, decide
from hustings.rooms.errors import RoomError
from hustings.rooms.model import Role, Room
from hustings.rooms.table import RoomStatus
from hustings.store.store import SlugTaken, Store, UnknownRoom
from hustings.studio.board import Board
from hustings.studio.problems import Unauthorized
from hustings.studio.sessions import SessionIds
from hustings.studio.stage_link import Requests, StageLink
from hustings.studio.urls import Urls

OPERATOR = "operator"
"""Scope of a token that may do everything."""
SETTLE = 2.0
"""Seconds a command waits for the stage before it answers without it (it goes on being told)."""
MAX_OFFERS = {"ingest": 32, "egress": 16}
"""Offers in flight at once, apart, so that listeners by WHEP never delay a speaker."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Whose ticket it is."""

    slug: str
    invitation_id: str
    participant_id: str


class Studio:
    """Everything the studio can do. Raises RoomError, Refused, Unavailable, UnknownRoom, SlugTaken."""

    def __init__(
        self, store: Store, bus: Requests, clock: Clock, settings: Settings, urls: Urls, ids: SessionIds
    ) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings
        self.urls = urls
        self.ids = ids
        self.board = Board()
        self.link = StageLink(
            bus,
            clock.monotonic,
            self._next_epoch,
            levelling=settings.levelling,
            max_voices=settings.voices,
        )
        self._bus = bus
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._offers = dict.fromkeys(MAX_OFFERS, 0)

    async def load(self) -> None:
        """Takes up what the database holds: active broadcasts go on, with or without a running stage."""
        for room in await self.store.all_rooms():
            self.board.put(room)
            if room.status in CONNECTABLE:
                self.link.update(room, after_restart=True)

    # --- rooms -------------------------------------------------------------------------------

    async def create_room(self, title: str, slug: str, scheduled_at: float | None) -> Room:
        """`slug` empty: one is made from the title, with a number when it is taken."""
        wanted = slug or slugify(title)
        for attempt in range(1, 100):
            name = wanted if attempt == 1 else f"{wanted}-{attempt}"
            try:
                room = await self.store.create_room(name, title, scheduled_at, self.clock.wall())
            except SlugTaken:
                if slug:
                    raise
                continue
            self.board.put(room)
            return room
        raise SlugTaken(wanted)

    def room(self, slug: str) -> Room:
        """As committed. Raises UnknownRoom."""
        room = self.board.room(slug)
        if room is None:
            raise UnknownRoom(slug)
        return room

    async def open_doors(self, slug: str) -> tuple[Room, bool]:
        """The room, and whether the stage has it already (else it is told again until it has)."""
        at = self.clock.wall()
        return await self._broadcast_command(slug, c.OpenDoors(new_broadcast_id(at), at))

    async def go_live(self, slug: str) -> tuple[Room, bool]:
        return await self._broadcast_command(slug, c.GoLive(self.clock.wall()))

    async def stop(self, slug: str) -> tuple[Room, bool]:
        return await self._broadcast_command(slug, c.Stop(self.clock.wall()))

    async def invite(self, slug: str, name: str, role: Role, public: bool) -> tuple[Room, str, str]:
        """The room, the invitation's identifier and its ticket; the ticket is kept nowhere."""
        ticket, invitation_id = new_secret(), new_id()
        command = c.Invite(invitation_id, new_id(), name, role, public, self.clock.wall())
        room = await self._execute(slug, command, ticket_hash=secret_hash(ticket))
        return room, invitation_id, ticket

    async def mute_other(self, slug: str, participant_id: str, muted: bool) -> Room:
        """By a host: only ever towards silence."""
        return await self._execute(slug, c.MuteOther(participant_id, muted, self.clock.wall()))

    # --- the invited -------------------------------------------------------------------------

    async def is_operator(self, token: str) -> bool:
        return await self.store.token_scope(secret_hash(token)) == OPERATOR

    async def guest(self, slug: str, ticket: str) -> Guest:
        """Whom `ticket` belongs to in this room. Raises UnknownRoom, or Unauthorized."""
        room = self.room(slug)
        found = await self.store.find_ticket(secret_hash(ticket))
        if found is None or found[0] != slug or found[1] not in room.invitations:
            raise Unauthorized(
                "Unknown ticket", "This link is no invitation to this room; ask for a new one."
            )
        invitation = room.invitations[found[1]]
        if invitation.state.value in ("withdrawn", "expired"):
            raise Unauthorized("The invitation no longer holds", f"It is {invitation.state.value}.")
        return Guest(slug, invitation.id, invitation.participant_id)

    async def see(self, guest: Guest) -> Room:
        return await self._execute(guest.slug, c.SeeInvitation(guest.invitation_id, self.clock.wall()))

    async def answer(self, guest: Guest, accepted: bool) -> Room:
        at = self.clock.wall()
        command = c.AcceptInvitation if accepted else c.DeclineInvitation
        return await self._execute(guest.slug, command(guest.invitation_id, at))

    async def mute_self(self, guest: Guest, muted: bool) -> Room:
        return await self._execute(guest.slug, c.MuteSelf(guest.participant_id, muted, self.clock.wall()))

    # --- WebRTC sessions ---------------------------------------------------------------------

    async def speak(self, guest: Guest, sdp: str) -> SessionAnswer:
        """A WHIP offer. The invitation counts as accepted once the stage has taken the offer."""
        room = self.room(guest.slug)
        connect = c.Connect(guest.invitation_id, self.clock.wall())
        decide(room, connect)  # refuses before the stage is bothered
        assert room.broadcast is not None
        invitation = room.invitations[guest.invitation_id]
        seat = room.participants.get(guest.participant_id)
        answer = await self._offer(
            SessionOffer(
                broadcast_id=room.broadcast.id,
                kind="ingest",
                sdp=sdp,
                participant_id=guest.participant_id,
                name=invitation.name,
                role=invitation.role.value,
                muted=seat is not None and seat.muted,
            )
        )
        try:
            await self._execute(guest.slug, connect)
        except (RoomError, Unavailable):
            await self._bus.request(subjects.STAGE_DELETE, SessionDelete(session_id=answer.session_id), Done)
            raise
        return answer

    async def listen(self, slug: str, sdp: str) -> SessionAnswer:
        """A WHEP offer: anybody, while the room is live; the stage bounds their number."""
        room = self.room(slug)
        if room.status not in (RoomStatus.LIVE, RoomStatus.PAUSED) or room.broadcast is None:
            raise Refused(
                409, "Not on air", f"The room is {room.status.value}; there is nothing to hear yet."
            )
        return await self._offer(SessionOffer(broadcast_id=room.broadcast.id, kind="egress", sdp=sdp))

    async def _offer(self, offer: SessionOffer) -> SessionAnswer:
        if self._offers[offer.kind] >= MAX_OFFERS[offer.kind]:
            raise Refused(503, "Too many at once", "Try again in a moment.")
        self._offers[offer.kind] += 1
        try:
            if not await self.link.settled(offer.broadcast_id, SETTLE):
                raise Unavailable("The stage has not taken the broadcast yet.")
            return await self._bus.request(subjects.STAGE_OFFER, offer, SessionAnswer, timeout=8.0)
        finally:
            self._offers[offer.kind] -= 1

    async def trickle(self, session_id: str, fragment: str, etag: str) -> None:
        message = SessionTrickle(session_id=session_id, fragment=fragment, etag=etag)
        await self._bus.request(subjects.STAGE_TRICKLE, message, Done)

    async def hang_up(self, session_id: str) -> None:
        await self._bus.request(subjects.STAGE_DELETE, SessionDelete(session_id=session_id), Done)

    # --- from the bus ------------------------------------------------------------------------

    async def stage_said_hello(self, hello: StageHello) -> None:
        await self.link.stage_said_hello(hello)

    def stage_reported(self, report: StageReport) -> None:
        self.board.stage_reported(report, self.clock.monotonic())
        self.link.stage_reported(report)

    def audience_reported(self, report: AudienceReport) -> None:
        self.board.audience_reported(report, self.clock.monotonic())

    # --- inside ------------------------------------------------------------------------------

    async def _broadcast_command(self, slug: str, command: c.Command) -> tuple[Room, bool]:
        room = await self._execute(slug, command)
        broadcast_id = room.broadcast.id if room.broadcast else ""
        return room, await self.link.settled(broadcast_id, SETTLE)

    async def _execute(self, slug: str, command: c.Command, *, ticket_hash: str = "") -> Room:
        """Commits, then shows and tells what was committed; one command of a room after the other."""
        self.room(slug)
        # Shielded: a client that hangs up between commit and what follows must not leave the two apart.
        return await asyncio.shield(self._commit(slug, command, ticket_hash))

    async def _commit(self, slug: str, command: c.Command, ticket_hash: str) -> Room:
        async with self._locks[slug]:
            room, _ = await self.store.execute(slug, command, ticket_hash=ticket_hash)
            self.board.put(room)
            self.link.update(room)
            return room

    async def _next_epoch(self, slug: str, broadcast_id: str) -> Room | None:
        """Persists that a restarted stage takes the broadcast up; None when it is no longer active."""
        async with self._locks[slug]:
            current = self.board.room(slug)
            if current is None or current.broadcast is None or current.broadcast.id != broadcast_id:
                return None
            try:
                room, _ = await self.store.execute(slug, c.TakeUpAgain(self.clock.wall()))
            except RoomError:
                return None
            self.board.put(room)
            return room
