"""Invitations and coming by them: the green room, the lock, the bound of voices, removing, bans."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from room_support import AT, after, invited, room_in, seat_of, with_host, with_person

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import (
    AlreadyThere,
    IllegalCommand,
    PersonBanned,
    StageLocked,
    TooMany,
    UnknownMember,
)
from hustings.rooms.events import InvitationChanged, InvitationOffered, SeatTaken
from hustings.rooms.model import MAX_BANS, MAX_INVITATIONS, MAX_MARKS, Ban, Role, Room
from hustings.rooms.table import InvitationState, RequestState, RoomStatus, SeatState

ACCEPTED = InvitationState.ACCEPTED


def green(state: InvitationState = ACCEPTED, seat: SeatState | None = None, **changes: Any) -> Room:
    return with_person(room_in(RoomStatus.LIVE, green_room=True), 1, state, seat, **changes)


def test_accepting_takes_no_seat_and_coming_does() -> None:
    room = after(invited(InvitationState.SEEN), c.AcceptInvitation("i1", AT))
    assert room.invitations["i1"].state is ACCEPTED
    assert not room.participants
    room = after(room, c.Connect("i1", AT))
    assert seat_of(room) is SeatState.SEATED


def test_an_accounts_own_seat_is_accepted_at_once() -> None:
    invite = c.Invite("i1", "p1", "Ada", Role.HOST, True, AT, account_id="a1")
    events = decide(room_in(RoomStatus.SCHEDULED), invite)
    assert [type(event) for event in events] == [InvitationOffered, InvitationChanged]
    room = after(room_in(RoomStatus.SCHEDULED), invite)
    assert (room.invitations["i1"].account_id, room.invitations["i1"].state) == ("a1", ACCEPTED)
    assert not room.participants


def test_identifiers_are_used_once() -> None:
    room = invited(InvitationState.OFFERED)
    assert decide(room, c.Invite("i1", "p1", "Ada", Role.SPEAKER, True, AT)) == []
    with pytest.raises(AlreadyThere):
        decide(room, c.Invite("i1", "p2", "Grace", Role.SPEAKER, True, AT))
    with pytest.raises(AlreadyThere):
        decide(room, c.Invite("i2", "p1", "Grace", Role.SPEAKER, True, AT))


def test_withdrawing_removes_the_seat_for_good() -> None:
    room = after(invited(ACCEPTED, SeatState.SEATED), c.WithdrawInvitation("i1", AT))
    assert seat_of(room) is SeatState.REMOVED
    with pytest.raises(IllegalCommand):
        decide(room, c.Connect("i1", AT))


def test_an_offer_whose_time_has_run_out_is_expired_for_the_invited() -> None:
    room = invited(InvitationState.SEEN, expires_at=AT - 1)
    for command in (
        c.SeeInvitation("i1", AT),
        c.AcceptInvitation("i1", AT),
        c.Connect("i1", AT),
        c.SayWord("i1", "late", None, AT),
    ):
        with pytest.raises(IllegalCommand) as caught:
            decide(room, command)
        assert caught.value.state is InvitationState.EXPIRED
    accepted = invited(ACCEPTED, SeatState.SEATED, expires_at=AT - 1)
    assert decide(accepted, c.Connect("i1", AT)) == []


def test_a_word_and_another_time() -> None:
    room = after(invited(InvitationState.DECLINED), c.SayWord("i1", "Not on a Sunday.", AT + 86400, AT))
    assert (room.invitations["i1"].word, room.invitations["i1"].proposed_at) == (
        "Not on a Sunday.",
        AT + 86400,
    )
    assert room.invitations["i1"].state is InvitationState.DECLINED
    assert after(room, c.SayWord("i1", "", None, AT)).invitations["i1"].word == ""


def test_unknown_members_are_named() -> None:
    for command in (
        c.SeeInvitation("no", AT),
        c.Connect("no", AT),
        c.MuteSelf("no", True, AT),
        c.Admit("no", AT),
        c.Remove("no", AT),
        c.BringUp("no", "i9", AT),
        c.BeginTopic("no", AT),
    ):
        with pytest.raises(UnknownMember) as caught:
            decide(room_in(RoomStatus.OPEN), command)
        assert caught.value.member_id == "no"


def test_invitations_are_bounded() -> None:
    invitation = invited(InvitationState.OFFERED).invitations["i1"]
    many = {f"x{n}": replace(invitation, id=f"x{n}", participant_id=f"y{n}") for n in range(MAX_INVITATIONS)}
    room = replace(room_in(RoomStatus.OPEN), invitations=MappingProxyType(many))
    with pytest.raises(TooMany):
        decide(room, c.Invite("i1", "p1", "Ada", Role.SPEAKER, True, AT))


# --- the green room ------------------------------------------------------------------------------


def test_a_guest_waits_until_admitted_and_comes_back_to_where_he_was() -> None:
    room = after(green(InvitationState.SEEN), c.Connect("i1", AT))
    assert seat_of(room) is SeatState.WAITING
    assert decide(room, c.Connect("i1", AT)) == []
    room = after(room, c.Admit("p1", AT))
    assert seat_of(room) is SeatState.SEATED
    assert decide(room, c.Connect("i1", AT)) == []
    room = after(room, c.SendBack("p1", AT))
    assert seat_of(room) is SeatState.WAITING
    assert decide(room, c.Connect("i1", AT)) == []


def test_who_was_sent_back_waits_even_where_there_is_no_green_room() -> None:
    room = after(invited(ACCEPTED), c.Connect("i1", AT), c.SendBack("p1", AT), c.Connect("i1", AT))
    assert seat_of(room) is SeatState.WAITING


@pytest.mark.parametrize("role", [Role.HOST, Role.COHOST])
def test_who_conducts_never_waits(role: Role) -> None:
    assert seat_of(after(green(role=role), c.Connect("i1", AT))) is SeatState.SEATED


def test_one_made_cohost_while_away_does_not_wait() -> None:
    room = green(InvitationState.DECLINED, SeatState.VACANT)
    room = after(room, c.ChangeRole("p1", Role.COHOST, AT), c.Connect("i1", AT))
    assert (seat_of(room), room.participants["p1"].role) == (SeatState.SEATED, Role.COHOST)


def test_a_brought_up_listener_does_not_wait() -> None:
    room = green(InvitationState.OFFERED, request=RequestState.CALLED)
    assert seat_of(after(room, c.Connect("i1", AT))) is SeatState.SEATED


def test_declining_and_coming_again_waits_again() -> None:
    room = green(ACCEPTED, SeatState.SEATED)
    room = after(room, c.DeclineInvitation("i1", AT))
    assert seat_of(room) is SeatState.VACANT
    assert seat_of(after(room, c.AcceptInvitation("i1", AT))) is SeatState.VACANT
    assert seat_of(after(room, c.Connect("i1", AT))) is SeatState.WAITING


def test_a_seat_taken_says_where() -> None:
    (taken,) = decide(green(), c.Connect("i1", AT))
    assert isinstance(taken, SeatTaken)
    assert taken.state is SeatState.WAITING


# --- the lock and the bound ----------------------------------------------------------------------


def test_a_locked_stage_admits_nobody_new() -> None:
    room = after(with_host(invited(ACCEPTED)), c.Lock(True, AT))
    with pytest.raises(StageLocked) as caught:
        decide(room, c.Connect("i1", AT))
    assert caught.value.state is None
    room = with_person(room, 2, ACCEPTED, SeatState.WAITING)
    with pytest.raises(StageLocked) as caught:
        decide(room, c.Admit("p2", AT))
    assert caught.value.state is SeatState.WAITING
    assert decide(room, c.Connect("i9", AT)) == [], "who is on the stage comes back"
    assert seat_of(after(room, c.Lock(False, AT), c.Connect("i1", AT))) is SeatState.SEATED


@pytest.mark.parametrize("role", Role)
def test_where_there_is_a_green_room_a_locked_stage_lets_wait(role: Role) -> None:
    room = after(green(role=role), c.Lock(True, AT), c.Connect("i1", AT))
    assert seat_of(room) is SeatState.WAITING
    assert seat_of(after(room, c.Lock(False, AT), c.Admit("p1", AT))) is SeatState.SEATED


@pytest.mark.parametrize("seated", [12, 13])
def test_thirteen_fit(seated: int) -> None:
    room = invited(ACCEPTED)
    for number in range(2, 2 + seated):
        room = with_person(room, number, ACCEPTED, SeatState.SEATED)
    commands: list[tuple[Room, c.Command]] = [
        (room, c.Connect("i1", AT)),
        (with_person(room, 1, ACCEPTED, SeatState.WAITING), c.Admit("p1", AT)),
        (after(room, c.AskToSpeak("q99", "p99", "Eve", AT)), c.BringUp("q99", "i99", AT)),
    ]
    for start, command in commands:
        if seated < 13:
            assert decide(start, command)
            continue
        with pytest.raises(TooMany) as caught:
            decide(start, command)
        assert caught.value.limit == 13
    assert decide(room, c.Connect("i2", AT)) == [], "who has a place keeps it"


def test_the_number_of_voices_is_the_servers() -> None:
    room = with_host(invited(ACCEPTED))
    with pytest.raises(TooMany):
        decide(room, c.Connect("i1", AT, voices=1))
    assert decide(room, c.Connect("i1", AT, voices=2))


# --- removing and bans ---------------------------------------------------------------------------


@pytest.mark.parametrize("seat", [SeatState.SEATED, SeatState.WAITING, SeatState.VACANT])
def test_the_removed_never_come_back(seat: SeatState) -> None:
    answer = InvitationState.DECLINED if seat is SeatState.VACANT else ACCEPTED
    room = after(with_host(green(answer, seat)), c.Remove("p1", AT))
    assert seat_of(room) is SeatState.REMOVED
    assert room.invitations["i1"].state is InvitationState.WITHDRAWN
    assert not room.bans
    commands: list[c.Command] = [
        c.Connect("i1", AT),
        c.AcceptInvitation("i1", AT),
        c.Admit("p1", AT),
        c.SendBack("p1", AT),
        c.AskToSpeak("q1", "p1", "Person 1", AT),
        c.HandOver("p1", AT),
    ]
    for command in commands:
        with pytest.raises(IllegalCommand):
            decide(room, command)
    room = after(room, c.Stop(AT), c.OpenDoors("b2", AT))
    assert seat_of(room) is SeatState.REMOVED


def test_who_has_no_seat_yet_is_removed_too() -> None:
    room = after(invited(ACCEPTED), c.Remove("p1", AT))
    assert room.invitations["i1"].state is InvitationState.WITHDRAWN
    room = after(room_in(RoomStatus.LIVE), c.AskToSpeak("q2", "p2", "Eve", AT))
    room = after(room, c.Remove("p2", AT, ban=True, marks=frozenset({"d"})))
    assert room.requests["q2"].state is RequestState.LOWERED
    assert [(ban.participant_id, ban.name) for ban in room.bans] == [("p2", "Eve")]


def test_a_ban_holds_against_new_links_and_new_names() -> None:
    room = after(
        with_host(invited(ACCEPTED, SeatState.SEATED)),
        c.Remove("p1", AT, ban=True, marks=frozenset({"device", "address"})),
        c.Invite("i2", "p2", "Somebody else", Role.SPEAKER, True, AT),
    )
    for marks in ({"device"}, {"address", "another device"}):
        with pytest.raises(PersonBanned) as caught:
            decide(room, c.Connect("i2", AT, marks=frozenset(marks)))
        assert caught.value.participant_id == "p1"
        with pytest.raises(PersonBanned):
            decide(room, c.AskToSpeak("q", "p3", "Eve", AT, marks=frozenset(marks)))
    with pytest.raises(PersonBanned):
        decide(room, c.AskToSpeak("q", "p1", "Eve", AT))
    assert decide(room, c.Connect("i2", AT, marks=frozenset({"another device"})))
    room = after(room, c.Stop(AT), c.OpenDoors("b2", AT))
    with pytest.raises(PersonBanned):
        decide(room, c.Connect("i2", AT, marks=frozenset({"device"})))
    room = after(room, c.LiftBan("p1", AT))
    assert seat_of(after(room, c.Connect("i2", AT, marks=frozenset({"device"}))), 2) is SeatState.SEATED
    assert decide(room, c.LiftBan("p1", AT)) == []


def test_one_on_the_stage_who_is_banned_by_another_name_comes_back_no_more() -> None:
    room = with_person(with_host(invited(ACCEPTED, SeatState.SEATED)), 2, ACCEPTED, SeatState.SEATED)
    room = after(room, c.Remove("p2", AT, ban=True, marks=frozenset({"device"})))
    with pytest.raises(PersonBanned):
        decide(room, c.Connect("i1", AT, marks=frozenset({"device"})))


def test_a_ban_may_follow_a_removal_and_learn_marks() -> None:
    room = after(with_host(invited(ACCEPTED, SeatState.SEATED)), c.Remove("p1", AT))
    room = after(room, c.Remove("p1", AT, ban=True, marks=frozenset({"a"})))
    room = after(room, c.Remove("p1", AT, ban=True, marks=frozenset({"b"})))
    assert [ban.marks for ban in room.bans] == [{"a", "b"}]
    many = frozenset(str(n) for n in range(100))
    room = after(room, c.Remove("p1", AT, ban=True, marks=many))
    assert len(room.bans[0].marks) == MAX_MARKS


def test_bans_are_bounded() -> None:
    bans = tuple(Ban(f"x{n}", "X", frozenset(), AT) for n in range(MAX_BANS))
    room = replace(with_host(invited(ACCEPTED, SeatState.SEATED)), bans=bans)
    with pytest.raises(TooMany):
        decide(room, c.Remove("p1", AT, ban=True))
    assert decide(room, c.Remove("p1", AT)), "but nobody is kept from removing"
