"""What the studio does, apart from HTTP. Committed first, then shown, then told to the stage.

Most wishes are a command of `rooms.commands` given to `execute`; the methods here are those that need
more than one step. Links and tickets are in `tickets`, WebRTC in `media`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from hustings.bus import subjects
from hustings.bus.messages import (
    AnnounceEvent,
    AudienceReport,
    Done,
    RecordingReport,
    SessionAnswer,
    StageHello,
    StageReport,
)
from hustings.clock import Clock
from hustings.config import Settings
from hustings.errors import Refused, Unavailable
from hustings.ids import new_broadcast_id, new_id, secret_hash, slugify
from hustings.rooms import commands as c
from hustings.rooms import events as e
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.due import doors_at
from hustings.rooms.errors import RoomError, UnknownMember
from hustings.rooms.model import Details, Role, Room
from hustings.rooms.table import RequestState, SeatState
from hustings.store.store import Also, SlugTaken, Store, UnknownRoom
from hustings.studio import schedule
from hustings.studio.absences import Absences
from hustings.studio.board import Board
from hustings.studio.media import SETTLE, Coming, MediaSessions
from hustings.studio.sessions import SessionIds
from hustings.studio.stage_link import PRESENT, Requests, StageLink
from hustings.studio.tickets import (
    DEVICE,
    GONE,
    Guest,
    Marks,
    Offer,
    Tickets,
    invite_own,
    new_link,
    new_ticket,
    own_invitation,
)
from hustings.studio.urls import Urls
from hustings.turn import read_relays

log = structlog.get_logger()

OPERATOR = "operator"
"""Scope of a token that may do everything."""
CALL_SECONDS = 180.0
"""How long one who was brought up has to come."""
_EARLY = 60.0
"""A weekly room's next time lies at least so many seconds after its end."""

type Happened = Callable[[Room, list[e.Event]], None]


