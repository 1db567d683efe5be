"""The receiver's fuzzer, a little of it on every run of the tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def test_a_bounded_run_finds_nothing() -> None:
    path = Path(__file__).parents[2] / "fuzzing" / "fuzz_receiver.py"
    spec = importlib.util.spec_from_file_location("fuzz_receiver", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for seed in range(40):
        module.once(seed)
