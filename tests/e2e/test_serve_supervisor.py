"""The supervisor with roles that only live: those that never start, hang, or do not want to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from hustings.config import Settings
from hustings.errors import HustingsError, UsageError
from hustings.supervisor import child as child_module
from hustings.supervisor import hung as hung_module
from hustings.supervisor import main as main_module
from hustings.supervisor.doors import free_port
from hustings.supervisor.folder import restart_state
from hustings.supervisor.main import Supervisor
from hustings.supervisor.nats_server import find_program

pytestmark = pytest.mark.e2e

FAKE = str(Path(__file__).with_name("fake_role.py"))


@pytest.fixture(autouse=True)
def _no_signals() -> Iterator[None]:
    """Roles run in their own processes; what the test process does with signals stays."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) is before


def _settings(folder: Path) -> Settings:
    door = "127.0.0.1:0"
    return Settings(
        data=folder, audience_door=door, studio_door=door, media_door=door, metrics_door=door, edges=1
    )


def _fake(role: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", FAKE, role, *arguments]


async def _ready(supervisor: Supervisor, lines: list[str]) -> None:
    async with asyncio.timeout(40):
        while len(lines) < len(supervisor.doors):
            await asyncio.sleep(0.05)


async def _until_new(supervisor: Supervisor, name: str, old: int) -> None:
    async with asyncio.timeout(40):
        while supervisor.pids.get(name, old) == old:
            await asyncio.sleep(0.05)


async def test_a_role_that_cannot_start_ends_the_server_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "GIVE_UP_AFTER", 3)

    def broken(role: str, *arguments: str) -> list[str]:
        if role == "studio":
            return [sys.executable, "-c", "raise SystemExit('this studio is broken')"]
        return _fake(role, *arguments)

    supervisor = Supervisor(_settings(tmp_path), lambda _line: None, command=broken)
    with pytest.raises(HustingsError, match="The studio cannot start"):
        await supervisor.run()
    assert supervisor.pids == {}


@pytest.mark.parametrize("name", ["countries", "ranges"])
def test_a_list_of_the_audience_that_cannot_be_used_is_said_before_anything_starts(
    tmp_path: Path, name: str
) -> None:
    settings = _settings(tmp_path).model_copy(update={f"audience_{name}": str(tmp_path / "none")})
    with pytest.raises(UsageError, match=f"HUSTINGS_AUDIENCE_{name.upper()}: .*none cannot be read"):
        Supervisor(settings, lambda _line: None, command=_fake)


async def test_a_scribe_that_cannot_start_keeps_nobody_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "GIVE_UP_AFTER", 2)
    started = tmp_path / "started"

    def broken(role: str, *arguments: str) -> list[str]:
        if role == "scribe":
            return [
                sys.executable,
                "-c",
                f"open({str(started)!r}, 'a').write('x'); raise SystemExit('broken')",
            ]
        return _fake(role, *arguments)

    lines: list[str] = []
    supervisor = Supervisor(_settings(tmp_path / "data"), lines.append, command=broken)
    running = asyncio.create_task(supervisor.run())
    await _ready(supervisor, lines)
    async with asyncio.timeout(40):
        while not started.exists() or len(started.read_text()) < 4:  # well past giving up
            await asyncio.sleep(0.05)
    assert not running.done()
    assert {"edge-0", "studio", "stage"} <= supervisor.pids.keys()
    supervisor.stop()
    await asyncio.wait_for(running, 20)


async def test_the_scribe_starts_once_all_doors_are_open(tmp_path: Path) -> None:
    supervisor = Supervisor(_settings(tmp_path), lambda _line: None, command=_late_edge)
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(40):
        while not {"edge-0", "studio", "stage"} <= supervisor.pids.keys():
            await asyncio.sleep(0.02)
        assert "scribe" not in supervisor.pids
        while "scribe" not in supervisor.pids:
            await asyncio.sleep(0.05)
    supervisor.stop()
    await asyncio.wait_for(running, 20)
    assert supervisor.pids == {}


def _late_edge(role: str, *arguments: str) -> list[str]:
    if role != "edge":
        return _fake(role, *arguments)
    late = f"import time; time.sleep(2); import runpy, sys; sys.argv = [{FAKE!r}, 'edge', '0']; "
    return [sys.executable, "-P", "-c", f"{late}runpy.run_path({FAKE!r}, run_name='__main__')"]


async def test_a_role_that_hangs_is_killed_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hung_module, "SILENT_FOR", 6.0)
    lines: list[str] = []
    supervisor = Supervisor(_settings(tmp_path), lines.append, command=_fake)
    running = asyncio.create_task(supervisor.run())
    await _ready(supervisor, lines)
    hung, others = supervisor.pids["stage"], {**supervisor.pids}
    os.kill(hung, signal.SIGSTOP)
    await _until_new(supervisor, "stage", hung)
    assert supervisor.pids["studio"] == others["studio"]
    supervisor.stop()
    await running


