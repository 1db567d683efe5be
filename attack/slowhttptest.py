"""Attack 2 with a tool that is not ours: slowhttptest (Debian package), slow headers, body and reading.

All its connections come from one address, so the door's cap for one must be raised to let them in at all; a
second run leaves it as it is. How long each connection was open is read from /proc/net/tcp, not believed.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sockets import raise_descriptor_limit

type Mode = Literal["headers", "body", "read"]
MODES: tuple[Mode, ...] = ("headers", "body", "read")
RATE = 1_000
"""Connections a second."""
EVERY = 0.5
"""Seconds between two looks at the connections."""
_OPTIONS: dict[Mode, list[str]] = {
    "headers": ["-H", "-i", "2"],
    "body": ["-B", "-i", "2", "-s", "4000", "-x", "10", "-f", "application/json"],
    "read": ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "1"],
}


@dataclass(slots=True)
class Kept:
    """One connection as seen at the door."""

    first: float
    last: float


def installed() -> bool:
    """Whether the tool is there."""
    return shutil.which("slowhttptest") is not None


def _open_from(port: int) -> set[str]:
    """Far end and inode of all connections at our `port` that the server has open: what only the kernel still
    has (closed by the server, not yet acknowledged) has no inode, and counts as memory."""
    door = f":{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    mine = (row for row in rows if row[1].endswith(door) and row[2][-4:] != "0000")
    return {f"{row[2]} {row[9]}" for row in mine if row[9] != "0"}


def _kernel_bytes() -> int:
    """What TCP holds in buffers on this machine."""
    line = next(row for row in Path("/proc/net/sockstat").read_text().splitlines() if row.startswith("TCP:"))
    return int(line.rpartition("mem ")[2]) * resource.getpagesize()


def slow(url: str, mode: Mode, count: int, seconds: float, pids: list[int]) -> dict[str, Any]:
    """`count` connections within a few seconds, watched for `seconds`: how long each was open, how many are
    still open, what the server `pids` and the kernel's buffers grew by at most."""
    raise_descriptor_limit()
    port = int(url.split("/")[2].rpartition(":")[2])
    page = resource.getpagesize()

    def held() -> int:
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids)

    others, before, kernel = _open_from(port), held(), _kernel_bytes()
    seen: dict[str, Kept] = {}
    most = kernel_most = 0
    with tempfile.TemporaryDirectory() as folder:
        command = ["slowhttptest", *_OPTIONS[mode], "-c", str(count), "-r", str(RATE), "-u", url, "-p", "5"]
        command += ["-l", f"{seconds:.0f}", "-g", "-o", f"{folder}/said", "-v", "0"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + seconds + 10.0
        try:
            while time.monotonic() < end and process.poll() is None:
                now = time.monotonic()
                for far in _open_from(port) - others:
                    seen.setdefault(far, Kept(now, now)).last = now
                most = max(most, held() - before)
                kernel_most = max(kernel_most, _kernel_bytes() - kernel)
                time.sleep(max(0.0, now + EVERY - time.monotonic()))
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
    last = max((each.last for each in seen.values()), default=0.0)
    # Those seen at the last look were ended by the tool, not by the server. Its own look whether the door
    # answers, a new connection each second, is among the rest.
    still = sum(1 for each in seen.values() if each.last == last and last - each.first > 11.0)
    return {
        "seen": len(seen),
        "lasted": sorted(each.last - each.first for each in seen.values()),
        "still_open": still,
        "grew": most,
        "kernel": kernel_most,
    }
