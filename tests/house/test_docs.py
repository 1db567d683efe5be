"""What the documents promise to list is listed: settings, commands, metrics."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
import gallery

from hustings.cli.app import app
from hustings.config import Settings
from hustings.edge.metrics import Metrics

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "hustings").rglob("*.py"))
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def _first_column(document: str) -> dict[str, str]:
    """Table rows by the first `name` in them."""
    rows = re.findall(r"^\| `([^`]+)` \|(.*)$", (ROOT / "docs" / document).read_text(), re.MULTILINE)
    assert len({name for name, _ in rows}) == len(rows), "listed twice"
    return dict(rows)


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    documented = _first_column("settings.md")
    settings = {f"HUSTINGS_{name.upper()}": field for name, field in Settings.model_fields.items()}
    assert documented.keys() == settings.keys()
    for name, field in settings.items():
        assert field.description
        assert documented[name].endswith(f" {field.description} |"), name
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        assert documented[name].startswith(f" `{default}` |" if default else " empty |"), name


def _metric_names() -> set[str]:
    """Names given to Prometheus types in the source, and those of the edge's own collector."""
    names = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Counter", "Gauge", "Histogram", "Summary", "Info")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    edge = {family.name + ("_total" if family.type == "counter" else "") for family in Metrics().collect()}
    return {name for name in names if name.startswith("hustings_")} | edge


def test_every_metric_is_documented() -> None:
    assert _first_column("metrics.md").keys() == _metric_names()


def _commands() -> list[str]:
    group = typer.main.get_command(app)
    names: list[str] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # typer hides its group's type
        below = getattr(command, "commands", None)
        names += [f"{name} {inner}" for inner in below] if below else [name]
    return names


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`hustings {command}[ `]", (ROOT / "docs" / "commands.md").read_text())


def test_every_option_is_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    options: set[str] = set()

    def walk(command: object) -> None:
        for parameter in command.params:  # type: ignore[attr-defined]  # as above
            options.update(option for option in parameter.opts if option.startswith("--"))
        for inner in getattr(command, "commands", {}).values():
            walk(inner)

    walk(typer.main.get_command(app))
    assert {option for option in options - {"--help", "--version"} if option not in text} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_documents_exist(document: Path) -> None:
    for target in re.findall(r"`((?:src|tests|benchmarks|docs|fuzzing)/[\w./*-]+)`", document.read_text()):
        assert list(ROOT.glob(target)), target


def test_every_state_has_its_picture_and_every_picture_its_line() -> None:
    """docs/states.md lists what tests/web/gallery.py makes of the states it knows."""
    listed = re.findall(r"^\| \[([a-z-]+)\]\(img/states/\1\.webp\) \|", _states(), re.MULTILINE)
    assert len(set(listed)) == len(listed), "listed twice"
    pictures = {path.stem for path in (ROOT / "docs" / "img" / "states").glob("*.webp")}
    assert set(listed) == pictures == set(gallery.sheets())


def test_pictures_of_states_show_all_eight_looks_and_are_small() -> None:
    for path in (ROOT / "docs" / "img" / "states").glob("*.webp"):
        assert path.stat().st_size <= gallery.MAX_BYTES, path
        with Image.open(path) as picture:
            assert picture.width == gallery.SHEET_WIDTH, path


def _states() -> str:
    return (ROOT / "docs" / "states.md").read_text()
