"""A short run of the door's fuzzer, always the same."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fuzzing"))

from fuzz_http import fuzz


async def test_the_door_takes_anything() -> None:
    assert await fuzz(120, 20261122, most=1500) == 1500
