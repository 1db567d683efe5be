"""`hustings bench join`: how many can join a second, and how long the first sound takes while many do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from hustings.bench import machine, peers
from hustings.bench.generator import Generator, generator
from hustings.bench.push import ICECAST_REQUEST, REQUEST
from hustings.bench.results import Results
from hustings.bench.server import stand

SETTLE = 1.0


class Rushed:
    """Runs of one subject."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.per_core: list[float] = []
        self.refused: list[float] = []
        self.p95: list[float] = []
        self.shares: list[float] = []
        self.failed = 0

    async def run(self, load: Generator, at_once: int, seconds: float, cpu: Callable[[], float]) -> None:
        load.begin()
        before = cpu()
        found = await load.ask(f"rush {at_once} {seconds}")
        spent = max(cpu() - before, 0.01)
        self.shares.append(load.share())
        self.rates.append(found["joined"] / found["seconds"])
        self.per_core.append(found["joined"] / spent)
        self.refused.append(100 * found["refused"] / max(1, found["joined"] + found["refused"]))
        self.p95.append(found["p95"])
        self.failed += found["failed"]

    def report(self, results: Results, subject: str) -> None:
        results.add("join", "joins_per_second", self.rates, "joins/s", subject)
        results.add("join", "joins_per_core_second", self.per_core, "joins/s", subject)
        results.add("join", "refused", self.refused, "%", subject)
        results.add("join", "first_sound_p95_in_rush", self.p95, "ms", subject)
        results.generator("join", self.shares, subject)
        if self.failed:
            results.note(f"join, {subject}: {self.failed} connections failed.")


async def measure(
    results: Results,
    against: list[str],
    *,
    at_once: int,
    pace: float,
    seconds: float,
    runs: int,
) -> None:
    """`at_once` on their way at any time, ours and Icecast's in turns; then `pace` a second who stay."""
    async with contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(stand(per_address=100_000))
        given: dict[str, Any] = {"port": place.edge.port, "request": REQUEST, "sound": "push"}
        load = await stack.enter_async_context(generator("joiners", given))
        peer = peer_load = None
        if peers.present("icecast2", against, results):
            peer = await stack.enter_async_context(peers.icecast())
            given = {"port": peer.peer.port, "request": ICECAST_REQUEST, "sound": "ogg"}
            peer_load = await stack.enter_async_context(generator("joiners", given))
        await load.ask("rush 10 1")
        ours, theirs = Rushed(), Rushed()
        for _ in range(runs):
            await ours.run(load, at_once, seconds, lambda: machine.cpu_seconds(place.edge.pid))
            await asyncio.sleep(SETTLE)
            if peer is not None and peer_load is not None:
                await theirs.run(peer_load, at_once, seconds, peer.peer.cpu_seconds)
                await asyncio.sleep(SETTLE)
        ours.report(results, "hustings")
        if peer is not None:
            theirs.report(results, "icecast2")
        await _paced(results, load, pace, seconds, runs)
        alone = await load.ask("rush 1 2")
        results.add("join", "first_sound_p50_alone", [alone["p50"]], "ms")
    results.ratio("join", "joins_per_second", "icecast2", "joins_per_second_ratio")
    results.ratio("join", "joins_per_core_second", "icecast2", "joins_per_core_second_ratio")


async def _paced(results: Results, load: Generator, pace: float, seconds: float, runs: int) -> None:
    runs_of: dict[str, list[float]] = {name: [] for name in ("p50", "p99", "max", "lost", "rate")}
    shares = []
    for _ in range(runs):
        await asyncio.sleep(SETTLE)
        load.begin()
        found = await load.ask(f"pace {pace} {seconds}")
        shares.append(load.share())
        for name in ("p50", "p99", "max"):
            runs_of[name].append(found[name])
        runs_of["lost"].append(100 * (found["failed"] + found["refused"]) / round(pace * seconds))
        runs_of["rate"].append(found["joined"] / max(found["seconds"], 1e-9))
    results.add("join", "paced_joins", runs_of["rate"], "joins/s")
    results.add("join", "paced_first_sound_p50", runs_of["p50"], "ms")
    results.add("join", "paced_first_sound_p99", runs_of["p99"], "ms")
    results.add("join", "paced_first_sound_max", runs_of["max"], "ms")
    results.add("join", "paced_refused_or_failed", runs_of["lost"], "%")
    results.generator("join", shares, metric="paced_generator_cpu_share")
