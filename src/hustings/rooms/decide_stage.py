"""Who is on the stage and in the green room, their roles and mutes, and requests to speak."""

from __future__ import annotations

from hustings.rooms import commands as c
from hustings.rooms import events as e
from hustings.rooms.decide_people import refuse_taken
from hustings.rooms.draft import CONNECTABLE, OPEN_REQUESTS, Draft, after
from hustings.rooms.errors import (
    AlreadyThere,
    AskedAlready,
    DoorsClosed,
    GuestBusy,
    HandsClosed,
    IllegalCommand,
    OnlyYourself,
    StageLocked,
    TooMany,
    WrongRole,
)
from hustings.rooms.model import ABSENT_SECONDS, CONDUCTING, MAX_REQUESTS, Participant, Role
from hustings.rooms.table import TABLE, InvitationState, RequestState, SeatState, Verb

type StageCommand = (
    c.Admit
    | c.SendBack
    | c.Lapse
    | c.TalkAside
    | c.ChangeRole
    | c.HandOver
    | c.SetClock
    | c.AskToSpeak
    | c.LowerHand
    | c.BringUp
    | c.MuteSelf
    | c.MuteOther
)

_GIVEN = frozenset({Role.COHOST, Role.SPEAKER})
"""Roles a host gives; who is host changes by handing over."""


def decide(draft: Draft, command: StageCommand) -> None:
    match command:
        case c.Admit():
            _admit(draft, command)
        case c.SendBack():
            _send_back(draft, command)
        case c.Lapse():
            _lapse(draft, command)
        case c.TalkAside():
            _talk_aside(draft, command)
        case c.ChangeRole():
            _change_role(draft, command)
        case c.HandOver():
            _hand_over(draft, command)
        case c.SetClock():
            _set_clock(draft, command)
        case c.MuteSelf():
            seat = _mutable(draft, command.participant_id)
            by_host = seat.muted_by_host and command.muted
            _mute(draft, seat, command.muted, by_host, command.at)
        case c.MuteOther():
            seat = _mutable(draft, command.participant_id)
            if not command.muted:
                raise OnlyYourself
            _mute(draft, seat, seat.muted_self, True, command.at)
        case c.AskToSpeak():
            _ask(draft, command)
        case c.LowerHand():
            _lower(draft, command)
        case c.BringUp():
            _bring_up(draft, command)


# --- the stage and the green room ----------------------------------------------------------------


def _admit(draft: Draft, command: c.Admit) -> None:
    seat = draft.seat(command.participant_id)
    then = after(seat.state, Verb.ADMIT, "the seat")
    if draft.room.status not in CONNECTABLE:
        raise DoorsClosed(draft.room.status, draft.room.scheduled_at)
    if then is seat.state:
        return
    if draft.room.locked:
        raise StageLocked(seat.state)
    draft.admit_one(command.voices)
    draft.move_seat(seat.id, Verb.ADMIT, command.at)


def _send_back(draft: Draft, command: c.SendBack) -> None:
    seat = draft.seat(command.participant_id)
    invitation = draft.room.invitations[seat.invitation_id]
    if not invitation.request_id:
        draft.move_seat(seat.id, Verb.SEND_BACK, command.at)
        return
    # A brought-up listener does not wait behind the stage: listening is what they do off it.
    after(seat.state, Verb.VACATE, "the seat")
    draft.give_back(invitation, command.at)


def _lapse(draft: Draft, command: c.Lapse) -> None:
    seat = draft.room.participants.get(command.participant_id)
    if seat is None:
        return  # gone, and forgotten since
    invitation = draft.room.invitations[seat.invitation_id]
    over = command.at - max(command.absent_since, seat.taken_at) >= ABSENT_SECONDS
    there = seat.state in (SeatState.SEATED, SeatState.WAITING)
    # Whom a host has made cohost is no listener any more.
    if invitation.request_id and there and over and seat.role not in CONDUCTING:
        draft.happen(e.SeatLapsed(seat.id, command.at))
        draft.give_back(invitation, command.at)


def _talk_aside(draft: Draft, command: c.TalkAside) -> None:
    host, at = draft.seat(command.participant_id), command.at
    if host.aside == command.guest_id:
        return
    if command.guest_id:
        if host.role not in CONDUCTING:
            raise WrongRole(host.role, "Only hosts and cohosts talk off air with who waits.")
        if host.state is not SeatState.SEATED:
            raise IllegalCommand(Verb.TALK_ASIDE, host.state, "a guest from this seat")
        guest = draft.seat(command.guest_id)
        after(guest.state, Verb.TALK_ASIDE, "the guest")
        for other in draft.room.participants.values():
            if other.aside == guest.id:
                raise GuestBusy(other.id)
    draft.happen(e.AsideChanged(host.id, command.guest_id, at))


def _mutable(draft: Draft, participant_id: str) -> Participant:
    seat = draft.seat(participant_id)
    after(seat.state, Verb.MUTE, "the seat")
    return seat


