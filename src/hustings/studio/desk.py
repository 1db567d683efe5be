"""What those who conduct a room see besides what everybody sees. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hustings.bus.messages import SeatReport
from hustings.rooms.model import Request, Room
from hustings.rooms.table import RequestState, SeatState
from hustings.studio import public
from hustings.studio.api_state import invitation_state
from hustings.studio.board import Board
from hustings.studio.text import utc


def host_state(room: Room, board: Board, now: float) -> dict[str, Any]:
    """The part `host` of the events socket and of GET /api/rooms/{slug}."""
    seats = _seats(room, board, now)
    details = room.details
    listeners = board.listeners(room.slug, now)
    return {
        "waiting": _waiting(room, seats),
        "requests": _requests(room, board),
        "quality": {each.participant_id: _quality(each) for each in seats.values() if each.connected},
        "invitations": [invitation_state(each) for each in room.invitations.values()],
        "questions_pending": [dict(each) for each in board.questions.pending(room.slug)],
        "bans": [
            {"participant_id": ban.participant_id, "name": ban.name, "at": utc(ban.at)} for ban in room.bans
        ],
        "green_room": details.green_room,
        "hands": details.hands,
        "moderated": details.moderated,
        "queue_by_talk": details.queue_by_talk,
        "turn_seconds": details.turn_seconds,
        "recording": _recording(room, board, seats, now),
        "reactions": dict(board.reactions(room.slug)),
        "figures": details.figures,
        "listeners": sum(listeners.values()),
        "listeners_by_door": listeners,
    }


def _seats(room: Room, board: Board, now: float) -> Mapping[str, SeatReport]:
    measured = board.measured(room.broadcast.id if room.broadcast else "", now)
    return {} if measured is None else {seat.participant_id: seat for seat in measured.report.seats}


def _waiting(room: Room, seats: Mapping[str, SeatReport]) -> list[dict[str, Any]]:
    """The green room, who came first before."""
    asides = {person.aside: person.id for person in room.participants.values() if person.aside}
    people = [p for p in room.participants.values() if p.state is SeatState.WAITING]
    shown = []
    for person in sorted(people, key=lambda p: (p.taken_at, p.id)):
        seat = seats.get(person.id)
        quality = _quality(seat) if seat is not None else {"level_dbov": -127, "loss": 0.0}
        shown.append(
            {
                "id": person.id,
                "name": person.name,
                "role": person.role.value,
                "connected": seat is not None and seat.connected,
                "muted": person.muted,
                "level_dbov": quality["level_dbov"],
                "loss": quality["loss"],
                "since": utc(person.taken_at),
                "aside": asides.get(person.id, ""),
                "agreed": room.agreed(person.id),
            }
        )
    return shown


def _recording(room: Room, board: Board, seats: Mapping[str, SeatReport], now: float) -> dict[str, Any]:
    """What is decided (`on`, `off_record`), who has not agreed, and what the stage says of it: `state` is ""
    when it says nothing."""
    broadcast = room.broadcast
    report = board.recording(broadcast.id if broadcast else "", now)
    return {
        "on": room.details.recording,
        "off_record": broadcast is not None and broadcast.is_off_record,
        "not_agreed": _not_agreed(room, seats),
        "state": report.state if report is not None else "",
        "since": utc(report.since) if report is not None else None,
        "problem": report.problem if report is not None else "",
        "safe_seconds": report.safe_media_time // 48_000 if report is not None else 0,
        "bytes": report.bytes if report is not None else 0,
        "received": report.received if report is not None else 0,
        "written": report.written if report is not None else 0,
        "declared": report.declared if report is not None else 0,
    }


def _not_agreed(room: Room, seats: Mapping[str, SeatReport]) -> list[dict[str, Any]]:
    """Who is connected on the stage and has not agreed; `silences`: heard, so that nothing is written."""
    found = []
    for person in room.participants.values():
        seat = seats.get(person.id)
        here = person.state is SeatState.SEATED and seat is not None and seat.connected
        if here and not room.agreed(person.id):
            silences = not person.muted and not person.aside
            found.append({"id": person.id, "name": person.name, "silences": silences})
    return found


def _requests(room: Room, board: Board) -> list[dict[str, Any]]:
    """Who was called, then who waits, in the queue's order."""
    called = [each for each in room.requests.values() if each.state is RequestState.CALLED]
    return [_request(each) for each in [*called, *public.waiting(room, board)]]


def _request(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "participant_id": request.participant_id,
        "name": request.name,
        "state": request.state.value,
        "asked_at": utc(request.asked_at),
        "talked_seconds": round(request.talked_seconds, 1),
    }


def _quality(seat: SeatReport) -> dict[str, Any]:
    """Rounded to what an eye can tell apart: it is sent again whenever it differs."""
    return {
        "level_dbov": round(seat.level_dbov),
        "loss": round(seat.loss, 2),
        "jitter_ms": round(seat.jitter_ms),
        "delay_ms": round(seat.playout_delay_ms, -1),
        "way": seat.way,
    }


def speaking(room: Room, board: Board, now: float) -> list[str]:
    """Who on the stage is speaking, in the order of their seats."""
    seats = _seats(room, board, now)
    return [
        person.id
        for person in room.participants.values()
        if person.state is SeatState.SEATED
        and not person.muted
        and (seat := seats.get(person.id)) is not None
        and seat.connected
        and seat.speaking
    ]
