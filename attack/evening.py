"""A live evening, and whether it is safe while somebody attacks it: the same for every attack.

A real `hustings serve` with two `speak` clients, recorded, and one listener. Meanwhile a host logs in and a
guest joins again and again. "Stage safe" (docs/reliability.md): added RTP loss <= 0.1 %, tick late p99 <=
20 ms, recording whole, every host logs in and every guest joins (p95 <= 2 s).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from harness import HUSTINGS, Room, Server, serve

from hustings.clients.rtc import RtcSession
from hustings.clients.voice import start_voice
from hustings.errors import HustingsError

VOICES = (("Clara", "host.opus"), ("Thomas", "guest.opus"))
PASSWORD = "four words in a row"
MAX_LOSS = 0.001
MAX_LATE_MS = 20.0
MAX_P95 = 2.0
SETTLE = 6.0
"""Seconds of quiet talk before the attack, and after it."""


@dataclass(slots=True)
class Tries:
    """How often something was tried, and what it took, in seconds."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def p95(self) -> float:
        """NaN when none succeeded."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else float("nan")

    def said(self) -> str:
        """For the table."""
        tried = len(self.seconds) + len(self.failures)
        return f"{len(self.seconds)} of {tried}, p95 {self.p95():.2f} s"


@dataclass(slots=True)
class Safety:
    """What "stage safe" was measured as."""

    loss: float
    """Share of the speakers' frames that never came, added by the attack."""
    late_ms: float
    """p99, upper bound of its bucket."""
    whole: bool
    logins: Tries
    joins: Tries
    listener: dict[str, Any]
    """What `hustings listen --json` said of the whole time."""

    def rows(self) -> list[tuple[str, str, str, bool]]:
        """(what, asked, seen, good) of each part."""
        tries = (("hosts log in", self.logins), ("guests join", self.joins))
        heard = self.listener
        return [
            ("added RTP loss", "<= 0.1 %", f"{100 * self.loss:.3f} %", self.loss <= MAX_LOSS),
            ("tick late p99", "<= 20 ms", f"<= {self.late_ms:g} ms", self.late_ms <= MAX_LATE_MS),
            ("recording", "whole", "whole" if self.whole else "broken", self.whole),
            *(
                (name, "all, p95 <= 2 s", each.said(), not each.failures and each.p95() <= MAX_P95)
                for name, each in tries
            ),
            (
                "a listener from before",
                "0 gaps",
                f"{heard.get('gaps', '?')} gaps, {heard.get('stalls', '?')} stalls",
                heard.get("gaps") == 0,
            ),
        ]


class Evening:
    """A running server with a room on air. `safety` after `ended`."""

    def __init__(self, server: Server, room: Room, folder: Path) -> None:
        self.server = server
        self.room = room
        self.folder = folder
        self._voices: list[subprocess.Popen[str]] = []
        self._listener: subprocess.Popen[bytes] | None = None
        self.began = self.ended = 0.0

    @property
    def audience(self) -> tuple[str, int]:
        """Host and port of the audience's door."""
        url = httpx.URL(self.server.audience_url)
        return url.host, url.port or 80

    @property
    def studio(self) -> tuple[str, int]:
        """Host and port of the studio's door."""
        url = httpx.URL(self.server.studio_url)
        return url.host, url.port or 80

    def begin(self, seconds: float) -> None:
        """On air, with both voices and a listener of `seconds`."""
        self.room.open()
        demo = resources.files("hustings") / "web" / "demo"
        origin = time.monotonic() + 2.0
        for name, file in VOICES:
            with resources.as_file(demo / file) as path:
                self._voices.append(
                    start_voice(
                        self.room.slug,
                        ticket=self.room.tickets[name],
                        file=path,
                        name=name,
                        studio_url=self.server.studio_url,
                        origin=origin,
                        loop=True,
                        log=(self.folder / f"{name}.log").open("wb"),
                    )
                )
        self.room.start()
        self.room.wait_for_state("live", within=60.0)
        command = [*HUSTINGS, "listen", self.room.audience_url, "--seconds", f"{seconds:g}", "--json"]
        with (self.folder / "heard.json").open("wb") as out:
            self._listener = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60.0
        while self.speaking() < len(VOICES):
            assert time.monotonic() < end, "The voices did not connect: nothing would be shown."
            time.sleep(0.2)
        time.sleep(SETTLE)

    def speaking(self) -> int:
        """How many of the voices are connected to the stage."""
        names = [name for name, _ in VOICES]
        people = self.room.state()["participants"]
        return sum(1 for person in people if person["name"] in names and person.get("connected"))

    def heard(self) -> dict[str, Any]:
        """What the listener found, when its time is over; {} when it could not listen."""
        assert self._listener is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._listener.wait(120)
        with contextlib.suppress(ValueError, OSError):
            found: dict[str, Any] = json.loads((self.folder / "heard.json").read_text())
            return found
        return {}

    def close(self) -> None:
        """Ends what was started here."""
        started: list[subprocess.Popen[Any]] = [*self._voices]
        if self._listener is not None:
            started.append(self._listener)
        for process in started:
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


