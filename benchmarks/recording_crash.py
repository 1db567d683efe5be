"""What a crash costs: `python benchmarks/recording_crash.py [--kills 10] [--cuts 1000] [--power 500]
[--seed 1] [--json]`.

- `--kills`: that many times a real stage process with two WebRTC speakers records and gets SIGKILL at a
  random moment, 3 to 12 s after going live.
- `--cuts`: one recording of a minute (three speakers, the real engine and recorder, a disk in memory, no
  waiting) whose log of writes is cut at that many random bytes: what a SIGKILL leaves is what was handed to
  the kernel, in order, so every such cut is the state of some moment, but for cuts within one write, which
  are harsher.
- `--power`: the same, and of what no fsync has covered any part is lost, zeros or damaged.

Each time all that is left is decoded, packets are counted, and the seconds that are missing are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from recording_check import Left, check
from stage_load import free_port, spawn

from hustings.bench.voices import speech
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import (
    Done,
    GoLive,
    OpenBroadcast,
    RecordingReport,
    RoleReady,
    SessionAnswer,
    SessionOffer,
    SetRecording,
)
from hustings.stage.webrtc.peer import OffererPeer

sys.path.append(str(Path(__file__).parents[1] / "tests" / "stage"))

BROADCAST = "20261122T160000-0000cc"
STAGE = (
    "import asyncio; from hustings.config import Settings; from hustings.stage.main import run_stage; "
    "asyncio.run(run_stage(Settings()))"
)


class Speakers:
    """Real WebRTC speakers in this process, sending from a thread of their own until told to stop."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self._peers: list[tuple[str, OffererPeer, list[bytes]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._pump, daemon=True)

    async def connect(self, bus: Bus, name: str) -> None:
        peer = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
        offer = SessionOffer(
            broadcast_id=BROADCAST,
            kind="ingest",
            sdp=peer.offer,
            participant_id=name,
            name=name.title(),
            role="speaker",
        )
        peer.apply((await bus.request(subjects.STAGE_OFFER, offer, SessionAnswer)).sdp)
        await peer.connected()
        self._peers.append((name, peer, speech(len(self._peers), True, -75)))
        self.sent[name] = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)
        for _, peer, _ in self._peers:
            peer.close()

    def _pump(self) -> None:
        start, tick = time.monotonic(), 0
        while not self._stop.is_set():
            for name, peer, packets in self._peers:
                if peer.send(peer.stream.next(packets[tick % len(packets)], level=25)):
                    self.sent[name] += 1
                while peer.receive() is not None:
                    pass
            tick += 1
            time.sleep(max(0.0, start + tick * 0.02 - time.monotonic()))


