"""Every command in every state: what the table says is what happens, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from room_support import (
    AT,
    TOPICS,
    invariants,
    invited,
    room_in,
    seat_of,
    with_host,
    with_person,
    with_request,
)

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import DoorsClosed, IllegalCommand, RoomError
from hustings.rooms.events import apply
from hustings.rooms.model import Details, Role, Room
from hustings.rooms.table import TABLE, InvitationState, RequestState, RoomStatus, SeatState, State, Verb

ON = [RoomStatus.OPEN, RoomStatus.LIVE, RoomStatus.PAUSED]
ROOM_COMMANDS: dict[Verb, c.Command] = {
    Verb.OPEN: c.OpenDoors("b2", AT),
    Verb.START: c.GoLive(AT),
    Verb.PAUSE: c.Pause(AT),
    Verb.RESUME: c.Resume(AT),
    Verb.STOP: c.Stop(AT),
    Verb.TAKE_UP: c.TakeUpAgain(AT),
    Verb.INVITE: c.Invite("i9", "p9", "Grace", Role.SPEAKER, True, AT),
    Verb.EDIT: c.Edit(Details("Another title"), AT),
    Verb.SCHEDULE: c.Schedule(AT + 60, "Europe/Berlin", False, AT),
    Verb.CANCEL: c.Cancel(AT),
    Verb.ASK: c.AskToSpeak("q9", "p9", "Grace", AT),
    Verb.LOCK: c.Lock(True, AT),
    Verb.STEP: c.BeginTopic("t2", AT),
    Verb.OFF_RECORD: c.OffRecord(True, AT),
}
INVITATION_COMMANDS: dict[Verb, c.Command] = {
    Verb.SEE: c.SeeInvitation("i1", AT),
    Verb.ACCEPT: c.AcceptInvitation("i1", AT),
    Verb.DECLINE: c.DeclineInvitation("i1", AT),
    Verb.WITHDRAW: c.WithdrawInvitation("i1", AT),
    Verb.EXPIRE: c.ExpireInvitation("i1", AT),
    Verb.WORD: c.SayWord("i1", "I am looking forward to it.", None, AT),
    Verb.CONSENT: c.AgreeToRecording("i1", True, AT),
}
SEAT_COMMANDS: dict[Verb, list[c.Command]] = {
    Verb.MUTE: [c.MuteSelf("p1", True, AT), c.MuteOther("p1", True, AT)],
    Verb.TAKE: [c.Connect("i1", AT)],
    Verb.ADMIT: [c.Admit("p1", AT)],
    Verb.SEND_BACK: [c.SendBack("p1", AT)],
    Verb.REMOVE: [c.Remove("p1", AT), c.WithdrawInvitation("i1", AT)],
    Verb.VACATE: [c.DeclineInvitation("i1", AT)],
    Verb.TALK_ASIDE: [c.TalkAside("p9", "p1", AT)],
    Verb.PROMOTE: [c.ChangeRole("p1", Role.COHOST, AT)],
    Verb.HAND_OVER: [c.HandOver("p1", AT)],
    Verb.CLOCK: [c.SetClock("p1", 60, AT)],
}
REQUEST_COMMANDS: dict[Verb, c.Command] = {
    Verb.BRING_UP: c.BringUp("q1", "i8", AT),
    Verb.LOWER: c.LowerHand("q1", AT),
}
ANSWER_FOR = {
    SeatState.WAITING: InvitationState.ACCEPTED,
    SeatState.SEATED: InvitationState.ACCEPTED,
    SeatState.VACANT: InvitationState.DECLINED,
    SeatState.REMOVED: InvitationState.WITHDRAWN,
}
UNDER_WAY = {InvitationState.OFFERED, InvitationState.SEEN, InvitationState.ACCEPTED}
"""Of one who was brought up, while the request is not over."""


def check(room: Room, command: c.Command, verb: Verb, state: State, now: Callable[[Room], State]) -> None:
    """`command` moves `state` as the table says, or raises with that very state in the error."""
    then = TABLE.get((state, verb))
    if then is None:
        with pytest.raises(IllegalCommand) as caught:
            decide(room, command)
        assert caught.value.state is state
        assert caught.value.verb is verb
        assert state.value in str(caught.value)
        return
    assert now(apply(room, decide(room, command))) is then


@pytest.mark.parametrize("status", RoomStatus)
@pytest.mark.parametrize("verb", ROOM_COMMANDS)
def test_every_room_command_in_every_status(status: RoomStatus, verb: Verb) -> None:
    check(room_in(status), ROOM_COMMANDS[verb], verb, status, lambda room: room.status)


@pytest.mark.parametrize("state", InvitationState)
@pytest.mark.parametrize("verb", INVITATION_COMMANDS)
def test_every_invitation_command_in_every_state(state: InvitationState, verb: Verb) -> None:
    command = INVITATION_COMMANDS[verb]
    check(invited(state), command, verb, state, lambda room: room.invitations["i1"].state)


@pytest.mark.parametrize("status", ON)
@pytest.mark.parametrize("state", SeatState)
@pytest.mark.parametrize("verb", SEAT_COMMANDS)
def test_every_command_in_every_seat_state(status: RoomStatus, state: SeatState, verb: Verb) -> None:
    room = with_host(with_person(room_in(status), 1, ANSWER_FOR[state], state))
    for command in SEAT_COMMANDS[verb]:
        refused_before = {
            # what the invitation says comes before what the seat says
            (SeatState.REMOVED, Verb.TAKE): InvitationState.WITHDRAWN,
            (SeatState.REMOVED, Verb.VACATE): InvitationState.WITHDRAWN,
        }.get((state, verb))
        if refused_before is not None:
            with pytest.raises(IllegalCommand) as caught:
                decide(room, command)
            assert caught.value.state is refused_before
            continue
        check(room, command, verb, state, seat_of)


@pytest.mark.parametrize("state", RequestState)
@pytest.mark.parametrize("verb", REQUEST_COMMANDS)
def test_every_request_command_in_every_state(state: RequestState, verb: Verb) -> None:
    room = with_request(room_in(RoomStatus.LIVE), 1, state)
    check(room, REQUEST_COMMANDS[verb], verb, state, lambda after: after.requests["q1"].state)


@pytest.mark.parametrize("status", RoomStatus)
@pytest.mark.parametrize("command", [c.Connect("i1", AT), c.Admit("p1", AT)])
def test_coming_on_the_stage_in_every_status(status: RoomStatus, command: c.Command) -> None:
    room = with_person(
        room_in(status, scheduled_at=AT + 60),
        1,
        InvitationState.ACCEPTED,
        SeatState.WAITING if isinstance(command, c.Admit) else None,
    )
    if (status, Verb.CONNECT) in TABLE:
        assert seat_of(apply(room, decide(room, command))) is SeatState.SEATED
    else:
        with pytest.raises(DoorsClosed) as caught:
            decide(room, command)
        assert caught.value.state is status
        assert caught.value.scheduled_at == AT + 60


@pytest.mark.parametrize("state", InvitationState)
def test_connecting_with_every_invitation(state: InvitationState) -> None:
    room = invited(state)
    if (state, Verb.ACCEPT) in TABLE:
        then = apply(room, decide(room, c.Connect("i1", AT)))
        assert seat_of(then) is SeatState.SEATED
        assert then.invitations["i1"].state is InvitationState.ACCEPTED
    else:
        with pytest.raises(IllegalCommand) as caught:
            decide(room, c.Connect("i1", AT))
        assert caught.value.state is state


def test_the_table_reaches_every_state_and_names_every_verb() -> None:
    begins = {RoomStatus.SCHEDULED, InvitationState.OFFERED, SeatState.SEATED, RequestState.WAITING}
    assert set(TABLE.values()) | begins == {*RoomStatus, *InvitationState, *SeatState, *RequestState}
    assert {verb for _, verb in TABLE} == set(Verb)


# --- the whole product ---------------------------------------------------------------------------

EVERY_COMMAND: list[c.Command] = [
    *ROOM_COMMANDS.values(),
    *INVITATION_COMMANDS.values(),
    *(command for commands in SEAT_COMMANDS.values() for command in commands),
    *REQUEST_COMMANDS.values(),
    c.Stop(AT, next_at=AT + 7 * 86400),
    c.MoveOn(AT, AT + 7 * 86400, AT),
    c.OpenDoors("b8", AT, due=AT),
    c.GoLive(AT, due=AT),
    c.Schedule(None, "", True, AT),
    c.Lock(False, AT),
    c.BeginTopic("", AT),
    c.OffRecord(False, AT),
    c.AgreeToRecording("i1", False, AT),
    c.AskToSpeak("q1", "p1", "Person 1", AT),
    c.AskToSpeak("q7", "p1", "Person 1", AT),
    c.Connect("i1", AT, voices=1),
    c.Connect("i1", AT, marks=frozenset({"bad"})),
    c.Remove("p1", AT, ban=True, marks=frozenset({"bad"})),
    c.Remove("p9", AT),
    c.SendBack("p9", AT),
    c.Lapse("p9", AT - 99, AT),
    c.Lapse("p1", AT - 99, AT),
    c.DeclineInvitation("i9", AT),
    c.ChangeRole("p9", Role.SPEAKER, AT),
    c.ChangeRole("p1", Role.HOST, AT),
    c.ChangeRole("p1", Role.LISTENER, AT),
    c.LiftBan("p1", AT),
    c.TalkAside("p9", "", AT),
    c.TalkAside("p1", "p9", AT),
    c.SetClock("p1", 0, AT),
    c.MuteSelf("p1", False, AT),
    c.MuteOther("p1", False, AT),
]


def every_room() -> Iterator[Room]:
    """Room x invitation x seat x request, locked or not, with a green room or not."""
    seats: list[tuple[InvitationState | None, SeatState | None]] = [
        (None, None),
        *((state, None) for state in InvitationState),
        *((answer, seat) for seat, answer in ANSWER_FOR.items()),
    ]
    roles = (Role.SPEAKER, Role.COHOST, Role.HOST)
    for status, (invitation, seat), role, locked, green in itertools.product(
        RoomStatus, seats, roles, (False, True), (False, True)
    ):
        if locked and status not in ON:
            continue
        room = room_in(status, green_room=green)
        room = with_host(replace(room, locked=locked))
        if invitation is None:
            yield room
            yield with_request(room, 1, RequestState.LOWERED)
            if status in ON:
                yield with_request(room, 1, RequestState.WAITING)
            continue
        yield with_person(room, 1, invitation, seat, role)
        yield with_person(room, 1, invitation, seat, role, RequestState.LOWERED)
        if status in ON and invitation in UNDER_WAY:
            yield with_person(room, 1, invitation, seat, role, RequestState.CALLED)


def outcome(room: Room, command: c.Command) -> Room | None:
    """None when it is refused. Any other error than a RoomError is a failure of the test."""
    try:
        return apply(room, decide(room, command))
    except RoomError:
        return None


def test_every_command_in_every_room_is_sound() -> None:
    """Typed or done; done twice is done once; and whatever comes of it is a sound room."""
    assert {type(command) for command in EVERY_COMMAND} == set(c.Command.__value__.__args__)
    tried = done = 0
    for room in every_room():
        invariants(room)
        for command in EVERY_COMMAND:
            tried += 1
            then = outcome(room, command)
            if then is None:
                continue
            done += 1
            invariants(then)
            if not isinstance(command, c.TakeUpAgain):
                assert decide(then, command) == [], (room, command)
    assert tried > 20_000
    assert tried / 4 < done < tried


def test_an_ended_room_opens_again_with_another_broadcast() -> None:
    room = room_in(RoomStatus.OPEN)
    for command in (c.GoLive(AT), c.TakeUpAgain(AT + 1), c.Stop(AT + 2), c.OpenDoors("b2", AT + 3)):
        room = apply(room, decide(room, command))
    assert room.status is RoomStatus.OPEN
    assert room.broadcast is not None
    assert (room.broadcast.id, room.broadcast.opened_at, room.broadcast.epoch) == ("b2", AT + 3, 0)
    assert room.details.topics == TOPICS


def test_what_the_table_allows_may_be_repeated() -> None:
    for (state, verb), then in TABLE.items():
        assert TABLE[then, verb] is then, (state, verb)
