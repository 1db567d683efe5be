"""The fuzzers: a bounded run of all, what they found before, and that they would find something."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "fuzzing"))

import engine
import fuzz_all
import native

FUZZING = Path(__file__).resolve().parents[2] / "fuzzing"


@pytest.mark.slow
def test_a_hundred_thousand_inputs_break_nothing() -> None:
    """Always the same inputs. In a process of its own: sys.monitoring is one for all that runs in one."""
    command = [sys.executable, str(FUZZING / "fuzz_all.py"), "--runs", "100000", "--seed", "20261129"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert "100,000 runs" in ended.stdout


@pytest.mark.parametrize("name", sorted(fuzz_all.TARGETS))
async def test_what_once_broke_something_does_not_any_more(name: str) -> None:
    await engine.replay(fuzz_all.TARGETS[name](), engine.corpus(name))


def test_the_corpus_belongs_to_targets() -> None:
    assert {folder.name for folder in engine.CORPUS.iterdir()} <= set(fuzz_all.TARGETS)


class Planted(engine.Target):
    """Breaks at one input."""

    name = "planted"

    def seeds(self) -> list[bytes]:
        return [b"xxxx"]

    def check(self, data: bytes) -> None:
        assert data != b"xyxx"


async def test_a_bug_is_found_and_its_input_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FOUND", tmp_path)
    with pytest.raises(engine.Found) as found:
        await engine.fuzz(Planted(), 200_000, 1)
    assert found.value.data == b"xyxx"
    assert found.value.keep().read_bytes() == b"xyxx"


async def test_an_input_that_breaks_is_found_again_by_replaying() -> None:
    await engine.replay(Planted(), [b"xxxx"])
    with pytest.raises(engine.Found):
        await engine.replay(Planted(), [b"xxxx", b"xyxx"])


async def test_lines_that_are_new_are_told() -> None:
    outcome = await engine.fuzz(fuzz_all.TARGETS["rtp"](), 3_000, 7)
    assert outcome.lines > 20
    assert outcome.kept > 3


def test_runs_are_shared_out_to_the_last() -> None:
    given = fuzz_all.shared(10_007, list(fuzz_all.NAMES))
    assert sum(given.values()) == 10_007
    assert min(fuzz_all.shared(100_000, list(fuzz_all.NAMES)).values()) > 0


def test_the_same_seed_tries_the_same() -> None:
    pool = [b"abcdefgh", b"12345"]

    def some(seed: int) -> list[bytes]:
        chance = random.Random(seed)
        return [engine.mutate(chance.choice(pool), chance, pool, (b"token",)) for _ in range(200)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_a_process_that_dies_is_a_finding(tmp_path: Path) -> None:
    """The last inputs outlive it."""
    path = tmp_path / "ring"
    ring = native.Ring(path)
    for number in range(200):
        ring.put(b"%d" % number)
    assert native.Ring.read(path) == [b"%d" % number for number in range(136, 200)]
