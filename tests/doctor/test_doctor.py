"""Each finding, made true on purpose; and that nothing the doctor meets becomes a traceback."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tls"))

from authority import Authority

from hustings.cli.app import run
from hustings.config import Settings
from hustings.doctor import folders, machine, network, server
from hustings.doctor.findings import (
    MAX_FINDINGS,
    MAX_TEXT,
    Finding,
    as_json,
    as_text,
    examine,
    is_well,
    ok,
    warning,
    wrong,
)
from hustings.doctor.machine import Machine

GOOD = ("ok", "")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("HUSTINGS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def said(findings: Iterator[Finding]) -> tuple[str, str]:
    """The worst level, and all that was said."""
    found = list(findings)
    worst = max((each.level for each in found), key=("ok", "warning", "wrong").index)
    for each in found:
        assert bool(each.todo) == (each.level != "ok"), each
    return worst, " | ".join(f"{each.what} -> {each.todo}" for each in found)


def given(**settings: Any) -> Settings:
    return Settings.model_validate(settings)


# --- the machine ---------------------------------------------------------------------------------


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("limit", "level", "listeners"),
    [(512, "wrong", 128), (4096, "warning", 3712), (1_000_000, "ok", 999_616)],
)
def test_descriptors(limit: int, level: str, listeners: int) -> None:
    found, text = said(machine.descriptors(Machine(descriptors=lambda: limit)))
    assert found == level
    assert f"{listeners} listeners" in text


@pytest.mark.parametrize(("free", "level"), [(100, "wrong"), (700, "warning"), (8000, "ok")])
def test_memory(tmp_path: Path, free: int, level: str) -> None:
    put(tmp_path, "proc/meminfo", f"MemTotal: 99999999 kB\nMemAvailable: {free * 1024} kB\n")
    assert said(machine.memory(Machine(root=tmp_path)))[0] == level


def test_memory_of_a_service_with_a_limit(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemAvailable: 99999999 kB\n")
    put(tmp_path, "sys/fs/cgroup/memory.max", "300000000\n")
    put(tmp_path, "sys/fs/cgroup/memory.current", "200000000\n")
    assert said(machine.memory(Machine(root=tmp_path)))[0] == "wrong"
    put(tmp_path, "sys/fs/cgroup/memory.max", "max\n")
    assert said(machine.memory(Machine(root=tmp_path)))[0] == "ok"


def test_a_system_that_says_nothing_of_its_memory(tmp_path: Path) -> None:
    assert said(machine.memory(Machine(root=tmp_path)))[0] == "warning"


def test_processors() -> None:
    assert said(machine.processors(Machine(cores=lambda: 1)))[0] == "warning"
    assert said(machine.processors(Machine(cores=lambda: 4))) == ("ok", "4 cores: 3 for edges by default -> ")


def test_kernel_settings(tmp_path: Path) -> None:
    put(tmp_path, "proc/sys/net/core/somaxconn", "128\n")
    put(tmp_path, "proc/sys/net/core/rmem_max", "212992\n")
    put(tmp_path, "proc/sys/net/netfilter/nf_conntrack_max", "1000\n")
    level, text = said(machine.kernel(Machine(root=tmp_path)))
    assert level == "warning"
    assert "sysctl -w net.core.somaxconn=4096" in text
    assert "sysctl -w net.netfilter.nf_conntrack_max=65536" in text
    assert "net.core.rmem_max=212992" in text
    assert list(machine.kernel(Machine(root=tmp_path / "elsewhere"))) == []


@pytest.mark.parametrize(("kept", "level"), [(True, "ok"), (False, "warning"), (None, "warning")])
def test_clock(kept: bool | None, level: str) -> None:
    here = Machine(synchronised=lambda: kept)
    assert said(machine.clock(here, "", machine.utc_now))[0] == level


@pytest.fixture
def dated() -> Iterator[str]:
    """A server that says what time it is."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", format_datetime(datetime.now(UTC), usegmt=True))
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answer) as httpd:
        Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (10, "warning"), (3600, "wrong"), (-3600, "wrong")]
)
def test_clock_against_a_server(dated: str, seconds: int, level: str) -> None:
    here = Machine(synchronised=lambda: True)
    ours = datetime.now(UTC) + timedelta(seconds=seconds)
    assert said(machine.clock(here, dated, lambda: ours))[0] == level


