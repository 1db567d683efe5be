"""Debian's coturn on 127.0.0.1, as docs/examples/turnserver.conf has it, but for its peers: the stage under
test is on loopback, which relays else refuse to reach."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TURNSERVER = shutil.which("turnserver") or "/usr/bin/turnserver"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "turnserver.conf"
SECRET = "a secret of this test"


@dataclass(frozen=True, slots=True)
class Coturn:
    """A running relay."""

    port: int
    tls_port: int
    log: Path

    @property
    def udp(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=udp"

    @property
    def tcp(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=tcp"

    @property
    def tls(self) -> str:
        return f"turns:127.0.0.1:{self.tls_port}?transport=tcp"

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def _free_port() -> int:
    """Free for TCP and UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


@contextlib.contextmanager
def coturn(folder: Path) -> Iterator[Coturn]:
    """A relay until the end of the block."""
    certificate, key = folder / "turn.pem", folder / "turn.key"
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *made, *subject, *files], check=True, capture_output=True)
    relay = Coturn(_free_port(), _free_port(), folder / "turn.log")
    command = [
        TURNSERVER,
        "-c",
        str(EXAMPLE),
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        f"--listening-port={relay.port}",
        f"--tls-listening-port={relay.tls_port}",
        f"--cert={certificate}",
        f"--pkey={key}",
        f"--static-auth-secret={SECRET}",
        "--allowed-peer-ip=127.0.0.1",
        "--allow-loopback-peers",
        "--verbose",
        "--simple-log",
        f"--log-file={relay.log}",
        f"--pidfile={folder / 'turn.pid'}",
        f"--userdb={folder / 'turn.db'}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", relay.tls_port), 1):
                break
            assert process.poll() is None, (
                f"coturn ended: {relay.log.read_text() if relay.log.exists() else ''}"
            )
            assert time.monotonic() < end, "coturn does not listen"
            time.sleep(0.1)
        yield relay
    finally:
        process.terminate()
        process.wait(15)
