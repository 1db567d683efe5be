"""Agreeing to be recorded, and going off the record."""

from __future__ import annotations

import pytest
from room_support import AT, after, invited, room_in

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import IllegalCommand, TooMany, UnknownMember
from hustings.rooms.model import MAX_STRETCHES, Broadcast, Details, Role, Room, Stretch
from hustings.rooms.table import InvitationState, RoomStatus, SeatState


def broadcast_of(room: Room) -> Broadcast:
    assert room.broadcast is not None
    return room.broadcast


def test_nobody_has_agreed_before_he_did() -> None:
    room = invited(InvitationState.ACCEPTED, SeatState.SEATED)
    assert not room.agreed("p1")
    room = after(room, c.AgreeToRecording("i1", True, AT))
    assert room.agreed("p1")
    assert room.consents["p1"].since == AT
    assert room.consents["p1"].scope == "recording"


def test_what_was_agreed_may_be_taken_back_and_both_are_kept() -> None:
    room = after(
        invited(InvitationState.SEEN),
        c.AgreeToRecording("i1", True, AT),
        c.AgreeToRecording("i1", False, AT + 60),
    )
    assert not room.agreed("p1")
    room = after(room, c.AgreeToRecording("i1", True, AT + 90))
    assert room.consents["p1"].stretches == (Stretch(AT, AT + 60), Stretch(AT + 90))


def test_taking_back_what_was_never_given_is_nothing() -> None:
    assert decide(invited(InvitationState.SEEN), c.AgreeToRecording("i1", False, AT)) == []


def test_agreement_outlasts_the_broadcast_and_its_own_seat() -> None:
    room = after(
        invited(InvitationState.ACCEPTED, SeatState.SEATED),
        c.AgreeToRecording("i1", True, AT),
        c.DeclineInvitation("i1", AT + 1),
        c.Connect("i1", AT + 2),
        c.Stop(AT + 3),
        c.OpenDoors("b2", AT + 4),
        c.Connect("i1", AT + 5),
    )
    assert room.agreed("p1")


def test_a_listener_of_the_last_broadcast_is_forgotten_with_the_agreement() -> None:
    room = after(
        room_in(RoomStatus.LIVE),
        c.AskToSpeak("q1", "d1", "Lisa", AT),
        c.BringUp("q1", "i5", AT),
        c.AgreeToRecording("i5", True, AT),
        c.Connect("i5", AT),
        c.Stop(AT + 1),
    )
    assert room.agreed("d1")
    assert after(room, c.OpenDoors("b2", AT + 2)).consents == {}


def test_only_the_invited_can_agree() -> None:
    with pytest.raises(UnknownMember):
        decide(room_in(RoomStatus.LIVE), c.AgreeToRecording("i1", True, AT))
    with pytest.raises(IllegalCommand, match="it is withdrawn"):
        decide(invited(InvitationState.WITHDRAWN), c.AgreeToRecording("i1", True, AT))


def test_agreements_of_one_person_are_bounded_and_taking_back_is_not() -> None:
    room = invited(InvitationState.ACCEPTED)
    for n in range(MAX_STRETCHES):
        room = after(room, c.AgreeToRecording("i1", True, AT + n))
        room = after(room, c.AgreeToRecording("i1", False, AT + n))
    with pytest.raises(TooMany):
        decide(room, c.AgreeToRecording("i1", True, AT))
    assert not room.agreed("p1")


def test_off_the_record_and_back_is_one_stretch() -> None:
    room = after(room_in(RoomStatus.LIVE), c.OffRecord(True, AT), c.OffRecord(True, AT + 5))
    assert broadcast_of(room).is_off_record
    room = after(room, c.OffRecord(False, AT + 60), c.OffRecord(True, AT + 70))
    assert broadcast_of(room).off_record == (Stretch(AT, AT + 60), Stretch(AT + 70))


def test_a_stretch_ends_with_its_broadcast_and_the_next_begins_on_the_record() -> None:
    room = after(room_in(RoomStatus.LIVE), c.OffRecord(True, AT), c.Stop(AT + 9))
    assert broadcast_of(room).off_record == (Stretch(AT, AT + 9),)
    assert broadcast_of(after(room, c.OpenDoors("b2", AT + 20))).off_record == ()


def test_a_broadcast_may_begin_off_the_record() -> None:
    room = after(room_in(RoomStatus.OPEN), c.OffRecord(True, AT), c.GoLive(AT + 1))
    assert broadcast_of(room).is_off_record


def test_stretches_are_bounded_and_coming_back_is_not() -> None:
    room = room_in(RoomStatus.LIVE)
    for n in range(MAX_STRETCHES):
        room = after(room, c.OffRecord(True, AT + n), c.OffRecord(False, AT + n))
    with pytest.raises(TooMany):
        decide(room, c.OffRecord(True, AT))


def test_a_room_records_unless_its_host_says_otherwise() -> None:
    room = room_in(RoomStatus.LIVE)
    assert room.details.recording
    assert broadcast_of(room).recording_at is None
    off = after(room, c.Edit(Details("Town hall", recording=False), AT))
    assert not off.details.recording
    assert broadcast_of(off).recording_at == AT
    again = after(off, c.Edit(Details("Another title", recording=False), AT + 5))
    assert broadcast_of(again).recording_at == AT


def test_the_next_broadcast_does_not_know_when_the_last_was_changed() -> None:
    room = after(
        room_in(RoomStatus.LIVE),
        c.Edit(Details("T", recording=False), AT),
        c.Stop(AT + 1),
        c.Edit(Details("T", recording=True), AT + 2),
    )
    assert broadcast_of(room).recording_at == AT, "what is changed after the end is the next one's"
    assert broadcast_of(after(room, c.OpenDoors("b2", AT + 3))).recording_at is None


def test_a_host_s_own_seat_has_agreed_to_nothing_either() -> None:
    room = after(
        room_in(RoomStatus.OPEN),
        c.Invite("i-h", "p-h", "Host", Role.HOST, True, AT, account_id="a"),
        c.Connect("i-h", AT),
    )
    assert not room.agreed("p-h")