@contextlib.contextmanager
def evening(folder: Path, seconds: float, **environment: str) -> Iterator[Evening]:
    """A room on air for the attack inside, which takes `seconds` at most."""
    with serve(folder, environment=environment) as server:
        secret = (server.data / "keys" / "setup").read_text().strip()
        made = httpx.post(
            f"{server.studio_url}/api/setup",
            json={"secret": secret, "name": "Clara", "password": PASSWORD},
            headers={"Origin": server.studio_url},
            trust_env=False,
            timeout=60.0,
        )
        made.raise_for_status()
        found = Evening(server, server.room("An evening", speakers=[name for name, _ in VOICES]), folder)
        try:
            found.begin(seconds + 2 * SETTLE)
            yield found
        finally:
            found.close()


class People:
    """Hosts who log in and guests who join while the attack goes on, each from an address of its own."""

    def __init__(self, found: Evening, seconds: float, wanted: int = 100) -> None:
        self.logins = Tries()
        self.joins = Tries()
        self._evening = found
        self._pause = seconds / wanted
        self._wanted = wanted
        self._stop = threading.Event()
        self._ticket = found.room.invite("Guest")
        self._threads = [threading.Thread(target=each) for each in (self._log_in, self._join)]

    def __enter__(self) -> People:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _often(self, tries: Tries, once: Any) -> None:
        due = time.monotonic()
        for number in range(self._wanted):
            begun = time.monotonic()
            try:
                once(number)
                tries.seconds.append(time.monotonic() - begun)
            except (HustingsError, httpx.HTTPError, OSError) as error:
                tries.failures.append(f"{type(error).__name__}: {error}"[:200])
            due += self._pause
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return

    def _log_in(self) -> None:
        url = self._evening.server.studio_url
        body = {"name": "Clara", "password": PASSWORD}

        def once(number: int) -> None:
            transport = httpx.HTTPTransport(local_address=f"127.0.6.{1 + number % 200}")
            with httpx.Client(transport=transport, timeout=10.0) as browser:
                browser.post(f"{url}/api/sessions", json=body, headers={"Origin": url}).raise_for_status()

        self._often(self.logins, once)

    def _join(self) -> None:
        def once(_number: int) -> None:
            session = RtcSession.open(self._evening.room.whip_url, "sendrecv", ticket=self._ticket)
            session.close()

        self._often(self.joins, once)


def counted(server: Server, name: str, label: str) -> dict[str, float]:
    """A metric's samples by the values of a label, summed over roles."""
    text = httpx.get(server.metrics_url, trust_env=False, timeout=10.0).text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
    return found


def lateness(server: Server) -> dict[float, float]:
    """Ticks so far by the upper bound of how late they began, in seconds; cumulative."""
    buckets = counted(server, "hustings_stage_tick_lateness_seconds_bucket", "le")
    return {float(bound): count for bound, count in buckets.items()}


def replies(server: Server) -> dict[str, float]:
    """What the edges have answered so far, by HTTP status. Roles report every two seconds: waits for a report
    that is newer than the call."""
    time.sleep(2.5)
    return counted(server, "hustings_edge_replies_total", "status")


def late_p99(before: dict[float, float], after: dict[float, float]) -> float:
    """Milliseconds: the upper bound of the bucket in which the 99th percentile of the ticks between lies."""
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = counts[float("inf")]
    if not total:
        return float("inf")
    return next(1000 * bound for bound, count in counts.items() if count >= 0.99 * total)
