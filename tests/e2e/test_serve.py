"""`hustings serve` from outside: ready, survives the death of each role, refuses a second, ends in order."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from harness import HUSTINGS, Server, serve, start

from hustings.bus.rights import RIGHTS
from hustings.errors import HustingsError
from hustings.supervisor.folder import read_addresses

FAMILY = ("bus", "stage", "studio", "edge", "scribe")

pytestmark = pytest.mark.e2e


def _until(what: Callable[[], bool], within: float = 40.0) -> bool:
    end = time.monotonic() + within
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _family(server: Server) -> set[int]:
    return {pid for role in FAMILY for pid in server.pids(role)}


def _whole_family(server: Server) -> set[int]:
    """With the scribe, which starts last."""
    assert _until(lambda: len(_family(server)) == len(FAMILY))
    return _family(server)


def _serves(server: Server) -> bool:
    """Both doors answer, and studio and stage answer each other over the bus."""
    with contextlib.suppress(httpx.HTTPError):
        for door in (server.audience_url, server.studio_url):
            if httpx.get(f"{door}/healthz", trust_env=False, timeout=2).status_code != 200:
                return False
        return True
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("serve"), edges=2) as running:
        yield running


def test_one_line_for_each_ready_door(server: Server) -> None:
    lines = server.log.read_text().splitlines()
    doors = [line for line in lines if re.match(r"\w+ +(http:|udp )", line)]
    assert sorted(line.split()[0] for line in doors) == [
        *("audience", "media", "metrics"),
        *("setup", "studio"),  # no account yet
    ]
    assert any(re.fullmatch(r"media +udp 127\.0\.0\.1:[1-9]\d+", line) for line in doors)
    assert any(line.split() == ["audience", server.audience_url] for line in doors)


def test_run_files_are_private(server: Server) -> None:
    run = server.data / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in run.iterdir()} == {0o600}
    assert json.loads((run / "addresses.json").read_text()).keys() == {
        "audience",
        "studio",
        "media",
        "metrics",
        "audience_url",
        "studio_url",
    }


def test_nothing_in_the_data_folder_is_for_others(server: Server) -> None:
    """Recordings, pictures, keys: whatever the folder lies in and whoever started it."""
    room = server.room("Private")
    room.open()
    room.start()
    assert _until(lambda: any(path.is_file() for path in (server.data / "rooms" / room.slug).rglob("*")))
    room.stop()
    for path in (server.data, *server.data.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # written aside, and gone by now
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_credential_on_any_command_line(server: Server) -> None:
    secrets = re.findall(r'password: "(.+?)"', (server.data / "run" / "bus.conf").read_text())
    assert len(set(secrets)) == len(RIGHTS)
    for pid in {server.process.pid, *_family(server)}:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        assert not [secret for secret in secrets if secret in line]
        assert server.token not in line


def test_each_role_has_its_own_way_to_the_bus(server: Server) -> None:
    for role in ("stage", "studio", "edge", "scribe"):
        for pid in server.pids(role):
            told = dict(
                line.split("=", 1)
                for line in Path(f"/proc/{pid}/environ").read_text().split("\0")
                if line.startswith("HUSTINGS_BUS")
            )
            assert told["HUSTINGS_BUS"].startswith(f"nats://{role}:")


def test_the_bus_refuses_who_has_no_credential(server: Server) -> None:
    found = re.search(r'listen: "127\.0\.0\.1:(\d+)"', (server.data / "run" / "bus.conf").read_text())
    assert found
    with socket.create_connection(("127.0.0.1", int(found[1])), timeout=5) as raw:
        raw.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
        answer = b""
        while piece := raw.recv(4096):
            answer += piece
    assert b"Authorization Violation" in answer
    assert b"PONG" not in answer


def test_metrics_of_all_roles_behind_one_door(server: Server) -> None:
    def complete() -> bool:
        text = httpx.get(server.metrics_url, trust_env=False, timeout=5).text
        roles = set(re.findall(r'role="([\w-]+)"', text))
        return roles >= {"supervisor", "stage", "studio", "edge-0", "edge-1", "scribe"}

    assert _until(complete)
    text = httpx.get(server.metrics_url, trust_env=False, timeout=5).text
    assert re.search(r'^hustings_role_up\{.*name="bus"\} 1', text, re.MULTILINE)
    heads = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(heads) == len(set(heads))


def test_a_second_server_on_the_folder_is_refused(server: Server) -> None:
    doors = [f"--{name}=127.0.0.1:0" for name in ("audience", "studio", "media", "metrics")]
    command = [*HUSTINGS, "serve", f"--data={server.data}", *doors]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "already runs on the data folder" in second.stderr
    assert second.stderr.count("\n") == 1
    assert _serves(server)


@pytest.mark.parametrize("door", ["audience", "studio", "metrics"])
def test_a_port_in_use_is_named_with_its_option(server: Server, tmp_path: Path, door: str) -> None:
    url = {"audience": server.audience_url, "studio": server.studio_url, "metrics": server.metrics_url}[door]
    taken = httpx.URL(url).port
    doors = dict.fromkeys(("audience", "studio", "media", "metrics"), "127.0.0.1:0")
    doors[door] = f"127.0.0.1:{taken}"
    command = [
        *HUSTINGS,
        "serve",
        f"--data={tmp_path}",
        *(f"--{name}={text}" for name, text in doors.items()),
    ]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"{door} door 127.0.0.1:{taken}: the port is in use" in second.stderr
    assert f"--{door} HOST:PORT" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize("role", ["scribe", "edge", "studio", "stage", "bus"])
def test_a_killed_role_comes_back(server: Server, role: str) -> None:
    # Work that needs every role: only then is it really back.
    before = server.pids(role)
    others = _family(server) - set(before)
    os.kill(before[0], signal.SIGKILL)
    assert _until(lambda: len(server.pids(role)) == len(before) and before[0] not in server.pids(role))
    assert _until(lambda: _serves(server))
    room = server.room(f"After the {role}")

    def opens() -> bool:
        with contextlib.suppress(Exception):
            room.open()
            return True
        return False

    assert _until(opens)
    assert _until(lambda: _shows(room.audience_url))
    room.stop()
    assert others <= _family(server), "nobody else was restarted"


def _shows(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"{url}/state.json", trust_env=False, timeout=2)
        return answer.status_code == 200 and answer.json()["status"] == "open"
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stops_in_order_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    server = start(tmp_path)
    family = _whole_family(server)
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    assert not [pid for pid in family if _alive(pid)]
    stopped = re.findall(r"^(edge-0|studio|stage|server) .* stopped$", server.log.read_text(), re.MULTILINE)
    assert stopped == ["edge-0", "studio", "stage", "server"]
    assert sorted(file.name for file in (server.data / "run").iterdir()) == ["lock"]
    server.api.close()


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    server = start(tmp_path)
    family = _whole_family(server)
    server.process.kill()
    server.process.wait(10)
    assert _until(lambda: not any(_alive(pid) for pid in family), 10)
    server.api.close()
    # What it left behind misleads nobody and keeps nobody out.
    assert (server.data / "run" / "addresses.json").exists()
    with pytest.raises(HustingsError, match="No server is ready"):
        read_addresses(server.data)
    (server.data / "run" / "addresses.json").unlink()  # the harness waits for it
    again = start(tmp_path)
    assert again.stop() == 0
