"""Invitations, who comes by them, and who may not come any more."""

from __future__ import annotations

from hustings.rooms import commands as c
from hustings.rooms import events as e
from hustings.rooms.draft import CONNECTABLE, OPEN_REQUESTS, Draft, after
from hustings.rooms.errors import (
    AlreadyThere,
    DoorsClosed,
    IllegalCommand,
    StageLocked,
    TooMany,
    UnknownMember,
)
from hustings.rooms.model import CONDUCTING, MAX_BANS, MAX_INVITATIONS, MAX_MARKS, Invitation, Participant
from hustings.rooms.table import TABLE, InvitationState, SeatState, Verb

type PeopleCommand = (
    c.Invite
    | c.SeeInvitation
    | c.AcceptInvitation
    | c.DeclineInvitation
    | c.WithdrawInvitation
    | c.ExpireInvitation
    | c.SayWord
    | c.Connect
    | c.Remove
    | c.LiftBan
)


def decide(draft: Draft, command: PeopleCommand) -> None:
    match command:
        case c.Invite():
            _invite(draft, command)
        case c.SeeInvitation():
            _answer(draft, command.invitation_id, Verb.SEE, command.at)
        case c.AcceptInvitation():
            _accept(draft, command.invitation_id, command.at)
        case c.DeclineInvitation():
            _leave(draft, command.invitation_id, Verb.DECLINE, Verb.VACATE, command.at)
        case c.WithdrawInvitation():
            _leave(draft, command.invitation_id, Verb.WITHDRAW, Verb.REMOVE, command.at)
        case c.ExpireInvitation():
            invitation = _answer(draft, command.invitation_id, Verb.EXPIRE, command.at)
            draft.lower(invitation.request_id, command.at)
        case c.SayWord():
            _say_word(draft, command)
        case c.Connect():
            _connect(draft, command)
        case c.Remove():
            _remove(draft, command)
        case c.LiftBan():
            _lift_ban(draft, command)


# --- invitations ---------------------------------------------------------------------------------


def _invite(draft: Draft, command: c.Invite) -> None:
    draft.moves(Verb.INVITE)
    known = draft.room.invitations.get(command.invitation_id)
    if known is not None and known.participant_id == command.participant_id:
        return
    refuse_taken(draft, command.invitation_id)
    if command.participant_id in _everybody(draft):
        raise AlreadyThere("participant", command.participant_id)
    draft.happen(
        e.InvitationOffered(
            invitation_id=command.invitation_id,
            participant_id=command.participant_id,
            name=command.name,
            role=command.role,
            public=command.public,
            at=command.at,
            expires_at=command.expires_at,
            account_id=command.account_id,
        )
    )
    if command.account_id:
        draft.happen(e.InvitationChanged(command.invitation_id, InvitationState.ACCEPTED, command.at))


def refuse_taken(draft: Draft, invitation_id: str) -> None:
    """Raises AlreadyThere or TooMany when no invitation with this identifier can be added."""
    if invitation_id in draft.room.invitations:
        raise AlreadyThere("invitation", invitation_id)
    if len(draft.room.invitations) >= MAX_INVITATIONS:
        raise TooMany("invitations", MAX_INVITATIONS)


def _everybody(draft: Draft) -> set[str]:
    """Participants' identifiers that are in use, in whatever way."""
    room = draft.room
    return {
        *room.participants,
        *(invitation.participant_id for invitation in room.invitations.values()),
        *(request.participant_id for request in room.requests.values()),
    }


def _state_at(invitation: Invitation, verb: Verb, at: float) -> InvitationState:
    """An offer whose time has run out is expired for the invited, even before that is written down."""
    late = invitation.expires_at is not None and at >= invitation.expires_at
    declined = verb is Verb.DECLINE and invitation.state is InvitationState.DECLINED  # already so
    if late and verb is not Verb.EXPIRE and not declined and (invitation.state, Verb.EXPIRE) in TABLE:
        return InvitationState.EXPIRED
    return invitation.state


def _answer(draft: Draft, invitation_id: str, verb: Verb, at: float) -> Invitation:
    """Where the table leads this invitation; the invitation as it was. Raises IllegalCommand."""
    invitation = draft.invitation(invitation_id)
    state = _state_at(invitation, verb, at)
    then = after(state, verb, "the invitation")
    assert isinstance(then, InvitationState)
    draft.set_invitation(invitation, then, at)
    return invitation


def _accept(draft: Draft, invitation_id: str, at: float) -> Invitation:
    invitation = draft.invitation(invitation_id)
    if invitation.request_id and invitation.state is InvitationState.DECLINED:
        # Who was brought up and went asks again; only the invited may change their mind.
        raise IllegalCommand(Verb.ACCEPT, invitation.state, "the invitation")
    _answer(draft, invitation_id, Verb.ACCEPT, at)
    seat = draft.seat_of(invitation)
    if seat is not None:
        after(seat.state, Verb.TAKE, "the seat")
    return invitation


