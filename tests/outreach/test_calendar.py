"""Calendar files: read back with another parser's eyes, compared as a whole, fed with hostile text."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.outreach.calendar import (
    Appointment,
    Invited,
    guest_uid,
    invitation_calendar,
    room_calendar,
    room_uid,
)

GOLDEN = Path(__file__).with_name("golden")
BERLIN = ZoneInfo("Europe/Berlin")
UID = room_uid("town-hall", 1_790_000_000.0)
PLAIN = Appointment(
    uid=UID,
    sequence=3,
    title="One building, fifteen million questions; the new library",
    description="The town asks, the council answers.\nTwo hours, open to everybody.",
    page="https://radio.example/r/town-hall",
    starts_at=datetime(2026, 10, 21, 20, 0, tzinfo=BERLIN).timestamp(),
    made_at=1_790_000_500.7,
    time_zone="Europe/Berlin",
    minutes=120,
    language="en",
)
WEEKLY = replace(PLAIN, weekly=True)
ADA = Invited(guest_uid(UID, "p1"), "Ada Lovelace", "NEEDS-ACTION", "You are invited to speak.")


def parsed(data: bytes) -> icalendar.Calendar:
    return icalendar.Calendar.from_ical(data)


def the_event(data: bytes) -> Any:
    (event,) = parsed(data).events
    assert not event.errors
    return event


def check_lines(data: bytes) -> None:
    """RFC 5545 section 3.1: CRLF, at most 75 octets, no control characters."""
    assert data.endswith(b"\r\n")
    for line in data.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= 75
        assert not any(byte < 32 and byte != 9 for byte in line)
        assert 127 not in line


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("room", room_calendar(PLAIN)),
        ("room-weekly", room_calendar(WEEKLY)),
        ("room-cancelled", room_calendar(replace(PLAIN, cancelled=True, sequence=4))),
        ("guest", invitation_calendar(PLAIN, ADA)),
        ("guest-weekly-accepted", invitation_calendar(WEEKLY, replace(ADA, answer="ACCEPTED"))),
        ("guest-cancelled", invitation_calendar(replace(PLAIN, cancelled=True, sequence=4), ADA)),
    ],
)
def test_golden(name: str, data: bytes) -> None:
    """Whole files. On purpose only: GOLDEN=write ./dev test tests/outreach."""
    path = GOLDEN / f"{name}.ics"
    if os.environ.get("GOLDEN") == "write":
        path.write_bytes(data)
    check_lines(data)
    assert data == path.read_bytes()


def test_a_single_one_is_in_utc() -> None:
    data = room_calendar(PLAIN)
    event = the_event(data)
    assert b"DTSTART:20261021T180000Z" in data
    assert b"VTIMEZONE" not in data
    assert event.start == datetime(2026, 10, 21, 18, 0, tzinfo=UTC)
    assert event.duration == timedelta(minutes=120)
    assert event["UID"] == UID
    assert event["SEQUENCE"] == 3
    assert event["STATUS"] == "CONFIRMED"
    assert event["URL"] == PLAIN.page
    assert PLAIN.page in event["DESCRIPTION"]
    assert "RRULE" not in event
    assert parsed(data)["METHOD"] == "PUBLISH"


def test_a_weekly_one_keeps_its_local_time() -> None:
    data = room_calendar(WEEKLY)
    event = the_event(data)
    assert event["RRULE"]["FREQ"] == ["WEEKLY"]
    assert b"DTSTART;TZID=Europe/Berlin:20261021T200000" in data
    # What the file itself says of the zone, not what this machine knows: 25 October is the change.
    (zone,) = parsed(data).timezones
    rules = zone.to_tz(lookup_tzid=False)
    for year, month, day, offset in ((2026, 10, 21, 2), (2026, 10, 28, 1), (2027, 7, 7, 2), (2033, 1, 5, 1)):
        shown = datetime(year, month, day, 20, 0, tzinfo=rules)
        assert shown.utcoffset() == timedelta(hours=offset), (year, month)


def test_weekly_without_a_zone_is_utc() -> None:
    data = room_calendar(replace(WEEKLY, time_zone=""))
    assert b"DTSTART:20261021T180000Z" in data
    assert b"RRULE:FREQ=WEEKLY" in data


def test_cancelled() -> None:
    called_off = replace(PLAIN, cancelled=True, sequence=4)
    assert the_event(room_calendar(called_off))["STATUS"] == "CANCELLED"
    assert parsed(room_calendar(called_off))["METHOD"] == "PUBLISH"
    assert parsed(invitation_calendar(called_off, ADA))["METHOD"] == "CANCEL"
    assert the_event(room_calendar(called_off))["UID"] == UID


def test_the_invited_has_an_own_entry() -> None:
    data = invitation_calendar(PLAIN, replace(ADA, answer="DECLINED"))
    event = the_event(data)
    assert parsed(data)["METHOD"] == "REQUEST"
    assert event["UID"] == ADA.uid != UID
    assert event["ATTENDEE"].params["CN"] == "Ada Lovelace"
    assert event["ATTENDEE"].params["PARTSTAT"] == "DECLINED"
    assert event["ORGANIZER"] == PLAIN.page
    assert event["DESCRIPTION"].startswith("You are invited to speak.")


def test_identifiers() -> None:
    assert room_uid("a", 1.0) == room_uid("a", 1.0)
    made = {room_uid("a", 1.0), room_uid("a", 2.0), room_uid("b", 1.0)}
    assert len(made | {guest_uid(UID, "a"), guest_uid(UID, "b")}) == 5


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=300) | st.sampled_from(
    [
        'x"\r\nATTENDEE:mailto:evil@example.org',
        "END:VEVENT\nEND:VCALENDAR",
        "back\\slash\\n \\; \\,",
        "^n^^^' \x00\x07\x7f\x85\u2028",
        "\u202eright to left\u202c" + "\U0001f469\u200d\U0001f680" * 200,
        "ä" * 10_000,
    ]
)


@settings(max_examples=60, deadline=None)
@given(title=HOSTILE, description=HOSTILE, name=HOSTILE, note=HOSTILE)
def test_hostile_text_stays_text(title: str, description: str, name: str, note: str) -> None:
    appointment = replace(WEEKLY, title=title, description=description)
    for data in (
        room_calendar(appointment),
        invitation_calendar(appointment, replace(ADA, name=name, note=note)),
    ):
        check_lines(data)
        calendar = parsed(data)
        assert [part.name for part in calendar.subcomponents] == ["VTIMEZONE", "VEVENT"]
        event = the_event(data)
        assert not isinstance(event.get("ATTENDEE"), list), "one at most"
        assert event["URL"] == PLAIN.page
        assert event["SEQUENCE"] == 3


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=200))
def test_text_comes_back_as_it_was(text: str) -> None:
    event = the_event(room_calendar(replace(PLAIN, description=text)))
    assert event["DESCRIPTION"] == f"{text}\n\n{PLAIN.page}" if text else PLAIN.page


@pytest.mark.parametrize("seconds", [1e18, -1e18, float("inf"), float("nan")])
def test_times_off_the_calendar_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="no such time"):
        room_calendar(replace(PLAIN, starts_at=seconds))


def test_unknown_zones_are_refused() -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        room_calendar(replace(WEEKLY, time_zone="Europe/Nowhere"))
