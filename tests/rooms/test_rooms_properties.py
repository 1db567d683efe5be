"""Random walks, 100 000 steps of them: whatever is asked in whatever order, what must hold holds."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from room_commands import OPENING, VOICES, codes, command_from, openings
from room_support import hosts_seated, invariants

from hustings.rooms import commands as c
from hustings.rooms.decide import CONNECTABLE, decide
from hustings.rooms.errors import RoomError
from hustings.rooms.events import apply
from hustings.rooms.model import CONDUCTING, Details, Role, Room
from hustings.rooms.table import RoomStatus, SeatState

STEPS = 100_000
WALKS, LENGTH = 500, 210
NEW = Room("r", RoomStatus.SCHEDULED, created_at=0.0, details=Details("R"))
GREEN = Room("r", RoomStatus.SCHEDULED, created_at=0.0, details=Details("R", green_room=True))

tried: Counter[type[c.Command]] = Counter()
done: Counter[type[c.Command]] = Counter()
hosts_at_stake: Counter[str] = Counter()


def seated(room: Room) -> set[str]:
    return {p.id for p in room.participants.values() if p.state is SeatState.SEATED}


def transition(before: Room, wish: c.Command, room: Room) -> None:
    """What one command may change."""
    if room.status in CONNECTABLE and hosts_seated(before):
        hosts_at_stake["kept"] += 1
        assert hosts_seated(room), "a room that is on keeps its host"
    for person_id, was in before.participants.items():
        person = room.participants.get(person_id)
        if person is None:
            assert isinstance(wish, c.OpenDoors), "members are forgotten only when a broadcast begins"
            # One who was brought up, made cohost and, when it was over, speaker again, goes with it.
            assert was.state is SeatState.VACANT or before.invitations[was.invitation_id].request_id
            continue
        assert was.state is not SeatState.REMOVED or person.state is SeatState.REMOVED, "removed for good"
        if (was.muted_self, was.muted_by_host) != (person.muted_self, person.muted_by_host):
            assert isinstance(wish, c.MuteSelf | c.MuteOther)
            assert wish.participant_id == person_id
            assert person.muted or isinstance(wish, c.MuteSelf), "nobody opens another's microphone"
    _newcomers(before, wish, room)
    if before.broadcast and room.broadcast and before.broadcast.id == room.broadcast.id:
        assert room.broadcast.epoch >= before.broadcast.epoch
        known = len(before.broadcast.chapters)
        assert room.broadcast.chapters[:known] == before.broadcast.chapters
        off = before.broadcast.is_off_record
        if off is not room.broadcast.is_off_record:
            assert isinstance(wish, c.OffRecord) or (off and isinstance(wish, c.Stop))
    _agreements(before, wish, room)


def _agreements(before: Room, wish: c.Command, room: Room) -> None:
    for person in before.consents.keys() | room.consents.keys():
        if before.agreed(person) is room.agreed(person):
            hosts_at_stake["agreed"] += room.agreed(person)
            continue
        if isinstance(wish, c.AgreeToRecording):
            invitation = room.invitations[wish.invitation_id]
            assert invitation.participant_id == person, "everybody agrees for oneself"
            assert room.agreed(person) is wish.agree
        else:
            assert isinstance(wish, c.OpenDoors), "agreement ends by taking it back"
            assert person not in {i.participant_id for i in room.invitations.values()}


def _newcomers(before: Room, wish: c.Command, room: Room) -> None:
    for person_id in seated(room) - seated(before):
        assert isinstance(wish, c.Connect | c.Admit), "who comes on the stage comes or is admitted"
        assert not before.locked, "nobody new comes on a locked stage"
        assert before.status in CONNECTABLE, "nobody comes through closed doors"
        person = room.participants[person_id]
        invitation = room.invitations[person.invitation_id]
        guest = person.role not in CONDUCTING and not invitation.request_id
        if guest and before.details.green_room:
            assert isinstance(wish, c.Admit), "guests come through the green room"
    if isinstance(wish, c.Connect):
        assert not any(wish.marks & ban.marks for ban in before.bans), "the banned stay out"


def take(room: Room, wish: c.Command) -> Room:
    """The room after `wish`; as it was when that is refused."""
    tried[type(wish)] += 1
    try:
        events = decide(room, wish)
    except RoomError:
        return room
    then = apply(room, events)
    done[type(wish)] += bool(events)
    transition(room, wish, then)
    invariants(then, VOICES)
    if not isinstance(wish, c.TakeUpAgain):
        assert decide(then, wish) == [], "what is asked twice is done once"
    return then


@settings(max_examples=WALKS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([NEW, GREEN]), openings, st.lists(codes, min_size=LENGTH - 10, max_size=LENGTH + 10))
def walk(room: Room, opening: list[c.Command], steps: list[int]) -> None:
    for wish in opening:
        room = take(room, wish)
    for number, code in enumerate(steps):
        room = take(room, command_from(code, room, number))


def test_a_room_stays_sound_over_any_commands() -> None:
    walk()
    assert tried.total() >= STEPS
    assert set(done) == set(c.Command.__value__.__args__), "every command was carried out somewhere"
    seldom = {command.__name__: count for command, count in done.items() if count < 10}
    assert not seldom
    assert hosts_at_stake["kept"] > STEPS / 20
    assert hosts_at_stake["agreed"] > STEPS / 20


SMALL = {
    "hustings.rooms.decide_people.MAX_INVITATIONS": 5,
    "hustings.rooms.decide_people.MAX_BANS": 1,
    "hustings.rooms.decide_people.MAX_MARKS": 1,
    "hustings.rooms.decide_stage.MAX_REQUESTS": 1,
    "hustings.rooms.decide.MAX_CHAPTERS": 2,
    "hustings.rooms.decide_recording.MAX_STRETCHES": 1,
    "hustings.rooms.events.MAX_LOWERED": 1,
}


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(codes, min_size=80, max_size=100))
def test_every_bound_holds(steps: list[int]) -> None:
    """The same with bounds so small that they are met."""
    patches = [
        patch(name, value)
        for target, value in SMALL.items()
        for name in (target, f"room_support.{target.rpartition('.')[2]}")
    ]
    for each in patches:
        each.start()
    try:
        room = GREEN
        for wish in OPENING:
            room = take(room, wish)
        for number, code in enumerate(steps):
            room = take(room, command_from(code, room, number))
    finally:
        for each in patches:
            each.stop()


def test_a_broken_rule_would_be_seen() -> None:
    """The watch itself: a host who leaves a room that is on without another."""
    room = NEW
    for wish in OPENING:
        room = apply(room, decide(room, wish))
    assert hosts_seated(room) == 1
    with (
        patch("hustings.rooms.draft.Draft.keep_a_host", lambda *_: None),
        pytest.raises(AssertionError, match="keeps its host"),
    ):
        take(room, c.ChangeRole("p-h", Role.SPEAKER, 0.0))
