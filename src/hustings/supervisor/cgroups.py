"""A cgroup (version 2) for each role, where this process may make them: weights for the processor, a bound
for memory (Documentation/admin-guide/cgroup-v2.rst of the kernel).

It may when it is alone in a cgroup of its own that has been delegated to it, as systemd does with
`Delegate=cpu memory`. The supervisor then goes into a leaf beside its roles, since a cgroup with children
may hold no process itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

WEIGHTS: Final = {"bus": 800, "stage": 800, "studio": 400, "edge": 100, "certificates": 50, "scribe": 20}
"""cpu.weight; 100 is what others on the machine have."""
LEAF: Final = "supervisor"


class NoGroups(Exception):
    """Why there are none, in words."""


def own_group(cgroups: str, mounts: str) -> Path:
    """Where a process's cgroup lies, by its /proc/PID/cgroup and /proc/PID/mounts. Raises NoGroups."""
    path = next((line[3:] for line in cgroups.splitlines() if line.startswith("0::")), None)
    mount = next((line.split()[1] for line in mounts.splitlines() if line.split()[2] == "cgroup2"), None)
    if path is None or mount is None:
        raise NoGroups("this system has no cgroups of version 2")
    return Path(mount) / path.lstrip("/")


class Groups:
    """Made below `group`, this process's own. Raises NoGroups, and then leaves everything as it was."""

    def __init__(self, group: Path, names: Mapping[str, int]) -> None:
        """`names`: memory.max in bytes by role's name ("edge-0")."""
        self._group = group
        self._names = dict(names)
        try:
            self._check()
            self._make()
        except OSError as error:
            self.close()
            raise NoGroups(f"they cannot be made here ({error.strerror})") from None

    @property
    def has(self) -> frozenset[str]:
        """Which of cpu and memory are bounded."""
        return frozenset(self._controllers)

    def _check(self) -> None:
        there = (self._group / "cgroup.controllers").read_text().split()
        self._controllers = [each for each in ("cpu", "memory") if each in there]
        if not self._controllers:
            raise NoGroups("neither cpu nor memory may be divided here; with systemd: Delegate=cpu memory")
        inside = {int(each) for each in (self._group / "cgroup.procs").read_text().split()}
        if inside - {os.getpid()}:
            raise NoGroups("other processes are in the same cgroup; as a systemd service it has its own")

    def _make(self) -> None:
        leaf = self._group / LEAF
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        for controller in list(self._controllers):
            try:
                (self._group / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:
                self._controllers.remove(controller)
        if not self._controllers:
            raise OSError(0, "no controller could be switched on")
        for name, memory in self._names.items():
            folder = self._group / name
            folder.mkdir(exist_ok=True)
            if "cpu" in self._controllers:
                (folder / "cpu.weight").write_text(str(WEIGHTS[name.partition("-")[0]]))
            if "memory" in self._controllers:
                # No memory.high: to be slowed down is worse for a role with a clock than to start anew.
                (folder / "memory.max").write_text(str(memory))

    def place(self, name: str, pid: int) -> None:
        """Puts a process into its role's cgroup; what it has by then stays with ours."""
        if name in self._names:
            with contextlib.suppress(OSError):
                (self._group / name / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Takes away what was made, as far as it is empty."""
        with contextlib.suppress(OSError):
            for name in self._names:
                with contextlib.suppress(OSError):
                    (self._group / name).rmdir()
            for controller in ("cpu", "memory"):
                with contextlib.suppress(OSError):
                    (self._group / "cgroup.subtree_control").write_text(f"-{controller}")
            (self._group / "cgroup.procs").write_text(str(os.getpid()))
            (self._group / LEAF).rmdir()
