"""The unit and the firewall of docs/examples: accepted by what reads them, and doing what they say."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FLOOD = """
import json, select, socket, sys

def connect(family, sources, port, count):
    everywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"
    listening = socket.create_server((everywhere, port), family=family, backlog=4096)
    waiting = []
    for n in range(count):
        sock = socket.socket(family)
        sock.setblocking(False)
        sock.bind((sources[n % len(sources)], 0))
        sock.connect_ex((sources[0], port))
        waiting.append(sock)
    poll = select.poll()
    for sock in waiting:
        poll.register(sock, select.POLLOUT)
    through = set()
    while found := poll.poll(300):
        for number, event in found:
            through.add(number)
            poll.unregister(number)
    return len(through)

def datagrams(count):
    taker, sender = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    taker.bind(("127.0.0.1", 8002))
    taker.setblocking(False)
    got = 0
    for n in range(count):
        sender.sendto(b"x", ("127.0.0.1", 8002))
        try:
            while taker.recv(9):
                got += 1
        except BlockingIOError:
            pass
    return got

print(json.dumps({
    "one": connect(socket.AF_INET, ["127.0.0.1"], 8000, 600),
    "another": connect(socket.AF_INET, ["127.0.0.2"], 8001, 100),
    "elsewhere": connect(socket.AF_INET, ["127.0.0.3"], 9000, 600),
    "network": connect(socket.AF_INET6, ["2001:db8::1", "2001:db8::2"], 8443, 600),
    "media": datagrams(20_000),
}))
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network of its own, with nothing in it but this machine."""
    if os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"):
        pytest.skip("needs root, ip and nft")
    name = f"hustings-test-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr}")
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        for address in ("2001:db8::1/128", "2001:db8::2/128"):
            run("ip", "-n", name, "address", "add", address, "dev", "lo")
        yield name
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run("ip", "netns", "delete", name)


def inside(name: str, *command: str) -> str:
    return run("ip", "netns", "exec", name, *command)


def dropped(name: str) -> dict[str, int]:
    listed = json.loads(inside(name, "nft", "-j", "list", "counters"))["nftables"]
    return {each["counter"]["name"]: each["counter"]["packets"] for each in listed if "counter" in each}


def test_the_firewall_limits_each_address_and_nobody_else(namespace: str) -> None:
    before = json.loads(inside(namespace, sys.executable, "-c", FLOOD))
    assert before == {"one": 600, "another": 100, "elsewhere": 600, "network": 600, "media": 20_000}
    for _ in range(2):  # loading it again changes nothing
        inside(namespace, "nft", "-f", str(EXAMPLES / "hustings.nft"))
    after = json.loads(inside(namespace, sys.executable, "-c", FLOOD))
    assert 200 <= after["one"] < 500, "new connections of one address"
    assert after["another"] == 100
    assert after["elsewhere"] == 600, "another port is none of ours"
    assert 200 <= after["network"] < 500, "two addresses of one /64 are one"
    assert 4000 <= after["media"] < 20_000
    counted = dropped(namespace)
    assert counted["connections_dropped"] > 200
    assert counted["media_dropped"] == 20_000 - after["media"]


def test_the_unit_is_understood_and_hardened(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    unit = (EXAMPLES / "hustings.service").read_text()
    program = tmp_path / "hustings"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert "/opt/hustings/bin/hustings serve" in unit
    path = tmp_path / "hustings.service"
    path.write_text(unit.replace("/opt/hustings/bin/hustings", str(program)))
    verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60)
    about_ours = [line for line in verified.stderr.splitlines() if "hustings" in line]
    assert about_ours == []
    options = ["--offline=true", "--threshold=25"]  # tenths: at most 2.5 of 10 exposed
    judged = subprocess.run(
        ["systemd-analyze", "security", *options, str(path)], capture_output=True, text=True, timeout=60
    )
    if "unrecognized option" in judged.stderr:
        pytest.skip("this systemd-analyze judges no files")
    assert judged.returncode == 0, judged.stdout[-500:]