async def test_a_role_that_does_not_want_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = dict.fromkeys(("edge", "studio", "scribe", "stage"), 0.5)
    monkeypatch.setattr(main_module, "PATIENCE", {**short, "bus": 3.0})
    lines: list[str] = []
    supervisor = Supervisor(_settings(tmp_path), lines.append, command=_fake)
    running = asyncio.create_task(supervisor.run())
    await _ready(supervisor, lines)
    stuck = supervisor.pids["edge-0"]
    os.kill(stuck, signal.SIGSTOP)
    supervisor.stop()
    await asyncio.wait_for(running, 20)
    assert supervisor.pids == {}
    with pytest.raises(ProcessLookupError):
        os.kill(stuck, 0)


async def test_asked_to_stop_while_starting_it_stops(tmp_path: Path) -> None:
    supervisor = Supervisor(_settings(tmp_path), lambda _line: None, command=_fake)
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)
    supervisor.stop()
    await asyncio.wait_for(running, 40)
    assert supervisor.pids == {}
    assert not (tmp_path / "run" / "bus.conf").exists()


async def test_all_roles_are_restarted_one_by_one(tmp_path: Path) -> None:
    lines: list[str] = []
    supervisor = Supervisor(_settings(tmp_path), lines.append, command=_fake)
    running = asyncio.create_task(supervisor.run())
    await _ready(supervisor, lines)
    async with asyncio.timeout(40):
        while "scribe" not in supervisor.pids:
            await asyncio.sleep(0.05)
    before = dict(supervisor.pids)
    supervisor.restart()
    async with asyncio.timeout(120):
        while restart_state(tmp_path)[0] != "done":
            await asyncio.sleep(0.05)
    after = dict(supervisor.pids)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] == before[name]} == {"bus"}
    for name, pid in before.items():
        if name != "bus":
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
    supervisor.stop()
    await asyncio.wait_for(running, 40)
    assert not (tmp_path / "run" / "restart.json").exists()


async def test_an_upgrade_that_does_not_start_stops_at_the_first_edge(tmp_path: Path) -> None:
    lines: list[str] = []
    broken = tmp_path / "broken"
    code = f"import os, runpy, sys; os.path.exists({str(broken)!r}) and sys.exit('broken'); "

    def edge(role: str, *arguments: str) -> list[str]:
        if role != "edge":
            return _fake(role, *arguments)
        run = f"sys.argv = [{FAKE!r}, 'edge', '0']; runpy.run_path({FAKE!r}, run_name='__main__')"
        return [sys.executable, "-P", "-c", code + run]

    supervisor = Supervisor(_settings(tmp_path / "data"), lines.append, command=edge)
    running = asyncio.create_task(supervisor.run())
    await _ready(supervisor, lines)
    before = dict(supervisor.pids)
    broken.touch()
    async with asyncio.timeout(120):
        while restart_state(tmp_path / "data") != ("failed", "edge-0"):
            supervisor.restart()  # passed over while one is on its way
            await asyncio.sleep(0.05)
    assert {name: supervisor.pids[name] for name in before} == before
    supervisor.stop()
    await asyncio.wait_for(running, 40)


async def test_a_role_with_too_much_memory_is_started_again(tmp_path: Path) -> None:
    lines: list[str] = []
    supervisor = Supervisor(_settings(tmp_path), lines.append, command=_fake)
    running = asyncio.create_task(supervisor.run())
    await _ready(supervisor, lines)
    before = _memory_kills()
    greedy, others = supervisor.pids["stage"], dict(supervisor.pids)
    supervisor._limits["stage"], usual = 1, supervisor._limits["stage"]
    while _memory_kills() == before:
        await asyncio.sleep(0.01)
    supervisor._limits["stage"] = usual
    await _until_new(supervisor, "stage", greedy)
    assert supervisor.pids["studio"] == others["studio"]
    supervisor.stop()
    await asyncio.wait_for(running, 40)


def _memory_kills() -> float:
    return REGISTRY.get_sample_value("hustings_role_memory_kills_total", {"name": "stage"}) or 0.0


def test_a_role_notices_by_itself_that_the_supervisor_is_gone(tmp_path: Path) -> None:
    """Where the kernel does not tell (not Linux): here the tie is left out."""
    port = free_port()
    bus = subprocess.Popen(
        [find_program(), "-a", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ready = tmp_path / "pid"
    # A parent that starts the role with pipes, as the supervisor does, and is then killed.
    parent = f"""
import os, subprocess, sys, time
os.environ.update(HUSTINGS_BUS="nats://127.0.0.1:{port}", UNTIED="1")
os.environ["HUSTINGS_SUPERVISOR_PID"] = str(os.getpid())
role = subprocess.Popen({_fake("stage")!r}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
role.stdout.readline()
open({str(ready)!r}, "w").write(str(role.pid))
time.sleep(600)
"""
    starter = subprocess.Popen([sys.executable, "-c", parent])
    try:
        assert _eventually(lambda: ready.exists() and ready.read_text() != "")
        starter.kill()
        starter.wait(10)
        role = Path("/proc") / ready.read_text()
        assert _eventually(lambda: not role.exists() or "Z" in (role / "stat").read_text().rpartition(")")[2])
    finally:
        starter.kill()
        starter.wait(10)
        bus.kill()
        bus.wait(10)


def _eventually(what: Callable[[], bool]) -> bool:
    end = time.monotonic() + 40
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if what():
                return True
        time.sleep(0.05)
    return False
