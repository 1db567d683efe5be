"""Every command in every state: what the table says is what happens, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import DoorsClosed, IllegalCommand, OnlyYourself, RoomError, TooMany, UnknownMember
from hustings.rooms.events import apply
from hustings.rooms.model import MAX_INVITATIONS, Broadcast, Invitation, Participant, Role, Room
from hustings.rooms.table import TABLE, InvitationState, RoomStatus, SeatState, State, Verb

AT = 1_790_000_000.0


def room_in(status: RoomStatus) -> Room:
    had_broadcast = status is not RoomStatus.SCHEDULED
    return Room(
        slug="town-hall",
        title="Town hall",
        status=status,
        created_at=AT - 100,
        broadcast=Broadcast("b1", opened_at=AT - 50) if had_broadcast else None,
    )


def invited(state: InvitationState, seat: SeatState | None = None, **changes: object) -> Room:
    invitation = Invitation(
        id="i1",
        participant_id="p1",
        name="Ada",
        role=Role.SPEAKER,
        public=True,
        state=state,
        offered_at=AT - 60,
        changed_at=AT - 60,
    )
    room = replace(
        room_in(RoomStatus.OPEN),
        invitations=MappingProxyType({"i1": replace(invitation, **changes)}),  # type: ignore[arg-type]
    )
    if seat is None:
        return room
    person = Participant("p1", "i1", "Ada", Role.SPEAKER, seat, taken_at=AT - 40)
    return replace(room, participants=MappingProxyType({"p1": person}))


ROOM_COMMANDS: dict[Verb, c.Command] = {
    Verb.OPEN: c.OpenDoors("b2", AT),
    Verb.START: c.GoLive(AT),
    Verb.PAUSE: c.Pause(AT),
    Verb.RESUME: c.Resume(AT),
    Verb.STOP: c.Stop(AT),
    Verb.TAKE_UP: c.TakeUpAgain(AT),
    Verb.INVITE: c.Invite("i9", "p9", "Grace", Role.SPEAKER, True, AT),
}
INVITATION_COMMANDS: dict[Verb, c.Command] = {
    Verb.SEE: c.SeeInvitation("i1", AT),
    Verb.ACCEPT: c.AcceptInvitation("i1", AT),
    Verb.DECLINE: c.DeclineInvitation("i1", AT),
    Verb.WITHDRAW: c.WithdrawInvitation("i1", AT),
    Verb.EXPIRE: c.ExpireInvitation("i1", AT),
}


def check(room: Room, command: c.Command, verb: Verb, state: State, now: Callable[[Room], State]) -> None:
    """`command` moves `state` as the table says, or raises with that very state in the error."""
    after = TABLE.get((state, verb))
    if after is None:
        with pytest.raises(IllegalCommand) as caught:
            decide(room, command)
        assert caught.value.state is state
        assert caught.value.verb is verb
        assert state.value in str(caught.value)
        return
    assert now(apply(room, decide(room, command))) is after


@pytest.mark.parametrize("status", RoomStatus)
@pytest.mark.parametrize("verb", ROOM_COMMANDS)
def test_every_room_command_in_every_status(status: RoomStatus, verb: Verb) -> None:
    check(room_in(status), ROOM_COMMANDS[verb], verb, status, lambda room: room.status)


@pytest.mark.parametrize("state", InvitationState)
@pytest.mark.parametrize("verb", INVITATION_COMMANDS)
def test_every_invitation_command_in_every_state(state: InvitationState, verb: Verb) -> None:
    command = INVITATION_COMMANDS[verb]
    check(invited(state), command, verb, state, lambda room: room.invitations["i1"].state)


@pytest.mark.parametrize("state", SeatState)
@pytest.mark.parametrize("command", [c.MuteSelf("p1", True, AT), c.MuteOther("p1", True, AT)])
def test_muting_in_every_seat_state(state: SeatState, command: c.Command) -> None:
    room = invited(InvitationState.ACCEPTED, state)
    check(room, command, Verb.MUTE, state, lambda after: after.participants["p1"].state)
    if (state, Verb.MUTE) in TABLE:
        assert apply(room, decide(room, command)).participants["p1"].muted


@pytest.mark.parametrize("status", RoomStatus)
def test_connecting_in_every_status(status: RoomStatus) -> None:
    room = replace(invited(InvitationState.SEEN), status=status, scheduled_at=AT + 60)
    if (status, Verb.CONNECT) in TABLE:
        after = apply(room, decide(room, c.Connect("i1", AT)))
        assert after.invitations["i1"].state is InvitationState.ACCEPTED
        assert after.participants["p1"].state is SeatState.SEATED
    else:
        with pytest.raises(DoorsClosed) as caught:
            decide(room, c.Connect("i1", AT))
        assert caught.value.state is status
        assert caught.value.scheduled_at == AT + 60


@pytest.mark.parametrize("state", InvitationState)
def test_connecting_with_every_invitation(state: InvitationState) -> None:
    room = invited(state)
    if (state, Verb.ACCEPT) in TABLE:
        assert apply(room, decide(room, c.Connect("i1", AT))).participants["p1"].state is SeatState.SEATED
    else:
        with pytest.raises(IllegalCommand) as caught:
            decide(room, c.Connect("i1", AT))
        assert caught.value.state is state


def test_the_table_reaches_every_state_and_names_every_verb() -> None:
    reached = set(TABLE.values())
    begins = {RoomStatus.SCHEDULED, InvitationState.OFFERED, SeatState.SEATED}
    assert reached | begins == {*RoomStatus, *InvitationState, *SeatState}
    assert {verb for _, verb in TABLE} == set(Verb)


def test_an_ended_room_opens_again_with_another_broadcast() -> None:
    room = room_in(RoomStatus.OPEN)
    for command in (c.GoLive(AT), c.TakeUpAgain(AT + 1), c.Stop(AT + 2), c.OpenDoors("b2", AT + 3)):
        room = apply(room, decide(room, command))
    assert room.status is RoomStatus.OPEN
    assert room.broadcast == Broadcast("b2", opened_at=AT + 3)


def test_repeating_a_command_changes_nothing() -> None:
    room = room_in(RoomStatus.SCHEDULED)
    for command in (c.OpenDoors("b1", AT), c.GoLive(AT), c.Stop(AT)):
        room = apply(room, decide(room, command))
        assert decide(room, command) == []


def test_a_host_mutes_and_only_the_speaker_unmutes() -> None:
    room = invited(InvitationState.ACCEPTED, SeatState.SEATED)
    room = apply(room, decide(room, c.MuteOther("p1", True, AT)))
    assert room.participants["p1"].muted_by_host
    with pytest.raises(OnlyYourself):
        decide(room, c.MuteOther("p1", False, AT))
    room = apply(room, decide(room, c.MuteSelf("p1", False, AT)))
    assert not room.participants["p1"].muted


def test_muted_stays_muted_over_leaving_and_coming_back() -> None:
    room = invited(InvitationState.ACCEPTED, SeatState.SEATED)
    for command in (
        c.MuteOther("p1", True, AT),
        c.DeclineInvitation("i1", AT),
        c.AcceptInvitation("i1", AT),
        c.Connect("i1", AT),
    ):
        room = apply(room, decide(room, command))
    assert room.participants["p1"].muted


def test_withdrawing_removes_the_seat_for_good() -> None:
    room = invited(InvitationState.ACCEPTED, SeatState.SEATED)
    room = apply(room, decide(room, c.WithdrawInvitation("i1", AT)))
    assert room.participants["p1"].state is SeatState.REMOVED
    with pytest.raises(IllegalCommand):
        decide(room, c.Connect("i1", AT))


def test_an_offer_whose_time_has_run_out_is_expired_for_the_invited() -> None:
    room = invited(InvitationState.SEEN, expires_at=AT - 1)
    for command in (c.SeeInvitation("i1", AT), c.AcceptInvitation("i1", AT), c.Connect("i1", AT)):
        with pytest.raises(IllegalCommand) as caught:
            decide(room, command)
        assert caught.value.state is InvitationState.EXPIRED
    accepted = invited(InvitationState.ACCEPTED, SeatState.SEATED, expires_at=AT - 1)
    assert decide(accepted, c.Connect("i1", AT)) == []


def test_unknown_members_are_named() -> None:
    for command in (c.SeeInvitation("no", AT), c.Connect("no", AT), c.MuteSelf("no", True, AT)):
        with pytest.raises(UnknownMember) as caught:
            decide(room_in(RoomStatus.OPEN), command)
        assert caught.value.member_id == "no"


def test_invitations_are_bounded() -> None:
    invitation = invited(InvitationState.OFFERED).invitations["i1"]
    many = MappingProxyType({str(n): invitation for n in range(MAX_INVITATIONS)})
    with pytest.raises(TooMany):
        decide(replace(room_in(RoomStatus.OPEN), invitations=many), ROOM_COMMANDS[Verb.INVITE])


def test_every_error_is_a_room_error_with_one_line() -> None:
    with pytest.raises(RoomError) as caught:
        decide(room_in(RoomStatus.SCHEDULED), c.GoLive(AT))
    assert "\n" not in str(caught.value)
