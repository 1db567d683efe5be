"""Rooms in any state, and what must hold in all of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hustings.rooms import commands as c
from hustings.rooms.decide import CONNECTABLE, decide
from hustings.rooms.events import apply
from hustings.rooms.model import (
    CONDUCTING,
    MAX_BANS,
    MAX_CHAPTERS,
    MAX_INVITATIONS,
    MAX_LOWERED,
    MAX_MARKS,
    MAX_REQUESTS,
    MAX_SEATED,
    MAX_STRETCHES,
    Broadcast,
    Details,
    Invitation,
    Participant,
    Request,
    Role,
    Room,
    Stretch,
    Topic,
)
from hustings.rooms.table import InvitationState, RequestState, RoomStatus, SeatState

AT = 1_790_000_000.0
TOPICS = (Topic("t1", "Water", 10), Topic("t2", "Roads"))
ALIVE = (SeatState.SEATED, SeatState.WAITING)


def room_in(status: RoomStatus, **details: Any) -> Room:
    broadcast = None
    if status not in (RoomStatus.SCHEDULED, RoomStatus.CANCELLED):
        broadcast = Broadcast(
            "b1",
            opened_at=AT - 50,
            live_since=None if status is RoomStatus.OPEN else AT - 40,
            ended_at=AT - 30 if status is RoomStatus.ENDED else None,
        )
    return Room(
        slug="town-hall",
        status=status,
        created_at=AT - 100,
        details=Details(**{"title": "Town hall", "topics": TOPICS, **details}),
        broadcast=broadcast,
    )


def with_person(
    room: Room,
    number: int,
    invitation: InvitationState,
    seat: SeatState | None = None,
    role: Role = Role.SPEAKER,
    request: RequestState | None = None,
    **changes: Any,
) -> Room:
    """Person `number` has the invitation i{number}, the identifier p{number}, the request q{number};
    `changes` are fields of the invitation, or of the seat."""
    ours = {key: value for key, value in changes.items() if key in Invitation.__slots__}
    theirs = {key: value for key, value in changes.items() if key not in ours}
    offered = Invitation(
        id=f"i{number}",
        participant_id=f"p{number}",
        name=f"Person {number}",
        role=role,
        public=True,
        state=invitation,
        offered_at=AT - 60,
        changed_at=AT - 60,
        request_id=f"q{number}" if request is not None else "",
    )
    offered = replace(offered, **ours)
    room = replace(room, invitations=MappingProxyType({**room.invitations, offered.id: offered}))
    if seat is not None:
        person = Participant(f"p{number}", f"i{number}", f"Person {number}", role, seat, taken_at=AT - 40)
        person = replace(person, **theirs)
        room = replace(room, participants=MappingProxyType({**room.participants, person.id: person}))
    return with_request(room, number, request) if request is not None else room


def with_request(room: Room, number: int, state: RequestState) -> Room:
    asked = Request(f"q{number}", f"p{number}", f"Person {number}", state, AT - 70, AT - 65)
    return replace(room, requests=MappingProxyType({**room.requests, asked.id: asked}))


def invited(state: InvitationState, seat: SeatState | None = None, **changes: Any) -> Room:
    """An open room with one person."""
    return with_person(room_in(RoomStatus.OPEN), 1, state, seat, **changes)


def with_host(room: Room, number: int = 9) -> Room:
    return with_person(room, number, InvitationState.ACCEPTED, SeatState.SEATED, Role.HOST)


def after(room: Room, *commands: c.Command) -> Room:
    for command in commands:
        room = apply(room, decide(room, command))
    return room


def seat_of(room: Room, number: int = 1) -> SeatState:
    return room.participants[f"p{number}"].state


def hosts_seated(room: Room) -> int:
    return sum(p.role is Role.HOST and p.state is SeatState.SEATED for p in room.participants.values())


def invariants(room: Room, voices: int = MAX_SEATED) -> None:
    """What holds in every room that commands have made."""
    on = room.status in CONNECTABLE
    if room.broadcast is not None:
        assert (room.broadcast.ended_at is None) == on, "a broadcast is over when the room is not on"
        live = room.status in (RoomStatus.LIVE, RoomStatus.PAUSED)
        assert not live or room.broadcast.live_since is not None
        assert len(room.broadcast.chapters) <= MAX_CHAPTERS
        _stretches(room.broadcast.off_record)
        assert on or not room.broadcast.is_off_record, "no stretch outlasts its broadcast"
        topics = {"", *(topic.id for topic in room.details.topics)}
        assert not on or room.broadcast.topic_id in topics
    else:
        assert room.status in (RoomStatus.SCHEDULED, RoomStatus.CANCELLED)
    assert len(room.invitations) <= MAX_INVITATIONS
    assert len(room.bans) <= MAX_BANS
    assert all(len(ban.marks) <= MAX_MARKS for ban in room.bans)
    assert sum(p.state is SeatState.SEATED for p in room.participants.values()) <= voices
    _people(room)
    _requests(room, on)
    known = {invitation.participant_id for invitation in room.invitations.values()}
    assert set(room.consents) <= known, "nothing is kept of whom the room does not know"
    for consent in room.consents.values():
        assert consent.stretches
        _stretches(consent.stretches)


def _stretches(stretches: tuple[Stretch, ...]) -> None:
    """In order, apart, and only the last may not have ended."""
    assert len(stretches) <= MAX_STRETCHES
    for before, then in itertools.pairwise(stretches):
        assert before.ended_at is not None
        assert before.ended_at <= then.began_at


def _people(room: Room) -> None:
    for person in room.participants.values():
        assert room.participants[person.id] is person
        invitation = room.invitations[person.invitation_id]
        assert invitation.participant_id == person.id
        accepted = invitation.state is InvitationState.ACCEPTED
        assert accepted or person.state not in ALIVE, "nobody has a place without having accepted"
        removed = person.state is SeatState.REMOVED
        assert not removed or invitation.state is InvitationState.WITHDRAWN, "a removed one's link is dead"
        assert person.clock_until is None or person.state is SeatState.SEATED
        if person.aside:
            assert person.state is SeatState.SEATED
            assert person.role in CONDUCTING
            assert room.participants[person.aside].state is SeatState.WAITING
    asides = [p.aside for p in room.participants.values() if p.aside]
    assert len(set(asides)) == len(asides), "one host per guest"


def _requests(room: Room, on: bool) -> None:
    states = [request.state for request in room.requests.values()]
    assert states.count(RequestState.WAITING) <= MAX_REQUESTS
    assert states.count(RequestState.LOWERED) <= MAX_LOWERED
    assert on or set(states) <= {RequestState.LOWERED}, "no hand is up in a room that is not on"
    open_ones = [r.participant_id for r in room.requests.values() if r.state is not RequestState.LOWERED]
    assert len(set(open_ones)) == len(open_ones), "one open request each"
    banned = {ban.participant_id for ban in room.bans}
    for person_id in banned:
        seat = room.participants.get(person_id)
        assert seat is None or seat.state not in ALIVE, "the banned have no place"
        assert person_id not in open_ones