def _leave(draft: Draft, invitation_id: str, verb: Verb, seat_verb: Verb, at: float) -> None:
    """The invited or the host takes it back, with the seat if there is one."""
    invitation = _answer(draft, invitation_id, verb, at)
    seat = draft.seat_of(invitation)
    if seat is not None and (seat.state, seat_verb) in TABLE:
        draft.move_seat(seat.id, seat_verb, at)
    draft.lower(invitation.request_id, at)


def _say_word(draft: Draft, command: c.SayWord) -> None:
    invitation = draft.invitation(command.invitation_id)
    after(_state_at(invitation, Verb.WORD, command.at), Verb.WORD, "the invitation")
    if (invitation.word, invitation.proposed_at) != (command.word, command.proposed_at):
        draft.happen(e.WordSaid(invitation.id, command.word, command.proposed_at, command.at))


# --- coming --------------------------------------------------------------------------------------


def _connect(draft: Draft, command: c.Connect) -> None:
    invitation = draft.invitation(command.invitation_id)
    draft.refuse_banned(invitation.participant_id, command.marks)
    _accept(draft, invitation.id, command.at)
    if draft.room.status not in CONNECTABLE:
        raise DoorsClosed(draft.room.status, draft.room.scheduled_at)
    seat = draft.room.participants.get(invitation.participant_id)
    if seat is None:
        state = _where(draft, invitation, None)
    else:
        then = after(seat.state, Verb.TAKE, "the seat")
        if then is seat.state:  # comes back to where they were
            return
        verb = Verb.TAKE if _where(draft, invitation, seat) is SeatState.SEATED else Verb.WAIT
        then = after(seat.state, verb, "the seat")
        assert isinstance(then, SeatState)
        state = then
    if state is SeatState.SEATED:
        if draft.room.locked:
            raise StageLocked(seat.state if seat is not None else None)
        draft.admit_one(command.voices)
    draft.happen(
        e.SeatTaken(
            participant_id=invitation.participant_id,
            invitation_id=invitation.id,
            name=invitation.name,
            role=invitation.role,
            at=command.at,
            state=state,
        )
    )
    for request in list(draft.room.requests.values()):  # who has come does not ask any more
        if request.participant_id == invitation.participant_id and request.id != invitation.request_id:
            draft.lower(request.id, command.at)


def _where(draft: Draft, invitation: Invitation, seat: Participant | None) -> SeatState:
    """On the stage, or in the green room where there is one: guests, and anybody while it is locked."""
    role = invitation.role if seat is None else seat.role
    guest = role not in CONDUCTING and not invitation.request_id
    waits = draft.room.details.green_room and (guest or draft.room.locked)
    return SeatState.WAITING if waits else SeatState.SEATED


# --- going for good ------------------------------------------------------------------------------


def _remove(draft: Draft, command: c.Remove) -> None:
    room, person, at = draft.room, command.participant_id, command.at
    seat = room.participants.get(person)
    invitations = [i for i in room.invitations.values() if i.participant_id == person]
    requests = [r for r in room.requests.values() if r.participant_id == person]
    names = [known.name for known in ([seat] if seat is not None else [])]
    names += [invitation.name for invitation in invitations] + [request.name for request in requests]
    if not names:
        raise UnknownMember("participant", person)
    if seat is not None:
        draft.move_seat(person, Verb.REMOVE, at)
    for invitation in invitations:
        draft.set_invitation(invitation, InvitationState.WITHDRAWN, at)
    for request in requests:
        if request.state in OPEN_REQUESTS:
            draft.lower(request.id, at)
    if command.ban:
        _ban(draft, person, names[0], command)


def _ban(draft: Draft, person: str, name: str, command: c.Remove) -> None:
    known = next((ban for ban in draft.room.bans if ban.participant_id == person), None)
    marks = frozenset(sorted(command.marks)[:MAX_MARKS])
    if known is not None:
        if marks <= known.marks:
            return
        marks |= frozenset(sorted(known.marks)[: MAX_MARKS - len(marks)])
    elif len(draft.room.bans) >= MAX_BANS:
        raise TooMany("bans", MAX_BANS)
    draft.happen(e.Banned(person, name, marks, command.at))


def _lift_ban(draft: Draft, command: c.LiftBan) -> None:
    if any(ban.participant_id == command.participant_id for ban in draft.room.bans):
        draft.happen(e.BanLifted(command.participant_id, command.at))