def _mute(draft: Draft, seat: Participant, muted_self: bool, muted_by_host: bool, at: float) -> None:
    if (seat.muted_self, seat.muted_by_host) != (muted_self, muted_by_host):
        draft.happen(e.MuteChanged(seat.id, muted_self, muted_by_host, at))


def _set_clock(draft: Draft, command: c.SetClock) -> None:
    seat = draft.seat(command.participant_id)
    after(seat.state, Verb.CLOCK, "the seat")
    until = command.at + command.seconds if command.seconds > 0 else None
    if until != seat.clock_until:
        draft.happen(e.ClockSet(seat.id, until, command.at))


# --- roles ---------------------------------------------------------------------------------------


def _change_role(draft: Draft, command: c.ChangeRole) -> None:
    seat = draft.seat(command.participant_id)
    after(seat.state, Verb.PROMOTE, "the seat")
    if command.role is seat.role:
        return
    if command.role not in _GIVEN:
        raise WrongRole(command.role, "A participant becomes cohost or speaker; hand over to make a host.")
    draft.keep_a_host(seat)
    _set_role(draft, seat, command.role, command.at)


def _hand_over(draft: Draft, command: c.HandOver) -> None:
    seat = draft.seat(command.participant_id)
    after(seat.state, Verb.HAND_OVER, "the seat")
    if seat.role is not Role.HOST:
        _set_role(draft, seat, Role.HOST, command.at)
    for other in list(draft.room.participants.values()):
        if other.id != seat.id and other.role is Role.HOST and other.state is not SeatState.REMOVED:
            _set_role(draft, other, Role.COHOST, command.at)


def _set_role(draft: Draft, seat: Participant, role: Role, at: float) -> None:
    draft.happen(e.RoleChanged(seat.id, role, at))
    draft.settle(seat.id, at)


# --- requests to speak ---------------------------------------------------------------------------


def _ask(draft: Draft, command: c.AskToSpeak) -> None:
    room = draft.room
    draft.moves(Verb.ASK)
    if not room.details.hands:
        raise HandsClosed(room.status)
    draft.refuse_banned(command.participant_id, command.marks)
    same = room.requests.get(command.request_id)
    if same is not None:
        if same.participant_id != command.participant_id:
            raise AlreadyThere("request", command.request_id)
        if same.state in OPEN_REQUESTS:
            return
        raise IllegalCommand(Verb.ASK, same.state, "the room again with the same request")
    for request in room.requests.values():
        if request.participant_id == command.participant_id and request.state in OPEN_REQUESTS:
            raise AskedAlready(request.id, request.state)
    _refuse_seated(draft, command.participant_id)
    if sum(request.state is RequestState.WAITING for request in room.requests.values()) >= MAX_REQUESTS:
        raise TooMany("requests to speak", MAX_REQUESTS)
    draft.happen(
        e.HandRaised(
            request_id=command.request_id,
            participant_id=command.participant_id,
            name=command.name,
            at=command.at,
            talked_seconds=command.talked_seconds,
        )
    )


def _refuse_seated(draft: Draft, participant_id: str) -> None:
    """Who asks is a listener: not one with a seat, not one who was removed, not one who is invited."""
    seat = draft.room.participants.get(participant_id)
    if seat is not None and seat.state is not SeatState.VACANT:
        raise IllegalCommand(Verb.ASK, seat.state, "the room: there is a seat and")
    for invitation in draft.room.invitations.values():
        if invitation.participant_id == participant_id and not invitation.request_id:
            raise IllegalCommand(Verb.ASK, invitation.state, "the room: there is an invitation and")


def _lower(draft: Draft, command: c.LowerHand) -> None:
    request = draft.request(command.request_id)
    if after(request.state, Verb.LOWER, "the request") is request.state:
        return
    draft.lower(request.id, command.at)
    for invitation in list(draft.room.invitations.values()):
        unanswered = invitation.request_id == request.id and invitation.state is not InvitationState.ACCEPTED
        if unanswered and (invitation.state, Verb.WITHDRAW) in TABLE:
            draft.set_invitation(invitation, InvitationState.WITHDRAWN, command.at)


def _bring_up(draft: Draft, command: c.BringUp) -> None:
    request = draft.request(command.request_id)
    if after(request.state, Verb.BRING_UP, "the request") is request.state:
        return
    if draft.room.status not in CONNECTABLE:
        raise DoorsClosed(draft.room.status, draft.room.scheduled_at)
    if draft.room.locked:
        raise StageLocked(None)
    draft.admit_one(command.voices)
    refuse_taken(draft, command.invitation_id)
    for old in list(draft.room.invitations.values()):  # only the latest bringing up gives a seat
        if old.participant_id == request.participant_id and (old.state, Verb.WITHDRAW) in TABLE:
            draft.set_invitation(old, InvitationState.WITHDRAWN, command.at)
    draft.happen(e.HandChanged(request.id, RequestState.CALLED, command.at))
    draft.happen(
        e.InvitationOffered(
            invitation_id=command.invitation_id,
            participant_id=request.participant_id,
            name=request.name,
            role=Role.SPEAKER,
            public=False,
            at=command.at,
            expires_at=command.expires_at,
            request_id=request.id,
        )
    )
