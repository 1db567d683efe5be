"""On the stage: a host always, roles, mutes, talks off air, speaking clocks."""

from __future__ import annotations

import pytest
from room_support import AT, after, hosts_seated, invited, room_in, seat_of, with_host, with_person

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import GuestBusy, IllegalCommand, LastHost, OnlyYourself, WrongRole
from hustings.rooms.events import AsideChanged, ClockSet
from hustings.rooms.model import Role, Room
from hustings.rooms.table import InvitationState, RoomStatus, SeatState

ACCEPTED, SEATED, WAITING = InvitationState.ACCEPTED, SeatState.SEATED, SeatState.WAITING
ON = [RoomStatus.OPEN, RoomStatus.LIVE, RoomStatus.PAUSED]
LOSING: list[c.Command] = [
    c.Remove("p9", AT),
    c.Remove("p9", AT, ban=True),
    c.SendBack("p9", AT),
    c.DeclineInvitation("i9", AT),
    c.WithdrawInvitation("i9", AT),
    c.ChangeRole("p9", Role.COHOST, AT),
    c.ChangeRole("p9", Role.SPEAKER, AT),
]


def stage(status: RoomStatus = RoomStatus.LIVE, role: Role = Role.SPEAKER) -> Room:
    """A host (9), somebody on the stage (1), somebody who waits (2)."""
    room = with_host(with_person(room_in(status, green_room=True), 1, ACCEPTED, SEATED, role))
    return with_person(room, 2, ACCEPTED, WAITING)


@pytest.mark.parametrize("status", ON)
@pytest.mark.parametrize("command", LOSING)
def test_the_last_host_stays_while_the_room_is_on(status: RoomStatus, command: c.Command) -> None:
    room = stage(status)
    with pytest.raises(LastHost) as caught:
        decide(room, command)
    assert caught.value.state is status
    room = with_host(room, 8)
    assert hosts_seated(after(room, command)) == 1


@pytest.mark.parametrize("command", LOSING)
def test_after_handing_over_the_host_may_go(command: c.Command) -> None:
    room = after(stage(), c.HandOver("p1", AT))
    assert (room.participants["p1"].role, room.participants["p9"].role) == (Role.HOST, Role.COHOST)
    assert hosts_seated(after(room, command)) == 1


@pytest.mark.parametrize("status", [RoomStatus.SCHEDULED, RoomStatus.ENDED, RoomStatus.CANCELLED])
def test_the_last_host_may_go_while_it_is_not_on(status: RoomStatus) -> None:
    for command in LOSING:
        after(stage(status), command)


def test_there_is_one_host_after_handing_over() -> None:
    room = with_host(stage(), 8)
    room = after(room, c.HandOver("p9", AT))
    assert hosts_seated(room) == 1
    assert room.participants["p8"].role is Role.COHOST
    assert decide(room, c.HandOver("p9", AT)) == []
    with pytest.raises(IllegalCommand) as caught:
        decide(room, c.HandOver("p2", AT))
    assert caught.value.state is WAITING


def test_a_host_is_made_by_handing_over_only() -> None:
    for role in (Role.HOST, Role.LISTENER):
        with pytest.raises(WrongRole) as caught:
            decide(stage(), c.ChangeRole("p1", role, AT))
        assert caught.value.role is role
    room = after(stage(), c.ChangeRole("p1", Role.COHOST, AT))
    assert room.participants["p1"].role is Role.COHOST
    assert room.invitations["i1"].role is Role.SPEAKER, "what somebody was invited as stays true"
    assert after(room, c.ChangeRole("p1", Role.SPEAKER, AT)).participants["p1"].role is Role.SPEAKER


# --- mute ----------------------------------------------------------------------------------------


def test_a_host_mutes_and_only_the_speaker_unmutes() -> None:
    room = after(stage(), c.MuteOther("p1", True, AT))
    assert room.participants["p1"].muted_by_host
    with pytest.raises(OnlyYourself):
        decide(room, c.MuteOther("p1", False, AT))
    assert not after(room, c.MuteSelf("p1", False, AT)).participants["p1"].muted


