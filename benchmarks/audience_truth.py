"""Published figures against the truth: `python benchmarks/audience_truth.py [--listeners 1000] [--json]`.

A real server with two edges; real listeners by push, HLS, plain stream and WHEP, for times that are known,
each address and browser known too; 10,000 requests of programs that take no media, and connections that take
nothing; programs that do listen. Some stay too short to count. `--kill`: one edge is killed once all have
come, whoever was there comes again, and all stay for another 90 s. Then every figure of audience.json is
printed beside what is true, with the difference in percent. Takes three to four minutes, with the 60 seconds
of the method (`--seconds`: fewer).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from audience_crowd import Crowd, Person, compared, nothing_taken, truth
from harness import HUSTINGS, Room, Server, serve, until

import hustings

BROWSERS = ("Mozilla/5.0 Firefox/146.0", "Mozilla/5.0 Chrome/156.0", "Mozilla/5.0 Version/20.0 Safari/604.1")


def people_of(listeners: int, seconds: float, rng: random.Random, longer: float) -> list[Person]:
    """Nine in twenty by push, a quarter each by stream and HLS, one in twenty by WHEP. `longer`: seconds that
    those stay longer who stay."""
    people = []
    for number in range(listeners):
        place = number % 20
        door = "push" if place < 9 else "stream" if place < 14 else "hls" if place < 19 else "whep"
        begin = rng.uniform(0, seconds / 3)
        stays = rng.random() > 0.1
        stay = rng.uniform(1.25, 2.1) * seconds + longer if stays else rng.uniform(0.1, 0.8) * seconds
        # Some share an address, some of these the browser too: those are one in `unique`.
        address = f"127.0.{1 + number // 400}.{1 + number % 200}"
        people.append(Person(door, begin, begin + stay, address, rng.choice(BROWSERS)))  # type: ignore[arg-type]
    return people


async def evening(
    server: Server, room: Room, people: list[Person], bots: list[Person], requests: int, kill: float
) -> None:
    """Everything at once; `kill`: seconds after which an edge dies, 0 for never."""
    crowd = Crowd(room.audience_url, room.whep_url, room.state()["broadcast"], [*people, *bots])
    tasks = [crowd.run(), nothing_taken(room.audience_url, requests)]
    if kill:
        tasks.append(_kill(server, kill))
    await asyncio.gather(*tasks)


async def _kill(server: Server, after: float) -> None:
    await asyncio.sleep(after)
    os.kill(server.pids("edge")[0], signal.SIGKILL)


def speak(server: Server, room: Room) -> subprocess.Popen[bytes]:
    """Ada talks: silence is so little sound that who reads nothing can take it for minutes."""
    voice = Path(hustings.__file__).parent / "web" / "demo" / "host.opus"
    command = [*HUSTINGS, "speak", room.slug, f"--ticket={room.tickets['Ada']}", f"--file={voice}", "--loop"]
    environment = {**os.environ, "HUSTINGS_STUDIO": server.studio_url}
    speaker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: any(each["connected"] for each in room.state()["participants"]) or None)
    return speaker


def published(room: Room) -> dict[str, Any]:
    """The totals, once they are in the record."""

    def there() -> dict[str, Any] | None:
        record = httpx.get(f"{room.audience_url}/record.jsonl", trust_env=False, timeout=30).text
        content = httpx.get(f"{room.audience_url}/audience.json", trust_env=False, timeout=30).json()
        over = '"kind":"audience_total"' in record and all(
            m["final"] for m in content["broadcasts"][0]["minutes"]
        )
        return dict(content["broadcasts"][0]) if over else None

    return until(there, 120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=10_000, help="of programs that take no media")
    parser.add_argument("--seconds", type=int, default=60, help="of the method")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rng = random.Random(options.listeners)
    settings = {"HUSTINGS_AUDIENCE_SECONDS": str(options.seconds), "HUSTINGS_PER_ADDRESS": "5000"}
    people = people_of(options.listeners, options.seconds, rng, 1.5 * options.seconds * options.kill)
    bots = [
        Person(
            "push", 1.0, 1.5 * options.seconds, f"127.0.200.{1 + n}", "Mozilla/5.0 (compatible; Newsbot/1.0)"
        )
        for n in range(max(2, options.listeners // 50))
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), edges=2, environment=settings) as server,
    ):
        room = server.room("Town hall", slug="town-hall", speakers=["Ada"])
        room.open()
        speaker = speak(server, room)
        room.start()
        room.wait_for_state("live", 30)
        time.sleep(1.0)
        kill = 1.5 * options.seconds if options.kill else 0.0
        asyncio.run(evening(server, room, people, bots, options.requests, kill))
        room.stop()
        speaker.terminate()
        speaker.wait(20)
        broadcast = published(room)
    rows = compared(broadcast["totals"], truth(people, options.seconds))
    apart = broadcast["totals"]["apart"]["bots"]
    is_so = truth(bots, options.seconds)
    rows.append(("bots peak", apart["peak"], is_so.peak, 100 * (apart["peak"] / is_so.peak - 1)))
    broken = sum(len(person.heard) != 1 for person in people)
    if options.json:
        results = [
            {"figure": n, "published": said, "true": t, "percent": round(p, 2)} for n, said, t, p in rows
        ]
        print(json.dumps({"machine": platform.processor() or platform.machine(), "results": results}))
        return
    print(f"{options.listeners} listeners, {options.requests} requests that take nothing, two edges")
    print(
        f"{broken} listeners whose line was broken, {sum(bool(p.problem) for p in people)} who met an error"
    )
    print(f"{'figure':26}{'published':>12}{'true':>12}{'difference':>12}")
    for name, said, true, percent in rows:
        print(f"{name:26}{said:12.0f}{true:12.1f}{percent:11.2f} %")
    print(f"gross: {broadcast['totals']['gross']}")


if __name__ == "__main__":
    main()
