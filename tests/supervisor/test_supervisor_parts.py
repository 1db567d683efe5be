"""The supervisor's pure parts: back-off, merged metrics, addresses, what the children are told."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from hustings.bus.rights import RIGHTS
from hustings.config import Settings
from hustings.errors import HustingsError
from hustings.supervisor.backoff import Backoff
from hustings.supervisor.doors import Door
from hustings.supervisor.folder import DataFolder, FolderInUse, read_addresses
from hustings.supervisor.logs import LogWriter
from hustings.supervisor.main import child_environment, shown
from hustings.supervisor.nats_server import NatsServer, tidy
from hustings.supervisor.prometheus import merge_metrics


def test_back_off_begins_after_three_deaths_and_doubles_to_ten_seconds() -> None:
    backoff = Backoff()
    delays = [backoff.died(1.0) for _ in range(10)]
    assert delays == [0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_spaced_deaths_are_never_punished() -> None:
    backoff = Backoff()
    assert {backoff.died(5.0) for _ in range(100)} == {0.0}


def test_back_off_forgives_after_five_healthy_seconds() -> None:
    backoff = Backoff()
    for _ in range(9):
        backoff.died(0.1)
    assert backoff.died(4.9) == 10.0
    assert backoff.died(5.0) == 0.0


def test_back_off_stays_bounded_for_ever() -> None:
    backoff = Backoff()
    assert max(backoff.died(0.0) for _ in range(5000)) == 10.0


def _text(name: str, label: str, count: int) -> str:
    registry = CollectorRegistry()
    counter = Counter(name, "What it counts.", ["door"], registry=registry)
    counter.labels(label).inc(count)
    Histogram("seconds", "How long.", buckets=(0.1, 1.0), registry=registry).observe(0.5)
    return generate_latest(registry).decode()


def test_merged_metrics_name_each_family_once_and_each_sample_with_its_role() -> None:
    merged = merge_metrics({"edge-0": _text("opened", "push", 3), "edge-1": _text("opened", 'h"l,s} ', 4)})
    families = list(text_string_to_metric_families(merged))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    opened = next(family for family in families if family.name == "opened")
    totals = [
        (s.labels["role"], s.labels["door"], s.value) for s in opened.samples if s.name == "opened_total"
    ]
    assert totals == [("edge-0", "push", 3.0), ("edge-1", 'h"l,s} ', 4.0)]
    assert merged.count("# TYPE seconds histogram") == 1


def test_merged_metrics_of_nobody_are_empty() -> None:
    assert merge_metrics({}) == ""
    assert merge_metrics({"stage": ""}) == ""


def test_one_server_per_data_folder(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    with pytest.raises(FolderInUse, match="already runs on the data folder"):
        DataFolder(tmp_path / "data")
    first.close()
    DataFolder(tmp_path / "data").close()


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HustingsError, match="Choose another with --data"):
        DataFolder(tmp_path / "file")


def test_addresses_are_private_and_gone_when_the_server_is(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.remember_addresses({"studio": "http://127.0.0.1:1"})
    mode = stat.S_IMODE((tmp_path / "run" / "addresses.json").stat().st_mode)
    assert mode == 0o600
    assert read_addresses(tmp_path) == {"studio": "http://127.0.0.1:1"}
    folder.close()
    with pytest.raises(HustingsError, match="No server is ready"):
        read_addresses(tmp_path)


def test_unreadable_addresses_are_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "addresses.json").write_text("[}")
    with pytest.raises(HustingsError, match="Cannot read"):
        read_addresses(tmp_path)


def test_the_bus_credential_is_in_a_private_file_and_on_no_command_line(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    server = NatsServer(folder)
    passwords = {server.url(role).split(":")[2].partition("@")[0] for role in RIGHTS}
    assert len(passwords) == len(RIGHTS), "each role has one of its own"
    config = tmp_path / "run" / "bus.conf"
    assert all(password in config.read_text() for password in passwords)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert not [password for password in passwords if password in " ".join(server.command)]
    server.forget()
    assert not config.exists()
    folder.close()


def _doors() -> dict[str, Door]:
    names = {"audience": 8000, "studio": 8001, "metrics": 8003}
    doors = {name: Door(name, f"--{name}", "0.0.0.0", port) for name, port in names.items()}
    doors["media"] = Door("media", "--media", "0.0.0.0", 8002, socket.SOCK_DGRAM)
    return doors


def test_children_are_told_everything_but_the_operators_token(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data=Path("data"), voices=7, levelling=False, token="operator")
    environment = child_environment(settings, _doors())
    assert "HUSTINGS_TOKEN" not in environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    child = Settings()
    assert child.data.is_absolute()
    assert (child.voices, child.levelling) == (7, False)
    assert child.audience_url == child.studio_url.replace("8001", "8000") == "http://127.0.0.1:8000"


def test_every_setting_reaches_the_children() -> None:
    told = child_environment(Settings(), _doors())
    assert {name.removeprefix("HUSTINGS_").lower() for name in told} == set(Settings.model_fields) - {
        "token",
        "bus",  # to each role apart: see test_each_role_has_its_own_way_to_the_bus
    }


@pytest.mark.parametrize(
    ("door", "line"),
    [
        (Door("audience", "--audience", "0.0.0.0", 8000), "http://127.0.0.1:8000"),
        (Door("studio", "--studio", "::", 8001), "http://[::1]:8001"),
        (Door("studio", "--studio", "192.0.2.7", 8001), "http://192.0.2.7:8001"),
        (Door("media", "--media", "::1", 8002, socket.SOCK_DGRAM), "udp [::1]:8002"),
        (Door("metrics", "--metrics", "127.0.0.1", 8003), "http://127.0.0.1:8003/metrics"),
    ],
)
def test_how_doors_are_shown(door: Door, line: str) -> None:
    assert shown(door) == line


class _Kept:
    def __init__(self) -> None:
        self.buffer = self
        self.text = b""

    def write(self, data: bytes) -> None:
        self.text += data

    def flush(self) -> None: ...


async def _forwarded(monkeypatch: pytest.MonkeyPatch, data: bytes, *, json_lines: bool) -> list[str]:
    kept = _Kept()
    monkeypatch.setattr(sys, "stderr", kept)
    writer = LogWriter(json_lines=json_lines)
    stream = asyncio.StreamReader(limit=64)
    stream.feed_data(data)
    stream.feed_eof()
    await writer.forward("edge-0", stream)
    writer.finish()
    return kept.text.decode().splitlines()


async def test_log_lines_carry_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = await _forwarded(monkeypatch, b"one\n\n  two\nthree", json_lines=False)
    assert lines == ["edge-0   one", "edge-0     two", "edge-0   three"]


async def test_json_lines_pass_and_others_are_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = await _forwarded(monkeypatch, b'{"role": "edge-0"}\nfree text\n', json_lines=True)
    assert [json.loads(line) for line in lines] == [
        {"role": "edge-0"},
        {"role": "edge-0", "event": "free text"},
    ]


async def test_endless_lines_pass_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = await _forwarded(monkeypatch, b"x" * 1000 + b"\nend\n", json_lines=False)
    assert "".join(line.removeprefix("edge-0").strip() for line in lines) == "x" * 1000 + "end"
    assert lines[-1] == "edge-0   end"


def test_the_bus_says_only_what_is_news() -> None:
    assert tidy("[12] [INF] Server is ready") == ""
    assert tidy("[12] [WRN] Plaintext passwords detected, use nkeys or bcrypt") == ""
    assert tidy("[12] [ERR] 127.0.0.1:4 - authentication error") == "[ERR] 127.0.0.1:4 - authentication error"
