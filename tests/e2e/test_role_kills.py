"""A live, recorded evening in which each role is killed once, the bus twice in a row, and all are restarted.

Three speakers hold a tone each, one of them muted by the host; what listeners get says who is heard. Every
wait is for a state; how long things take is benchmarks/role_kills.py's to say. The tests go on with one
another's evening.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from harness import HUSTINGS, serve, until
from role_kills import MUTED, TONES, Evening, recording_faults

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    folder = tmp_path_factory.mktemp("kills")
    with serve(folder, edges=2, levelling=False) as server:
        held = Evening(folder, server, argparse.Namespace(listeners=4, seed=1))
        try:
            held.wait_until_all_are_heard(120.0)
            yield held
        finally:
            held.close()


def muted_was_heard(evening: Evening, since: float) -> bool:
    return any(MUTED in each[3] for who in evening.crowd.listeners for each in who.got if each[0] > since)


@pytest.mark.parametrize("role", ["stage", "studio", "edge", "scribe"])
def test_a_killed_role_costs_nobody_a_seat(evening: Evening, role: str) -> None:
    crowd = evening.crowd
    until(lambda: crowd.ready.get(role) or role == "edge")  # the scribe starts last
    connections = {id(each): each.connection for each in crowd.listeners}
    pid = evening.server.pids(role)[0]
    moment = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    until(lambda: evening.ready_after(role, pid, moment), 120.0)
    until(lambda: evening.all_heard(moment), 120.0)
    evening.wait_until_all_are_heard(120.0)
    if role != "edge":
        assert {id(each): each.connection for each in crowd.listeners} == connections, "no listener broke off"
    assert not muted_was_heard(evening, moment)
    assert all(voice.poll() is None for voice in evening.voices), "nobody needs another invitation"
    assert {person["name"] for person in evening.room.state()["participants"]} == TONES.keys()


def reactions_counted(evening: Evening) -> float:
    text = httpx.get(evening.server.metrics_url, trust_env=False, timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith("hustings_studio_reactions_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_two_bus_restarts_in_a_row_lose_nothing_that_was_acknowledged(evening: Evening) -> None:
    server, room = evening.server, evening.room
    taken = 0
    before = reactions_counted(evening)
    for number in range(2):
        moment = time.monotonic()
        (pid,) = until(lambda: server.pids("bus"))
        os.kill(pid, signal.SIGKILL)
        for _ in range(10):
            sent = httpx.post(
                f"{room.audience_url}/reaction", json={"kind": "heart"}, trust_env=False, timeout=10
            )
            taken += sent.status_code == 202
        # Answered by the studio, so committed: no bus is asked for that.
        server.api.invite(room.slug, f"Guest {number}", public=True)
        until(lambda m=moment: evening.ready_after("bus", 0, m), 120.0)  # type: ignore[misc]  # a default
    until(lambda: reactions_counted(evening) >= before + taken, 120.0)
    assert reactions_counted(evening) == before + taken
    assert taken > 10

    def all_told() -> bool:
        invited = {each["name"] for each in room.state()["invitations"]}
        return {"Guest 0", "Guest 1"} <= invited

    until(all_told, 120.0)
    evening.wait_until_all_are_heard(120.0)


def test_all_roles_are_restarted_one_by_one_and_no_listener_breaks_off(
    evening: Evening, tmp_path: Path
) -> None:
    server = evening.server
    roles = ("edge", "studio", "stage", "scribe")
    before = {pid for role in roles for pid in server.pids(role)}
    out = tmp_path / "heard.json"
    with out.open("wb") as file:
        listener = subprocess.Popen(
            [*HUSTINGS, "listen", evening.room.audience_url, "--json"], stdout=file, stderr=subprocess.DEVNULL
        )
    try:
        moment = time.monotonic()
        command = [*HUSTINGS, "restart", f"--data={server.data}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        assert not before & {pid for role in roles for pid in server.pids(role)}
        until(lambda: evening.all_heard(moment), 120.0)
        evening.wait_until_all_are_heard(120.0)
        assert not muted_was_heard(evening, moment)
    finally:
        listener.terminate()  # SIGINT is ignored by what a background shell starts
        listener.wait(30)
    heard = json.loads(out.read_text())
    assert heard["reconnects"] == 0
    assert heard["discontinuities"] <= 1, "the stage's own"


def test_the_recording_of_it_all_is_whole_but_for_declared_gaps(evening: Evening) -> None:
    evening.room.stop()
    faults, _longest = recording_faults(evening.server, evening.room)
    assert faults == []
