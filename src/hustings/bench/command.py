"""`hustings bench NAME`: what is measured by default, and how it is said."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from typing import Literal, get_args

from hustings.bench import machine, peers
from hustings.bench.results import Results
from hustings.errors import UsageError

type Bench = Literal["stage", "push", "join", "hls", "whep", "page"]
BENCHES: tuple[str, ...] = get_args(Bench.__value__)
AGAINST: dict[str, tuple[str, ...]] = {
    "push": ("icecast2",),
    "join": ("icecast2",),
    "hls": ("nginx",),
    "page": ("nginx",),
    "stage": ("aiortc", "janus"),
    "whep": (),
}
"""Which peers have the like of what a bench measures."""
MOST_LISTENERS = 16_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. `size(scale)` makes one; 1 is the whole."""

    listeners: int
    crowd: int
    at_once: int
    pace: float
    connections: int
    waiting: int
    rounds: int
    rooms: int
    big_rooms: int
    peer_speakers: int
    whep: int


def size(scale: float) -> Size:
    """Everything as docs/benchmarks.md has it, times `scale`."""

    def of(whole: int, least: int) -> int:
        return max(least, round(whole * scale))

    return Size(
        listeners=of(2500, 20),
        crowd=of(MOST_LISTENERS, 0) if scale >= 1 else 0,
        at_once=of(200, 5),
        pace=of(2000, 50),
        connections=of(100, 5),
        waiting=of(2000, 20),
        rounds=of(8, 2),
        rooms=of(8, 1),
        big_rooms=of(3, 1),
        peer_speakers=of(12, 2),
        whep=of(280, 4),
    )


async def measure(
    bench: str, results: Results, against: list[str], *, scale: float, seconds: float, runs: int
) -> None:
    """One bench into `results`."""
    how = size(scale)
    match bench:
        case "push":
            from hustings.bench import push

            await push.measure(
                results, against, listeners=how.listeners, crowd=how.crowd, seconds=seconds, runs=runs
            )
        case "join":
            from hustings.bench import join

            await join.measure(
                results, against, at_once=how.at_once, pace=how.pace, seconds=seconds, runs=runs
            )
        case "hls":
            from hustings.bench import hls

            await hls.measure(
                results,
                against,
                connections=how.connections,
                waiting=how.waiting,
                rounds=how.rounds,
                seconds=seconds,
                runs=runs,
            )
        case "page":
            from hustings.bench import hls

            await hls.measure_page(results, against, connections=how.connections, seconds=seconds, runs=runs)
        case "stage":
            from hustings.bench import stage

            parties = {
                "two": stage.Party(how.rooms, 2, 2),
                "thirteen": stage.Party(how.big_rooms, 13, 3),
            }
            await stage.measure(
                results,
                against,
                parties=parties,
                peer_speakers=how.peer_speakers,
                seconds=seconds,
                runs=runs,
            )
        case "whep":
            from hustings.bench import stage

            await stage.measure_whep(results, listeners=how.whep, seconds=seconds, runs=runs)


def run(
    bench: str,
    *,
    against: str = "",
    as_json: bool = False,
    scale: float = 1.0,
    seconds: float = 4.0,
    runs: int = 3,
) -> None:
    """The command. Raises UsageError and, when something could not be measured, Unavailable."""
    if bench not in BENCHES:
        raise UsageError(f"There is no bench '{bench}'; there are {', '.join(BENCHES)}.")
    if not sys.platform.startswith("linux"):
        raise UsageError("Benches read /proc: they run on Linux only.")
    if not (0 < scale <= 1 and seconds > 0 and runs > 0):
        raise UsageError("--scale is above 0 and at most 1; --seconds and --runs are above 0.")
    wanted = peers.asked(against)
    results = Results(quiet=as_json)
    for name in wanted:
        if name not in AGAINST[bench]:
            results.note(f"{name} has nothing that could be measured by {bench}.")
    _prepare(results, bench)
    asyncio.run(measure(bench, results, wanted, scale=scale, seconds=seconds, runs=runs))
    if as_json:
        print(results.text())
    else:
        print(f"{machine.describe()}; load average {results.load[0]} before, {machine.load_average()} after")


def _prepare(results: Results, bench: str) -> None:
    machine.raise_descriptor_limit()
    if len(machine.cores()) == 1:
        results.note("one core only: server and load generator share it.")
    else:
        # This process's own work (the fake stage's chunks) stays off the server's core.
        others = [core for core in machine.cores() if core not in machine.server_cores()]
        results.versions["cores"] = f"server {machine.server_cores()}, load {machine.load_cores()}"
        os.sched_setaffinity(0, others)
    if bench in ("hls", "page") and shutil.which("wrk") is None:
        results.note(
            "wrk is not installed, so requests come from a slower loop of our own: apt-get install wrk"
        )
