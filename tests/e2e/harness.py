"""A real `hustings serve` on free ports and a data folder of its own, for end-to-end tests and benchmarks.

with serve(tmp_path) as server:
    room = server.room("Library", speakers=["Ada", "Ben"])
    room.open(); room.start()
    ... room.audience_url, room.whip_url, room.tickets["Ada"] ...
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hustings.clients import trust
from hustings.clients.api import StudioApi

HUSTINGS = [sys.executable, "-P", "-c", "from hustings.cli import main; main()"]
"""The `hustings` command of this very environment."""
READY_WITHIN = 120.0
"""Seconds; the machine that runs the tests may be busy."""
STOPPED_WITHIN = 20.0


@dataclass(slots=True)
class Room:
    """A room of a running server, with its speakers' tickets."""

    server: Server
    slug: str
    tickets: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """Addresses of the console with the ticket, which work again and again."""
    once: dict[str, str] = field(default_factory=dict)
    """The links as they are sent: each works once."""

    @property
    def audience_url(self) -> str:
        """The room's page."""
        return f"{self.server.audience_url}/r/{self.slug}"

    @property
    def whip_url(self) -> str:
        return f"{self.server.studio_url}/whip/{self.slug}"

    @property
    def whep_url(self) -> str:
        return f"{self.server.studio_url}/whep/{self.slug}"

    def invite(self, name: str, **options: Any) -> str:
        """The ticket of one more speaker."""
        answer = self.server.api.invite(self.slug, name, **options)
        self.tickets[name], self.once[name] = answer["ticket"], answer["link"]
        self.links[name] = f"{self.server.studio_url}/s/{self.slug}#{answer['ticket']}"
        return self.tickets[name]

    def open(self) -> dict[str, Any]:
        return self.server.api.open(self.slug)

    def start(self) -> dict[str, Any]:
        return self.server.api.start(self.slug)

    def stop(self) -> dict[str, Any]:
        return self.server.api.stop(self.slug)

    def state(self) -> dict[str, Any]:
        """The room's state.json as the audience gets it."""
        response = httpx.get(
            f"{self.audience_url}/state.json", trust_env=False, timeout=10, verify=self.server.verify
        )
        response.raise_for_status()
        state: dict[str, Any] = response.json()
        return state

    def wait_for_state(self, status: str, within: float = 10.0) -> dict[str, Any]:
        """Waits until the audience's door says so."""
        end = time.monotonic() + within
        while True:
            with contextlib.suppress(httpx.HTTPError):
                state = self.state()
                if state.get("status") == status:
                    return state
            if time.monotonic() > end:
                raise AssertionError(f"{self.slug} did not become {status} within {within:g} s")
            time.sleep(0.05)


class Server:
    """One running `hustings serve`."""

    def __init__(self, data: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.data = data
        self.process = process
        self.log = log
        addresses = _wait_for_addresses(data, process, log)
        self.audience_url = addresses["audience"].rstrip("/")
        self.studio_url = addresses["studio"].rstrip("/")
        self.media = addresses.get("media", "")
        """Host and port of the speakers' UDP."""
        self.metrics_url = addresses.get("metrics", "").rstrip("/")
        self.token = _token(data)
        certificate = addresses.get("certificate")
        self.verify = trust.only(Path(certificate)) if certificate else trust.usual()
        self.api = StudioApi(self.studio_url, self.token, verify=self.verify)

    def room(self, title: str, *, speakers: list[str] | None = None, slug: str = "") -> Room:
        """A new room with tickets for `speakers`."""
        room = Room(self, self.api.create_room(title, slug=slug)["slug"])
        for name in speakers or []:
            room.invite(name)
        return room

    def pids(self, role: str) -> list[int]:
        """The processes of one role ("bus", "stage", "studio", "edge")."""
        return [pid for pid, line in _children(self.process.pid) if _plays(role, line)]

    def stop(self) -> int:
        """SIGTERM, and the exit code. Kills what does not stop, and then fails."""
        self.api.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            for pid, _ in _children(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"serve did not stop within {STOPPED_WITHIN:g} s:\n{_tail(self.log)}"
            ) from None


@contextlib.contextmanager
def serve(
    folder: Path, *, edges: int = 1, levelling: bool = True, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """A server in `folder`; stopped at the end, and its exit code checked."""
    server = start(folder, edges=edges, levelling=levelling, environment=environment)
    try:
        yield server
    except BaseException:
        sys.stderr.write(f"--- end of the server's log\n{_tail(server.log)}\n")
        with contextlib.suppress(AssertionError):
            server.stop()
        raise
    code = server.stop()
    assert code == 0, f"serve ended with {code}:\n{_tail(server.log)}"
    forbidden = [line for line in server.log.read_text(errors="replace").splitlines() if "bus rights" in line]
    assert not forbidden, f"a role did what it has no right to on the bus: {forbidden[:3]}"


def start(
    folder: Path,
    *,
    edges: int = 1,
    levelling: bool = True,
    environment: dict[str, str] | None = None,
    host: str = "127.0.0.1",
    media: str = "127.0.0.1",
) -> Server:
    """Starts a server and waits until it is ready. The caller calls `stop`. `host`: of the two doors;
    `media`: of the speakers' UDP."""
    data = folder / "data"
    log = folder / "serve.log"
    doors = [f"--{name}={host}:0" for name in ("audience", "studio")]
    doors += [f"--media={media}:0", "--metrics=127.0.0.1:0"]
    command = [*HUSTINGS, "serve", f"--data={data}", f"--edges={edges}", *doors]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUSTINGS_")}
    clean |= {"HUSTINGS_LEVELLING": str(levelling).lower(), **(environment or {})}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=clean)
    try:
        return Server(data, process, log)
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPPED_WITHIN)
        process.kill()
        raise


def _wait_for_addresses(data: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    path = data / "run" / "addresses.json"
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"serve ended with {process.returncode}:\n{_tail(log)}")
        with contextlib.suppress(FileNotFoundError, ValueError):
            addresses: dict[str, str] = json.loads(path.read_text())
            return addresses
        time.sleep(0.02)
    raise AssertionError(f"serve was not ready within {READY_WITHIN:g} s:\n{_tail(log)}")


def _token(data: Path) -> str:
    command = [*HUSTINGS, "token", f"--data={data}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _children(parent: int) -> list[tuple[int, str]]:
    """All descendants of a process with their command lines, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found: list[tuple[int, str]] = []
    family = {parent}
    for pid in sorted(parents):
        if parents[pid] in family:
            family.add(pid)
            with contextlib.suppress(OSError):
                line = (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append((pid, line.decode(errors="replace")))
    return found


def _plays(role: str, command_line: str) -> bool:
    if role == "bus":
        return "nats-server" in command_line
    return f"hustings.cli.role {role}" in command_line


def until[T](what: Callable[[], T | None], within: float = 120.0) -> T:
    """What `what` gives once it gives something."""
    end = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found
