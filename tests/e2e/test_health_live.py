"""A real server tells the truth about itself: to probes, systemd, its operator, a real Prometheus."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import HUSTINGS, Server, serve, until

pytestmark = pytest.mark.e2e

ROLES = ("bus", "stage", "studio", "edge-0", "scribe")


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    path = tmp_path_factory.mktemp("systemd") / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(60)
        yield listening


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, telling: socket.socket) -> Iterator[Server]:
    # Without spares a dead role is away for as long as loading takes: long enough to be seen.
    environment = {"NOTIFY_SOCKET": telling.getsockname(), "HUSTINGS_SPARES": "false"}
    with serve(tmp_path_factory.mktemp("health"), environment=environment) as server:
        until(lambda: ready(server).status_code == 200)
        yield server


def test_a_reload_by_systemd_ends_nothing(server: Server) -> None:
    before = {role: server.pids(role) for role in ("stage", "studio", "edge")}
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "nothing to load again" in server.log.read_text() or None)
    assert {role: server.pids(role) for role in before} == before
    assert ready(server).status_code == 200


def ready(server: Server, role: str = "") -> httpx.Response:
    door = server.metrics_url.removesuffix("/metrics")
    return httpx.get(f"{door}/readyz{'/' + role if role else ''}", trust_env=False, timeout=30)


def status(url: str) -> int:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=30).status_code
    return 0


def health(server: Server) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {server.token}"}
    url = f"{server.studio_url}/api/operator/health?lang=en"
    with contextlib.suppress(httpx.TransportError):
        answer = httpx.get(url, headers=headers, trust_env=False, timeout=30)
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            return found
    return {}


def stopped(pids: list[int]) -> contextlib.AbstractContextManager[None]:
    """These processes stand still meanwhile."""

    @contextlib.contextmanager
    def still() -> Iterator[None]:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    return still()


def test_systemd_is_told_that_the_doors_are_open_and_that_it_lives(
    server: Server, telling: socket.socket
) -> None:
    said: list[str] = []

    def heard(line: str) -> bool:
        said.extend(telling.recv(4096).decode().split("\n"))
        return line in said

    until(lambda: heard("READY=1"))
    until(lambda: heard("WATCHDOG=1"))
    until(lambda: heard("STATUS=all roles serve"))
    assert said.index("READY=1") <= said.index("WATCHDOG=1")
    assert said.count("READY=1") == 1, "roles tell the supervisor, not systemd"


def test_all_serve(server: Server) -> None:
    assert ready(server).json() == {"status": "ok", "bus": True, "roles": dict.fromkeys(ROLES, "up")}
    assert [ready(server, role).status_code for role in ROLES] == [200] * len(ROLES)
    assert ready(server, "nobody").status_code == 404
    assert status(server.audience_url) == status(server.studio_url) == 200


def test_a_dead_role_is_not_ready_until_another_is(server: Server) -> None:
    (stage,) = server.pids("stage")
    os.kill(stage, signal.SIGKILL)
    # Its successor has to load first: meanwhile it is away, and said to be.
    until(lambda: ready(server, "stage").status_code == 503, 30.0)
    until(lambda: ready(server, "stage").status_code == 200 and server.pids("stage") != [stage])
    assert ready(server).status_code == 200
    found = until(lambda: [each for each in health(server).get("incidents", []) if each["key"] == "died"])
    assert (found[0]["name"], found[0]["what"]) == ("stage", "stage died and was started again")
    stage_now = next(role for role in health(server)["roles"] if role["name"] == "stage")
    assert stage_now["restarts"] == 1


def test_the_operators_answer_is_of_this_server(server: Server) -> None:
    def measured() -> dict[str, Any] | None:
        found = health(server)
        if not found or not any(found["history"]["cpu"].get("stage", [])):
            return None
        # What the supervisor says comes every two seconds, what edges say of themselves later.
        up = all(role["state"] == "up" for role in found["roles"])
        return found if up and found["numbers"]["places_free"] is not None else None

    state = until(measured)
    assert {role["name"] for role in state["roles"]} == set(ROLES)
    assert all(role["memory"] > 1e6 for role in state["roles"])
    assert state["numbers"]["places_free"] > 10
    assert state["numbers"]["disk_size"] > state["numbers"]["disk_free"] > 0
    room = server.room("Town hall", slug="town-hall", speakers=["Ada"])
    room.open()
    room.start()
    live = until(lambda: ((found := health(server)) and found["numbers"].get("live") == 1 and found) or None)
    assert [(each["slug"], each["status"]) for each in live["rooms"]] == [("town-hall", "live")]
    assert until(lambda: (found := health(server)) and found["numbers"]["late_ms"] is not None)
    room.stop()


def test_the_command_says_the_same(server: Server) -> None:
    command = [*HUSTINGS, "health", f"--data={server.data}"]
    until(lambda: health(server).get("level") != "wrong")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for role in ROLES:
        assert f"{role:<10}  up" in done.stdout


def test_without_a_bus_nobody_says_ok(server: Server) -> None:
    bus = server.pids("bus")
    with stopped(bus):
        # It stands still: connections are noticed as lost by pings, within 15 s.
        until(lambda: status(server.audience_url) == 503)
        until(lambda: status(server.studio_url) == 503)
        until(lambda: ready(server).status_code == 503)
        assert ready(server).json()["bus"] is False
        found = until(lambda: [each["key"] for each in health(server).get("findings", [])])
        assert found == ["bus_away"]
        # It looks every five seconds; what was wrong for less it does not remember.
        until(lambda: any(each["key"] == "bus_away" for each in health(server).get("incidents", [])))
    until(lambda: status(server.audience_url) == status(server.studio_url) == 200)
    until(lambda: ready(server).status_code == 200)
    until(lambda: health(server).get("level") == "ok")

    def remembered() -> bool:
        spans = [each for each in health(server).get("incidents", []) if each["key"] == "bus_away"]
        return bool(spans) and not spans[0]["going"]

    until(remembered)


@pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not installed (Debian: apt-get install prometheus)",
)
def test_a_real_prometheus_takes_it_and_its_rules_run(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    alerts = Path(__file__).parents[2] / "docs" / "examples" / "alerts.yml"
    target = server.metrics_url.removesuffix("/metrics").removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{alerts}]\n"
        f"scrape_configs:\n- job_name: hustings\n  static_configs: [{{targets: ['{target}']}}]\n"
    )
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as prometheus,
    ):
        try:
            _asked_of_prometheus(f"http://127.0.0.1:{port}/api/v1")
        finally:
            prometheus.terminate()
            prometheus.wait(30)


def _asked_of_prometheus(url: str) -> None:
    def ask(path: str, **parameters: str) -> Any:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{url}/{path}", params=parameters, trust_env=False, timeout=30)
            if answer.status_code == 200:
                return answer.json()["data"]
        return None

    def value(query: str) -> float | None:
        found = ask("query", query=query)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    until(lambda: value("sum(hustings_role_up)") == len(ROLES))
    assert value("up") == 1
    (target,) = ask("targets")["activeTargets"]
    assert target["lastError"] == ""
    until(lambda: value("sum(rate(hustings_role_cpu_seconds_total[10s]))"))
    assert (value('scrape_samples_scraped{job="hustings"}') or 0) > 200
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 20
    until(lambda: all(rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"]))
    assert ask("metadata", metric="hustings_role_up")["hustings_role_up"][0]["type"] == "gauge"
