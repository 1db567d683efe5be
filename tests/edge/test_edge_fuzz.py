"""Short runs of the door's fuzzers, always the same."""

from __future__ import annotations

import runpy
from pathlib import Path

FUZZING = Path(__file__).resolve().parents[2] / "fuzzing"


async def test_the_door_takes_anything() -> None:
    fuzz = runpy.run_path(str(FUZZING / "fuzz_http.py"))["fuzz"]
    assert await fuzz(120, 20261122, most=1500) == 1500


async def test_what_listeners_send_may_be_anything() -> None:
    fuzz = runpy.run_path(str(FUZZING / "fuzz_input.py"))["fuzz"]
    assert await fuzz(120, 20261123, most=1500) == 1500
