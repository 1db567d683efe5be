"""Random walks: whatever is asked in whatever order, what must hold holds."""

from __future__ import annotations

from hypothesis import given, settings
from room_commands import walk

from hustings.rooms import commands as c
from hustings.rooms.decide import CONNECTABLE, decide
from hustings.rooms.errors import RoomError
from hustings.rooms.events import MuteChanged, SeatTaken, apply
from hustings.rooms.model import Room
from hustings.rooms.table import InvitationState, RoomStatus, SeatState

NEW = Room("r", "R", RoomStatus.SCHEDULED, created_at=0.0)


def invariants(room: Room) -> None:
    live = room.status in (RoomStatus.LIVE, RoomStatus.PAUSED)
    assert (room.broadcast is None) == (room.status is RoomStatus.SCHEDULED)
    if room.broadcast is not None:
        assert (room.broadcast.ended_at is not None) == (room.status is RoomStatus.ENDED)
        assert not live or room.broadcast.live_since is not None
    for person in room.participants.values():
        state = room.invitations[person.invitation_id].state
        assert (person.state is SeatState.SEATED) == (state is InvitationState.ACCEPTED), (
            "a seat is an answer"
        )
    for invitation in room.invitations.values():
        accepted = invitation.state is InvitationState.ACCEPTED
        assert not accepted or invitation.participant_id in room.participants, "accepted is a seat"


@settings(max_examples=500, deadline=None)
@given(walk)
def test_a_room_stays_sound_over_any_commands(commands: list[c.Command]) -> None:
    room = NEW
    for wish in commands:
        known = room.invitations
        if isinstance(wish, c.Invite) and wish.invitation_id in known:
            continue  # the store makes identifiers that do not repeat
        before = room
        try:
            events = decide(room, wish)
        except RoomError:
            continue
        room = apply(room, events)
        invariants(room)
        if isinstance(wish, c.Connect):
            assert before.status in CONNECTABLE, "nobody comes through closed doors"
        if isinstance(wish, c.MuteOther):
            assert room.participants[wish.participant_id].muted, "who is muted is silent"
        for event in events:
            if isinstance(event, MuteChanged) and isinstance(wish, c.MuteOther):
                assert room.participants[event.participant_id].muted, "nobody opens another's microphone"
            if isinstance(event, SeatTaken) and event.participant_id in before.participants:
                was = before.participants[event.participant_id]
                assert room.participants[event.participant_id].muted == was.muted, "mute survives"


@given(walk)
def test_epochs_only_grow(commands: list[c.Command]) -> None:
    room, seen = NEW, ("", -1)
    for wish in commands:
        try:
            room = apply(room, decide(room, wish))
        except RoomError:
            continue
        if room.broadcast is not None:
            if room.broadcast.id == seen[0]:
                assert room.broadcast.epoch >= seen[1]
            seen = (room.broadcast.id, room.broadcast.epoch)
