"""`hustings bench push`: what a listener by push costs, beside Icecast's at the same interval."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hustings.bench import machine, peers
from hustings.bench.generator import Generator, generator
from hustings.bench.results import Results
from hustings.bench.server import Stand, stand
from hustings.bus import subjects
from hustings.bus.messages import RoleMetrics

REQUEST = "GET /r/hall/live HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
ICECAST_REQUEST = "GET /stream.ogg HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
RATE = 64.0
"""kbit/s of the sound alone."""
METRICS_EVERY = 8.0
"""Seconds in which an edge says its metrics once at least; ten of the widest batches."""
SETTLE = 2.0
"""Seconds between joining, or the sound's return, and the measurement."""


@dataclass(frozen=True, slots=True)
class Audience:
    """A crowd of listeners and the server they listen to."""

    load: Generator
    cpu: Callable[[], float]
    memory: Callable[[], int]
    empty: int
    """The server's bytes without them."""
    listeners: int


@dataclass(slots=True)
class Taken:
    """What one audience's runs gave."""

    shares: list[float]
    rates: list[float]
    least: list[float]
    generator: list[float]

    @classmethod
    def none(cls) -> Taken:
        return cls([], [], [], [])


async def one_run(audience: Audience, seconds: float, taken: Taken) -> None:
    """Measures for `seconds`; the server's share of a core in percent, what each listener got in kbit/s."""
    await audience.load.ask("read")
    audience.load.begin()
    before, at = audience.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - at
    taken.shares.append(max(0.01, 100 * (audience.cpu() - before) / elapsed))
    found = await audience.load.ask("read")
    taken.generator.append(audience.load.share())
    taken.rates.append(found["sum"] * 8 / audience.listeners / elapsed / 1000)
    taken.least.append(found["least"] * 8 / elapsed / 1000)


def report(results: Results, bench: str, audience: Audience, taken: Taken, subject: str) -> None:
    """The rows of one audience."""
    count = audience.listeners
    results.add(bench, "listeners", [count], "listeners", subject)
    results.add(bench, "cpu_share", taken.shares, "% of a core", subject)
    per_listener = [share * 1e4 / count for share in taken.shares]
    results.add(bench, "cpu_per_listener", per_listener, "us a second", subject)
    per_core = [count / share * 100 for share in taken.shares]
    results.add(bench, "listeners_per_core", per_core, "listeners", subject)
    results.add(bench, "received", taken.rates, "kbit/s each", subject)
    results.add(bench, "received_least", taken.least, "kbit/s", subject)
    memory = (audience.memory() - audience.empty) / count / 1024
    results.add(bench, "memory_per_listener", [memory], "kB", subject)
    results.generator(bench, taken.generator, subject)
    if min(taken.least) < 0.8 * max(taken.rates):
        results.note(
            f"{bench}, {subject}: some listeners got less than the others: this machine was too busy, or one "
            "second began between two batches. Run it longer."
        )


class Batches:
    """Follows how many chunks the edge puts into a batch, as it says itself once in a while."""

    def __init__(self, place: Stand) -> None:
        self._place = place
        self.seen: list[float] = []

    async def follow(self) -> None:
        await self._place.house.bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, self._note)

    def _note(self, metrics: RoleMetrics) -> None:
        found = re.search(r"^hustings_edge_batch_chunks (\S+)", metrics.text, re.MULTILINE)
        if metrics.pid == self._place.edge.pid and found:
            self.seen.append(float(found[1]))


async def idle_share(pid: int, seconds: float) -> float:
    """Percent of a core an edge uses with nobody there."""
    before, at = machine.cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    return 100 * (machine.cpu_seconds(pid) - before) / (time.monotonic() - at)


