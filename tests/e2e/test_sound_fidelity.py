"""The measuring tool, short and with looser limits: other tests share the processors, so jitter buffers
adapt. What must hold all the same: the sound is the one that was spoken, whole, at every door."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    not Path("/usr/share/pocketsphinx/test/data").exists(), reason="needs pocketsphinx-testdata"
)
def test_speech_comes_out_of_every_door_as_it_went_in() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "fidelity.py"), "--seconds", "12", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert set(report["doors"]) == {"push", "hls", "whep", "stream"}
    for door, row in report["doors"].items():
        assert row["correlation"] > 0.6, door
        assert row["seconds_compared"] > 6, door
        if door != "whep":
            listened = row["listened"]
            # A machine that stops the stage for half a second gets one declared gap; the benchmark is strict.
            assert listened["repeated"] == 0, door
            assert listened["gaps"] <= 1, door
            assert listened["discontinuities"] <= listened["gaps"], door
    for row in report["returns"].values():
        assert row["own_gain_db"] < -40
        assert row["other_correlation"] > 0.4
