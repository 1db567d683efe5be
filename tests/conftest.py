"""For all tests: the settings of whoever runs them stay outside, and what needs real processes comes last."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import rich  # noqa: F401  # servers keep it out of their process; run in this one, they must not
from hypothesis import settings

ROOT = Path(__file__).parents[1]
E2E = Path(__file__).parent / "e2e"
LONG = {
    "test_attacks",
    "test_audience_live",
    "test_audience_page_live",
    "test_audience_sealed_live",
    "test_console_states",
    "test_hostile_text",
    "test_journey",
    "test_journey_keyboard",
    "test_object_store",
    "test_playlists_live",
    "test_recording_faults",
    "test_rewind_live",
    "test_role_kills",
    "test_scribe_serve",
    "test_tls_live",
}
"""Files of e2e that take more than 80 s: none of them should be what is waited for at the end."""

# What measures and what fuzzes is tested too, and tests use its parts; recordings are of use to many.
_shared = ("benchmarks", "fuzzing", "tests/archive", "tests/stage")
sys.path[:0] = [str(ROOT / folder) for folder in _shared]

# CI judges one tree by one set of examples; everybody else's runs go on looking for new ones.
settings.register_profile("ci", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

for _name in [name for name in os.environ if name.startswith("HUSTINGS_")]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: a mistake shows within seconds, not behind minutes of browsers."""
    for item in items:
        if E2E in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    items.sort(key=lambda item: (E2E in item.path.parents, item.path.stem not in LONG))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What failed, at once: two at a time, pytest names it at the end only, an hour later."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when}, {report.duration:.0f} s)", flush=True)