def test_clock_against_nobody() -> None:
    here = Machine(synchronised=lambda: True)
    for address in ("http://127.0.0.1:1", "nonsense", "http://[", ""):
        assert said(machine.clock(here, address, machine.utc_now))[0] == ("warning" if address else "ok")


@pytest.mark.parametrize(("may", "level"), [(True, "ok"), (False, "warning")])
def test_scheduling(may: bool, level: str) -> None:
    assert said(machine.scheduling(Machine(realtime=lambda: may)))[0] == level


def test_time_zones() -> None:
    def none(name: str) -> object:
        raise ZoneInfoNotFoundError(name)

    assert said(machine.time_zones(Machine()))[0] == "ok"
    assert said(machine.time_zones(Machine(zone=none)))[0] == "wrong"


def test_libraries() -> None:
    level, text = said(machine.libraries(Machine(), own_bus=True))
    assert level == "ok"
    for name in ("Python", "OpenSSL", "SQLite", "libdatachannel", "opus", "FFmpeg", "nats-server"):
        assert f"{name} " in text
    here = Machine(versions=lambda: {"Python": "3.13", "nats-server": ""})
    assert said(machine.libraries(here, own_bus=True))[0] == "wrong"
    assert said(machine.libraries(here, own_bus=False))[0] == "ok"


def test_what_the_real_machine_says_is_of_its_kind() -> None:
    assert machine.clock_is_synchronised() in (True, False, None)
    assert machine.may_have_realtime() in (True, False)
    assert (machine.available_memory(Machine()) or 0) > 0


# --- folders -------------------------------------------------------------------------------------


def test_a_good_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    level, text = said(folders.folder("data folder", tmp_path, private=True, writer=lambda _: 0.001))
    assert (level, text.count("->")) == ("ok", 2)
    assert folders.write_and_sync(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("seconds", "level"), [(0.01, "ok"), (0.5, "warning"), (3, "wrong")])
def test_a_slow_disk(tmp_path: Path, seconds: float, level: str) -> None:
    assert said(folders.folder("data folder", tmp_path, writer=lambda _: seconds))[0] == level


@pytest.mark.parametrize(("gigabytes", "level"), [(0.1, "wrong"), (2, "warning"), (100, "ok")])
def test_a_full_disk(tmp_path: Path, gigabytes: float, level: str) -> None:
    free = int(gigabytes * folders.GB)
    found = folders.folder("data folder", tmp_path, writer=lambda _: 0.001, free=lambda _: free)
    assert said(found)[0] == level


def test_a_folder_nobody_may_write(tmp_path: Path) -> None:
    def refused(_path: Path) -> float:
        raise PermissionError(13, "Permission denied")

    level, text = said(folders.folder("data folder", tmp_path, writer=refused))
    assert level == "wrong"
    assert "Permission denied" in text


def test_a_folder_that_is_a_file_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert said(folders.folder("data folder", tmp_path / "file"))[0] == "wrong"
    assert said(folders.folder("data folder", tmp_path / "file" / "below"))[0] == "wrong"
    level, text = said(folders.folder("data folder", tmp_path / "new" / "er"))
    assert level == "ok"
    assert "will be made" in text
    assert not (tmp_path / "new").exists()


def test_a_folder_others_may_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    level, text = said(folders.folder("data folder", tmp_path, private=True))
    assert level == "warning"
    assert f"chmod 700 {tmp_path}" in text


def test_spare(tmp_path: Path) -> None:
    assert said(folders.spare(tmp_path, ""))[0] == "warning"
    (tmp_path / "spare").mkdir()
    level, text = said(folders.spare(tmp_path, str(tmp_path / "spare")))
    assert level == "warning"
    assert "same disk" in text


def test_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(folders.recordings(tmp_path))[0] == "ok"
    (tmp_path / "rooms").mkdir()
    assert said(folders.recordings(tmp_path))[0] == "ok"
    monkeypatch.setattr("os.access", lambda *_: False)
    assert said(folders.recordings(tmp_path))[0] == "wrong"


