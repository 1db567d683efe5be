"""A role's process in reserve: it imports everything, waits on its standard input, and then is the role.

What tells it to begin is one message on a Unix socket: a JSON list, the role and its arguments, with the
listening socket beside it (SCM_RIGHTS) if the role has one. The end of the socket ends the process.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import os
import socket
import sys
from pathlib import Path

from hustings.priority import step_back
from hustings.sockets import DOOR_FD


def wait_in_reserve(kind: str) -> list[str]:
    """Loads what the role `kind` needs and waits; the role and its arguments, for the command line."""
    step_back()
    preload(kind)
    with socket.socket(fileno=os.dup(0)) as channel:
        with contextlib.suppress(OSError):  # told to begin before this, which nobody waits for then
            channel.sendall(b"\n")
        message, ancillary, _flags, _from = channel.recvmsg(4096, socket.CMSG_SPACE(4))
    if not message:
        sys.exit(0)
    for _level, _kind, data in ancillary:
        os.environ[DOOR_FD] = str(array.array("i", data[:4])[0])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    arguments = [str(each) for each in json.loads(message)]
    show_as(["spare", kind], arguments)
    return arguments


def preload(kind: str) -> None:
    """Imports what the role would, and runs once what is slow the first time."""
    if kind == "stage":
        from hustings.stage.main import prepare

        prepare()
    elif kind == "edge":
        import uvloop  # noqa: F401

        import hustings.edge.main
    elif kind == "studio":
        from hustings.studio.main import prepare as prepare_studio

        prepare_studio()
    elif kind == "scribe":
        import hustings.scribe.main
        import hustings.scribe.workers  # noqa: F401


def show_as(before: list[str], now: list[str]) -> None:
    """Has ps and /proc show the command line `now` where `before` stood at its end. Linux only."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # proc_pid_stat(5): 48 and 49 in all
        line = Path("/proc/self/cmdline").read_bytes()
        old, new = ("\0".join(each).encode() + b"\0" for each in (before, now))
        if not line.endswith(old) or len(new) > len(old) or end - start != len(line):
            return
        ctypes.memmove(end - len(old), new.ljust(len(old), b"\0"), len(old))
    except (OSError, ValueError, IndexError):
        return
