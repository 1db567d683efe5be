"""Ten scheduled starts of a real server: is it on time?

    .venv/bin/python benchmarks/start_on_time.py [--starts 10] [--dead] [--flood joins|slow|requests|each]
                                                 [--ahead 8] [--json]

Each start is a room planned some seconds ahead that opens and goes live by itself. A `hustings speak` process
is connected before, a listener waits at the push door. Measured, in seconds after the planned moment: going
live as the server declares it, the first sound leaving an edge as its start record says, and the first sound
in the listener's hands. With `--dead` the scribe is stopped, a webhook's receiver does not answer, and there
is nothing where the object store should be. With `--flood` one of attacks 1 to 3 (attack/, full size) is on
the room that is to begin, from its doors' opening until after the start; `each`: one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "attack"))

import joins
import requests_flood
import slow
from harness import HUSTINGS, Server, serve

from hustings.clients.listen import Listener

LOUD = 0.003
DEAD = {
    "HUSTINGS_WEBHOOK_PRIVATE": "true",
    "HUSTINGS_OBJECTS": "s3://nothing-there/x",
    "HUSTINGS_OBJECTS_ENDPOINT": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
}
"""Settings of a server for `run` with `dead`."""

FLOODS = ("joins", "slow", "requests")
ROOMY = {"HUSTINGS_PER_ADDRESS": "2000"}
"""wrk has one address."""

type Meanwhile = Callable[[], Awaitable[None]]
PATIENCE = 120.0
"""Seconds to wait for what should have happened."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds after the planned moment; `speaker` is negative when there was one in time."""

    speaker: float
    live: float
    left_edge: float
    heard: float
    incidents: int