# --- the network ---------------------------------------------------------------------------------

FREE = dict.fromkeys(("audience_door", "studio_door", "media_door", "metrics_door"), "127.0.0.1:0")


def test_ports_that_are_free_or_taken() -> None:
    assert said(network.ports(given(**FREE), {}))[0] == "ok"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = f"127.0.0.1:{taken.getsockname()[1]}"
        level, text = said(network.ports(given(**FREE | {"studio_door": door}), {}))
    assert level == "wrong"
    assert "the port is in use -> Choose another with --studio" in text
    assert said(network.ports(given(**FREE | {"studio_door": "nonsense"}), {}))[0] == "wrong"


def test_doors_of_a_server_that_does_not_answer() -> None:
    running = {"audience": "http://127.0.0.1:1", "studio": "nonsense"}
    level, text = said(network.ports(given(), running))
    assert level == "wrong"
    assert text.count("does not answer") == 2


def test_media_port() -> None:
    assert "datagrams get to" in said(network.media(given(**FREE), {}))[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        door = f"127.0.0.1:{taken.getsockname()[1]}"
        assert said(network.media(given(media_door=door), {}))[0] == "wrong"
        assert "the stage holds" in said(network.media(given(), {"media": door}))[1]
    level, text = said(network.media(given(), {"media": door}))
    assert level == "wrong"
    assert "nobody holds" in text


def test_how_speakers_are_told_to_reach_the_media_port() -> None:
    assert said(network.media(given(**FREE), {}))[0] == "warning"  # 127.0.0.1: nobody else reaches it
    assert said(network.media(given(**FREE, public_ip="203.0.113.7, 2001:db8::1"), {}))[0] == "ok"
    level, text = said(network.media(given(**FREE, public_ip="talk.example.org"), {}))
    assert level == "wrong"
    assert "'talk.example.org' is no address" in text


def test_certificates(authority: Authority) -> None:
    good = authority.issue("good", names=("talk.example.org",), days=60, age=30)
    with_tls = {"tls_cert": str(good.cert), "tls_key": str(good.key)}
    url = "https://talk.example.org"
    now = time.time()
    assert list(network.certificates(given(), {}, now)) == []
    fine = given(**with_tls, audience_url=url, studio_url=f"{url}:8443")
    assert said(network.certificates(fine, {}, now))[0] == "ok"
    level, text = said(network.certificates(fine, {}, now + 55 * 86400))
    assert (level, "ends in 5.0 days" in text) == ("warning", True)
    level, text = said(network.certificates(fine, {}, now + 61 * 86400))
    assert (level, "expired 1 days ago" in text) == ("wrong", True)
    other = given(**with_tls, audience_url="https://stage.example.org")
    level, text = said(network.certificates(other, {}, now))
    assert (level, "is not for stage.example.org" in text) == ("wrong", True)
    good.cert.unlink()
    level, text = said(network.certificates(fine, {}, now))
    assert (level, "No such file" in text) == ("wrong", True)


def test_a_certificate_for_a_week_is_no_reason_to_worry(authority: Authority) -> None:
    short = authority.issue("short", days=5, age=1)
    settings = given(tls_cert=str(short.cert), tls_key=str(short.key))
    assert said(network.certificates(settings, {}, time.time()))[0] == "ok"


@pytest.mark.parametrize(
    ("settings", "level", "words"),
    [
        ({}, "wrong", "no microphone without https"),
        ({"studio_door": "127.0.0.1:8001"}, "ok", "this machine only"),
        ({"studio_url": "http://talk.example.org"}, "wrong", "no microphone without https"),
        ({"studio_url": "https://talk.example.org"}, "ok", "with https"),
        ({"tls_cert": "x"}, "ok", "with https"),
        ({"studio_url": "talk.example.org"}, "wrong", "is no web address"),
        (
            {"studio_url": "https://s.example.org", "audience_url": "http://a.example.org"},
            "warning",
            "the audience's links are http",
        ),
    ],
)
def test_links(settings: dict[str, str], level: str, words: str) -> None:
    found, text = said(network.links(given(**settings), {}))
    assert found == level
    assert words in text


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({}, "ok"),
        ({"proxies": "127.0.0.1, 2001:db8::1"}, "ok"),
        ({"proxies": "10.0.0.0/8"}, "wrong"),
        ({"proxies": "nginx"}, "wrong"),
        ({"audience_url": "https://talk.example.org"}, "warning"),
        ({"audience_url": "https://talk.example.org", "proxies": "127.0.0.1"}, "ok"),
        ({"audience_url": "https://talk.example.org", "tls_cert": "x"}, "ok"),
    ],
)
def test_proxies(settings: dict[str, str], level: str) -> None:
    assert said(network.proxies(given(**settings), {}))[0] == level


