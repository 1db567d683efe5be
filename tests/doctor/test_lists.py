"""What the doctor says of the operator's files by which listeners are counted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import mmdb
from hustings.config import Settings
from hustings.doctor.lists import audience

BUILT = date(2026, 10, 1)


@pytest.mark.parametrize(
    ("today", "level"),
    [(date(2026, 11, 29), "ok"), (date(2026, 12, 30), "ok"), (date(2026, 12, 31), "warning")],
)
def test_a_database_that_is_old_is_to_be_renewed(tmp_path: Path, today: date, level: str) -> None:
    built = int(datetime(2026, 10, 1, 12, tzinfo=UTC).timestamp())
    path = mmdb.write(tmp_path / "some.mmdb", {"192.0.2.0/24": "DE"}, kind="DBIP-Country-Lite", built=built)
    (found,) = audience(Settings(audience_countries=str(path)), today)
    assert found.level == level
    assert "countries by DBIP-Country-Lite of 2026-10-01" in found.what


def test_files_that_cannot_be_used_are_wrong_and_without_any_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert list(audience(Settings(), BUILT)) == []
    (tmp_path / "ranges").write_text("203.0.113.0/24\n")
    settings = Settings(audience_ranges=str(tmp_path / "ranges"), audience_countries=str(tmp_path))
    first, second = audience(settings, BUILT)
    assert (first.level, first.what) == ("ok", "1 ranges of addresses are counted apart")
    assert second.level == "wrong"
    assert "HUSTINGS_AUDIENCE_COUNTRIES" in second.what
