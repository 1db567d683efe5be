"""`hustings bench stage` and `whep`: rooms, speakers and WebRTC listeners a core, beside aiortc's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from hustings.bench import janus, machine, peers
from hustings.bench.generator import Generator, generator, spent
from hustings.bench.house import free_port, nats_server
from hustings.bench.results import Results
from hustings.bench.server import Log, ended
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import Done, GoLive, OpenBroadcast, RoleMetrics, RoleReady
from hustings.errors import Unavailable

STAGE = """
import asyncio
from hustings.config import Settings
from hustings.stage.main import run_stage
asyncio.run(run_stage(Settings()))
"""
LATENESS = "hustings_stage_tick_lateness_seconds"
SETTLE = 3.0
FULL = 13
"""Speakers in a full room."""
METRICS_WITHIN = 8.0
"""Seconds in which a role says its metrics once at least."""


@dataclass(slots=True)
class RunningStage:
    """A stage on a bus, and what it last said of itself."""

    pid: int
    url: str
    bus: Bus
    metrics: list[RoleMetrics]


@contextlib.asynccontextmanager
async def stage_process() -> AsyncIterator[RunningStage]:
    """A stage of its own on the server's core, with a bus."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hustings-bench-"))
        nats = stack.enter_context(nats_server())
        bus = await Bus.connect(nats.url, "bench")
        try:
            ready = asyncio.Event()
            metrics: list[RoleMetrics] = []
            await bus.subscribe(subjects.ROLE_READY, RoleReady, lambda _: ready.set())
            await bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, metrics.append)
            environment = {
                **os.environ,
                "HUSTINGS_BUS": nats.url,
                "HUSTINGS_DATA": folder,
                "HUSTINGS_MEDIA_DOOR": f"127.0.0.1:{_free_udp_port()}",
            }
            log = Log()
            with machine.on_cores(machine.server_cores()):
                process = subprocess.Popen([sys.executable, "-c", STAGE], env=environment, stderr=log.file)
            try:
                try:
                    await asyncio.wait_for(ready.wait(), 40)
                except TimeoutError:
                    raise Unavailable(f"the stage did not become ready within 40 s: {log.last()}") from None
                yield RunningStage(process.pid, nats.url, bus, metrics)
            finally:
                await asyncio.to_thread(ended, process)
                log.file.close()
        finally:
            await bus.close()


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def buckets(text: str) -> dict[float, float]:
    """The cumulative histogram of lateness out of Prometheus text, upper edges in seconds."""
    found: dict[float, float] = {}
    for line in text.splitlines():
        if line.startswith(LATENESS + "_bucket"):
            edge = line.split('le="', 1)[1].split('"', 1)[0]
            found[float(edge.replace("+Inf", "inf"))] = float(line.rsplit(" ", 1)[1])
    return found


