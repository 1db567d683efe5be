"""Others' servers, from the system's own packages, run beside ours in the same minute."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from hustings.bench import machine
from hustings.bench.house import ChunkMaker, free_port, make_init
from hustings.bench.results import Results
from hustings.bench.server import ended
from hustings.edge.streams import OggWriter
from hustings.errors import Unavailable, UsageError

SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
KNOWN = ("icecast2", "nginx", "aiortc", "janus")
_INSTALL = {
    "icecast2": "apt-get install icecast2",
    "nginx": "apt-get install nginx-light",
    "aiortc": "pip install aiortc",
    "janus": "apt-get install janus",
}
_ICECAST = """<icecast>
<limits><clients>100000</clients><sources>4</sources><queue-size>524288</queue-size>
<client-timeout>60</client-timeout><header-timeout>15</header-timeout>
<source-timeout>600</source-timeout><burst-on-connect>1</burst-on-connect>
<burst-size>4800</burst-size></limits>
<authentication><source-password>bench</source-password><relay-password>bench</relay-password>
<admin-user>admin</admin-user><admin-password>bench</admin-password></authentication>
<hostname>localhost</hostname>
<listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
<fileserve>0</fileserve>
<paths><basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>{folder}</webroot>
<adminroot>{folder}</adminroot></paths>
<logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>1</loglevel></logging>
<security><chroot>0</chroot></security>
</icecast>
"""
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;
worker_rlimit_nofile {descriptors};
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; keepalive_requests 100000000;
  types {{ application/vnd.apple.mpegurl m3u8; audio/mp4 m4s; text/html html; }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; }}
}}
"""


def asked(text: str) -> list[str]:
    """The peers named by --against. Raises UsageError for one we do not know."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in KNOWN:
            raise UsageError(f"--against knows {', '.join(KNOWN)}, not '{name}'.")
    return names


def program(name: str) -> str | None:
    """Where a peer's server is installed; for aiortc its module."""
    if name == "aiortc":
        from importlib.util import find_spec

        return "aiortc" if find_spec("aiortc") else None
    return shutil.which(name, path=f"{SBIN}:{os.environ.get('PATH', '')}")


def present(name: str, wanted: list[str], results: Results) -> bool:
    """Whether `name` is asked for and here; a note says how to get it where it is not."""
    if name not in wanted:
        return False
    if program(name) is None:
        results.note(f"{name} is not installed, so nothing is beside ours: {_INSTALL[name]}")
        return False
    results.versions[name] = _version(name)
    return True


def _version(name: str) -> str:
    if name == "aiortc":
        from importlib.metadata import version

        return version("aiortc")
    how = "--version" if name == "janus" else "-v"
    said = subprocess.run([program(name) or name, how], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+\.[\d.]+)", said.stdout + said.stderr)
    return found[1] if found else "unknown"


@dataclass(slots=True)
class Peer:
    """A running server of somebody else's."""

    pid: int
    port: int

    @property
    def pids(self) -> list[int]:
        """It and its workers."""
        return [self.pid, *machine.children(self.pid)]

    def cpu_seconds(self) -> float:
        return machine.cpu_seconds(*self.pids)

    def resident_bytes(self) -> int:
        return machine.resident_bytes(*self.pids)


class Icecast:
    """An Icecast with one mount, /stream.ogg, fed with our Ogg/Opus pages of 200 ms while not `silent`."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.silent = False

    async def feed(self) -> None:
        """The source: until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.peer.port)
        account = base64.b64encode(b"source:bench").decode()
        writer.write(
            f"PUT /stream.ogg HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {account}\r\n"
            "Content-Type: application/ogg\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        maker = ChunkMaker("opus")
        pages = OggWriter(1, "bench")
        pages.init(make_init("opus"))
        writer.write(pages.opening(0))
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                if not self.silent:
                    writer.write(pages.encode(maker.next()))
                    await writer.drain()
                due += 0.2
                await asyncio.sleep(max(due - loop.time(), 0))
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def icecast() -> AsyncIterator[Icecast]:
    """A running Icecast on the server's core, with its source."""
    with tempfile.TemporaryDirectory(prefix="hustings-bench-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o777)
        config = folder / "icecast.xml"
        config.write_text(_ICECAST.format(port=port, folder=folder))
        config.chmod(0o644)
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        with machine.on_cores(machine.server_cores()):
            process = subprocess.Popen(
                [program("icecast2") or "icecast2", "-c", str(config)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                **user,  # type: ignore[call-overload]  # the overloads know no optional account
            )
        try:
            await listens(port, process, "icecast2")
            running = Icecast(Peer(process.pid, port))
            source = asyncio.create_task(running.feed())
            await asyncio.sleep(1.5)
            if source.done():
                raise Unavailable("icecast2 did not take the source.")
            try:
                yield running
            finally:
                source.cancel()
                await asyncio.gather(source, return_exceptions=True)
        finally:
            ended(process)


async def listens(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    """Waits until a server that was started takes connections. Raises Unavailable."""
    end = time.monotonic() + 15
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        if time.monotonic() > end or process.poll() is not None:
            raise Unavailable(f"{name} did not start on this machine.")
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def nginx(files: dict[str, bytes]) -> Iterator[Peer]:
    """An nginx with one worker on the server's core that serves `files` from disk, open files cached."""
    with tempfile.TemporaryDirectory(prefix="hustings-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        port = free_port()
        text = _NGINX.format(folder=folder, port=port, descriptors=machine.raise_descriptor_limit())
        (folder / "conf").write_text(text)
        with machine.on_cores(machine.server_cores()):
            process = subprocess.Popen(
                [program("nginx") or "nginx", "-p", name, "-c", f"{name}/conf"], stderr=subprocess.DEVNULL
            )
        try:
            end = time.monotonic() + 15
            while not machine.children(process.pid):
                if time.monotonic() > end or process.poll() is not None:
                    raise Unavailable("nginx did not start on this machine.")
                time.sleep(0.05)
            yield Peer(process.pid, port)
        finally:
            ended(process)
