"""`hustings bench` in small: every bench, beside every peer that is installed. Shape and sense, not speed."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from hustings.bench import janus, peers

HUSTINGS = Path(sysconfig.get_path("scripts")) / "hustings"


def bench(name: str, *more: str) -> dict[str, Any]:
    command = [
        str(HUSTINGS),
        "bench",
        name,
        "--json",
        "--scale",
        "0.01",
        "--seconds",
        "1",
        "--runs",
        "1",
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["machine"]
    assert document["version"]
    for row in document["results"]:
        assert set(row) == {"bench", "subject", "metric", "value", "unit", "runs"}, row
        assert row["bench"] == name
        assert row["value"] >= 0
        assert row["runs"]
    return document


def values(document: dict[str, Any], subject: str) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in document["results"] if row["subject"] == subject}


def check_peer(document: dict[str, Any], peer: str, metrics: list[str]) -> None:
    """The peer's rows have our names; or a line says how to get it."""
    found = values(document, peer)
    if peers.program(peer) is None:
        assert any(peer in note and "install" in note for note in document["notes"])
        assert not found
        return
    ours = values(document, "hustings")
    for metric in metrics:
        assert found[metric] > 0, metric
        assert ours[metric] > 0, metric
    assert any("_ratio" in metric for metric in ours)


def test_push() -> None:
    document = bench("push", "--against", "icecast2")
    ours = values(document, "hustings")
    assert ours["listeners"] == 25
    assert 55 < ours["received"] < 120, "64 kbit/s and what carries it"
    assert ours["received_least"] > 0
    check_peer(document, "icecast2", ["listeners", "received", "cpu_share"])


def test_join() -> None:
    document = bench("join", "--against", "icecast2")
    ours = values(document, "hustings")
    assert ours["joins_per_second"] > 1
    assert ours["paced_first_sound_p99"] >= ours["paced_first_sound_p50"] > 0
    assert ours["paced_refused_or_failed"] == 0
    check_peer(document, "icecast2", ["joins_per_second"])


@pytest.mark.parametrize(
    ("name", "metric"),
    [("hls", "part_requests_per_core_second"), ("page", "page_requests_per_core_second")],
)
def test_answers(name: str, metric: str) -> None:
    document = bench(name, "--against", "nginx")
    ours = values(document, "hustings")
    assert ours[metric] > 100
    if name == "hls":
        assert ours["reloads_waiting"] == 20
        assert ours["release_spread"] >= 0
    check_peer(document, "nginx", [metric])


def test_stage() -> None:
    document = bench("stage", "--against", "aiortc")
    ours = values(document, "hustings")
    assert ours["two_speakers"] == 2
    assert ours["thirteen_speakers"] == 13
    assert 0 < ours["thirteen_cpu_share"] < 250
    check_peer(document, "aiortc", ["two_rooms_per_core", "two_peers_per_core"])


@pytest.mark.skipif(
    peers.program("janus") is None or bool(janus.possible()), reason="needs Janus, root and ip"
)
def test_stage_beside_janus() -> None:
    document = bench("stage", "--against", "janus")
    check_peer(document, "janus", ["two_rooms_per_core", "thirteen_peers_per_core"])
    assert values(document, "hustings")["two_peers_per_core_ratio_janus"] > 0


def test_whep() -> None:
    ours = values(bench("whep"), "hustings")
    assert ours["listeners"] == 4
    assert 20 < ours["packets_received"] < 80


def test_a_bench_that_does_not_exist_is_one_line() -> None:
    done = subprocess.run([HUSTINGS, "bench", "video"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "stage, push, join, hls, whep, page" in done.stderr