async def measure(
    results: Results,
    against: list[str],
    *,
    listeners: int,
    crowd: int,
    seconds: float,
    runs: int,
    subject: str = "hustings",
    **settings: Any,
) -> None:
    """`listeners` at 200 ms, ours and Icecast's in turns; then `crowd` of ours, at an edge with wide batches.

    Further `settings` are the edge's; with `tls_cert` the listeners speak TLS.
    """
    async with contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(stand(per_address=100_000, **settings))
        batches = Batches(place)
        await batches.follow()
        await asyncio.sleep(1)
        results.add(
            "push", "cpu_share_idle", [await idle_share(place.edge.pid, seconds)], "% of a core", subject
        )
        load = {"port": place.edge.port, "request": REQUEST, "tls": bool(settings.get("tls_cert"))}
        ours = await _audience(
            stack,
            load,
            listeners,
            lambda: machine.cpu_seconds(place.edge.pid),
            lambda: machine.resident_bytes(place.edge.pid),
        )
        theirs = None
        if peers.present("icecast2", against, results):
            peer = await stack.enter_async_context(peers.icecast())
            icecast_load = {"port": peer.peer.port, "request": ICECAST_REQUEST, "pause": 0.003}
            theirs = await _audience(
                stack, icecast_load, listeners, peer.peer.cpu_seconds, peer.peer.resident_bytes
            )
        own, other = Taken.none(), Taken.none()
        for _ in range(runs):
            if theirs is not None:
                peer.silent, place.house.silent = True, False
            await asyncio.sleep(SETTLE)
            await one_run(ours, seconds, own)
            if theirs is not None:
                peer.silent, place.house.silent = False, True
                await asyncio.sleep(SETTLE)
                await one_run(theirs, seconds, other)
        place.house.silent = False
        report(results, "push", ours, own, subject)
        results.add("push", "batch", [max(batches.seen, default=1) * 200], "ms at most", subject)
        if theirs is not None:
            report(results, "push", theirs, other, "icecast2")
            peer.silent = True
    if crowd:
        await _crowd(results, crowd, seconds, runs, subject)
    _ratios(results)


def _ratios(results: Results) -> None:
    results.ratio("push", "cpu_per_listener", "icecast2", "cpu_per_listener_ratio")
    results.ratio("push", "memory_per_listener", "icecast2", "memory_per_listener_ratio")
    wide = results.value("push", "widened_listeners_per_core")
    peer_core = results.value("push", "listeners_per_core", "icecast2")
    if wide and peer_core:
        results.add("push", "widened_listeners_per_core_ratio", [wide / peer_core], "x icecast2")


async def _audience(
    stack: contextlib.AsyncExitStack,
    load: dict[str, Any],
    count: int,
    cpu: Callable[[], float],
    memory: Callable[[], int],
) -> Audience:
    empty = memory()
    crowd = await stack.enter_async_context(generator("listeners", load))
    await crowd.ask(f"join {count}")
    return Audience(crowd, cpu, memory, empty, count)


async def _crowd(results: Results, crowd: int, seconds: float, runs: int, subject: str) -> None:
    """`crowd` listeners of an edge whose batches are as wide as under load."""
    async with contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(stand(per_address=100_000, wide=True))
        batches = Batches(place)
        await batches.follow()
        pid = place.edge.pid
        load = {"port": place.edge.port, "request": REQUEST}
        audience = await _audience(
            stack, load, crowd, lambda: machine.cpu_seconds(pid), lambda: machine.resident_bytes(pid)
        )
        await asyncio.sleep(METRICS_EVERY)
        taken, widths = Taken.none(), []
        for _ in range(runs):
            batches.seen.clear()
            await one_run(audience, max(seconds, METRICS_EVERY), taken)
            widths.append(200 * (sum(batches.seen) / len(batches.seen) if batches.seen else 0))
    results.add("push", "crowd", [crowd], "listeners", subject)
    results.add("push", "crowd_batch", widths, "ms", subject)
    results.add("push", "crowd_cpu_share", taken.shares, "% of a core", subject)
    results.add("push", "crowd_received", taken.rates, "kbit/s each", subject)
    results.add("push", "crowd_received_least", taken.least, "kbit/s", subject)
    if min(taken.rates) < 0.8 * RATE:
        results.note("push: the crowd did not get the sound; what it cost says nothing.")
        return
    results.add(
        "push",
        "widened_listeners_per_core",
        [crowd / share * 100 for share in taken.shares],
        "listeners",
        subject,
    )
    results.generator("push", taken.generator, subject, "crowd_generator_cpu_share")
