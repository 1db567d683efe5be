"""The room itself: edits, schedules, cancelling, the agenda, one broadcast after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from room_support import AT, TOPICS, after, room_in, seat_of, with_host, with_person

from hustings.rooms import commands as c
from hustings.rooms.decide import CONNECTABLE, decide
from hustings.rooms.errors import AlreadyThere, FiguresSettled, IllegalCommand, TooMany, UnknownMember
from hustings.rooms.events import BroadcastEnded, RoomCancelled, RoomEdited, RoomScheduled, TopicBegan
from hustings.rooms.model import (
    FIGURES_ALL,
    FIGURES_HOSTS,
    MAX_CHAPTERS,
    MAX_LINKS,
    MAX_TOPICS,
    Details,
    Link,
    Role,
    Room,
    Topic,
)
from hustings.rooms.record_entries import facts
from hustings.rooms.table import InvitationState, RoomStatus, SeatState

ACCEPTED = InvitationState.ACCEPTED
WEEK = 7 * 86400.0


@pytest.mark.parametrize("status", RoomStatus)
def test_an_edit_leaves_the_schedule_alone(status: RoomStatus) -> None:
    room = room_in(status, scheduled_at=AT + 60, time_zone="Europe/Berlin", weekly=True)
    new = Details("Ünïcode", description="x", green_room=True, scheduled_at=1.0, time_zone="UTC")
    room = after(room, c.Edit(new, AT))
    assert room.title == "Ünïcode"
    assert room.details == replace(new, scheduled_at=AT + 60, time_zone="Europe/Berlin", weekly=True)
    assert decide(room, c.Edit(new, AT)) == []


def test_details_are_bounded() -> None:
    topics = tuple(Topic(str(n), "T") for n in range(MAX_TOPICS + 1))
    links = tuple(Link("L", "https://example.org") for _ in range(MAX_LINKS + 1))
    for details in (Details("T", topics=topics), Details("T", links=links)):
        with pytest.raises(TooMany):
            decide(room_in(RoomStatus.OPEN), c.Edit(details, AT))


def test_scheduling_anew_brings_a_cancelled_room_back() -> None:
    room = after(room_in(RoomStatus.SCHEDULED, scheduled_at=AT + 60), c.Cancel(AT))
    assert room.status is RoomStatus.CANCELLED
    for command in (c.OpenDoors("b2", AT), c.Lock(True, AT)):
        with pytest.raises(IllegalCommand):
            decide(room, command)
    events = decide(room, c.Schedule(AT + 99, "Asia/Tokyo", True, AT))
    assert [type(event) for event in events] == [RoomScheduled, RoomEdited]
    room = after(room, c.Schedule(AT + 99, "Asia/Tokyo", True, AT))
    assert room.status is RoomStatus.SCHEDULED
    assert (room.scheduled_at, room.details.time_zone, room.details.weekly) == (AT + 99, "Asia/Tokyo", True)
    assert decide(room, c.Schedule(AT + 99, "Asia/Tokyo", True, AT)) == []


def test_an_ended_room_gets_another_date_or_none() -> None:
    ended = after(room_in(RoomStatus.LIVE, scheduled_at=AT - 60), c.Stop(AT))
    again = after(ended, c.Schedule(AT + 60, "", False, AT))
    assert again.status is RoomStatus.SCHEDULED
    assert again.broadcast is not None, "what was is not forgotten"
    assert after(again, c.OpenDoors("b2", AT)).status is RoomStatus.OPEN
    never = after(ended, c.Schedule(None, "", False, AT))
    assert (never.status, never.scheduled_at) == (RoomStatus.ENDED, None)


def test_a_weekly_room_says_when_it_is_on_next() -> None:
    room = room_in(RoomStatus.LIVE, scheduled_at=AT, weekly=True)
    events = decide(room, c.Stop(AT + 9, next_at=AT + WEEK))
    assert [type(event) for event in events] == [BroadcastEnded, RoomEdited]
    room = after(room, c.Stop(AT + 9, next_at=AT + WEEK))
    assert (room.status, room.scheduled_at) == (RoomStatus.ENDED, AT + WEEK)
    room = after(room, c.Cancel(AT + 10))
    assert (room.status, room.scheduled_at, room.details.weekly) == (RoomStatus.ENDED, None, False)
    assert decide(room, c.Cancel(AT + 10)) == []


def test_cancelling_is_not_stopping() -> None:
    assert decide(room_in(RoomStatus.SCHEDULED), c.Cancel(AT)) == [RoomCancelled(AT)]
    with pytest.raises(IllegalCommand):
        decide(room_in(RoomStatus.LIVE), c.Cancel(AT))


@pytest.mark.parametrize("status", RoomStatus)
def test_who_sees_the_figures_is_settled_while_the_room_is_on(status: RoomStatus) -> None:
    room = room_in(status)
    hosts = replace(room.details, figures=FIGURES_HOSTS)
    if status in CONNECTABLE:
        with pytest.raises(FiguresSettled) as refused:
            decide(room, c.Edit(hosts, AT))
        assert refused.value.state is status
        assert decide(room, c.Edit(replace(room.details, title="T2"), AT)), "all else may be changed"
    else:
        assert after(room, c.Edit(hosts, AT)).details.figures == FIGURES_HOSTS


def test_the_record_says_when_doors_open_that_figures_are_sealed() -> None:
    for figures in (FIGURES_ALL, FIGURES_HOSTS):
        room = room_in(RoomStatus.SCHEDULED, figures=figures)
        command = c.OpenDoors("b2", AT)
        (fact, *_) = facts(room, after(room, command), decide(room, command))
        assert fact.kind == "doors_opened"
        assert fact.data.get("figures") == (FIGURES_HOSTS if figures == FIGURES_HOSTS else None)


# --- the agenda ----------------------------------------------------------------------------------


def test_topics_begun_while_live_are_chapters() -> None:
    room = after(room_in(RoomStatus.OPEN), c.BeginTopic("t1", AT))
    assert room.broadcast is not None
    assert (room.broadcast.topic_id, room.broadcast.chapters) == ("t1", ())
    room = after(room, c.GoLive(AT + 1), c.BeginTopic("t2", AT + 2), c.BeginTopic("", AT + 3))
    assert room.broadcast is not None
    assert room.broadcast.topic_id == ""
    assert room.broadcast.chapters == ((AT + 1, "Water"), (AT + 2, "Roads")), "the first began with the sound"
    assert decide(room, c.BeginTopic("", AT + 4)) == []
    with pytest.raises(UnknownMember) as caught:
        decide(room, c.BeginTopic("t9", AT))
    assert caught.value.kind == "topic"


def test_a_topic_that_is_edited_away_is_over() -> None:
    room = after(room_in(RoomStatus.LIVE), c.BeginTopic("t2", AT))
    events = decide(room, c.Edit(Details("T", topics=TOPICS[:1]), AT + 1))
    assert events[-1] == TopicBegan("b1", "", "", False, AT + 1)
    assert [type(e) for e in decide(room, c.Edit(Details("T", topics=TOPICS), AT))] == [RoomEdited]


def test_the_agenda_goes_on_without_further_chapters() -> None:
    room = room_in(RoomStatus.LIVE)
    for number in range(MAX_CHAPTERS + 2):
        room = after(room, c.BeginTopic(("t1", "t2")[number % 2], AT + number))
    assert room.broadcast is not None
    assert len(room.broadcast.chapters) == MAX_CHAPTERS
    assert room.broadcast.topic_id == "t2"


# --- one broadcast after the other ---------------------------------------------------------------


def used(**details: object) -> Room:
    """Live with everything that does not outlast a broadcast."""
    room = with_host(room_in(RoomStatus.LIVE, **details))
    room = with_person(room, 1, ACCEPTED, SeatState.SEATED)
    room = with_person(room, 2, ACCEPTED, SeatState.WAITING)
    room = with_person(room, 3, ACCEPTED, SeatState.SEATED, Role.COHOST)
    return after(
        room,
        c.Lock(True, AT),
        c.SetClock("p1", 60, AT),
        c.TalkAside("p9", "p2", AT),
        c.AskToSpeak("q4", "p4", "Eve", AT),
        c.BeginTopic("t1", AT),
    )


@pytest.mark.parametrize("green", [False, True])
def test_the_next_broadcast_begins_afresh(green: bool) -> None:
    ended = after(used(green_room=green), c.Stop(AT + 1))
    assert not any(p.clock_until or p.aside for p in ended.participants.values())
    room = after(ended, c.OpenDoors("b2", AT + 2))
    assert not room.locked
    assert not room.requests
    assert room.broadcast is not None
    assert (room.broadcast.id, room.broadcast.topic_id, room.broadcast.chapters) == ("b2", "", ())
    guests = SeatState.WAITING if green else SeatState.VACANT
    assert (seat_of(room, 1), seat_of(room, 2)) == (guests, guests)
    assert seat_of(room, 9) is SeatState.SEATED, "the host keeps the place"
    assert seat_of(room, 3) is SeatState.VACANT
    assert seat_of(after(room, c.Connect("i3", AT + 3)), 3) is SeatState.SEATED
    comes = SeatState.WAITING if green else SeatState.SEATED
    assert seat_of(after(room, c.Connect("i1", AT + 3))) is comes


def test_nobody_is_left_waiting_where_the_green_room_is_gone() -> None:
    room = after(used(green_room=True), c.Edit(Details("T"), AT), c.Stop(AT), c.OpenDoors("b2", AT))
    assert seat_of(after(room, c.Connect("i2", AT)), 2) is SeatState.SEATED


def test_absent_guests_of_past_weeks_take_no_place() -> None:
    room = with_host(room_in(RoomStatus.SCHEDULED))
    for week in range(4):
        room = after(room, c.OpenDoors(f"week{week}", AT))
        for number in range(week * 100, week * 100 + 12):
            invite = c.Invite(f"i1{number}", f"p1{number}", "N", Role.SPEAKER, True, AT)
            room = after(room, invite, c.Connect(f"i1{number}", AT))
        room = after(room, c.Stop(AT))


def test_a_broadcast_has_an_identifier_of_its_own() -> None:
    room = after(room_in(RoomStatus.LIVE), c.Stop(AT))
    with pytest.raises(AlreadyThere):
        decide(room, c.OpenDoors("b1", AT))


def test_stopping_twice_and_taking_up() -> None:
    room = after(room_in(RoomStatus.LIVE), c.TakeUpAgain(AT))
    assert room.broadcast is not None
    assert room.broadcast.epoch == 1
    room = after(room, c.Stop(AT, reason="a storm"))
    assert room.broadcast is not None
    assert room.broadcast.end_reason == "a storm"
    assert decide(room, c.Stop(AT)) == []