def quantile(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """Upper edge, in ms, of the bucket that holds the quantile; above the last edge twice that."""
    total = after[float("inf")] - before.get(float("inf"), 0.0)
    edges = sorted(edge for edge in after if edge != float("inf"))
    for edge in edges:
        if after[edge] - before.get(edge, 0.0) >= share * total:
            return edge * 1000
    return 2000 * edges[-1]


@dataclass(frozen=True, slots=True)
class Party:
    """How many rooms, and who is in each."""

    rooms: int
    speakers: int
    talking: int
    listeners: int = 0
    frame: int = 20
    """Milliseconds of sound in a listener's packet."""

    @property
    def ids(self) -> list[str]:
        return [f"20261122T160000-{index:06x}" for index in range(1, self.rooms + 1)]

    def load(self, **where: Any) -> dict[str, Any]:
        return {
            "rooms": self.ids,
            "speakers": self.speakers,
            "talking": self.talking,
            "listeners": self.listeners,
            "frame": self.frame,
            **where,
        }


@dataclass(slots=True)
class Run:
    """What one run gave."""

    share: float
    """Of a core, in percent."""
    late: float
    """p99 of a tick's lateness in ms, upper edge of its bucket."""
    had: float
    """Packets a second at the load generator."""
    generator: float


async def open_rooms(stage: RunningStage, party: Party) -> None:
    for index, room in enumerate(party.ids):
        opened = OpenBroadcast(broadcast_id=room, slug=f"bench{index}", max_voices=max(2, party.speakers))
        await stage.bus.request(subjects.STAGE_OPEN, opened, Done)


async def go_live(stage: RunningStage, party: Party) -> None:
    for room in party.ids:
        live = GoLive(broadcast_id=room, live_since=time.time())
        await stage.bus.request(subjects.STAGE_LIVE, live, Done)


async def run_stage_once(stage: RunningStage, load: Generator, seconds: float) -> Run:
    """Measures between two of the stage's own reports, `seconds` or a little more apart."""
    before = await _next_metrics(stage)
    load.begin()
    counted = await load.ask("counts")
    spent, at = machine.cpu_seconds(stage.pid), time.monotonic()
    await asyncio.sleep(seconds)
    share = max(0.01, 100 * (machine.cpu_seconds(stage.pid) - spent) / (time.monotonic() - at))
    after_counts = await load.ask("counts")
    generator_share = load.share()
    after = await _next_metrics(stage)
    had = (after_counts["had"] - counted["had"]) / (after_counts["at"] - counted["at"])
    return Run(share, quantile(buckets(before), buckets(after), 0.99), had, generator_share)


async def _next_metrics(stage: RunningStage) -> str:
    known = len(stage.metrics)
    end = time.monotonic() + METRICS_WITHIN
    while len(stage.metrics) == known:
        if time.monotonic() > end:
            raise Unavailable("the stage went silent; it cannot serve so many on this machine.")
        await asyncio.sleep(0.05)
    return stage.metrics[-1].text


async def measure(
    results: Results,
    against: list[str],
    *,
    parties: dict[str, Party],
    peer_speakers: int,
    seconds: float,
    runs: int,
) -> None:
    """Each party by its name; then `peer_speakers` on aiortc, in rooms of two and, if they are enough, in one
    of 13; then the same parties on Janus."""
    for name, party in parties.items():
        found = await _party(party, seconds, runs)
        shares = [run.share for run in found]
        results.add("stage", f"{name}_rooms", [party.rooms], "rooms")
        results.add("stage", f"{name}_speakers", [party.rooms * party.speakers], "speakers")
        results.add("stage", f"{name}_cpu_share", shares, "% of a core")
        per_core = [100 * party.rooms / share for share in shares]
        results.add("stage", f"{name}_rooms_per_core", per_core, "rooms")
        results.add("stage", f"{name}_peers_per_core", [each * party.speakers for each in per_core], "peers")
        results.add("stage", f"{name}_tick_late_p99", [run.late for run in found], "ms at most")
        results.generator("stage", [run.generator for run in found], metric=f"{name}_generator_cpu_share")
    if peers.present("aiortc", against, results):
        theirs = {"two": Party(max(1, peer_speakers // 2), 2, 2)}
        if peer_speakers >= FULL - 1:  # a peer that can take about as many
            theirs["thirteen"] = Party(1, FULL, 3)
        for name, party in theirs.items():
            await _aiortc(results, name, party, seconds, runs)
    if peers.present("janus", against, results):
        if cause := janus.possible():
            results.note(cause)
            return
        for name, party in parties.items():
            await _janus(results, name, party, seconds, runs)


async def _party(party: Party, seconds: float, runs: int) -> list[Run]:
    async with stage_process() as stage:
        await open_rooms(stage, party)
        async with generator("callers", party.load(bus=stage.url)) as load:
            await load.answer()
            await go_live(stage, party)
            await asyncio.sleep(SETTLE)
            return [await run_stage_once(stage, load, seconds) for _ in range(runs)]


async def _aiortc(results: Results, name: str, party: Party, seconds: float, runs: int) -> None:
    port = free_port()
    with machine.on_cores(machine.server_cores()):
        process = subprocess.Popen([sys.executable, "-m", "hustings.bench.aiortc_server", str(port)])
    try:
        await peers.listens(port, process, "aiortc")
        async with generator("callers", party.load(port=port)) as load:
            await load.answer()
            await asyncio.sleep(SETTLE)
            found = await spent(load, process.pid, seconds, runs)
    finally:
        await asyncio.to_thread(_interrupted, process)
    _their_rows(results, "aiortc", name, party, *found)


async def _janus(results: Results, name: str, party: Party, seconds: float, runs: int) -> None:
    _their_rows(results, "janus", name, party, *await janus.measure(party.load(), seconds, runs))


def _their_rows(
    results: Results, peer: str, name: str, party: Party, shares: list[float], generators: list[float]
) -> None:
    speakers = party.rooms * party.speakers
    results.add("stage", f"{name}_rooms", [party.rooms], "rooms", peer)
    results.add("stage", f"{name}_cpu_share", shares, "% of a core", peer)
    per_core = [100 * speakers / share for share in shares]
    rooms = [each / party.speakers for each in per_core]
    results.add("stage", f"{name}_rooms_per_core", rooms, "rooms", peer)
    results.add("stage", f"{name}_peers_per_core", per_core, "peers", peer)
    results.generator("stage", generators, peer, f"{name}_generator_cpu_share")
    ratio = f"{name}_peers_per_core_ratio"
    results.ratio("stage", f"{name}_peers_per_core", peer, ratio if peer == "aiortc" else f"{ratio}_{peer}")


def _interrupted(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        ended(process)


async def measure_whep(results: Results, *, listeners: int, seconds: float, runs: int) -> None:
    """WebRTC listeners of one room with two speakers, beside the same room without them: in packets of 20 and
    of 60 ms."""
    alone = await _party(Party(1, 2, 1), seconds, runs)
    results.add("whep", "cpu_share_without", [run.share for run in alone], "% of a core")
    base = sorted(run.share for run in alone)[len(alone) // 2]
    for frame, name in ((20, ""), (60, "long_")):
        found = await _party(Party(1, 2, 1, listeners, frame), seconds, runs)
        _whep_rows(results, name, found, base, listeners, frame)


def _whep_rows(
    results: Results, name: str, found: list[Run], base: float, listeners: int, frame: int
) -> None:
    shares = [run.share for run in found]
    own = [max(share - base, share / 100) for share in shares]
    if base > min(own):
        results.note(
            "whep: so few listeners cost less than the room itself; the figure for a core is a guess."
        )
    results.add("whep", f"{name}listeners", [listeners], "listeners")
    results.add("whep", f"{name}frame", [frame], "ms")
    results.add("whep", f"{name}cpu_share", shares, "% of a core")
    results.add("whep", f"{name}listeners_per_core", [100 * listeners / share for share in own], "listeners")
    each_second = listeners * 1000 / frame
    results.add("whep", f"{name}cpu_per_packet", [share * 1e4 / each_second for share in own], "us")
    # The two speakers' returns are among what the generator had.
    packets = [(run.had - 100) / listeners for run in found]
    results.add("whep", f"{name}packets_received", packets, "packets/s each")
    results.add("whep", f"{name}tick_late_p99", [run.late for run in found], "ms at most")
    results.generator("whep", [run.generator for run in found], metric=f"{name}generator_cpu_share")
