"""Load on one stage: `python benchmarks/stage_load.py [--speakers 13] [--talking 13] [--waiting 0]
[--listeners 0] [--room -75] [--seconds 20] [--record] [--json]`.

Three processes: a bus, a stage (as `hustings stage` runs it) and a load generator with that many WebRTC
speakers, each sending 50 Opus packets a second over loopback and taking its return feed. Those who do not
talk send noise of `--room` dBov, encoded and declared like any sound (RFC 6464): -75 is a quiet room behind
a browser's noise suppression, -60 an open microphone without it, -127 a microphone that its owner has muted
(browsers go on sending then). The stage spares itself what is declared at -70 or below. The last
`--waiting` of the speakers sit in the green room. Prints the stage's CPU in percent of a core (its tick
lateness p50/p99/max in ms, measured by the ticks themselves) while the broadcast is live, both
codecs on. With `--record` it is recorded, every track and both codecs, into a temporary folder (TMPDIR).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hustings.bench.stage import buckets, quantile
from hustings.bench.voices import speech
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import (
    Done,
    GoLive,
    OpenBroadcast,
    RecordingReport,
    RoleMetrics,
    RoleReady,
    SessionAnswer,
    SessionOffer,
    SetRecording,
    StageReport,
)
from hustings.stage.webrtc.peer import OffererPeer

BROADCAST = "20261122T160000-0000be"


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def load(arguments: argparse.Namespace) -> None:
    """The load generator's process: connects everybody, says so, speaks until it is ended."""
    bus = await Bus.connect(arguments.bus, "load")
    speakers: list[tuple[OffererPeer, list[bytes], int]] = []
    listeners: list[OffererPeer] = []
    for index in range(arguments.speakers + arguments.listeners):
        speaks = index < arguments.speakers
        peer = await OffererPeer.create("sendrecv" if speaks else "recvonly", bind_address="127.0.0.1")
        offer = SessionOffer(
            broadcast_id=BROADCAST,
            kind="ingest" if speaks else "egress",
            sdp=peer.offer,
            participant_id=f"p{index}" if speaks else "",
            name=f"Speaker {index}",
            role="speaker",
            place="green" if speaks and index >= arguments.speakers - arguments.waiting else "stage",
        )
        answer = await bus.request(subjects.STAGE_OFFER, offer, SessionAnswer)
        peer.apply(answer.sdp)
        await peer.connected()
        if speaks:
            talking = index < arguments.talking
            level = 25 if talking else min(127, round(-arguments.room))
            speakers.append((peer, speech(index, talking, arguments.room), level))
        else:
            listeners.append(peer)
    print("connected", flush=True)
    await bus.close()
    await asyncio.to_thread(pump, speakers, listeners)