def main() -> None:
    """Prints the table; exit code 1 when a start was late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--ahead", type=float, default=8.0)
    parser.add_argument("--dead", action="store_true")
    parser.add_argument("--flood", choices=(*FLOODS, "each"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="hustings-start-") as folder,
        serve(
            Path(folder), environment=(DEAD if options.dead else {}) | (ROOMY if options.flood else {})
        ) as server,
    ):
        if options.flood:
            kinds = FLOODS if options.flood == "each" else (options.flood,)
            starts = flooded(server, options.starts, options.ahead, kinds)
        else:
            starts = run(server, options.starts, options.ahead, dead=options.dead)
    if options.json:
        print(json.dumps([asdict(start) for start in starts]))
    else:
        print(f"{'start':>5} {'speaker':>8} {'live':>7} {'edge':>7} {'heard':>7} incidents")
        for number, start in enumerate(starts, 1):
            figures = f"{start.speaker:8.2f} {start.live:7.3f} {start.left_edge:7.3f} {start.heard:7.3f}"
            print(f"{number:5} {figures} {start.incidents:9}")
        heard = [start.heard for start in starts]
        print(f"heard: median {statistics.median(heard):.3f} s, at most {max(heard):.3f} s after the second")
    if any(start.heard > 1.0 for start in starts):
        sys.exit(1)


def run(server: Server, count: int, ahead: float, *, dead: bool = False) -> list[Start]:
    """So many starts, one after the other."""
    stopped = kill_optional(server) if dead else []
    try:
        return [once(server, f"start-{number}", ahead) for number in range(count)]
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def flooded(server: Server, count: int, ahead: float, kinds: tuple[str, ...]) -> list[Start]:
    """So many starts, each during a flood that began seconds before and goes on for seconds after."""
    starts = []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number, kind in zip(range(count), itertools.cycle(kinds), strict=False):
            slug = f"start-{number}"
            running: list[Any] = []

            async def begin(kind: str = kind, slug: str = slug, running: list[Any] = running) -> None:
                running.append(pool.submit(flood, kind, server.audience_url, slug))

            starts.append(once(server, slug, ahead, begin))
            for each in running:
                print(f"start {number + 1}: {kind}: {each.result()}", file=sys.stderr, flush=True)
    return starts


def flood(kind: str, audience_url: str, slug: str) -> str:
    """One attack of some 12 s on the room `slug`; what became of it."""
    host, port = audience_url.removeprefix("http://").split(":")
    door, path = (host, int(port)), f"/r/{slug}"
    if kind == "joins":
        found = joins.join(door, f"{path}/live", 5_000, 10.0, 10.0)
        return f"{len(found['heard'])} of 5,000 heard sound, {found['refused']} refused"
    if kind == "slow":
        found = slow.slow(door, "headers", path, 4_000, 3.0, 12.0, 150)
        return f"{found['made']} slow connections, longest {max(found['lasted'], default=0.0):.1f} s"
    asked = requests_flood.ask(f"{audience_url}{path}", 650, 14)
    return f"{asked.good:,.0f} answers a second over 650 connections, {asked.refused:,.0f} refused"


def once(server: Server, slug: str, ahead: float, meanwhile: Meanwhile | None = None) -> Start:
    """One start; `meanwhile` runs once the speaker is connected. Raises when it does not happen at all."""
    return asyncio.run(one(server, slug, ahead, meanwhile))


@cache
def voice() -> Path:
    """Ten seconds of a sound without a pause: what is late is then the server, not the speaker."""
    path = Path(tempfile.mkdtemp(prefix="hustings-voice-")) / "voice.wav"
    t = np.arange(10 * 48_000) / 48_000
    tone = np.sin(2 * np.pi * 220 * t) * (0.2 + 0.05 * np.sin(2 * np.pi * 3 * t))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.round(tone * 32767).astype("<i2").tobytes())
    return path


def kill_optional(server: Server) -> list[int]:
    """The scribe hangs and nobody takes webhooks."""
    api = {"Authorization": f"Bearer {server.token}"}
    hook = {"url": "http://127.0.0.1:9/", "events": ["room.opened", "room.live"]}
    answer = httpx.post(f"{server.studio_url}/api/webhooks", json=hook, headers=api, trust_env=False)
    answer.raise_for_status()
    scribes = server.pids("scribe")
    for pid in scribes:
        os.kill(pid, signal.SIGSTOP)
    return list(scribes)


async def one(server: Server, slug: str, ahead: float, meanwhile: Meanwhile | None) -> Start:
    """As `once`."""
    api = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=10, headers=api) as client:
        room, door = f"{server.studio_url}/api/rooms/{slug}", f"{server.audience_url}/r/{slug}"
        body = {"title": slug, "slug": slug, "doors_minutes": 1, "starts_itself": True}
        (await client.post(f"{server.studio_url}/api/rooms", json=body)).raise_for_status()
        ticket = (await client.post(f"{room}/invitations", json={"name": "Ada"})).json()["ticket"]
        command = [*HUSTINGS, "speak", slug, "--ticket", ticket, "--file", str(voice()), "--loop"]
        environment = {**os.environ, "HUSTINGS_STUDIO": server.studio_url}
        speaker = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            assert speaker.stderr is not None
            while b"waiting" not in await asyncio.wait_for(speaker.stderr.readline(), PATIENCE):
                pass  # it stands at the closed doors; only now the time is set
            planned = round(time.time() + ahead, 1)
            when = {"at": datetime.fromtimestamp(planned, UTC).isoformat()}
            (await client.post(f"{room}/schedule", json=when)).raise_for_status()
            await until(client, f"{door}/state.json", lambda state: state["status"] == "open")
            if meanwhile is not None:
                await until(client, f"{door}/start.json", lambda record: record["speaker_at"])
                await meanwhile()
            heard = await first_sound(door, planned + PATIENCE)
            record = await start_record(client, f"{door}/start.json")
            (await client.post(f"{room}/stop")).raise_for_status()
        finally:
            if speaker.returncode is None:
                speaker.terminate()
            await speaker.wait()
    return Start(
        speaker=seconds(record["speaker_at"]) - planned,
        live=seconds(record["live_at"]) - planned,
        left_edge=seconds(record["sound_at"]) - planned,
        heard=heard - planned,
        incidents=len(record["incidents"]),
    )


async def first_sound(address: str, deadline: float) -> float:
    """Wall clock at which a listener who waits has the first samples that are no silence."""
    found = asyncio.get_running_loop().create_future()

    def hearing(_now: float, _media_time: int, samples: Any) -> None:
        if not found.done() and np.abs(samples).max(initial=0.0) > LOUD:
            found.set_result(time.time())

    listening = asyncio.create_task(Listener(address, via="push", hearing=hearing).run())
    try:
        await asyncio.wait({found, listening}, timeout=deadline - time.time(), return_when="FIRST_COMPLETED")
        if not found.done():
            raise AssertionError(f"nothing was heard: {listening}")
        return float(found.result())
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def start_record(client: httpx.AsyncClient, address: str) -> dict[str, Any]:
    """start.json with all that is measured."""
    return await until(client, address, lambda record: record["sound_at"] and record["speaker_at"])


async def until(client: httpx.AsyncClient, address: str, there: Any) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while True:
        answer = await client.get(address)
        if answer.status_code == 200 and there(answer.json()):
            found: dict[str, Any] = answer.json()
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{address}: {answer.status_code} {answer.text[:500]}")
        await asyncio.sleep(0.1)


def seconds(iso: str) -> float:
    """Unix seconds."""
    return datetime.fromisoformat(iso).timestamp()


if __name__ == "__main__":
    main()
