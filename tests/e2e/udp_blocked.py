"""A network of the test's own, in which UDP can be shut and opened: a namespace and one routing rule."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Network:
    """Everything this thread does, and every process it starts, is in it."""

    def shut(self) -> None:
        """From now on no UDP goes anywhere, not even to ourselves."""
        run("ip", "rule", "add", "pref", "10", "ipproto", "udp", "blackhole")

    def open(self) -> None:
        run("ip", "rule", "del", "pref", "10")


@contextlib.contextmanager
def own_network() -> Iterator[Network]:
    """Enters a namespace of its own and leaves it again. There is one address besides loopback: a browser
    offers no candidate at all where there is none."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs root and ip")
    name = f"hustings-{os.getpid()}-udp"
    run("ip", "netns", "add", name)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(Path("/run/netns") / name, os.O_RDONLY)
        os.setns(there, os.CLONE_NEWNET)
        os.close(there)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "ours", "type", "veth", "peer", "theirs")
        run("ip", "addr", "add", "10.99.4.1/24", "dev", "ours")
        run("ip", "link", "set", "theirs", "up")
        run("ip", "link", "set", "ours", "up")
        # Our own addresses are looked up by a rule of the highest preference, before which there is no place.
        run("ip", "rule", "add", "pref", "100", "lookup", "local")
        run("ip", "rule", "del", "pref", "0")
        yield Network()
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(home)
        run("ip", "netns", "delete", name)
