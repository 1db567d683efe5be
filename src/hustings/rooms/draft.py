"""What deciding works with: a room in which the events of one command happen one by one."""

from __future__ import annotations

from hustings.rooms import events as e
from hustings.rooms.errors import IllegalCommand, LastHost, PersonBanned, TooMany, UnknownMember
from hustings.rooms.model import CONDUCTING, Broadcast, Invitation, Participant, Request, Role, Room
from hustings.rooms.table import TABLE, InvitationState, RequestState, RoomStatus, SeatState, State, Verb

CONNECTABLE = frozenset(status for status in RoomStatus if (status, Verb.CONNECT) in TABLE)
"""Where speakers may come on the stage: the room is on."""
OPEN_REQUESTS = frozenset({RequestState.WAITING, RequestState.CALLED})


class Draft:
    """A room and what the command has made of it so far."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.events: list[e.Event] = []

    def happen(self, event: e.Event) -> None:
        self.events.append(event)
        self.room = e.apply(self.room, [event])

    # --- members -----------------------------------------------------------------------------

    def invitation(self, invitation_id: str) -> Invitation:
        found = self.room.invitations.get(invitation_id)
        if found is None:
            raise UnknownMember("invitation", invitation_id)
        return found

    def seat(self, participant_id: str) -> Participant:
        found = self.room.participants.get(participant_id)
        if found is None:
            raise UnknownMember("participant", participant_id)
        return found

    def request(self, request_id: str) -> Request:
        found = self.room.requests.get(request_id)
        if found is None:
            raise UnknownMember("request", request_id)
        return found

    def seat_of(self, invitation: Invitation) -> Participant | None:
        """The seat this very invitation gives; one brought up twice sits by the later invitation."""
        seat = self.room.participants.get(invitation.participant_id)
        return seat if seat is not None and seat.invitation_id == invitation.id else None

    def broadcast(self, verb: Verb) -> Broadcast:
        """The current one, when the room's status allows `verb`."""
        if (self.room.status, verb) not in TABLE or self.room.broadcast is None:
            raise IllegalCommand(verb, self.room.status, "the broadcast")
        return self.room.broadcast

    # --- what the table says -----------------------------------------------------------------

    def moves(self, verb: Verb) -> bool:
        """Whether `verb` changes the room's status. Raises IllegalCommand."""
        return after(self.room.status, verb, "the room") is not self.room.status

    def move_seat(self, participant_id: str, verb: Verb, at: float) -> None:
        """Where the table leads; nothing when it is there already. Raises IllegalCommand, LastHost."""
        seat = self.seat(participant_id)
        state = after(seat.state, verb, "the seat")
        assert isinstance(state, SeatState)
        if state is seat.state:
            return
        if seat.state is SeatState.SEATED:
            self.keep_a_host(seat)
        self.happen(e.SeatChanged(participant_id, state, at))
        self.settle(participant_id, at)

    def keep_a_host(self, seat: Participant) -> None:
        """Raises LastHost when the room is on and no other host is on the stage than `seat`."""
        others = (p for p in self.room.participants.values() if p.id != seat.id)
        if self.room.status in CONNECTABLE and is_host(seat) and not any(map(is_host, others)):
            raise LastHost(self.room.status)

    def settle(self, participant_id: str, at: float) -> None:
        """Ends what does not outlast a change of this seat: its clock, and talks off air."""
        seat = self.seat(participant_id)
        if seat.state is not SeatState.SEATED and seat.clock_until is not None:
            self.happen(e.ClockSet(participant_id, None, at))
        conducts = seat.state is SeatState.SEATED and seat.role in CONDUCTING
        if seat.aside and not conducts:
            self.happen(e.AsideChanged(participant_id, "", at))
        if seat.state is not SeatState.WAITING:
            for host in list(self.room.participants.values()):
                if host.aside == participant_id:
                    self.happen(e.AsideChanged(host.id, "", at))

    def set_invitation(self, invitation: Invitation, state: InvitationState, at: float) -> None:
        if invitation.state is not state:
            self.happen(e.InvitationChanged(invitation.id, state, at))

    def lower(self, request_id: str, at: float) -> None:
        """The request is over, if it is one of this broadcast and still open."""
        request = self.room.requests.get(request_id)
        if request is not None and request.state in OPEN_REQUESTS:
            self.happen(e.HandChanged(request_id, RequestState.LOWERED, at))

    def give_back(self, invitation: Invitation, at: float) -> None:
        """A brought-up listener listens again: the seat is vacant and the ticket no longer holds."""
        seat = self.seat_of(invitation)
        if seat is not None and seat.state is not SeatState.REMOVED:
            self.move_seat(seat.id, Verb.VACATE, at)
        self.set_invitation(invitation, InvitationState.WITHDRAWN, at)
        self.lower(invitation.request_id, at)

    # --- bounds ------------------------------------------------------------------------------

    def admit_one(self, voices: int) -> None:
        """Raises TooMany when the stage has its `voices`."""
        seated = sum(p.state is SeatState.SEATED for p in self.room.participants.values())
        if seated >= voices:
            raise TooMany("voices on the stage", voices)

    def refuse_banned(self, participant_id: str, marks: frozenset[str]) -> None:
        """Raises PersonBanned for one who is, or who bears a mark of one who is."""
        for ban in self.room.bans:
            if ban.participant_id == participant_id or not marks.isdisjoint(ban.marks):
                raise PersonBanned(ban.participant_id)


def is_host(seat: Participant) -> bool:
    """A host on the stage."""
    return seat.state is SeatState.SEATED and seat.role is Role.HOST


def after(state: State, verb: Verb, what: str) -> State:
    """Where the table leads. Raises IllegalCommand."""
    then = TABLE.get((state, verb))
    if then is None:
        raise IllegalCommand(verb, state, what)
    return then