def test_muted_stays_muted_wherever_one_goes() -> None:
    room = after(stage(), c.MuteOther("p1", True, AT), c.MuteSelf("p1", True, AT), c.MuteSelf("p2", True, AT))
    steps: list[c.Command] = [
        c.Connect("i1", AT),
        c.SendBack("p1", AT),
        c.Connect("i1", AT),
        c.Admit("p1", AT),
        c.Admit("p2", AT),
        c.ChangeRole("p1", Role.COHOST, AT),
        c.DeclineInvitation("i1", AT),
        c.AcceptInvitation("i1", AT),
        c.Connect("i1", AT),
        c.TakeUpAgain(AT),
        c.Stop(AT),
        c.OpenDoors("b2", AT),
        c.Connect("i1", AT),
        c.Connect("i2", AT),
    ]
    for step in steps:
        room = after(room, step)
        person = room.participants["p1"]
        assert (person.muted_by_host, person.muted_self) == (True, True)
        assert room.participants["p2"].muted_self
    assert (seat_of(room, 1), seat_of(room, 2)) == (SEATED, WAITING)


# --- off air -------------------------------------------------------------------------------------


def test_a_host_talks_off_air_with_one_who_waits() -> None:
    room = after(stage(), c.TalkAside("p9", "p2", AT))
    assert room.participants["p9"].aside == "p2"
    assert after(room, c.TalkAside("p9", "", AT)).participants["p9"].aside == ""
    room = with_person(room, 3, ACCEPTED, WAITING)
    assert after(room, c.TalkAside("p9", "p3", AT)).participants["p9"].aside == "p3"


def test_one_host_for_each_guest() -> None:
    room = after(with_host(stage(), 8), c.TalkAside("p9", "p2", AT))
    with pytest.raises(GuestBusy) as caught:
        decide(room, c.TalkAside("p8", "p2", AT))
    assert caught.value.host_id == "p9"


def test_who_may_not_talk_off_air() -> None:
    with pytest.raises(WrongRole):
        decide(stage(), c.TalkAside("p1", "p2", AT))
    with pytest.raises(IllegalCommand) as caught:
        decide(stage(), c.TalkAside("p9", "p1", AT))
    assert caught.value.state is SEATED
    room = after(with_host(stage(), 8), c.SendBack("p8", AT))
    with pytest.raises(IllegalCommand) as caught:
        decide(room, c.TalkAside("p8", "p2", AT))
    assert caught.value.state is WAITING


@pytest.mark.parametrize(
    "command",
    [
        c.Admit("p2", AT),
        c.Remove("p2", AT),
        c.DeclineInvitation("i2", AT),
        c.WithdrawInvitation("i2", AT),
        c.Remove("p8", AT),
        c.SendBack("p8", AT),
        c.ChangeRole("p8", Role.SPEAKER, AT),
        c.Stop(AT),
    ],
)
def test_a_talk_off_air_ends_by_itself(command: c.Command) -> None:
    room = after(with_host(stage(), 8), c.TalkAside("p8", "p2", AT))
    assert AsideChanged("p8", "", AT) in decide(room, command)
    assert after(room, command).participants["p8"].aside == ""


# --- clocks --------------------------------------------------------------------------------------


def test_a_speaking_clock_runs_from_now() -> None:
    room = after(stage(), c.SetClock("p1", 90, AT))
    assert room.participants["p1"].clock_until == AT + 90
    assert after(room, c.SetClock("p1", 30, AT + 5)).participants["p1"].clock_until == AT + 35
    assert after(room, c.SetClock("p1", 0, AT)).participants["p1"].clock_until is None
    with pytest.raises(IllegalCommand):
        decide(room, c.SetClock("p2", 90, AT))


@pytest.mark.parametrize("command", [c.SendBack("p1", AT), c.Remove("p1", AT), c.DeclineInvitation("i1", AT)])
def test_a_clock_ends_with_the_place(command: c.Command) -> None:
    room = after(stage(), c.SetClock("p1", 90, AT))
    assert ClockSet("p1", None, AT) in decide(room, command)


def test_muting_needs_a_place() -> None:
    with pytest.raises(IllegalCommand):
        decide(invited(InvitationState.DECLINED, SeatState.VACANT), c.MuteOther("p1", True, AT))
    assert after(stage(), c.MuteOther("p2", True, AT)).participants["p2"].muted, "in the green room, too"
