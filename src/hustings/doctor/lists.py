"""The operator's files by which listeners are counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from hustings.config import Settings
from hustings.counted_apart import read_bots
from hustings.countries import read_countries
from hustings.doctor.findings import Finding, ok, warning, wrong
from hustings.errors import UsageError

OLD: Final = 90
"""Days after which a database of countries is to be renewed."""


def audience(settings: Settings, today: date) -> Iterator[Finding]:
    """Nothing to say where there are none."""
    try:
        if settings.audience_ranges:
            ranges = read_bots(settings).lists["ranges"]
            yield ok("audience", f"{ranges} ranges of addresses are counted apart")
        countries = read_countries(settings)
    except UsageError as error:
        yield wrong("audience", str(error), "Give another file, or leave the setting empty.")
        return
    if countries is None:
        return
    built = str(countries.about["built"])
    what = f"countries by {countries.about['database']} of {built}"
    if (today - date.fromisoformat(built)).days <= OLD:
        yield ok("audience", what)
    else:
        yield warning(
            "audience", f"{what}, which is old", "Put a new one in its place, then: hustings restart"
        )