def pump(speakers: list[tuple[OffererPeer, list[bytes], int]], listeners: list[OffererPeer]) -> None:
    """Sends each speaker's packets on a steady clock, spread over the 20 ms; empties what comes back."""
    start = time.monotonic()
    step = 0.02 / len(speakers)
    tick = 0
    while True:
        for index, (peer, packets, level) in enumerate(speakers):
            wait = start + tick * 0.02 + index * step - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            peer.send(peer.stream.next(packets[tick % len(packets)], level=level))
            while peer.receive() is not None:
                pass
        if tick % 10 == 0:
            for listener in listeners:
                while listener.receive() is not None:
                    pass
        tick += 1


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spawn(*command: object, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([str(part) for part in command], **more)


async def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Starts bus, stage and load; measures the stage for `seconds`."""
    data = tempfile.TemporaryDirectory()
    port = free_port(socket.SOCK_STREAM)
    url = f"nats://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "HUSTINGS_BUS": url,
        "HUSTINGS_DATA": data.name,
        "HUSTINGS_MEDIA_DOOR": f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
    }
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    server = spawn(program, "-a", "127.0.0.1", "-p", port, stderr=subprocess.DEVNULL)
    processes = [server]
    try:
        await asyncio.sleep(0.5)
        bus = await Bus.connect(url, "bench")
        ready = asyncio.Event()
        await bus.subscribe(subjects.ROLE_READY, RoleReady, lambda _: ready.set())
        metrics: list[RoleMetrics] = []
        await bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, metrics.append)
        reports: list[StageReport] = []
        await bus.subscribe(subjects.STAGE_REPORT, StageReport, reports.append)
        recorded: list[RecordingReport] = []
        await bus.subscribe(subjects.RECORDING_REPORT, RecordingReport, recorded.append)
        stage = spawn(sys.executable, "-P", "-m", "hustings.cli.role", "stage", env=environment)
        processes.append(stage)
        await asyncio.wait_for(ready.wait(), 20)
        opened = OpenBroadcast(broadcast_id=BROADCAST, slug="bench", max_voices=arguments.speakers)
        await bus.request(subjects.STAGE_OPEN, opened, Done)
        if arguments.record:
            everybody = [f"p{index}" for index in range(arguments.speakers)]
            record = SetRecording(broadcast_id=BROADCAST, on=True, consents=everybody)
            await bus.request(subjects.STAGE_RECORD, record, Done)
        options = ["speakers", "talking", "waiting", "listeners", "room"]
        command = [sys.executable, __file__, "--load", "--bus", url]
        command += [f"--{name}={getattr(arguments, name)}" for name in options]
        generator = spawn(*command, stdout=subprocess.PIPE)
        processes.append(generator)
        assert generator.stdout is not None
        await asyncio.to_thread(generator.stdout.readline)
        await bus.request(subjects.STAGE_LIVE, GoLive(broadcast_id=BROADCAST, live_since=time.time()), Done)
        print(f"stage pid {stage.pid}, live", file=sys.stderr, flush=True)
        await asyncio.sleep(4)
        first, start, spent = len(metrics), time.monotonic(), cpu_seconds(stage.pid)
        before, bytes_before = buckets(metrics[-1].text), recorded[-1].bytes
        seats = {seat.participant_id: seat for seat in reports[-1].seats}
        await asyncio.sleep(arguments.seconds)
        cpu = (cpu_seconds(stage.pid) - spent) / (time.monotonic() - start)
        assert len(metrics) > first, "the stage went silent"
        after = buckets(metrics[-1].text)
        concealed = sum(
            s.frames_concealed - seats[s.participant_id].frames_concealed for s in reports[-1].seats
        )
        memory = int(Path(f"/proc/{stage.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        work = [line for line in metrics[-1].text.splitlines() if line.startswith("hustings_stage_tick_work")]
        collect = [line for line in metrics[-1].text.splitlines() if "collection_seconds " in line]
        print(*work, *collect, sep="\n", file=sys.stderr)
        await bus.close()
        last = recorded[-1]
        assert last.received == last.written + last.declared
        return {
            "recorded_kbit_s": round(8 * (last.bytes - bytes_before) / (time.monotonic() - start) / 1000, 1),
            "record_failing": float(last.state == "failing"),
            "speakers": arguments.speakers,
            "talking": sum(seat.speaking for seat in reports[-1].seats),
            "whep_listeners": reports[-1].egress_sessions,
            "cpu_percent_of_a_core": round(100 * cpu, 1),
            "tick_late_ms_p50_below": quantile(before, after, 0.5),
            "tick_late_ms_p99_below": quantile(before, after, 0.99),
            "ticks": after[float("inf")] - before[float("inf")],
            "ticks_later_than_5_ms": after[float("inf")]
            - before[float("inf")]
            - after[0.005]
            + before[0.005],
            "frames_concealed": concealed,
            "playout_delay_ms_mean": round(
                float(np.mean([s.playout_delay_ms for s in reports[-1].seats])), 1
            ),
            "memory_mb": round(memory / 1e6, 1),
        }
    finally:
        for process in reversed(processes):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
        data.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speakers", type=int, default=13)
    parser.add_argument("--talking", type=int, default=13)
    parser.add_argument("--waiting", type=int, default=0)
    parser.add_argument("--listeners", type=int, default=0)
    parser.add_argument("--room", type=float, default=-75)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bus", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        asyncio.run(load(arguments))
        return
    result = asyncio.run(measure(arguments))
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:26} {value:g}")


if __name__ == "__main__":
    main()
