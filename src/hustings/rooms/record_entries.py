"""What of a room's events everybody may read for ever: events -> entries of its public record.

Private invitations, raised hands, mutes, bans and talks off air are not in it. Names are: of those who were
publicly invited, and of those who sat on the stage of a broadcast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hustings.rooms import events as e
from hustings.rooms.model import FIGURES_HOSTS, Room
from hustings.rooms.record import Json, moment
from hustings.rooms.table import SeatState

MAX_TEXT = 400
"""Characters of a title or word; longer ones are cut, with an ellipsis."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What is to become an entry. `at`: Unix seconds."""

    kind: str
    at: float
    data: dict[str, Json]
    nonce: str = ""
    """Hexadecimal digits: `data` is sealed with it (record_seal.py); "": it is shown."""


def facts(before: Room, after: Room, happened: Iterable[e.Event]) -> list[Fact]:
    """In the order of the events; none of most."""
    found: list[Fact] = []
    for event in happened:
        fact = _broadcast(after, event) or _plan(before, event) or _people(after, event)
        if fact is not None:
            found.append(fact)
    return found


def _text(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _when(wall: float | None) -> str | None:
    return moment(wall) if wall is not None else None


def _plan(before: Room, event: e.Event) -> Fact | None:
    match event:
        case e.RoomEdited():
            old = (before.title, before.scheduled_at)
            new = (event.details.title, event.details.scheduled_at)
            if old == new:
                return None
            data: dict[str, Json] = {"title": _text(new[0]), "scheduled": _when(new[1])}
            return Fact("plan", event.at, data)
        case e.RoomCancelled():
            return Fact("cancelled", event.at, {})
        case e.RoomScheduled():
            return Fact("scheduled_again", event.at, {})
        case _:
            return None


def _broadcast(after: Room, event: e.Event) -> Fact | None:
    match event:
        case e.DoorsOpened():
            opened: dict[str, Json] = {
                "broadcast": event.broadcast_id,
                "planned": _when(event.planned_at),
                "title": _text(after.title),
            }
            if after.details.figures == FIGURES_HOSTS:
                opened["figures"] = FIGURES_HOSTS  # sealed from here on, whatever the room says later
            return Fact("doors_opened", event.at, opened)
        case e.WentLive():
            return Fact("live", event.at, {"broadcast": event.broadcast_id})
        case e.BroadcastPaused():
            return Fact("paused", event.at, {"broadcast": event.broadcast_id})
        case e.BroadcastResumed():
            return Fact("resumed", event.at, {"broadcast": event.broadcast_id})
        case e.BroadcastEnded():
            return Fact("ended", event.at, {"broadcast": event.broadcast_id, "reason": _text(event.reason)})
        case e.BroadcastTakenUp():
            return Fact("taken_up", event.at, {"broadcast": event.broadcast_id, "epoch": event.epoch})
        case e.OffRecordChanged():
            kind = "off_record" if event.off else "on_record"
            return Fact(kind, event.at, {"broadcast": event.broadcast_id})
        case e.TopicBegan(marked=True):
            return Fact("chapter", event.at, {"broadcast": event.broadcast_id, "title": _text(event.title)})
        case _:
            return None


def _people(after: Room, event: e.Event) -> Fact | None:
    match event:
        case e.InvitationOffered(public=True):
            who: dict[str, Json] = {
                "invitation": event.invitation_id,
                "name": _text(event.name),
                "role": event.role.value,
                "state": "offered",
            }
            return Fact("invitation", event.at, who)
        case e.InvitationChanged():
            return _answer(after, event.invitation_id, event.at, {"state": event.state.value})
        case e.WordSaid():
            said: dict[str, Json] = {"word": _text(event.word), "proposed": _when(event.proposed_at)}
            return _answer(after, event.invitation_id, event.at, said)
        case e.SeatTaken(state=SeatState.SEATED):
            return _seated(after, event.participant_id, event.at)
        case e.SeatChanged(state=SeatState.SEATED):
            return _seated(after, event.participant_id, event.at)
        case e.ConsentChanged():
            seat = after.participants.get(event.participant_id)
            if seat is None or seat.state is not SeatState.SEATED:
                return None  # who is not on the stage is nobody's to know; "on_stage" says it then
            return Fact("consent", event.at, {"name": _text(seat.name), "agreed": event.agreed})
        case _:
            return None


def _answer(room: Room, invitation_id: str, at: float, data: dict[str, Json]) -> Fact | None:
    invitation = room.invitations.get(invitation_id)
    if invitation is None or not invitation.public:
        return None
    return Fact("invitation", at, {"invitation": invitation.id, "name": _text(invitation.name), **data})


def _seated(room: Room, participant_id: str, at: float) -> Fact | None:
    seat = room.participants.get(participant_id)
    if seat is None or room.broadcast is None:
        return None
    who: dict[str, Json] = {
        "name": _text(seat.name),
        "role": seat.role.value,
        "agreed": room.agreed(participant_id),
    }
    return Fact("on_stage", at, {"broadcast": room.broadcast.id, **who})
