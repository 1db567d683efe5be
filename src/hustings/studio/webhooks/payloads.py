"""What a webhook says. Never a ticket, a link or an address of a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from hustings.rooms import events as e
from hustings.rooms.model import Room
from hustings.studio.news import tell
from hustings.studio.text import utc

TEST = "webhook.test"
TYPES: Mapping[str, str] = {
    "room.scheduled": "Another time, or back from cancelled.",
    "room.edited": "Title, description, agenda or settings have changed.",
    "room.cancelled": "It will not take place.",
    "room.opened": "Doors are open: the invited connect.",
    "room.live": "The program goes out.",
    "room.paused": "A break.",
    "room.resumed": "The break is over.",
    "room.ended": "The broadcast is over.",
    "room.topic": "The agenda went on.",
    "room.locked": "The stage was locked or unlocked.",
    "room.invited": "Somebody was invited.",
    "room.answered": "An invitation was seen, answered, withdrawn or has expired, or a word was said.",
    "room.seated": "Somebody came on the stage.",
    "room.role": "Somebody has another role.",
    "room.hand": "A request to speak was made, called, taken or lowered.",
    "room.banned": "Somebody may not come back.",
    "room.recording": "What is said is recorded, is off the record, or is not recorded.",
    "recording.ready": "The recording of a broadcast can be heard.",
    "recording.made": "A file to download was made of a recording.",
    "recording.deleted": "Nothing is left of a recording.",
}
"""All that can be subscribed to, with what it means."""


def occurrences(
    before: Room, after: Room, events: Iterable[e.Event]
) -> list[tuple[str, bool, dict[str, Any]]]:
    """(type, whether everybody may know it, what of it is worth telling) of each that has a type."""
    told = tell(after, events, before)
    # A raised hand is told twice: to everybody without, and to those who conduct with the name.
    public = [(news, True) for news in told.public if news.kind != "hand"]
    found = [*public, *((news, False) for news in told.private)]
    return [
        (f"room.{news.kind}", shown, dict(news.data)) for news, shown in found if f"room.{news.kind}" in TYPES
    ]


def payload(kind: str, at: float, room: Room, page: str, public: bool, change: Mapping[str, Any]) -> str:
    """The body of one delivery; `page`: where listeners find the room."""
    data = {
        "room": {
            "slug": room.slug,
            "title": room.title,
            "status": room.status.value,
            "page": page,
            "scheduled_at": utc(room.scheduled_at) or None,
            "broadcast": room.broadcast.id if room.broadcast else None,
        },
        "public": public,
        "change": dict(change),
    }
    return _text(kind, at, data)


def test_payload(at: float) -> str:
    """What is sent to see whether anything arrives."""
    return _text(TEST, at, {})


def _text(kind: str, at: float, data: Mapping[str, Any]) -> str:
    body = {"type": kind, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
