"""A process killed, a machine without power: at any moment little is lost, and damage is told from sound."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from record_log import Logged, record
from recording_check import Left, check

from hustings.archive.index import write_index
from hustings.archive.model import Index
from hustings.stage.record_finish import cut_torn, finish_folders

SECONDS = 12


@pytest.fixture(scope="module")
def logged() -> Logged:
    return record(SECONDS + 1)


def lost(media_time: int, left: list[Left]) -> float:
    assert {each.name for each in left} == {
        "ada.0.opus",
        "bob.0.opus",
        "cyd.0.opus",
        "program/opus",
        "program/aac",
    }
    return max(media_time - each.end for each in left) / 48_000


@pytest.mark.parametrize("block", range(10))
def test_a_killed_process_loses_less_than_a_second(logged: Logged, block: int, tmp_path: Path) -> None:
    for run in range(30):
        chance = random.Random(block * 30 + run)
        folder = tmp_path / str(run)
        media_time = logged.lay_out(folder, chance.uniform(2, SECONDS), chance.random(), power=False, seed=0)
        left = check(folder, decoded=run % 25 == 0)
        assert [each.faults for each in left] == [[]] * 5
        assert lost(media_time, left) <= 1.0


@pytest.mark.parametrize("block", range(10))
def test_a_power_cut_loses_less_than_two_seconds(logged: Logged, block: int, tmp_path: Path) -> None:
    for run in range(50):
        seed = block * 50 + run
        chance = random.Random(seed)
        folder = tmp_path / str(run)
        at = chance.uniform(3, SECONDS)
        media_time = logged.lay_out(folder, at, chance.random(), power=True, seed=seed)
        cut_torn(folder)
        assert logged.damaged(folder) == []
        left = check(folder, decoded=run % 25 == 0)
        assert lost(media_time, left) <= 2.0
        assert not [fault for each in left for fault in each.faults if "cannot" in fault]


def test_what_a_power_cut_leaves_is_indexed_and_nothing_is_deleted(logged: Logged, tmp_path: Path) -> None:
    folder = tmp_path / "room" / "20261122T160000-abcdef"
    logged.lay_out(folder, 13.3, 0.5, power=True, seed=7)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    finish_folders([folder], live_since=None, whole=False)
    index = write_index(folder, whole=False)
    assert isinstance(index, Index)
    assert index.duration >= 11 * 48_000
    assert len(index.tracks) == 3
    for path, data in before.items():
        aside = path.with_name(f"{path.name}.torn")
        assert path.read_bytes() == data or aside.read_bytes() == data
