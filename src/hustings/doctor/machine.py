"""The machine: descriptors, memory, processors, kernel, clock, scheduling, time zones, libraries.

Each check takes what it judges, so that tests can give it any machine; `Machine` reads the real one.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import platform
import resource
import sqlite3
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from hustings.doctor.findings import Finding, ok, warning, wrong
from hustings.edge.gate import LINGERING, RESERVED_DESCRIPTORS
from hustings.errors import HustingsError

MB = 1024 * 1024
GB = 1024 * MB
FEW_DESCRIPTORS = 20_000
LISTENER = 40 * 1024
"""Bytes of memory a listener may need, with TLS and the kernel's buffers; without TLS it is a fraction."""
_STA_UNSYNC = 0x0040
_SETTINGS = (
    ("net/core/somaxconn", 4096, "connections the kernel may hold until an edge takes them"),
    ("net/core/rmem_max", 212_992, "bytes of sound the kernel may hold for the stage"),
    ("net/core/wmem_max", 212_992, "bytes of sound the kernel may hold for the speakers"),
    ("net/netfilter/nf_conntrack_max", 65_536, "connections the firewall can follow"),
)


@dataclass(slots=True)
class Machine:
    """What is asked of the machine; tests replace the parts."""

    root: Path = Path("/")
    """Where /proc and /sys are."""
    descriptors: Callable[[], int] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    cores: Callable[[], int] = lambda: len(os.sched_getaffinity(0))
    synchronised: Callable[[], bool | None] = lambda: clock_is_synchronised()
    realtime: Callable[[], bool] = lambda: may_have_realtime()
    zone: Callable[[str], object] = ZoneInfo
    versions: Callable[[], dict[str, str]] = field(default=lambda: library_versions())

    def number(self, path: str) -> int | None:
        """What a file of the kernel's says; None when it is not there or says "max"."""
        try:
            return int((self.root / path).read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None


def descriptors(machine: Machine) -> Iterator[Finding]:
    limit = machine.descriptors()
    listeners = max(0, limit - RESERVED_DESCRIPTORS - LINGERING)
    said = f"{limit} open files: {listeners} listeners for each edge"
    if limit < 1024:
        yield wrong("descriptors", said, "Raise the limit: LimitNOFILE=1000000 in the unit, or ulimit -Hn.")
    elif limit < FEW_DESCRIPTORS:
        yield warning("descriptors", said, "For more: LimitNOFILE=1000000 in the unit, or ulimit -Hn.")
    else:
        yield ok("descriptors", said)


def memory(machine: Machine) -> Iterator[Finding]:
    free = available_memory(machine)
    if free is None:
        yield warning("memory", "this system does not say how much is free", "Look at it by hand.")
        return
    said = f"{free / GB:.1f} GB free: some {max(0, free - 512 * MB) // LISTENER:,} listeners with TLS"
    if free < 300 * MB:
        yield wrong("memory", said, "Stop something else, or take a larger machine: 1 GB is needed.")
    elif free < GB:
        yield warning("memory", said, "Room for a few listeners; 2 GB are better.")
    else:
        yield ok("memory", said)


def available_memory(machine: Machine) -> int | None:
    """Bytes that processes may still take: of the machine, or of this service's control group."""
    free: int | None = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (machine.root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    limit = machine.number("sys/fs/cgroup/memory.max")
    used = machine.number("sys/fs/cgroup/memory.current")
    if limit is not None and used is not None:
        left = max(0, limit - used)
        free = left if free is None else min(free, left)
    return free


def processors(machine: Machine) -> Iterator[Finding]:
    cores = machine.cores()
    if cores < 2:
        yield warning("processors", "1 core: stage and edges share it", "Take two cores or more.")
    else:
        yield ok("processors", f"{cores} cores: {cores - 1} for edges by default")


def kernel(machine: Machine) -> Iterator[Finding]:
    good: list[str] = []
    for path, least, meaning in _SETTINGS:
        value = machine.number(f"proc/sys/{path}")
        if value is None:
            continue  # elsewhere than on Linux, or no such module
        name = path.replace("/", ".")
        if value < least:
            yield warning("kernel", f"{name} is {value} ({meaning})", f"sysctl -w {name}={least}")
        else:
            good.append(f"{name}={value}")
    if good:
        yield ok("kernel", ", ".join(good))


def clock(machine: Machine, source: str, now: Callable[[], datetime]) -> Iterator[Finding]:
    """`source`: a web address whose Date is compared with ours; nobody is asked when it is empty."""
    in_step = machine.synchronised()
    if in_step is None:
        yield warning("clock", "the kernel does not say whether it is kept right", "Look at timedatectl.")
    elif in_step:
        yield ok("clock", "kept right by a time service")
    else:
        todo = "Run one, such as chrony or systemd-timesyncd: rooms start by this clock."
        yield warning("clock", "no time service keeps it right", todo)
    if source:
        yield from _offset(source, now)


def _offset(source: str, now: Callable[[], datetime]) -> Iterator[Finding]:
    try:
        answer = httpx.head(source, timeout=10, follow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
        yield warning("clock", f"{source} gave no Date ({type(error).__name__})", "Name another address.")
        return
    offset = (now() - theirs).total_seconds()
    said = f"{offset:+.0f} s against {source} (which counts whole seconds)"
    if abs(offset) > 30:
        yield wrong("clock", said, "Set the clock, and let a time service keep it.")
    elif abs(offset) > 2:
        yield warning("clock", said, "Let a time service keep it right.")
    else:
        yield ok("clock", said)


def scheduling(machine: Machine) -> Iterator[Finding]:
    if machine.realtime():
        yield ok("scheduling", "the stage may run before everything else (SCHED_RR)")
    else:
        todo = "LimitRTPRIO=1 in the unit, or run on a machine with cores to spare."
        yield warning("scheduling", "the stage runs like any other process under load", todo)


def time_zones(machine: Machine) -> Iterator[Finding]:
    try:
        for name in ("Europe/Berlin", "America/New_York"):
            machine.zone(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        yield wrong("time zones", "there are none", "Install the package tzdata.")
        return
    yield ok("time zones", "there")


def libraries(machine: Machine, own_bus: bool) -> Iterator[Finding]:
    versions = machine.versions()
    missing = [name for name, version in versions.items() if not version]
    if not own_bus and "nats-server" in missing:
        missing.remove("nats-server")
    yield ok("libraries", ", ".join(f"{name} {version}" for name, version in versions.items() if version))
    for name in missing:
        yield wrong("libraries", f"{name} is missing or does not run", "Install Hustings anew (./dev setup).")


def clock_is_synchronised() -> bool | None:
    """What adjtimex(2) says, without changing anything; None where there is none."""
    buffer = (ctypes.c_long * 64)()  # struct timex is smaller; modes = 0 only reads
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.adjtimex(ctypes.byref(buffer)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    # modes (int, padded), offset, freq, maxerror, esterror, status (int).
    status = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_int))[5 * ctypes.sizeof(ctypes.c_long) // 4]
    return not status & _STA_UNSYNC


def may_have_realtime() -> bool:
    """Tries it on this very thread, and takes it back."""
    try:
        before = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.sched_setscheduler(0, *before)
    except (OSError, AttributeError):
        return False
    return True


def library_versions() -> dict[str, str]:
    """Name to version; "" for what is not there."""
    found = {"Python": platform.python_version(), "OpenSSL": ssl.OPENSSL_VERSION.split()[1]}
    found["SQLite"] = sqlite3.sqlite_version
    for name, package in (("libdatachannel", "libdatachannel-py"), ("opus", "opuslib-next-bundled")):
        try:
            found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    found["FFmpeg"] = _ffmpeg()
    found["nats-server"] = _nats()
    return found


def _ffmpeg() -> str:
    try:
        import av
    except ImportError:
        return ""
    return ".".join(str(part) for part in av.library_versions.get("libavcodec", ())) + " (libavcodec)"


def _nats() -> str:
    from hustings.supervisor.nats_server import find_program

    try:
        command = [str(find_program()), "--version"]
        said = subprocess.run(  # noqa: S603  # nats-server as its wheel installs it
            command, capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (HustingsError, OSError, subprocess.SubprocessError):
        return ""
    return said.split()[-1].removeprefix("v") if said.split() else ""


def utc_now() -> datetime:
    return datetime.now(UTC)
