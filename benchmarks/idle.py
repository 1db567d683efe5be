"""How soon a server is ready, and what it costs while nobody is there.

    .venv/bin/python benchmarks/idle.py [--starts 5] [--seconds 30] [--json]

Starts `hustings serve` on free ports and a fresh data folder (so the first start includes making the
database), then again on the same folder; reads CPU time and resident memory of each process from /proc.
Idle begins when the spare processes have loaded, which they do once, at low priority, 3 s after the start.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
DOORS = 4
SPARES = 4
"""Of stage, studio, edge and scribe."""


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--edges", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ready: list[float] = []
    work: list[float] = []
    with tempfile.TemporaryDirectory(prefix="hustings-idle-") as folder:
        for number in range(options.starts):
            server, seconds = start(Path(folder), options.edges)
            ready.append(seconds)
            work.append(sum(cpu_seconds(pid) for pid in (server.pid, *children(server.pid).values())))
            if number == options.starts - 1:
                settle(server.pid)
                roles = watch(server.pid, options.seconds)
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
    figures = {
        "ready_seconds_first": round(ready[0], 2),
        "ready_seconds_median": round(statistics.median(ready), 2),
        "ready_seconds_worst": round(max(ready), 2),
        # Says what a start costs however busy the machine is.
        "ready_cpu_seconds_median": round(statistics.median(work), 2),
        "idle_cpu_percent_of_a_core": round(sum(role["cpu_percent"] for role in roles.values()), 2),
        "idle_memory_mb": round(sum(role["pss_mb"] for role in roles.values()), 1),
        "roles": roles,
    }
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if name != "roles":
            print(f"{name:<28} {value}")
    print(f"{'role':<28} {'CPU %':>6} {'RSS MB':>7} {'PSS MB':>7}")
    for name, role in roles.items():
        print(f"{name:<28} {role['cpu_percent']:>6} {role['rss_mb']:>7} {role['pss_mb']:>7}")


def start(folder: Path, edges: int) -> tuple[subprocess.Popen[str], float]:
    """A server on `folder` and the seconds from its start to its last door line."""
    doors = [option for door in ("audience", "studio", "media", "metrics") for option in door_option(door)]
    began = time.monotonic()
    server = subprocess.Popen(
        [Path(sys.executable).parent / "hustings", "serve", "--data", folder, "--edges", str(edges), *doors],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    for _ in range(DOORS):
        if not server.stdout.readline():
            raise SystemExit("The server did not become ready; run hustings serve to see why.")
    return server, time.monotonic() - began


def door_option(name: str) -> list[str]:
    """A free port for one door."""
    return [f"--{name}", "127.0.0.1:0"]


def watch(pid: int, seconds: float) -> dict[str, dict[str, float]]:
    """CPU and memory of the server and its children over `seconds`, by role."""
    processes = {"server": pid, **children(pid)}
    before = {name: cpu_seconds(one) for name, one in processes.items()}
    began = time.monotonic()
    time.sleep(seconds)
    spent = time.monotonic() - began
    return {
        name: {
            "cpu_percent": round(100 * (cpu_seconds(one) - before[name]) / spent, 2),
            **memory(one),
        }
        for name, one in processes.items()
    }


def settle(pid: int, within: float = 120.0) -> None:
    """Until each kind of role has its spare and no spare has used the processor for 3 s."""
    end = time.monotonic() + within
    before: dict[str, float] = {}
    while True:
        time.sleep(3.0)
        now = {name: cpu_seconds(one) for name, one in children(pid).items() if name.startswith("spare")}
        if len(now) == SPARES and now == before:
            return
        if time.monotonic() > end:
            raise SystemExit("The spare processes did not come to rest; run hustings serve to see why.")
        before = now


def children(pid: int) -> dict[str, int]:
    """The supervisor's children by role, from their command lines."""
    found: dict[str, int] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        role = re.search(r"hustings\.cli\.role (\w+) ?(\w*)", " ".join(words))
        name = "-".join(part for part in role.groups() if part) if role else "bus"
        found[name] = int(child)
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time so far, proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> dict[str, float]:
    """Resident and proportional memory in MB (shared pages divided among those who share)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = {name: int(size) for name, size in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE)}
    return {"rss_mb": round(sizes["Rss"] / 1024, 1), "pss_mb": round(sizes["Pss"] / 1024, 1)}


if __name__ == "__main__":
    main()
