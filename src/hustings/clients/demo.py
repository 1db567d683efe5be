"""`hustings demo`: a server, a room, and two recorded voices that hold a conversation in it.

Nothing is short-cut: the server is `hustings serve`, and each voice is a `speak` client in a process
of its own that reaches the room over WebRTC like any speaker.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import FrameType

from hustings.clients.api import StudioApi
from hustings.clients.voice import start_voice
from hustings.errors import HustingsError, Unavailable

TITLE = "The new library"
VOICES = (("Clara Weiss", "cohost", "host.opus"), ("Thomas Reed", "speaker", "guest.opus"))
"""Name, role and file in hustings/web/demo."""
VISITOR = "Guest"
DEFAULT_PORTS = {"audience": 8000, "studio": 8001, "media": 8002, "metrics": 8003}
TRIES = 200
"""Ports looked at for each door."""
READY_WITHIN = 60.0
STOPPED_WITHIN = 20.0
VOICE_AGAIN = 1.0
"""Seconds before a voice that died is started again."""

type Say = Callable[[str], None]


def demo(data: Path | None = None, say: Say = print) -> int:
    """Runs until Ctrl-C or SIGTERM; returns the exit code 0 then. Asks nothing.

    `data`: folder for the server; without it a temporary one that is removed at the end. Raises
    HustingsError when the server cannot start or ends by itself.
    """
    with _folder(data) as folder, _stop_signals() as stopped:
        ports = free_ports(say)
        stage = _Demo(folder, ports, stopped)
        try:
            stage.start()
            for line in stage.welcome():
                say(line)
            stage.watch(say)
        finally:
            stage.close()
    say("The demo has ended.")
    return 0


@dataclass(slots=True)
class Stopped:
    """Whether somebody wants us to end."""

    set: bool = False


@contextlib.contextmanager
def _stop_signals() -> Iterator[Stopped]:
    """SIGINT and SIGTERM only raise a flag, so that all ends in order."""
    stopped = Stopped()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="hustings-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def free_ports(say: Say = lambda _line: None) -> dict[str, int]:
    """A port for each door: the default one, or the next that is free, which is said."""
    found: dict[str, int] = {}
    for name, default in DEFAULT_PORTS.items():
        kind = socket.SOCK_DGRAM if name == "media" else socket.SOCK_STREAM
        for port in range(default, default + TRIES):
            if port not in found.values() and _is_free(port, kind):
                break
        else:
            raise HustingsError(f"No free port from {default} to {default + TRIES - 1} for the {name} door.")
        if port != default:
            say(f"Port {default} is taken; the {name} door uses {port}.")
        found[name] = port
    return found


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104  # the doors open there
        except OSError:
            return False
        return True


class _Demo:
    """The server, the room and the voices."""

    def __init__(self, folder: Path, ports: dict[str, int], stopped: Stopped) -> None:
        self._folder = folder
        self._ports = ports
        self._stopped = stopped
        self._server: subprocess.Popen[bytes] | None = None
        self._voices: list[_Voice] = []
        self._slug = ""
        self._studio = f"http://127.0.0.1:{ports['studio']}"
        self._visitor_link = ""

    def start(self) -> None:
        """Brings everything up, or stops half-way when told to."""
        self._server = self._serve()
        if not self._until_ready():
            return
        from hustings.store.tokens import operator_token

        with StudioApi(self._studio, operator_token(self._folder)) as api:
            # In a data folder that was used before, the studio puts a number behind the slug.
            self._slug = str(api.create_room(TITLE)["slug"])
            origin = time.monotonic()
            for name, role, file in VOICES:
                ticket = str(api.invite(self._slug, name, role=role, public=True)["ticket"])
                self._voices.append(_Voice(self._slug, ticket, file, name, self._studio, origin))
            self._visitor_link = str(api.invite(self._slug, VISITOR)["link"])
            api.open(self._slug)
            for voice in self._voices:
                voice.start(self._folder / "demo.log")
            api.start(self._slug)

    def welcome(self) -> list[str]:
        """What to do now."""
        if self._stopped.set:
            return []
        audience = f"http://127.0.0.1:{self._ports['audience']}/r/{self._slug}"
        return [
            "",
            "Two recorded voices are talking. Everything between them and you is the real path.",
            "",
            f"  Listen     {audience}",
            f"  Take part  {self._visitor_link}",
            f"  Studio     {self._studio}",
            f"  In ffplay  {audience}/stream.ogg",
            f"  Measure    hustings listen {audience} --seconds 20",
            f"  Recording  {self._folder / 'rooms' / self._slug}",
            "",
            f"Data and logs are in {self._folder}. Ctrl-C ends the demo.",
            "",
        ]

    def watch(self, say: Say) -> None:
        """Until told to stop; starts voices that died again. Raises HustingsError when the server ends."""
        while not self._stopped.set:
            if self._server is not None and self._server.poll() is not None:
                raise HustingsError(f"The server has ended by itself; see {self._log}.")
            for voice in self._voices:
                if voice.died():
                    say(f"The voice of {voice.name} ended; it is started again.")
                    voice.start(self._folder / "demo.log")
            time.sleep(0.2)

    def close(self) -> None:
        """Voices first, then the server."""
        for voice in self._voices:
            voice.stop()
        if self._server is not None:
            _end(self._server)

    @property
    def _log(self) -> Path:
        return self._folder / "demo.log"

    def _serve(self) -> subprocess.Popen[bytes]:
        doors = [f"--{name}=0.0.0.0:{port}" for name, port in self._ports.items() if name != "metrics"]
        command = [
            sys.executable,
            "-P",
            "-c",
            "from hustings.cli import main; main()",
            "serve",
            f"--data={self._folder}",
            f"--metrics=127.0.0.1:{self._ports['metrics']}",
            *doors,
        ]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches us only, and we stop everything in order.
            return subprocess.Popen(  # noqa: S603  # our own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _until_ready(self) -> bool:
        """False when told to stop before. Raises HustingsError."""
        addresses = self._folder / "run" / "addresses.json"
        end = time.monotonic() + READY_WITHIN
        while not addresses.exists():
            if self._stopped.set:
                return False
            if self._server is not None and self._server.poll() is not None:
                raise HustingsError(f"The server did not start: {_last_line(self._log)}")
            if time.monotonic() > end:
                raise Unavailable(f"The server was not ready within {READY_WITHIN:.0f} s; see {self._log}.")
            time.sleep(0.05)
        return True


class _Voice:
    """One voice's process."""

    def __init__(self, slug: str, ticket: str, file: str, name: str, studio_url: str, origin: float) -> None:
        self.name = name
        self._slug, self._ticket, self._studio_url = slug, ticket, studio_url
        self._file = Path(str(resources.files("hustings.web") / "demo" / file))
        # All voices count from one moment of the one monotonic clock, so they keep step for ever, also
        # one that had to be started again.
        self._origin = origin
        self._process: subprocess.Popen[str] | None = None
        self._started = 0.0

    def start(self, log_file: Path) -> None:
        with log_file.open("ab") as log:
            self._process = start_voice(
                self._slug,
                ticket=self._ticket,
                file=self._file,
                name=self.name,
                studio_url=self._studio_url,
                origin=self._origin,
                loop=True,
                log=log,
            )
        self._started = time.monotonic()

    def died(self) -> bool:
        """Whether it should be started again now."""
        gone = self._process is not None and self._process.poll() is not None
        return gone and time.monotonic() - self._started > VOICE_AGAIN

    def stop(self) -> None:
        if self._process is not None:
            _end(self._process)
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for what does not listen."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"see {log}"
