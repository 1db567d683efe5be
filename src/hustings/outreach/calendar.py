"""Calendar files (RFC 5545): for listeners (PUBLISH), and for an invited the own one (REQUEST, CANCEL).

A calendar that took an appointment once finds it again by its UID and takes over what has a higher
SEQUENCE (RFC 5546 section 2.1.4). Both come from the room, so they outlive restarts and moves. No file
holds a ticket or a link with one.
"""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

# Imported where it is used: it takes a quarter of a second, and a studio whose rooms have no date needs none.
if TYPE_CHECKING:
    from icalendar import Calendar, Event

type Answer = Literal["NEEDS-ACTION", "ACCEPTED", "DECLINED"]

DEFAULT_MINUTES = 60
"""How long an appointment is when no agenda says it."""
MAX_MINUTES = 24 * 60
_NAMESPACE = uuid.UUID("4b0f3f0e-6a4c-5d0e-9d9c-1f6f6b6b2c11")
_PRODUCT = "-//Hustings//Hustings//EN"
_REFRESH = timedelta(minutes=15)
"""How often a calendar that subscribed may look again (RFC 7986 section 5.7)."""
_RULES_AHEAD = timedelta(days=10 * 366)
"""How far the changes of the clocks are written out; calendars know the zone by its name anyway."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """A room on its date."""

    uid: str
    """See `room_uid`, `guest_uid`."""
    sequence: int
    """Grows with every change."""
    title: str
    description: str
    page: str
    """Absolute address of the room's page for everybody."""
    starts_at: float
    """Unix seconds."""
    made_at: float
    """When this file is made, Unix seconds."""
    time_zone: str = ""
    """IANA zone a weekly one keeps its local time in; "" is UTC."""
    weekly: bool = False
    minutes: int = DEFAULT_MINUTES
    language: str = ""
    """BCP 47, of title and description."""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Invited:
    """Whose own file it is."""

    uid: str
    name: str
    answer: Answer
    note: str = ""
    """A sentence before the description, in the reader's language."""


def room_uid(slug: str, created_at: float) -> str:
    """The same for a room for ever, whatever it is called and wherever it is served from."""
    return str(uuid.uuid5(_NAMESPACE, f"room/{slug}/{created_at:.6f}"))


def guest_uid(room: str, participant_id: str) -> str:
    """An invited's own entry: another than the listeners', which may stand beside it."""
    return str(uuid.uuid5(_NAMESPACE, f"guest/{room}/{participant_id}"))


def room_calendar(appointment: Appointment) -> bytes:
    """For listeners, also to subscribe to. Raises ValueError for no such zone or time."""
    from icalendar import vDuration, vText

    event = _event(appointment, appointment.uid, appointment.description)
    calendar = _calendar("PUBLISH")
    calendar.add("name", vText(_line(appointment.title)))
    calendar.add("x-wr-calname", vText(_line(appointment.title)))
    calendar.add("refresh-interval", vDuration(_REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(_REFRESH))
    return _finished(calendar, event, appointment)


def invitation_calendar(appointment: Appointment, invited: Invited) -> bytes:
    """For one invited: asks for an answer, or takes the appointment back. Raises as `room_calendar`.

    Nobody's mail address is known here: the organizer is the room's page, the attendee a name.
    """
    from icalendar import vCalAddress

    note = "\n\n".join(part for part in (invited.note, appointment.description) if part)
    event = _event(appointment, invited.uid, note)
    organizer = vCalAddress(appointment.page)
    organizer.params["CN"] = _line(appointment.title)
    event.add("organizer", organizer)
    attendee = vCalAddress(f"urn:uuid:{invited.uid}")
    attendee.params["CN"] = _line(invited.name)
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = invited.answer
    event.add("attendee", attendee)
    return _finished(_calendar("CANCEL" if appointment.cancelled else "REQUEST"), event, appointment)


def _calendar(method: str) -> Calendar:
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", _PRODUCT)
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    return calendar


def _event(appointment: Appointment, uid: str, description: str) -> Event:
    from icalendar import Event, vDuration, vRecur

    language = {"LANGUAGE": appointment.language} if appointment.language else {}
    event = Event()
    event.add("uid", uid)
    event.add("sequence", max(0, appointment.sequence))
    event.add("dtstamp", _utc(appointment.made_at))
    event.add("dtstart", _start(appointment))
    event.add("duration", vDuration(timedelta(minutes=min(max(1, appointment.minutes), MAX_MINUTES))))
    if appointment.weekly:
        event.add("rrule", vRecur(freq="WEEKLY"))
    event.add("summary", _line(appointment.title), parameters=language)
    text = "\n\n".join(part for part in (_plain(description), appointment.page) if part)
    event.add("description", text, parameters=language)
    event.add("url", appointment.page)
    event.add("location", appointment.page)
    event.add("status", "CANCELLED" if appointment.cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if appointment.cancelled else "OPAQUE")
    return event


def _start(appointment: Appointment) -> datetime:
    """UTC for a single one; a weekly one in its zone, where 20:00 stays 20:00 when the clocks change."""
    start = _utc(appointment.starts_at)
    if not appointment.weekly or appointment.time_zone in ("", "UTC", "Etc/UTC"):
        return start
    try:
        return start.astimezone(ZoneInfo(appointment.time_zone))
    except (KeyError, OverflowError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("no such time zone") from error


def _finished(calendar: Calendar, event: Event, appointment: Appointment) -> bytes:
    calendar.add_component(event)
    first = _utc(appointment.starts_at).date() - timedelta(days=1)
    # From the date, not from today: the same file every time.
    calendar.add_missing_timezones(first_date=first, last_date=min(first, date(9000, 1, 1)) + _RULES_AHEAD)
    for zone in calendar.timezones:
        zone.pop("COMMENT", None)
    return bytes(calendar.to_ical(sorted=False))


def _utc(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ValueError("no such time") from error


def _plain(text: str) -> str:
    """Without control characters, which RFC 5545 forbids; ends of lines as one newline."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lines if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs"))


def _line(text: str) -> str:
    return " ".join(_plain(text).split())