class Killed:
    """A bus, a stage and speakers; the stage can be killed and started again."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self._settings = {f"HUSTINGS_{name.upper()}": value for name, value in settings.items()}
        self.folder = data / "rooms" / "crash" / BROADCAST
        self.url = f"nats://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
        self.reports: list[RecordingReport] = []
        self.live_since = 0.0
        self.epoch = 0
        self._processes: list[subprocess.Popen[bytes]] = []
        self._media = f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"

    async def start(self) -> None:
        import sysconfig

        program = Path(sysconfig.get_path("scripts")) / "nats-server"
        port = self.url.rsplit(":", 1)[1]
        self._processes.append(spawn(program, "-a", "127.0.0.1", "-p", port, stderr=subprocess.DEVNULL))
        await asyncio.sleep(0.5)
        self.bus = await Bus.connect(self.url, "crash")
        self.ready = asyncio.Event()
        await self.bus.subscribe(subjects.ROLE_READY, RoleReady, lambda _: self.ready.set())
        await self.bus.subscribe(subjects.RECORDING_REPORT, RecordingReport, self.reports.append)

    async def stage(self) -> subprocess.Popen[bytes]:
        self.ready.clear()
        environment = {
            **os.environ,
            "HUSTINGS_BUS": self.url,
            "HUSTINGS_MEDIA_DOOR": self._media,
            "HUSTINGS_DATA": str(self.data),
            **self._settings,
        }
        process = spawn(sys.executable, "-c", STAGE, env=environment, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        await asyncio.wait_for(self.ready.wait(), 30)
        return process

    async def open(self, consents: list[str]) -> None:
        since = self.live_since or None
        opened = OpenBroadcast(
            broadcast_id=BROADCAST, slug="crash", epoch=self.epoch, live_since=since, recording=True
        )
        await self.bus.request(subjects.STAGE_OPEN, opened, Done)
        record = SetRecording(broadcast_id=BROADCAST, on=True, consents=consents)
        await self.bus.request(subjects.STAGE_RECORD, record, Done)

    async def go_live(self) -> None:
        self.live_since = time.time()
        await self.bus.request(
            subjects.STAGE_LIVE, GoLive(broadcast_id=BROADCAST, live_since=self.live_since), Done
        )

    async def close(self) -> None:
        await self.bus.close()
        for process in reversed(self._processes):
            process.kill()
            process.wait()


async def one_kill(data: Path, after: float) -> tuple[list[Left], float, dict[str, int]]:
    """Kills a stage `after` seconds of being live. Returns what is left, the media time of the kill, and how
    many packets each speaker had sent."""
    scene = Killed(data)
    await scene.start()
    speakers = Speakers()
    try:
        process = await scene.stage()
        await scene.open(["ada", "bob"])
        for name in ("ada", "bob"):
            await speakers.connect(scene.bus, name)
        speakers.start()
        await asyncio.sleep(0.3)
        before = dict(speakers.sent)
        await scene.go_live()
        await asyncio.sleep(after)
        process.kill()
        killed = (time.time() - scene.live_since) * 48_000
        sent = {name: count - before[name] for name, count in speakers.sent.items()}
        process.wait()
    finally:
        speakers.stop()
        await scene.close()
    return check(scene.folder), killed, sent


def summary(lost: list[float], faults: list[str]) -> dict[str, Any]:
    """Seconds lost, and what was wrong."""
    values = np.array(lost or [0.0])
    return {
        "runs": len(lost),
        "lost_s_p50": round(float(np.median(values)), 3),
        "lost_s_max": round(float(values.max()), 3),
        "faults": faults,
    }


def kills(count: int, seed: int) -> dict[str, Any]:
    """Real processes, real SIGKILL."""
    chance = random.Random(seed)
    lost, faults = [], []
    for run in range(count):
        with tempfile.TemporaryDirectory() as data:
            left, killed, sent = asyncio.run(one_kill(Path(data), chance.uniform(3, 12)))
            if len(left) != 4:
                faults.append(f"run {run}: {[each.name for each in left]}")
            lost.append(max((killed - each.end) / 48_000 for each in left))
            faults += [f"run {run}: {each.name}: {fault}" for each in left for fault in each.faults]
            for each in left:
                name = each.name.split(".")[0]
                if name in sent and not sent[name] - 150 <= each.received <= sent[name] + 25:
                    faults.append(f"run {run}: {name} sent {sent[name]}, {each.received} received")
        print(f"kill {run + 1}/{count}: {lost[-1]:.2f} s lost", file=sys.stderr, flush=True)
    return summary(lost, faults)


def simulated(cuts: int, power: int, seed: int) -> dict[str, Any]:
    """Cuts of one simulated recording's log of writes; see the module's first lines."""
    from record_log import Logged, record_a_minute  # tests/stage

    log: Logged = record_a_minute(seed)
    chance = random.Random(seed)
    result: dict[str, Any] = {}
    for name, count in (("cuts", cuts), ("power", power)):
        lost, faults = [], []
        for run in range(count):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / "room" / "b"
                at = chance.uniform(3, 60)
                media_time = log.lay_out(folder, at, chance.random(), power=name == "power", seed=seed + run)
                if name == "power":
                    from hustings.stage.record_finish import cut_torn

                    cut_torn(folder)
                left = check(folder)
                ends = [(media_time - each.end) / 48_000 for each in left]
                lost.append(max(ends) if len(left) == 5 else 99.0)
                if name == "cuts":
                    faults += [f"{name} {run}: {each.name}: {f}" for each in left for f in each.faults]
                else:
                    faults += log.damaged(folder)
                    faults += [
                        f"{name} {run}: {each.name}: {f}"
                        for each in left
                        for f in each.faults
                        if "cannot" in f
                    ]
        result[name] = summary(lost, faults)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--power", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = simulated(arguments.cuts, arguments.power, arguments.seed)
    result["kills"] = kills(arguments.kills, arguments.seed)
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, values in result.items():
            print(name, values)
    if any(values["faults"] for values in result.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
