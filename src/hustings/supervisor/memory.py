"""How much memory a role may have, and what happens when it takes more: it is started again.

A role that grows without bound would take all others with it; started again it is away for a fraction of a
second. RLIMIT_DATA or RLIMIT_AS would make it fail somewhere inside a library instead, with an error
nobody has tested, and count address space that is only reserved; so the supervisor looks once a second
at what each role really has of its own (RssAnon and VmSwap in /proc), and where there are cgroups the
kernel holds the same bound at every moment.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge

MB: Final = 1024 * 1024
SHARES: Final = {
    # Of the machine's memory, and at least so many MB.
    "stage": (0.40, 512),
    "studio": (0.25, 384),
    "edge": (0.50, 384),
    "scribe": (0.25, 512),
    "certificates": (0.10, 128),
    "bus": (0.10, 128),
}
"""All edges have their share together. The sum is more than there is: they never all need it at once."""
BOUNDS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container's memory is said, by cgroups of version 2 and 1."""

memory_gauge = Gauge("hustings_role_memory_bytes", "Memory a role has of its own.", ["name"])
limit_gauge = Gauge("hustings_role_memory_limit_bytes", "Memory at which a role is started again.", ["name"])
cgroup_gauge = Gauge("hustings_role_cgroups", "1 where a cgroup bounds the roles' cpu or memory.", ["name"])
memory_kills = Counter(
    "hustings_role_memory_kills_total", "Times a role was killed because it had too much.", ["name"]
)


def limits(names: Iterable[str], total: int) -> dict[str, int]:
    """Bytes each role may have, by name, on a machine with `total` bytes."""
    names = list(names)
    edges = max(1, sum(name.startswith("edge-") for name in names))
    found = {}
    for name in names:
        kind = name.partition("-")[0]
        share, least = SHARES[kind]
        found[name] = max(least * MB, int(total * share / (edges if kind == "edge" else 1)))
    return found


def machine_memory(bounds: Iterable[Path] = BOUNDS) -> int:
    """Bytes this machine has, or the container it is in."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in bounds:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(path.read_text()))
    return min(found)


def own_memory(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Bytes process `pid` has of its own, swapped out or not; None when that cannot be told."""
    try:
        lines = (proc / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "VmSwap:"))]
    return 1024 * sum(kilobytes) if kilobytes else None
