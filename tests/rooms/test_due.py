"""What happens by itself and when: tables, and whole lives of rooms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from room_support import AT, room_in

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.due import GIVE_UP, LATE_START, Due, What, next_due
from hustings.rooms.events import apply
from hustings.rooms.model import Details, Room
from hustings.rooms.table import RoomStatus

T = AT + 3600.0
"""What rooms are planned for."""
DOORS = T - 600.0


def planned(status: RoomStatus = RoomStatus.SCHEDULED, **details: Any) -> Room:
    return room_in(status, **{"scheduled_at": T, **details})


def after(room: Room, *commands: c.Command) -> Room:
    for command in commands:
        room = apply(room, decide(room, command))
    return room


def opened(at: float = DOORS, *, due: float | None = T, **details: Any) -> Room:
    return after(planned(**details), c.OpenDoors("b9", at, due=due))


@pytest.mark.parametrize(
    ("details", "now", "expected"),
    [
        ({}, AT, Due(What.DOORS, DOORS, T)),
        ({"doors_minutes": 0}, AT, Due(What.DOORS, T, T)),
        ({"doors_minutes": 60}, AT, Due(What.DOORS, T - 3600, T)),
        ({"opens_itself": False}, AT, None),
        ({"opens_itself": False, "starts_itself": True}, AT, Due(What.DOORS, T, T)),
        ({"scheduled_at": None}, AT, None),
        ({}, T + GIVE_UP - 1, Due(What.DOORS, DOORS, T)),
        ({}, T + GIVE_UP, None),
        ({"weekly": True}, T + GIVE_UP, Due(What.MOVE_ON, T + GIVE_UP, T)),
        ({"weekly": True, "opens_itself": False}, AT, Due(What.MOVE_ON, T + GIVE_UP, T)),
    ],
)
def test_a_planned_room(details: dict[str, Any], now: float, expected: Due | None) -> None:
    assert next_due(planned(**details), now) == expected


@pytest.mark.parametrize("status", [RoomStatus.LIVE, RoomStatus.PAUSED, RoomStatus.CANCELLED])
def test_nothing_is_due_while_it_is_on_the_air_or_called_off(status: RoomStatus) -> None:
    assert next_due(planned(status, starts_itself=True, weekly=True), T) is None


def test_an_open_room_goes_live_only_if_that_was_asked_for() -> None:
    assert next_due(opened(starts_itself=True), DOORS) == Due(What.LIVE, T, T)
    assert next_due(opened(), DOORS) == Due(What.CLOSE, T + GIVE_UP, T)


def test_an_open_room_goes_live_late_but_not_very_late() -> None:
    room = opened(starts_itself=True)
    assert next_due(room, T + LATE_START - 1) == Due(What.LIVE, T, T)
    assert next_due(room, T + LATE_START) == Due(What.CLOSE, T + GIVE_UP, T)


def test_who_opens_late_by_hand_decides_about_going_live() -> None:
    by_hand = opened(T + 60, due=None, starts_itself=True)
    assert by_hand.broadcast is not None
    assert (by_hand.broadcast.planned_at, by_hand.broadcast.starts_at) == (T, None)
    by_itself = opened(T + 60, starts_itself=True)
    assert next_due(by_itself, T + 60) == Due(What.LIVE, T, T), "the server was down: it starts at once"


def test_saying_after_the_time_that_it_starts_by_itself_does_not_mean_now() -> None:
    room = opened()
    later = after(room, c.Edit(replace(room.details, starts_itself=True), T + 5))
    assert next_due(later, T + 5) == Due(What.CLOSE, T + GIVE_UP, T)
    before = after(room, c.Edit(replace(room.details, starts_itself=True), T - 5))
    assert next_due(before, T - 5) == Due(What.LIVE, T, T)
    off = after(before, c.Edit(replace(before.details, starts_itself=False), T - 1))
    assert next_due(off, T) == Due(What.CLOSE, T + GIVE_UP, T)


def test_a_rehearsal_is_not_the_broadcast() -> None:
    rehearsed = after(
        opened(AT, due=None), c.GoLive(AT + 10), c.Stop(AT + 900)
    )  # over half an hour before the doors
    assert next_due(rehearsed, AT + 901) == Due(What.DOORS, DOORS, T)


def test_what_ended_after_its_doors_were_due_is_not_opened_again() -> None:
    ended = after(opened(), c.Stop(DOORS + 1))
    assert next_due(ended, DOORS + 2) is None
    early = after(opened(AT, due=None), c.GoLive(AT + 1), c.Stop(DOORS + 1))
    assert next_due(early, DOORS + 2) is None


def test_commands_that_are_no_longer_due_change_nothing() -> None:
    moved = after(planned(), c.Schedule(T + 86400, "UTC", False, AT))
    assert decide(moved, c.OpenDoors("b9", DOORS, due=T)) == []
    assert decide(after(planned(), c.Cancel(AT)), c.OpenDoors("b9", DOORS, due=T)) == []
    assert decide(opened(), c.OpenDoors("b10", DOORS, due=T)) == []
    assert decide(opened(), c.GoLive(T, due=T)) == [], "nobody asked for it"
    live = after(opened(starts_itself=True), c.GoLive(T, due=T))
    assert live.status is RoomStatus.LIVE
    assert decide(live, c.GoLive(T + 1, due=T)) == []
    assert decide(planned(), c.GoLive(T, due=T)) == []
    assert decide(planned(), c.MoveOn(T, T + 99, T)) == [], "it is not weekly"


def test_a_weekly_room_nobody_held_goes_on_to_its_next_time() -> None:
    room = after(planned(weekly=True), c.MoveOn(T, T + 7 * 86400, T + GIVE_UP))
    assert room.scheduled_at == T + 7 * 86400
    assert room.status is RoomStatus.SCHEDULED
    assert next_due(room, T + GIVE_UP) == Due(What.DOORS, T + 7 * 86400 - 600, T + 7 * 86400)


class Life:
    """A room that does what is due whenever somebody looks; what happened, with times."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.doors: list[tuple[float, float]] = []
        self.live: list[tuple[float, float]] = []

    def look(self, now: float) -> None:
        for _ in range(5):
            due = next_due(self.room, now)
            if due is None or due.at > now:
                return
            match due.what:
                case What.DOORS:
                    self.room = after(self.room, c.OpenDoors(f"b{len(self.doors)}", now, due=due.planned))
                    self.doors.append((now, due.planned))
                case What.LIVE:
                    self.room = after(self.room, c.GoLive(now, due=due.planned))
                    self.live.append((now, due.planned))
                case What.CLOSE:
                    self.room = after(self.room, c.Stop(now))
                case What.MOVE_ON:
                    self.room = after(self.room, c.MoveOn(due.planned, due.planned + 7 * 86400, now))
        raise AssertionError("does not come to rest")


