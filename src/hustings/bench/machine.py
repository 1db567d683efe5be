"""This machine: what it is, what a process has used, which core it may run on. Linux's /proc."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def raise_descriptor_limit() -> int:
    """As many descriptors as this process may have; returns how many. Root may raise the hard limit, too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (200_000, 200_000))
        return 200_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def children(pid: int) -> list[int]:
    """Processes started by `pid` that live, all generations."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *children(child)]
    return found


def cpu_seconds(*pids: int) -> float:
    """User and system time of these processes so far, all threads; 0 for one that is gone."""
    return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    ticks, exact = 0.0, 0.0
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = (int(fields[11]) + int(fields[12])) / TICKS
        # To the nanosecond where the kernel counts so, but of threads that live only.
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            exact += int(path.read_text().split()[0]) / 1e9
    return max(ticks, exact)


def resident_bytes(*pids: int) -> int:
    """Memory of these processes now."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return total


_CORES = sorted(os.sched_getaffinity(0))


def cores() -> list[int]:
    """Cores this process might run on when it began, whatever it has chosen since."""
    return _CORES


def server_cores() -> list[int]:
    """The core of what is measured: the last one, alone where there are several."""
    return cores()[-1:]


def load_cores() -> list[int]:
    """The core of the load generator: the first."""
    return cores()[:1]


@contextlib.contextmanager
def on_cores(wanted: Sequence[int]) -> Iterator[None]:
    """Processes started within run on these cores, from their first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe() -> str:
    """Processor, cores, memory, kernel and Python."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{model}, {len(cores())} cores, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def load_average() -> float:
    """Processes that ran or wanted to, mean of the last minute."""
    return round(os.getloadavg()[0], 2)
