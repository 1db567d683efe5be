"""When a room is on: local time in an IANA zone, and seconds. Right across the clocks' changes.

What is meant by "20:00 in Berlin, each week" is a time on the wall there, so it is kept with its zone and
worked out anew for every date. Two local times are no plain ones (PEP 495):

- one that the clocks skip (spring) does not exist: it is moved forward by what was
  skipped, and `moved` says so;
- one that they show twice (autumn): the first is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

_MAX_NAME = 64
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Moment:
    """A local time found in UTC."""

    at: float
    """Unix seconds."""
    local: datetime
    """What the clocks in the zone show then; without a zone, to the second."""
    moved: bool
    """Whether the time asked for is skipped that day, so that this is a later one."""


@cache
def zones() -> tuple[str, ...]:
    """Places a person may choose among, by name, and UTC: those of zone.tab, which has no second names."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    places = {row[2] for row in rows if len(row) > 2}
    return *sorted(places & _known()), "UTC"


def known_zone(name: str) -> bool:
    """Whether `name` is an IANA zone. Not "": that says nobody chose one."""
    return len(name) <= _MAX_NAME and name in _known()


def to_utc(local: datetime, zone: str) -> Moment:
    """`local` (naive) on the clocks of `zone` ("" is UTC). Raises ValueError for no zone, or no such time."""
    if local.tzinfo is not None:
        raise ValueError("a local time has no offset")
    try:
        # PEP 495: in a gap, fold=0 reads the time with the offset before it, which lands as much after
        # the gap as the time was into it; in an overlap fold=0 is the first.
        found = local.replace(tzinfo=_zone(zone), fold=0).astimezone(UTC)
        shown = found.astimezone(_zone(zone)).replace(tzinfo=None, fold=0)
        return Moment(found.timestamp(), shown, moved=shown != local)
    except OverflowError as error:
        raise ValueError("no such time") from error


def to_local(at: float, zone: str) -> datetime:
    """What the clocks in `zone` ("" is UTC) show at `at`, with its offset. Raises ValueError."""
    try:
        return datetime.fromtimestamp(at, UTC).astimezone(_zone(zone))
    except (OverflowError, OSError) as error:
        raise ValueError("no such time") from error


def next_weekly(scheduled_at: float, zone: str, after: float) -> float:
    """The first time later than `after` with the weekday and local time of `scheduled_at`, which is itself
    the answer while it lies ahead. Raises ValueError for an unknown zone."""
    if scheduled_at > after:
        return scheduled_at
    local = to_local(scheduled_at, zone).replace(tzinfo=None, fold=0)
    weeks = max(1, int((after - scheduled_at) // _WEEK.total_seconds()) - 1)
    while True:
        found = to_utc(local + weeks * _WEEK, zone).at
        if found > after:
            return found
        weeks += 1


def _zone(name: str) -> ZoneInfo:
    if name and not known_zone(name):
        raise ValueError(f"'{name[:_MAX_NAME]}' is no time zone; write for example Europe/Berlin")
    return ZoneInfo(name or "UTC")


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
