"""The command line: what it says when something is wrong, and that it never shows a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hustings.cli.app import run
from hustings.cli.errors import exit_code
from hustings.cli.remote import show
from hustings.cli.settings import read_settings
from hustings.errors import HustingsError, Refused, UsageError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HUSTINGS_TOKEN", "HUSTINGS_STUDIO", "HUSTINGS_DATA", "HUSTINGS_BUS", "HUSTINGS_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["room"], "Missing command"),
        (["invite", "library"], "Missing argument 'NAME'"),
        (["serve", "--edges", "many"], "a valid integer"),
        (["serve", "--edges", "1000"], "--edges: Input should be less than or equal to 64"),
        (["serve", "--audience", "nonsense", "--data", "d"], "'nonsense' is not HOST:PORT"),
        (["invite", "library", "Ann", "--role", "king"], "--role is speaker or cohost"),
        (["open", "library"], "Give --data DIR, or set HUSTINGS_STUDIO and HUSTINGS_TOKEN"),
        (["stage"], "No bus: give --bus"),
        (["listen", "http://127.0.0.1:1/r/x", "--via", "telepathy"], "telepathy"),
        (["speak", "x", "--ticket", "t"], "Missing option '--file'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.startswith("hustings: ")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_server_that_is_not_there_is_one_line_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["start", "library", "--data", "nowhere"]) == 1
    assert "No server is ready on nowhere" in capsys.readouterr().err


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSTINGS_VOICES", "none")
    with pytest.raises(UsageError, match="HUSTINGS_VOICES"):
        read_settings()


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSTINGS_EDGES", "3")
    assert read_settings().edges == 3
    assert read_settings(edges=5).edges == 5
    assert read_settings(edges=None).edges == 3


def _raises(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError("Write it so."), 2, "hustings: Write it so.\n"),
        (HustingsError("Do that."), 1, "hustings: Do that.\n"),
        (Refused(404, "No such room", "Make one."), 1, "hustings: No such room: Make one.\n"),
        (FileNotFoundError(2, "No such file or directory", "a.wav"), 1, "a.wav: No such file or directory."),
        (KeyboardInterrupt(), 130, ""),
        (ZeroDivisionError("division\nby zero"), 1, "internal error (ZeroDivisionError: division by zero)"),
    ],
)
def test_every_failure_is_one_line(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(_raises(error)) == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert said.count("\n") <= 1


def test_the_token_is_made_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["token", "--data", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert run(["token", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == first != "\n"


def test_answers_are_json_or_aligned_lines(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"slug": "bücher", "audience_url": "http://x/r/b", "more": 1}
    show(answer, True, "slug")
    assert json.loads(capsys.readouterr().out) == answer
    show(answer, False, "slug", "audience_url", "absent")
    assert capsys.readouterr().out == "slug          bücher\naudience_url  http://x/r/b\n"


def _imported(code: str) -> set[str]:
    """Modules loaded by `code` in a fresh interpreter."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import hustings.cli.app", ("hustings.config", "asyncio", "nats", "numpy", "rich")),
        ("import hustings.cli.role", ("typer", "rich", "pydantic", "asyncio")),
        ("import hustings.stage.main", ("fastapi", "sqlalchemy", "jinja2", "typer", "httpx", "uvicorn")),
        ("import hustings.edge.main", ("fastapi", "sqlalchemy", "jinja2", "typer", "httpx", "numpy", "av")),
        ("import hustings.studio.main", ("numpy", "av", "libdatachannel", "typer", "httpx")),
        ("import hustings.supervisor.main", ("fastapi", "sqlalchemy", "numpy", "typer", "httpx", "uvloop")),
    ],
)
def test_nobody_imports_what_only_others_need(code: str, unwanted: tuple[str, ...]) -> None:
    """Start-up time and memory: each of these costs every role that imports it tenths of a second."""
    assert _imported(code).isdisjoint(unwanted)