# --- a running server ----------------------------------------------------------------------------


@pytest.fixture
def metrics() -> Iterator[tuple[str, list[str]]]:
    """A metrics door that says what is in the list."""
    text: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write("".join(text).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as httpd:
        Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/metrics", text
        httpd.shutdown()


def test_roles(tmp_path: Path, metrics: tuple[str, list[str]]) -> None:
    url, text = metrics
    assert said(server.roles(tmp_path, {}))[0] == "ok"
    text[:] = ['hustings_role_up{name="stage"} 1\nhustings_role_up{name="edge-0"} 1\n']
    assert said(server.roles(tmp_path, {"metrics": url})) == ("ok", "alive: edge-0, stage -> ")
    text.append('hustings_role_restarts_total{name="stage"} 2\n')
    level, what = said(server.roles(tmp_path, {"metrics": url}))
    assert (level, "stage 2x" in what) == ("warning", True)
    text.append('hustings_role_up{name="bus"} 0\n')
    level, what = said(server.roles(tmp_path, {"metrics": url}))
    assert (level, "not alive: bus" in what) == ("wrong", True)
    text[:] = ["nonsense {{{\n"]
    assert said(server.roles(tmp_path, {"metrics": url}))[0] == "wrong"
    assert said(server.roles(tmp_path, {"metrics": "http://127.0.0.1:1/metrics"}))[0] == "wrong"


# --- how it is shown -----------------------------------------------------------------------------


def test_a_check_that_fails_is_a_finding() -> None:
    def bad() -> list[Finding]:
        raise RuntimeError("boom\nwith a second line")

    found = examine([("odd", bad), ("fine", lambda: [ok("fine", "yes")])])
    assert [(each.level, each.subject) for each in found] == [("warning", "odd"), ("ok", "fine")]
    assert "RuntimeError: boom with a second line" in found[0].what


def test_findings_are_bounded() -> None:
    found = examine([("much", lambda: [wrong("much", "x" * 5000, "y" * 5000)] * 500)])
    assert len(found) == MAX_FINDINGS
    assert len(as_json(found, "1")) < MAX_FINDINGS * (2 * MAX_TEXT + 100)


def test_text_and_json() -> None:
    found = [ok("clock", "fine"), warning("disk", "slow", "buy one"), wrong("ports", "taken", "choose")]
    assert as_text(found, coloured=False).splitlines() == [
        "ok       clock  fine",
        "warning  disk   slow",
        "                -> buy one",
        "wrong    ports  taken",
        "                -> choose",
    ]
    assert "\033[31mwrong" in as_text(found, coloured=True)
    told = json.loads(as_json(found, "0.1"))
    assert (told["ok"], told["version"]) == (False, "0.1")
    assert told["findings"][1] == {"level": "warning", "subject": "disk", "what": "slow", "todo": "buy one"}
    assert is_well(found[:2])


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, door in FREE.items():
        monkeypatch.setenv(f"HUSTINGS_{name.upper()}", door)
    assert run(["doctor", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "mail" in text
    assert "\033[" not in text
    monkeypatch.setenv("HUSTINGS_STUDIO_URL", "http://talk.example.org")
    with pytest.raises(SystemExit) as ended:
        run(["doctor", "--data", str(tmp_path), "--json"])
    assert ended.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert [each["subject"] for each in told["findings"] if each["level"] == "wrong"] == ["links"]
