"""What the supervisor says of its roles, in fake time; and what systemd and load balancers are told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from hustings.clock import FakeClock
from hustings.notify import MAX_STATUS, notify, status
from hustings.supervisor.doors import Door
from hustings.supervisor.health import MAX_EVENTS, Health, processor_seconds
from hustings.supervisor.metrics_door import MetricsDoor


@dataclass
class Role:
    pid: int = 7
    is_ready: bool = True
    heard: float | None = 1000.0
    since: float = 1_789_999_000.0
    deaths: int = 0


class House:
    def __init__(self, folder: Path, **roles: Role) -> None:
        self.clock = FakeClock()
        self.steady = 5000.0
        self.roles = roles
        self.processor: dict[int, float] = {}
        self.health = Health(
            roles,
            folder,
            wall=self.clock.wall,
            monotonic=self.clock.monotonic,
            steady=lambda: self.steady,
            processor=self.processor.get,
        )
        self.health.bus_connected = lambda: True

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.steady += seconds


def sample(metric: str, /, **labels: str) -> float:
    value = REGISTRY.get_sample_value(metric, labels)
    assert value is not None, metric
    return value


def test_a_role_is_up_when_it_runs_is_ready_and_is_heard_of(tmp_path: Path) -> None:
    stage = Role()
    house = House(tmp_path, stage=stage)
    assert house.health.ups() == {"stage": True}
    assert sample("hustings_role_up", name="stage") == 1
    for attribute, value in (("pid", 0), ("is_ready", False), ("heard", None), ("heard", 969.9)):
        before = getattr(stage, attribute)
        setattr(stage, attribute, value)
        assert house.health.ups() == {"stage": False}, attribute
        assert sample("hustings_role_up", name="stage") == 0
        setattr(stage, attribute, before)
    assert house.health.ups() == {"stage": True}


def test_the_bus_is_up_while_we_are_connected_to_it(tmp_path: Path) -> None:
    house = House(tmp_path, bus=Role(heard=None, is_ready=False))
    assert house.health.ups() == {"bus": True}
    house.health.bus_connected = lambda: False
    assert house.health.ups() == {"bus": False}


def test_processor_time_is_a_share_of_a_core(tmp_path: Path) -> None:
    house = House(tmp_path, stage=Role())
    house.processor[7] = 100.0
    house.health.look()
    assert house.health.report().roles[0].cpu is None, "one look says nothing"
    begun = REGISTRY.get_sample_value("hustings_role_cpu_seconds_total", {"name": "stage"}) or 0.0
    for _ in range(20):
        house.advance(1.0)
        house.processor[7] += 0.25
        house.health.look()
    assert house.health.report().roles[0].cpu == pytest.approx(0.25, abs=0.001)
    assert sample("hustings_role_cpu_seconds_total", name="stage") - begun == pytest.approx(5.0)
    # Another process in its place: its past is not this role's present.
    house.roles["stage"].pid, house.processor[8] = 8, 3000.0
    house.advance(1.0)
    house.health.look()
    assert house.health.report().roles[0].cpu is None
    assert sample("hustings_role_cpu_seconds_total", name="stage") - begun == pytest.approx(5.0)


def test_processor_time_of_a_real_process_and_of_none() -> None:
    before = processor_seconds(os.getpid())
    assert before is not None
    assert before <= time.process_time() + 0.05
    assert processor_seconds(2**22 + 1) is None


@pytest.mark.parametrize("step", [-3600.0, 1.5])
def test_a_clock_that_somebody_sets_is_counted_and_told(tmp_path: Path, step: float) -> None:
    house = House(tmp_path, stage=Role())
    begun = sample("hustings_clock_steps_total")
    for _ in range(3):
        house.advance(1.0)
        house.clock.step(0.4)  # a time service that corrects by small amounts
        house.health.look()
    assert sample("hustings_clock_steps_total") == begun
    house.clock.step(step)
    house.health.look()
    house.health.look()
    assert sample("hustings_clock_steps_total") == begun + 1
    (event,) = house.health.report().events
    assert event.kind == "clock"
    assert event.seconds == pytest.approx(step)


def test_events_are_of_the_last_hour_and_bounded(tmp_path: Path) -> None:
    house = House(tmp_path, stage=Role())
    for _ in range(MAX_EVENTS + 10):
        house.health.happened("died", "stage")
    assert len(house.health.report().events) == MAX_EVENTS
    house.advance(3000)
    house.health.happened("restarted", "edge-0")
    house.advance(700)
    assert [(event.kind, event.name) for event in house.health.report().events] == [("restarted", "edge-0")]


def test_the_disk_is_told(tmp_path: Path) -> None:
    house = House(tmp_path, stage=Role())
    house.health.look()
    report = house.health.report()
    assert 0 < report.disk_free <= report.disk_size
    assert sample("hustings_data_free_bytes") == report.disk_free


# --- load balancers and systemd ---------------------------------------------------------------------


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[House, str]]:
    house = House(tmp_path, bus=Role(heard=None), stage=Role(), studio=Role(), scribe=Role())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    served = MetricsDoor(Door("metrics", "--metrics", "127.0.0.1", port), lambda: "x 1\n", house.health.ready)
    yield house, f"http://127.0.0.1:{port}"
    served.close()


def test_readiness_of_the_node_and_of_each_role(door: tuple[House, str]) -> None:
    house, url = door

    def ask(path: str) -> tuple[int, dict[str, object]]:
        answer = httpx.get(url + path, trust_env=False)
        return answer.status_code, answer.json() if answer.status_code != 404 else {}

    assert ask("/readyz") == (
        200,
        {"status": "ok", "bus": True, "roles": dict.fromkeys(("bus", "stage", "studio", "scribe"), "up")},
    )
    assert ask("/readyz/stage")[0] == 200
    house.roles["stage"].pid = 0
    assert ask("/readyz")[0] == 503
    assert ask("/readyz/stage") == (503, {"status": "not ready", "bus": True, "roles": {"stage": "away"}})
    assert ask("/readyz/studio")[0] == 200
    house.roles["stage"].pid = 7
    house.roles["scribe"].pid = 0
    assert ask("/readyz")[0] == 200, "nothing live waits for the scribe"
    assert ask("/readyz/scribe")[0] == 503
    house.health.bus_connected = lambda: False
    assert ask("/readyz")[0] == 503
    assert ask("/readyz/studio")[0] == 503
    assert ask("/readyz/nobody")[0] == 404
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200, "the supervisor itself lives"
    assert httpx.get(f"{url}/metrics", trust_env=False).text == "x 1\n"


def test_systemd_is_told_where_it_asks_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        assert notify("READY=1", status("all\nwell " + "x" * 999), address=str(path))
        said = listening.recv(4096).decode().split("\n")
    assert said == ["READY=1", ("STATUS=all well " + "x" * 999)[: MAX_STATUS + len("STATUS=")]]
    assert not notify("READY=1", address="")
    assert not notify("READY=1", address="relative")
    assert not notify("READY=1", address=str(path)), "nobody listens there any more"


def test_an_abstract_socket_is_told_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0hustings-test-{os.getpid()}")
        assert notify("READY=1", address=f"@hustings-test-{os.getpid()}")
        assert listening.recv(100) == b"READY=1"


def test_roles_do_not_inherit_the_way_to_systemd(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "os.environ['NOTIFY_SOCKET'] = '/nowhere'\n"
        "from hustings.supervisor.spares import start_process\n"
        "async def main():\n"
        "    show = 'import os; print(os.environ.get(\"NOTIFY_SOCKET\"))'\n"
        "    process = await start_process([sys.executable, '-c', show], {})\n"
        "    print((await process.communicate())[0].decode().strip())\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_readiness_is_said_as_json(tmp_path: Path) -> None:
    fine, said = House(tmp_path, edge=Role()).health.ready()
    assert fine
    assert json.loads(said)["roles"] == {"edge": "up"}