class Studio:
    """Everything the studio can do. Raises RoomError, Refused, Unavailable, UnknownRoom, SlugTaken."""

    def __init__(
        self,
        store: Store,
        bus: Requests,
        clock: Clock,
        settings: Settings,
        urls: Urls,
        ids: SessionIds,
        key: bytes,
    ) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings
        self.relays = read_relays(settings.turn, settings.turn_secret)
        self.urls = urls
        self.ids = ids
        self.board = Board()
        self.tickets = Tickets(store, key, clock)
        self.marks = Marks(key)
        self.link = StageLink(
            bus,
            clock.monotonic,
            self._next_epoch,
            levelling=settings.levelling,
            max_voices=settings.voices,
        )
        self.absences = Absences(self.execute, clock)
        self.media = MediaSessions(bus, self.link, self.execute, self.room)
        self._bus = bus
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._happened: list[Happened] = []
        self.also: list[Also] = []
        """Called in the transaction of each command (webhooks, public record)."""
        self._announcing: set[asyncio.Task[None]] = set()

    def on_events(self, callback: Happened) -> None:
        """`callback(room, events)` after each commit, before anybody is shown the room."""
        self._happened.append(callback)

    async def load(self) -> None:
        """Takes up what the database holds: active broadcasts go on, with or without a running stage."""
        for room in await self.store.all_rooms():
            self.board.put(room)
            if room.status in CONNECTABLE:
                self.link.update(room, after_restart=True)

    # --- rooms -------------------------------------------------------------------------------

    async def create_room(self, details: Details, slug: str = "", owner_id: str = "") -> Room:
        """`slug` empty: one is made from the title, with a number when it is taken."""
        wanted = slug or slugify(details.title)
        for attempt in range(1, 100):
            name = wanted if attempt == 1 else f"{wanted}-{attempt}"
            try:
                room = await self.store.create_room(name, details, owner_id, self.clock.wall())
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
        """Ends the broadcast; a weekly room gets its next time."""
        return await self._broadcast_command(slug, self.ending(slug))

    def ending(self, slug: str, reason: str = "ended") -> c.Stop:
        """The command that ends its broadcast."""
        at = self.clock.wall()
        details = self.room(slug).details
        next_at = None
        if details.weekly and details.scheduled_at is not None:
            opens = doors_at(details)
            # One that ends before its time, but after its doors were due, has been: the next is a week on.
            after = (
                max(at + _EARLY, details.scheduled_at) if opens is not None and at > opens else at + _EARLY
            )
            next_at = schedule.next_weekly(details.scheduled_at, details.time_zone or "UTC", after)
        return c.Stop(at, reason, next_at=next_at)

    async def off_record(self, slug: str, off: bool) -> tuple[Room, bool]:
        """The room, and whether the stage has it already."""
        room, settled = await self._broadcast_command(slug, c.OffRecord(off, self.clock.wall()))
        return room, settled and self.link.recording_settled(room.broadcast.id if room.broadcast else "")

    # --- invitations -------------------------------------------------------------------------

    async def invite(
        self, slug: str, name: str, role: Role, public: bool, expires_at: float | None = None
    ) -> tuple[Room, Offer]:
        """The room, and the secrets of the new invitation, which are kept nowhere."""
        offer = Offer(new_id(), new_link(), new_ticket())
        command = c.Invite(offer.invitation_id, new_id(), name, role, public, self.clock.wall(), expires_at)
        room = await self.execute(
            slug, command, ticket_hash=secret_hash(offer.ticket), link_hash=secret_hash(offer.link)
        )
        return room, offer

    async def own_seat(self, slug: str, account_id: str, name: str, role: Role) -> str:
        """The ticket of an account's own seat in the room; the seat is made when there is none."""
        async with self._locks[f"{slug}/own"]:
            invitation = own_invitation(self.room(slug), account_id)
            if invitation is None:
                command = invite_own(account_id, name, role, self.clock.wall())
                ticket = self.tickets.own(command.invitation_id)
                await self.execute(slug, command, ticket_hash=secret_hash(ticket))
                return ticket
        ticket = self.tickets.own(invitation.id)
        await self.store.add_ticket(invitation.id, secret_hash(ticket), self.clock.wall())
        return ticket

    async def guest(self, slug: str, ticket: str) -> Guest:
        """Whom `ticket` belongs to in this room. Raises UnknownRoom, or Unauthorized."""
        return await self.tickets.guest(self.room(slug), ticket)

    async def redeem(self, slug: str, link: str) -> tuple[Guest, str]:
        """Whoever has the link, and the ticket it becomes, once. The invitation is seen then."""
        room = self.room(slug)
        guest, ticket = await self.tickets.redeem(room.slug, link)
        await self.see(guest)
        return guest, ticket

    async def renew_link(self, slug: str, invitation_id: str) -> str:
        """A new link secret for an invitation that still holds. Raises UnknownMember, Refused."""
        invitation = self.room(slug).invitations.get(invitation_id)
        if invitation is None:
            raise UnknownMember("invitation", invitation_id)
        if invitation.state in GONE:
            raise Refused(409, "The invitation no longer holds", f"It is {invitation.state.value}.")
        return await self.tickets.renew_link(invitation_id)

    async def see(self, guest: Guest) -> Room:
        return await self.execute(guest.slug, c.SeeInvitation(guest.invitation_id, self.clock.wall()))

    async def answer(self, guest: Guest, accepted: bool) -> Room:
        at = self.clock.wall()
        command = c.AcceptInvitation if accepted else c.DeclineInvitation
        return await self.execute(guest.slug, command(guest.invitation_id, at))

    async def consent(self, guest: Guest, agree: bool) -> Room:
        """Answered once the stage has it, if it has it soon: what was taken back is then not written."""
        command = c.AgreeToRecording(guest.invitation_id, agree, self.clock.wall())
        return (await self._broadcast_command(guest.slug, command))[0]

    async def expire_due(self) -> None:
        """Writes down which offers' time has run out."""
        at = self.clock.wall()
        for slug, invitation_id in await self.store.due_invitations(at):
            with contextlib.suppress(RoomError, UnknownRoom):
                await self.execute(slug, c.ExpireInvitation(invitation_id, at))

    # --- people ------------------------------------------------------------------------------

    async def speak(self, guest: Guest, coming: Coming, marks: frozenset[str]) -> SessionAnswer:
        """An invited comes with his microphone. See MediaSessions."""
        shown = _compared(self.room(guest.slug), guest, marks)
        connect = c.Connect(guest.invitation_id, self.clock.wall(), shown, voices=self.settings.voices)
        answer = await self.media.speak(guest.slug, connect, coming)
        self.marks.note(guest.participant_id, marks)
        return answer

    async def remove(self, slug: str, participant_id: str, ban: bool) -> Room:
        """Off the stage for good; with `ban` also kept out of this room under another link."""
        marks = self.marks.noted(participant_id) if ban else frozenset()
        return await self.execute(slug, c.Remove(participant_id, self.clock.wall(), ban, marks))

    async def ask_to_speak(
        self,
        slug: str,
        request_id: str,
        name: str,
        ticket_hash: str,
        marks: frozenset[str],
        device_mark: str,
    ) -> Room:
        """A listener raises a hand; who has talked before in this broadcast is known by the device."""
        # A seat is made anew each time; the first part of its name tells whose it was.
        asker = f"p{device_mark[1:17]}-"
        room = self.room(slug)
        _refuse_second_hand(room, asker, request_id)
        talked = self.board.talked(room.broadcast.id if room.broadcast else "")
        seconds = sum(seconds for person, seconds in talked.items() if person.startswith(asker))
        command = c.AskToSpeak(
            request_id,
            asker + request_id[:8],
            name,
            self.clock.wall(),
            seconds,
            marks,
        )
        room = await self.execute(slug, command, ticket_hash=ticket_hash)
        self.marks.note(command.participant_id, marks)
        return room

    async def lower_hand(self, slug: str, request_id: str) -> Room:
        return await self.execute(slug, c.LowerHand(request_id, self.clock.wall()))

    async def bring_up(self, slug: str, request_id: str) -> Room:
        """The asker may come on the stage for the next three minutes."""
        at = self.clock.wall()
        command = c.BringUp(request_id, new_id(), at, at + CALL_SECONDS, voices=self.settings.voices)
        return await self.execute(slug, command)

    async def is_operator(self, token: str) -> bool:
        return await self.store.token_scope(secret_hash(token)) == OPERATOR

    # --- from the bus ------------------------------------------------------------------------

    async def stage_said_hello(self, hello: StageHello) -> None:
        await self.link.stage_said_hello(hello)

    def stage_reported(self, report: StageReport) -> None:
        self.board.stage_reported(report, self.clock.monotonic())
        self.link.stage_reported(report)
        self.absences.stage_reported(report, self.board.room(report.slug))

    def recording_reported(self, report: RecordingReport) -> None:
        self.board.recording_reported(report, self.clock.monotonic())

    def audience_reported(self, report: AudienceReport) -> None:
        self.board.audience_reported(report, self.clock.monotonic())

    # --- inside ------------------------------------------------------------------------------

    async def _broadcast_command(self, slug: str, command: c.Command) -> tuple[Room, bool]:
        room = await self.execute(slug, command)
        broadcast_id = room.broadcast.id if room.broadcast else ""
        return room, await self.link.settled(broadcast_id, SETTLE)

    async def execute(
        self, slug: str, command: c.Command, *, ticket_hash: str = "", link_hash: str = ""
    ) -> Room:
        """Commits, then shows and tells what was committed; one command of a room after the other."""
        self.room(slug)
        # Shielded: a client that hangs up between commit and what follows must not leave the two apart.
        return await asyncio.shield(self._commit(slug, command, ticket_hash, link_hash))

    async def edit(self, slug: str, change: Callable[[Details], Details]) -> Room:
        """Commits what `change` makes of the details as they are when it is its turn: two edits in the same
        instant do not undo one another."""
        self.room(slug)
        return await asyncio.shield(self._edit(slug, change))

    async def _edit(self, slug: str, change: Callable[[Details], Details]) -> Room:
        async with self._locks[slug]:
            command = c.Edit(change(self.room(slug).details), self.clock.wall())
            return await self._carry_out(slug, command)

    async def _commit(self, slug: str, command: c.Command, ticket_hash: str, link_hash: str) -> Room:
        async with self._locks[slug]:
            return await self._carry_out(slug, command, ticket_hash, link_hash)

    async def _carry_out(
        self, slug: str, command: c.Command, ticket_hash: str = "", link_hash: str = ""
    ) -> Room:
        """With the room's lock."""
        room, happened = await self.store.execute(
            slug, command, ticket_hash=ticket_hash, link_hash=link_hash, also=self._also
        )
        self._show(room, happened)
        return room

    async def _also(
        self, connection: AsyncConnection, before: Room, after: Room, happened: list[e.Event]
    ) -> None:
        for also in self.also:
            await also(connection, before, after, happened)

    def _show(self, room: Room, happened: list[e.Event]) -> None:
        for callback in self._happened:
            callback(room, happened)
        self.board.put(room)
        self.link.update(room)
        for event in happened:
            if isinstance(event, e.TopicBegan) and event.marked:
                data = {"id": event.topic_id, "title": event.title}
                self.announce(event.broadcast_id, "topic", data)

    def announce(self, broadcast_id: str, kind: str, data: dict[str, str]) -> None:
        """On the timeline, where players look for chapters. The room's state has it anyway."""

        async def tell() -> None:
            message = AnnounceEvent(broadcast_id=broadcast_id, kind=kind, data=dict(data))
            try:
                await self._bus.request(subjects.STAGE_ANNOUNCE, message, Done)
            except (Refused, Unavailable) as error:
                log.warning("a mark did not reach the stage", kind=kind, why=type(error).__name__)

        task = asyncio.create_task(tell())
        self._announcing.add(task)
        task.add_done_callback(self._announcing.discard)

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


def _compared(room: Room, guest: Guest, marks: frozenset[str]) -> frozenset[str]:
    """Which of the marks are compared with the bans. A whole school may share one address: whoever is
    there already comes back, and a host's guest is known by the device, if it says which it is."""
    seat = room.participants.get(guest.participant_id)
    if seat is not None and seat.state in PRESENT:
        return frozenset()
    if room.invitations[guest.invitation_id].request_id:
        return marks
    return frozenset(mark for mark in marks if mark.startswith(DEVICE)) or marks


def _refuse_second_hand(room: Room, asker: str, request_id: str) -> None:
    """One hand, one seat: who waits, is called or talks cannot ask once more."""
    waiting = any(
        request.participant_id.startswith(asker) and request.state is not RequestState.LOWERED
        for request in room.requests.values()
        if request.id != request_id
    )
    seated = any(
        person.id.startswith(asker) and person.state is SeatState.SEATED
        for person in room.participants.values()
    )
    if waiting or seated:
        raise Refused(409, "The hand is up already", "You wait already, or are on the stage.")


def merged(details: Details, **changes: object) -> Details:
    """`details` with what is named changed; None leaves a member as it is."""
    return replace(details, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
