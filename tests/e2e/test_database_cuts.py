"""Power cuts of the database; `python benchmarks/database_cuts.py` makes more of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import write_log
from database_cuts_support import cut_often

pytestmark = pytest.mark.e2e


def test_everything_acknowledged_is_there_after_a_power_cut(tmp_path: Path) -> None:
    seen = cut_often(tmp_path, commands=120, cuts=40)
    assert seen["cuts"] == 40
    assert seen["invitations"] > 0


def test_what_was_not_synced_may_be_lost_and_torn(tmp_path: Path) -> None:
    disk = write_log.Disk()
    log = write_log.entry("write", "a", 0, b"x" * 1024) + write_log.entry("sync", "a", 0, b"")
    log += write_log.entry("write", "a", 512, b"y" * 1024) + write_log.entry("truncate", "a", 100, b"")
    for happened in write_log.entries(log):
        disk.take(happened)
    seen = set()
    for seed in range(200):
        disk.cut(tmp_path, random.Random(seed))
        seen.add((tmp_path / "a").read_bytes())
    whole = b"x" * 512 + b"y" * 1024
    assert {whole, b"x" * 1024, b"x" * 100, b"x" * 512 + b"y" * 512} <= seen
    assert all(content.startswith(b"x" * 100) for content in seen)
