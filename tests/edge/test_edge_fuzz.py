"""A short run of the door's fuzzer, always the same."""

from __future__ import annotations

import runpy
from pathlib import Path

FUZZER = Path(__file__).resolve().parents[2] / "fuzzing" / "fuzz_http.py"


async def test_the_door_takes_anything() -> None:
    fuzz = runpy.run_path(str(FUZZER))["fuzz"]
    assert await fuzz(120, 20261122, most=1500) == 1500
