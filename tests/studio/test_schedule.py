"""Local times and seconds, across the clocks' changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.studio import schedule


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("wanted", "zone", "found"),
    [
        ("2026-07-01T20:00", "Europe/Berlin", "2026-07-01T18:00"),
        ("2026-12-01T20:00", "Europe/Berlin", "2026-12-01T19:00"),
        ("2026-07-01T20:00", "America/New_York", "2026-07-02T00:00"),
        ("2026-12-01T20:00", "America/New_York", "2026-12-02T01:00"),
        ("2026-07-01T20:00", "Australia/Lord_Howe", "2026-07-01T09:30"),
        ("2026-12-01T20:00", "Australia/Lord_Howe", "2026-12-01T09:00"),
        ("2026-07-01T20:00", "Asia/Kathmandu", "2026-07-01T14:15"),
        ("2026-07-01T20:00", "", "2026-07-01T20:00"),
    ],
)
def test_plain_local_times(wanted: str, zone: str, found: str) -> None:
    moment = schedule.to_utc(local(wanted), zone)
    assert moment.at == utc(found)
    assert not moment.moved
    assert schedule.to_local(moment.at, zone).replace(tzinfo=None) == local(wanted)


@pytest.mark.parametrize(
    ("wanted", "zone", "found", "shown"),
    [
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30", "2026-03-29T03:30"),
        ("2026-03-29T02:00", "Europe/Berlin", "2026-03-29T01:00", "2026-03-29T03:00"),
        ("2026-03-08T02:30", "America/New_York", "2026-03-08T07:30", "2026-03-08T03:30"),
        # Lord Howe's clocks change by half an hour.
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45", "2026-10-04T02:45"),
    ],
)
def test_a_skipped_time_is_moved_forward_and_says_so(wanted: str, zone: str, found: str, shown: str) -> None:
    moment = schedule.to_utc(local(wanted), zone)
    assert moment.moved
    assert moment.at == utc(found)
    assert moment.local == local(shown)


@pytest.mark.parametrize(
    ("wanted", "zone", "found"),
    [
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30"),
        ("2026-11-01T01:30", "America/New_York", "2026-11-01T05:30"),
        ("2026-04-05T01:45", "Australia/Lord_Howe", "2026-04-04T14:45"),
    ],
)
def test_of_a_time_shown_twice_the_first_is_meant(wanted: str, zone: str, found: str) -> None:
    moment = schedule.to_utc(local(wanted), zone)
    assert not moment.moved
    assert moment.at == utc(found)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_weekly_keeps_the_local_time_through_a_year(zone: str) -> None:
    first = schedule.to_utc(local("2026-01-07T20:00"), zone).at
    at = first
    offsets = set()
    for week in range(1, 60):
        at = schedule.next_weekly(first, zone, at)
        shown = schedule.to_local(at, zone)
        assert shown.replace(tzinfo=None) == local("2026-01-07T20:00") + timedelta(days=7 * week)
        offsets.add(shown.utcoffset())
    assert len(offsets) == 2, "a year has two offsets there"


def test_weekly_over_the_change_is_a_week_and_an_hour() -> None:
    before = schedule.to_utc(local("2026-10-21T20:00"), "Europe/Berlin").at
    assert schedule.next_weekly(before, "Europe/Berlin", before) - before == 7 * 86400 + 3600


def test_weekly_that_lies_ahead_stays() -> None:
    at = utc("2026-06-01T18:00")
    assert schedule.next_weekly(at, "Europe/Berlin", at - 1) == at
    assert schedule.next_weekly(at, "Europe/Berlin", at) > at


def test_weekly_in_the_gap_is_moved_that_week_only() -> None:
    at = schedule.to_utc(local("2026-03-22T02:30"), "Europe/Berlin").at
    moved = schedule.next_weekly(at, "Europe/Berlin", at)
    assert schedule.to_local(moved, "Europe/Berlin").replace(tzinfo=None) == local("2026-03-29T03:30")
    then = schedule.next_weekly(at, "Europe/Berlin", moved)
    assert schedule.to_local(then, "Europe/Berlin").replace(tzinfo=None) == local("2026-04-05T02:30")


@given(
    start=st.floats(min_value=0, max_value=4e9),
    away=st.floats(min_value=-1e7, max_value=4e8),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Pacific/Apia"]),
)
def test_next_weekly_is_the_first_after(start: float, away: float, zone: str) -> None:
    found = schedule.next_weekly(start, zone, start + away)
    assert found > start + away
    # At most a week, an hour's change and the day Samoa skipped.
    assert found == start or found - max(start, start + away) <= 8 * 86400 + 7200


@given(at=st.integers(min_value=0, max_value=4_000_000_000), zone=st.sampled_from(schedule.zones()))
def test_there_and_back(at: int, zone: str) -> None:
    shown = schedule.to_local(at, zone)
    back = schedule.to_utc(shown.replace(tzinfo=None, fold=0), zone)
    assert not back.moved, "what the clocks show exists"
    assert back.at == at or shown.fold == 1


def test_zones() -> None:
    names = schedule.zones()
    assert "Europe/Berlin" in names
    assert names[-1] == "UTC"
    assert len(names) > 300
    for name in names:
        assert schedule.known_zone(name)
        ZoneInfo(name)
    assert schedule.known_zone("Asia/Calcutta"), "browsers still say so"


@pytest.mark.parametrize(
    "name", ["", "Berlin", "europe/berlin", "../etc/passwd", "Europe/Berlin\0", "x" * 9999]
)
def test_no_zones(name: str) -> None:
    assert not schedule.known_zone(name)
    if name:
        with pytest.raises(ValueError, match="no time zone"):
            schedule.to_utc(local("2026-01-01T00:00"), name)


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59"])
def test_times_off_the_calendar(text: str) -> None:
    zone = "Asia/Tokyo" if text.startswith("0") else "America/New_York"
    with pytest.raises(ValueError, match="no such time"):
        schedule.to_utc(local(text), zone)
    with pytest.raises(ValueError, match="no such time"):
        schedule.to_local(1e18, zone)
