"""Requests to speak: asking, the queue, being brought up and going back among the listeners."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from room_support import AT, after, invariants, room_in, seat_of, with_host, with_person

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import (
    AlreadyThere,
    AskedAlready,
    HandsClosed,
    IllegalCommand,
    RoomError,
    StageLocked,
    TooMany,
)
from hustings.rooms.events import HandChanged, InvitationOffered, SeatLapsed
from hustings.rooms.model import ABSENT_SECONDS, MAX_LOWERED, MAX_REQUESTS, Request, Role, Room
from hustings.rooms.queue import ordered
from hustings.rooms.table import InvitationState, RequestState, RoomStatus, SeatState

ACCEPTED, WITHDRAWN = InvitationState.ACCEPTED, InvitationState.WITHDRAWN
ASK = c.AskToSpeak("q1", "p1", "Eve", AT, talked_seconds=4.0)
CALL = c.BringUp("q1", "i1", AT + 1, expires_at=AT + 61)


def live(**details: object) -> Room:
    return with_host(room_in(RoomStatus.LIVE, **details))


def brought_up() -> Room:
    return after(live(), ASK, CALL, c.Connect("i1", AT + 2))


def test_asking_waits_and_being_brought_up_is_an_offer_of_its_own() -> None:
    room = after(live(), ASK)
    assert room.requests["q1"] == Request("q1", "p1", "Eve", RequestState.WAITING, AT, AT, 4.0)
    assert decide(room, ASK) == []
    called, offered = decide(room, CALL)
    assert called == HandChanged("q1", RequestState.CALLED, AT + 1)
    assert offered == InvitationOffered(
        "i1", "p1", "Eve", Role.SPEAKER, False, AT + 1, expires_at=AT + 61, request_id="q1"
    )
    assert decide(after(room, CALL), CALL) == []


def test_sent_back_the_ticket_no_longer_holds_and_one_may_ask_again() -> None:
    room = brought_up()
    assert seat_of(room) is SeatState.SEATED
    room = after(room, c.MuteOther("p1", True, AT + 3), c.SendBack("p1", AT + 3))
    assert seat_of(room) is SeatState.VACANT
    assert room.invitations["i1"].state is WITHDRAWN
    assert room.requests["q1"].state is RequestState.LOWERED
    with pytest.raises(IllegalCommand):
        decide(room, c.Connect("i1", AT + 4))
    with pytest.raises(IllegalCommand):
        decide(room, ASK)
    room = after(
        room,
        c.AskToSpeak("q2", "p1", "Eve", AT + 5),
        c.BringUp("q2", "i2", AT + 6),
        c.Connect("i2", AT + 7),
    )
    assert seat_of(room) is SeatState.SEATED
    assert room.participants["p1"].invitation_id == "i2"
    assert room.participants["p1"].muted, "brought up again, still muted"
    assert decide(room, c.WithdrawInvitation("i1", AT + 8)) == [], "the first offer is of no account any more"


def test_declining_ends_the_request_and_is_final() -> None:
    room = after(brought_up(), c.DeclineInvitation("i1", AT + 3))
    assert room.requests["q1"].state is RequestState.LOWERED
    for command in (c.AcceptInvitation("i1", AT + 4), c.Connect("i1", AT + 4)):
        with pytest.raises(IllegalCommand) as caught:
            decide(room, command)
        assert caught.value.state is InvitationState.DECLINED
    assert decide(room, c.DeclineInvitation("i1", AT + 4)) == []


@pytest.mark.parametrize("seen", [False, True])
def test_lowering_a_called_hand_takes_an_unanswered_offer_back(seen: bool) -> None:
    room = after(live(), ASK, CALL, *([c.SeeInvitation("i1", AT + 1)] if seen else []))
    room = after(room, c.LowerHand("q1", AT + 2))
    assert room.requests["q1"].state is RequestState.LOWERED
    assert room.invitations["i1"].state is WITHDRAWN


def test_lowering_the_hand_of_one_who_speaks_leaves_the_seat() -> None:
    room = after(brought_up(), c.LowerHand("q1", AT + 3))
    assert seat_of(room) is SeatState.SEATED
    assert room.invitations["i1"].state is ACCEPTED


def test_coming_ends_another_request_of_ones_own() -> None:
    """Accepted, hand lowered, asked again, and then come by the first offer after all."""
    room = after(
        live(),
        ASK,
        CALL,
        c.AcceptInvitation("i1", AT + 2),
        c.LowerHand("q1", AT + 3),
        c.AskToSpeak("q2", "p1", "Eve", AT + 4),
        c.Connect("i1", AT + 5),
    )
    assert room.requests["q2"].state is RequestState.LOWERED
    invariants(room)


def test_only_the_latest_offer_gives_a_seat() -> None:
    room = after(
        live(),
        ASK,
        CALL,
        c.AcceptInvitation("i1", AT + 2),
        c.LowerHand("q1", AT + 3),
        c.AskToSpeak("q2", "p1", "Eve", AT + 4),
        c.BringUp("q2", "i2", AT + 5),
    )
    assert (room.invitations["i1"].state, room.invitations["i2"].state) == (
        WITHDRAWN,
        InvitationState.OFFERED,
    )


def test_an_offer_that_ran_out_ends_the_request() -> None:
    room = after(live(), ASK, CALL, c.ExpireInvitation("i1", AT + 61))
    assert room.requests["q1"].state is RequestState.LOWERED


def test_who_may_not_ask() -> None:
    cases: list[tuple[Room, c.AskToSpeak, type[RoomError]]] = [
        (live(hands=False), ASK, HandsClosed),
        (after(live(), ASK), c.AskToSpeak("q2", "p1", "Eve", AT), AskedAlready),
        (after(live(), ASK, CALL), c.AskToSpeak("q2", "p1", "Eve", AT), AskedAlready),
        (after(live(), ASK), c.AskToSpeak("q1", "p2", "Eve", AT), AlreadyThere),
        (after(brought_up(), c.LowerHand("q1", AT)), c.AskToSpeak("q2", "p1", "Eve", AT), IllegalCommand),
        (with_person(live(), 1, InvitationState.OFFERED), ASK, IllegalCommand),
        (with_person(live(), 1, ACCEPTED, SeatState.SEATED), ASK, IllegalCommand),
        (with_person(live(), 1, ACCEPTED, SeatState.WAITING), ASK, IllegalCommand),
        (with_person(live(), 1, WITHDRAWN, SeatState.REMOVED), ASK, IllegalCommand),
    ]
    for room, command, error in cases:
        with pytest.raises(error):
            decide(room, command)


@pytest.mark.parametrize("status", RoomStatus)
def test_asking_needs_a_room_that_is_on(status: RoomStatus) -> None:
    if status in (RoomStatus.OPEN, RoomStatus.LIVE, RoomStatus.PAUSED):
        assert decide(room_in(status), ASK)
    else:
        with pytest.raises(IllegalCommand) as caught:
            decide(room_in(status), ASK)
        assert caught.value.state is status


def test_a_locked_stage_brings_nobody_up() -> None:
    room = after(live(), ASK, c.Lock(True, AT))
    with pytest.raises(StageLocked):
        decide(room, CALL)


def test_stopping_ends_every_request_and_brought_up_seat() -> None:
    room = after(
        brought_up(),
        c.AskToSpeak("q2", "p2", "Mallory", AT + 3),
        c.AskToSpeak("q3", "p3", "Trent", AT + 3),
        c.BringUp("q3", "i3", AT + 4),
        c.Stop(AT + 5),
    )
    assert {request.state for request in room.requests.values()} == {RequestState.LOWERED}
    assert seat_of(room) is SeatState.VACANT
    assert {room.invitations[i].state for i in ("i1", "i3")} == {WITHDRAWN}
    room = after(room, c.OpenDoors("b2", AT + 6))
    assert not room.requests
    assert set(room.invitations) == {"i9"}
    assert set(room.participants) == {"p9"}


def test_a_listener_who_was_made_cohost_stays_one() -> None:
    room = after(
        brought_up(),
        c.ChangeRole("p1", Role.COHOST, AT + 3),
        c.Stop(AT + 4),
        c.OpenDoors("b2", AT + 5),
    )
    assert room.participants["p1"].role is Role.COHOST
    assert seat_of(after(room, c.Connect("i1", AT + 6))) is SeatState.SEATED


def test_a_removed_listener_stays_removed_in_the_next_broadcast() -> None:
    room = after(brought_up(), c.Remove("p1", AT + 3), c.Stop(AT + 4), c.OpenDoors("b2", AT + 5))
    with pytest.raises(IllegalCommand) as caught:
        decide(room, c.AskToSpeak("q2", "p1", "Eve", AT + 6))
    assert caught.value.state is SeatState.REMOVED


def test_requests_are_bounded() -> None:
    room = live()
    for number in range(MAX_REQUESTS):
        room = after(room, c.AskToSpeak(f"r{number}", f"a{number}", "A", AT + number))
    with pytest.raises(TooMany):
        decide(room, ASK)
    assert after(room, c.BringUp("r0", "i1", AT), ASK).requests["q1"].state is RequestState.WAITING


def test_a_hand_lowered_while_the_clock_goes_back_is_not_forgotten_at_once() -> None:
    room = live()
    for number in range(MAX_LOWERED):
        room = after(room, c.AskToSpeak(f"r{number}", f"a{number}", "A", AT), c.LowerHand(f"r{number}", AT))
    lower = c.LowerHand("late", AT - 60)
    room = after(room, c.AskToSpeak("late", "late", "L", AT - 60), lower)
    assert decide(room, lower) == [], "what is asked twice is done once"
    assert len(room.requests) == MAX_LOWERED


def test_the_lowered_are_forgotten_in_time() -> None:
    room = live()
    for number in range(MAX_LOWERED + 20):
        room = after(
            room,
            c.AskToSpeak(f"r{number}", f"a{number}", "A", AT + number),
            c.LowerHand(f"r{number}", AT + number),
        )
        invariants(room)
    assert set(room.requests) == {f"r{number}" for number in range(20, MAX_LOWERED + 20)}
    assert after(room, c.AskToSpeak("r0", "a0", "A", AT + 999)).requests["r0"].asked_at == AT + 999


# --- the queue -----------------------------------------------------------------------------------

requests = st.lists(
    st.builds(
        Request,
        id=st.integers(0, 10**6).map(str),
        participant_id=st.sampled_from(["p1", "p2", "p3", "p4"]),
        name=st.just("N"),
        state=st.sampled_from(RequestState),
        asked_at=st.floats(0, 5),
        changed_at=st.just(0.0),
        talked_seconds=st.floats(0, 100),
    ),
    unique_by=lambda request: request.id,
)


def test_by_time_or_by_least_talk() -> None:
    one = Request("q1", "p1", "A", RequestState.WAITING, AT, AT, 50.0)
    two = Request("q2", "p2", "B", RequestState.WAITING, AT + 1, AT + 1)
    three = Request("q3", "p3", "C", RequestState.WAITING, AT + 2, AT + 2)
    called = replace(one, id="q4", state=RequestState.CALLED)
    everybody = [three, called, two, one]
    assert [r.id for r in ordered(everybody, False, {})] == ["q1", "q2", "q3"]
    assert [r.id for r in ordered(everybody, True, {})] == ["q2", "q3", "q1"]
    assert [r.id for r in ordered(everybody, True, {"p2": 60.0})] == ["q3", "q1", "q2"]


@settings(deadline=None)
@given(requests, st.booleans(), st.dictionaries(st.sampled_from(["p1", "p2", "p3"]), st.floats(0, 100)))
def test_the_queue_holds_all_who_wait_in_one_order(
    asked: list[Request], by_talk: bool, talked: dict[str, float]
) -> None:
    queue = ordered(asked, by_talk, talked)
    assert {r.id for r in queue} == {r.id for r in asked if r.state is RequestState.WAITING}
    assert queue == ordered(list(reversed(asked)), by_talk, talked)
    for first, second in itertools.pairwise(queue):
        if by_talk:
            a, b = (max(r.talked_seconds, talked.get(r.participant_id, 0)) for r in (first, second))
            assert a < b or (a == b and first.asked_at <= second.asked_at)
        else:
            assert first.asked_at <= second.asked_at


LONG = AT + 2 + ABSENT_SECONDS


def test_who_was_brought_up_and_is_away_for_a_minute_gives_the_seat_back() -> None:
    room = brought_up()
    assert decide(room, c.Lapse("p1", AT + 2, LONG - 0.1)) == []
    assert decide(room, c.Lapse("p1", AT - 99, LONG - 0.1)) == [], (
        "not counted from before the seat was taken"
    )
    events = decide(room, c.Lapse("p1", AT + 2, LONG))
    assert events[0] == SeatLapsed("p1", LONG)
    room = after(room, c.Lapse("p1", AT + 2, LONG))
    assert seat_of(room) is SeatState.VACANT
    assert room.invitations["i1"].state is WITHDRAWN
    assert room.requests["q1"].state is RequestState.LOWERED
    assert decide(room, c.Lapse("p1", AT + 2, LONG)) == [], "once"
    invariants(room)
    room = after(room, c.AskToSpeak("q2", "p1", "Eve", LONG + 1))
    assert room.requests["q2"].state is RequestState.WAITING, "a hand may be raised again"


@pytest.mark.parametrize("role", [Role.COHOST, Role.SPEAKER])
@pytest.mark.parametrize("request_state", [None, RequestState.CALLED])
@pytest.mark.parametrize("state", SeatState)
def test_only_a_brought_up_listener_with_a_seat_loses_it(
    state: SeatState, request_state: RequestState | None, role: Role
) -> None:
    room = with_person(live(), 1, ACCEPTED, state, role, request_state)
    gone = decide(room, c.Lapse("p1", AT - 40, AT + ABSENT_SECONDS))
    there = state in (SeatState.SEATED, SeatState.WAITING)
    lapses = there and request_state is not None and role is Role.SPEAKER
    assert bool(gone) == lapses
    if lapses:
        assert seat_of(after(room, c.Lapse("p1", AT - 40, AT + ABSENT_SECONDS))) is SeatState.VACANT
