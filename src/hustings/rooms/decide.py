"""Command + state -> events, or a RoomError. The table says what is possible; here is what follows."""

from __future__ import annotations

from hustings.rooms import commands as c
from hustings.rooms import events as e
from hustings.rooms.errors import DoorsClosed, IllegalCommand, OnlyYourself, TooMany, UnknownMember
from hustings.rooms.model import MAX_INVITATIONS, Broadcast, Invitation, Participant, Room
from hustings.rooms.table import TABLE, InvitationState, RoomStatus, SeatState, Verb

CONNECTABLE = frozenset(status for status in RoomStatus if (status, Verb.CONNECT) in TABLE)
"""Where speakers may come on the stage."""


def decide(room: Room, command: c.Command) -> list[e.Event]:
    """What `command` makes happen in `room`; an empty list when it is already so.

    Raises RoomError, which carries the state that stood against it.
    """
    match command:
        case c.OpenDoors():
            return [e.DoorsOpened(command.broadcast_id, command.at)] if _moves(room, Verb.OPEN) else []
        case c.GoLive():
            broadcast = _current(room, Verb.START)
            return [e.WentLive(broadcast.id, command.at)] if _moves(room, Verb.START) else []
        case c.Pause():
            broadcast = _current(room, Verb.PAUSE)
            return [e.BroadcastPaused(broadcast.id, command.at)] if _moves(room, Verb.PAUSE) else []
        case c.Resume():
            broadcast = _current(room, Verb.RESUME)
            return [e.BroadcastResumed(broadcast.id, command.at)] if _moves(room, Verb.RESUME) else []
        case c.Stop():
            broadcast = _current(room, Verb.STOP)
            ended = e.BroadcastEnded(broadcast.id, command.at, command.reason)
            return [ended] if _moves(room, Verb.STOP) else []
        case c.TakeUpAgain():
            broadcast = _current(room, Verb.TAKE_UP)
            return [e.BroadcastTakenUp(broadcast.id, broadcast.epoch + 1, command.at)]
        case c.Invite():
            return _invite(room, command)
        case c.SeeInvitation():
            return _answer(room, command.invitation_id, Verb.SEE, command.at)
        case c.AcceptInvitation():
            return _accept(room, command.invitation_id, command.at)
        case c.DeclineInvitation():
            return _refuse_seat(room, command.invitation_id, Verb.DECLINE, Verb.VACATE, command.at)
        case c.WithdrawInvitation():
            return _refuse_seat(room, command.invitation_id, Verb.WITHDRAW, Verb.REMOVE, command.at)
        case c.ExpireInvitation():
            return _answer(room, command.invitation_id, Verb.EXPIRE, command.at)
        case c.Connect():
            return _connect(room, command)
        case c.MuteSelf():
            seat = _seat(room, command.participant_id, Verb.MUTE)
            return _mute(seat, command.muted, seat.muted_by_host and command.muted, command.at)
        case c.MuteOther():
            seat = _seat(room, command.participant_id, Verb.MUTE)
            if not command.muted:
                raise OnlyYourself
            return _mute(seat, seat.muted_self, True, command.at)


def _moves(room: Room, verb: Verb) -> bool:
    """Whether `verb` changes the room's status; raises IllegalCommand."""
    after = TABLE.get((room.status, verb))
    if after is None:
        raise IllegalCommand(verb, room.status, "the room")
    return after is not room.status


def _current(room: Room, verb: Verb) -> Broadcast:
    if (room.status, verb) not in TABLE or room.broadcast is None:
        raise IllegalCommand(verb, room.status, "the broadcast")
    return room.broadcast


def _invite(room: Room, command: c.Invite) -> list[e.Event]:
    _moves(room, Verb.INVITE)
    if len(room.invitations) >= MAX_INVITATIONS:
        raise TooMany("invitations", MAX_INVITATIONS)
    offered = e.InvitationOffered(
        invitation_id=command.invitation_id,
        participant_id=command.participant_id,
        name=command.name,
        role=command.role,
        public=command.public,
        at=command.at,
        expires_at=command.expires_at,
    )
    return [offered]


def _invitation(room: Room, invitation_id: str) -> Invitation:
    invitation = room.invitations.get(invitation_id)
    if invitation is None:
        raise UnknownMember("invitation", invitation_id)
    return invitation


def _answer(room: Room, invitation_id: str, verb: Verb, at: float) -> list[e.Event]:
    invitation = _invitation(room, invitation_id)
    state = _state_at(invitation, verb, at)
    after = TABLE.get((state, verb))
    if after is None:
        raise IllegalCommand(verb, state, "the invitation")
    assert isinstance(after, InvitationState)
    return [] if after is invitation.state else [e.InvitationChanged(invitation_id, after, at)]


def _state_at(invitation: Invitation, verb: Verb, at: float) -> InvitationState:
    """An offer whose time has run out is expired for the invited, even before that is written down."""
    late = invitation.expires_at is not None and at >= invitation.expires_at
    if late and verb is not Verb.EXPIRE and (invitation.state, Verb.EXPIRE) in TABLE:
        return InvitationState.EXPIRED
    return invitation.state


def _accept(room: Room, invitation_id: str, at: float) -> list[e.Event]:
    events = _answer(room, invitation_id, Verb.ACCEPT, at)
    invitation = room.invitations[invitation_id]
    seat = room.participants.get(invitation.participant_id)
    if seat is not None:
        after = TABLE.get((seat.state, Verb.TAKE))
        if after is None:
            raise IllegalCommand(Verb.TAKE, seat.state, "the seat")
        if after is seat.state:
            return events
    taken = e.SeatTaken(invitation.participant_id, invitation.id, invitation.name, invitation.role, at)
    return [*events, taken]


def _refuse_seat(room: Room, invitation_id: str, verb: Verb, seat_verb: Verb, at: float) -> list[e.Event]:
    events = _answer(room, invitation_id, verb, at)
    seat = room.participants.get(room.invitations[invitation_id].participant_id)
    after = TABLE.get((seat.state, seat_verb)) if seat is not None else None
    if seat is not None and isinstance(after, SeatState) and after is not seat.state:
        events.append(e.SeatChanged(seat.id, after, at))
    return events


def _connect(room: Room, command: c.Connect) -> list[e.Event]:
    events = _accept(room, command.invitation_id, command.at)
    if room.status not in CONNECTABLE:
        raise DoorsClosed(room.status, room.scheduled_at)
    return events


def _seat(room: Room, participant_id: str, verb: Verb) -> Participant:
    seat = room.participants.get(participant_id)
    if seat is None:
        raise UnknownMember("participant", participant_id)
    if (seat.state, verb) not in TABLE:
        raise IllegalCommand(verb, seat.state, "the seat")
    return seat


def _mute(seat: Participant, muted_self: bool, muted_by_host: bool, at: float) -> list[e.Event]:
    if (seat.muted_self, seat.muted_by_host) == (muted_self, muted_by_host):
        return []
    return [e.MuteChanged(seat.id, muted_self, muted_by_host, at)]
