"""Logs: the role in each line, nothing personal in any."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hustings.log import SUPERVISED, configure_logging, scrub


class _Sink:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, /) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...


@pytest.fixture
def sink() -> Iterator[_Sink]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield _Sink()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    ("line", "scrubbed"),
    [
        ("from 192.0.2.7:4711 again", "from [address]:4711 again"),
        ("from [2001:db8::1]:80", "from [[address]]:80"),
        ("from fe80::1.", "from [address]."),
        ("from 2001:db8:0:1:2:3:4:5 now", "from [address] now"),
        ("nats://hustings:s3cr3t-s3cr3t@host", "nats://hustings:[secret]host"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer [secret]"),
        ("/s/room#ticket=abcdefghijkl", "/s/room#ticket=[secret]"),
        ("for t_abcdefghijklmnopqrstuvwxyz-_12: gone", "for [secret]: gone"),
        ("key 'whsec_abcdefghijklmnopqrstuvwxyz/+12='", "key '[secret]'"),
        ("to ada.lovelace+news@mail.example.org now", "to [mail] now"),
        ("a set_of_plain_words_that_go_on", "a set_of_plain_words_that_go_on"),
        ("version 1.2.3, at 12:34:56.789", "version 1.2.3, at 12:34:56.789"),
        ("hustings.stage ticks=12 late=0.5", "hustings.stage ticks=12 late=0.5"),
    ],
)
def test_what_is_personal_is_replaced(line: str, scrubbed: str) -> None:
    assert scrub(line) == scrubbed


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.sampled_from([" ", "=", "'", "(", "["]))
def test_no_address_survives(address: object, before: str) -> None:
    assert scrub(f"from{before}{address} left") == f"from{before}[address] left"


def test_text_lines_name_the_role(sink: _Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SUPERVISED, raising=False)
    configure_logging("edge-0", json_lines=False, stream=sink)
    structlog.get_logger().info("listening", door="push")
    logging.getLogger("library").warning("from %s", "192.0.2.1")
    one, two = sink.text.splitlines()
    assert one.startswith("edge-0   ")
    assert one.endswith("info     listening door=push")
    assert two.endswith("warning  from [address]")


def test_supervised_roles_leave_their_name_to_the_supervisor(
    sink: _Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SUPERVISED, "1")
    configure_logging("edge-0", json_lines=False, stream=sink)
    structlog.get_logger().info("listening")
    assert "edge-0" not in sink.text


def test_json_lines_are_json_with_the_role(sink: _Sink) -> None:
    configure_logging("stage", json_lines=True, stream=sink)
    try:
        raise ValueError("from 192.0.2.1")
    except ValueError:
        structlog.get_logger().exception("bad")
    line = json.loads(sink.text)
    assert (line["role"], line["event"], line["level"]) == ("stage", "bad", "error")
    assert "ValueError: from [address]" in line["exception"]
