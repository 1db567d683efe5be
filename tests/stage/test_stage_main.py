"""Settings of the stage, and its metrics against their documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hustings.errors import UsageError
from hustings.stage.main import public_addresses

ROOT = Path(__file__).parents[2]


def test_public_addresses() -> None:
    assert public_addresses("") == ()
    assert public_addresses("203.0.113.5, 2001:db8::1") == ("203.0.113.5", "2001:db8::1")
    with pytest.raises(UsageError, match="'example' is no IP address"):
        public_addresses("203.0.113.5,example")


def test_every_metric_is_documented() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/hustings/stage").rglob("*.py"))
    metrics = set(re.findall(r'"(hustings_stage_\w+)"', source))
    assert len(metrics) > 10
    documented = set(re.findall(r"`(hustings_stage_\w+)`", (ROOT / "docs/stage.md").read_text()))
    assert metrics == documented
