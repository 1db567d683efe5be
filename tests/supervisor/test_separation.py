"""Who gets processor and memory: cgroups in a folder that stands for the kernel's, bounds, priorities."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hustings.priority import LOWERED, NICENESS
from hustings.supervisor.cgroups import WEIGHTS, Groups, NoGroups, own_group
from hustings.supervisor.memory import MB, limits, machine_memory, own_memory
from hustings.supervisor.spares import Spares

NAMES = {"stage": 512 * MB, "edge-0": 384 * MB, "edge-1": 384 * MB}


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A cgroup that has been delegated to this process alone."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_each_role_gets_a_group_with_its_weight_and_bound(group: Path) -> None:
    groups = Groups(group, NAMES)
    assert groups.has == {"cpu", "memory"}
    assert (group / "stage" / "cpu.weight").read_text() == str(WEIGHTS["stage"])
    assert (group / "edge-1" / "cpu.weight").read_text() == str(WEIGHTS["edge"])
    assert (group / "stage" / "memory.max").read_text() == str(512 * MB)
    assert (group / "supervisor" / "cgroup.procs").read_text() == str(os.getpid())
    groups.place("edge-1", 4711)
    assert (group / "edge-1" / "cgroup.procs").read_text() == "4711"
    groups.place("unknown", 4712)


def test_a_group_with_others_in_it_is_left_alone(group: Path) -> None:
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n1\n")
    with pytest.raises(NoGroups, match="other processes"):
        Groups(group, NAMES)
    assert not (group / "stage").exists()


def test_without_controllers_the_reason_says_what_to_do(group: Path) -> None:
    (group / "cgroup.controllers").write_text("pids\n")
    with pytest.raises(NoGroups, match="Delegate=cpu memory"):
        Groups(group, NAMES)


def test_where_they_cannot_be_written_there_are_none(group: Path) -> None:
    (group / "supervisor").write_text("a file where a folder should be")
    with pytest.raises(NoGroups, match="cannot be made here"):
        Groups(group, NAMES)


def test_where_a_process_belongs() -> None:
    mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
    found = own_group("0::/system.slice/hustings.service\n", mounts)
    assert found == Path("/sys/fs/cgroup/system.slice/hustings.service")
    with pytest.raises(NoGroups, match="version 2"):
        own_group("9:memory:/\n", "cgroup /sys/fs/cgroup/memory cgroup rw 0 0\n")


def test_every_role_is_bounded_and_edges_share() -> None:
    total = 16 * 1024 * MB
    bound = limits(["bus", "stage", "studio", "edge-0", "edge-1", "scribe", "certificates"], total)
    assert bound["edge-0"] == bound["edge-1"] == total // 4
    assert all(0 < each < total for each in bound.values())
    assert limits(["stage"], 256 * MB)["stage"] == 512 * MB, "what a stage needs at least"


def test_a_container_has_less_than_its_machine(tmp_path: Path) -> None:
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "some").write_text(f"{300 * MB}\n")
    assert machine_memory([tmp_path / "none", tmp_path / "max"]) == machine_memory([])
    assert machine_memory([tmp_path / "max", tmp_path / "some"]) == 300 * MB


def test_own_memory_is_what_a_process_has_itself() -> None:
    code = "import sys; kept = bytearray(64 << 20); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = own_memory(process.pid)
        process.kill()
    assert found is not None
    assert 64 * MB <= found < 128 * MB
    assert own_memory(0, Path("/nowhere")) is None


@pytest.mark.parametrize("table", [NICENESS, LOWERED])
def test_stage_before_studio_before_edges_before_scribe(table: dict[str, int]) -> None:
    order = [table[kind] for kind in ("stage", "studio", "edge", "scribe")]
    assert order == sorted(order)
    assert len(set(order)) == 4
    assert max(LOWERED.values()) < 19


async def test_a_role_becomes_what_its_spare_was_told() -> None:
    """A process in reserve shows the role's command line once it is the role."""
    code = (
        "import os, sys; from hustings.cli import reserve; reserve.preload = lambda kind: None; "
        "said = reserve.wait_in_reserve(sys.argv[2]); "
        "line = open('/proc/self/cmdline').read().rstrip('\\0').split('\\0')[-2:]; "
        "print(said, line, 'HUSTINGS_DOOR_FD' in os.environ, flush=True)"
    )
    spares = Spares([sys.executable, "-P", "-c", code, "spare", "edge"], {})
    spares.fill(0.0)
    async with asyncio.timeout(40):
        while not spares.pid:
            await asyncio.sleep(0.01)
        spare = spares.take()
        assert spare is not None
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as door:
            assert spare.begin(["edge", "1"], door)
        assert spare.process.stdout is not None
        said = await spare.process.stdout.read()
        assert said.decode().strip() == "['edge', '1'] ['edge', '1'] True"
        assert await spare.process.wait() == 0
    assert spares.take() is None
    await spares.close()


async def test_a_spare_ends_with_its_supervisor_or_when_it_is_not_needed() -> None:
    code = "from hustings.cli import reserve as r; r.preload = lambda kind: None; r.wait_in_reserve('edge')"
    spares = Spares([sys.executable, "-P", "-c", code, "spare", "edge"], {})
    async with asyncio.timeout(40):
        await spares.renew()
        first = spares.pid
        await spares.renew()
        assert spares.pid not in (0, first)
        spare = spares.take()
        assert spare is not None
        spare.channel.close()
        assert await spare.process.wait() == 0
        await spares.close()
