"""The wheel as users get it: opened, and everything that is no Python found in it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "hustings"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("hustings-*.whl")
    return zipfile.ZipFile(path)


def test_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(path.relative_to(PACKAGE.parent))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = {name for name in wheel.namelist() if not name.startswith("hustings-")}
    assert expected <= inside
    assert not [name for name in inside if name.endswith(".pyc") or not name.startswith("hustings/")]


@pytest.mark.parametrize(
    "pattern",
    [
        r"web/js/player\.js",
        r"web/css/hustings\.css",
        r"web/vendor/hls\.light\.min\.mjs",
        r"web/vendor/hls\.js\.LICENSE\.txt",
        r"web/i18n/de\.json",
        r"web/i18n/en\.json",
        r"web/demo/host\.opus",
        r"web/demo/guest\.opus",
        r"studio/templates/[\w/]+\.html(\.j2|\.jinja)?",
        r"store/migrations/versions/[a-z0-9]\w+\.py",
        r"py\.typed",
    ],
)
def test_holds_what_is_served_and_needed(wheel: zipfile.ZipFile, pattern: str) -> None:
    found = [name for name in wheel.namelist() if re.fullmatch(f"hustings/{pattern}", name)]
    assert found
    assert all(wheel.getinfo(name).file_size > 0 or name.endswith("py.typed") for name in found)


def test_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert metadata["License-Expression"] == "AGPL-3.0-or-later"
    assert metadata["Requires-Python"] == ">=3.12"
    assert "hustings = hustings.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert len(wheel.read(f"{info}/licenses/LICENSE")) > 30_000


def test_runs_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Another copy than the source tree answers, so nothing it needs lies outside of it."""
    wheel.extractall(tmp_path)
    code = (
        "import hustings, sys; from importlib import resources; "
        f"assert hustings.__file__.startswith({str(tmp_path)!r}), hustings.__file__; "
        "assert resources.files('hustings').joinpath('web/i18n/de.json').is_file(); "
        "from hustings.cli import main; sys.argv = ['hustings', '--version']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("hustings 0.")