@settings(max_examples=300, deadline=None)
@given(
    minutes=st.integers(0, 120),
    itself=st.booleans(),
    weekly=st.booleans(),
    looks=st.lists(st.floats(0, 4 * 3600), min_size=1, max_size=60),
    away=st.tuples(st.floats(0, 4 * 3600), st.floats(0, 3600)),
)
def test_once_and_never_early_however_often_and_when_one_looks(
    minutes: int, itself: bool, weekly: bool, looks: list[float], away: tuple[float, float]
) -> None:
    """`away`: from when and how long nobody looks; besides, somebody looks each minute."""
    life = Life(planned(doors_minutes=minutes, starts_itself=itself, weekly=weekly))
    begin = T - 2.5 * 3600
    times = sorted({*(begin + look for look in looks), *(begin + 60 * n for n in range(240))})
    seen = [at for at in times if not away[0] <= at - begin < away[0] + away[1]]
    for at in seen:
        life.look(at)
    first = next((at for at in seen if at >= T - minutes * 60), None)
    assert [at for at, _ in life.doors] == ([first] if first is not None and first < T + GIVE_UP else [])
    start = next((at for at in seen if at >= T), None)
    expected = [start] if itself and start is not None and start < T + LATE_START else []
    assert [at for at, _ in life.live] == expected


def test_details_of_a_new_room_open_its_doors_but_not_the_microphones() -> None:
    assert Details("T").opens_itself
    assert Details("T").doors_minutes == 10
    assert not Details("T").starts_itself
