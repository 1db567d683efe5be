"""Locks without addresses, modules and functions within their budget, import rules, the licence, `dev`."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.txt"))
SOURCES = sorted((ROOT / "src" / "hustings").rglob("*.py"))


def _committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git work tree")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_pin_by_hash_and_hold_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host", text)
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    pinned = [block for block in blocks if not block.startswith("#")]
    assert pinned
    for block in pinned:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+", block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_locks_hold_every_dependency_and_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[\[<>=]", need)[0].lower() for need in project["project"]["dependencies"]}

    def pins(name: str) -> dict[str, str]:
        return dict(
            re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE)
        )

    users, developers = pins("requirements.txt"), pins("requirements-dev.txt")
    assert wanted <= users.keys()
    assert users.items() <= developers.items()
    documented = (ROOT / "docs" / "dependencies.md").read_text()
    assert {name for name in wanted if not re.search(rf"\b{re.escape(name)}\b", documented)} == set()


def test_no_registry_or_machine_path_is_committed() -> None:
    # Put together here, so that this file does not hold them either.
    hosts = ["py" + "pi.org", "pythonhosted" + ".org", "registry.npm" + "js", "python-build-" + "standalone"]
    places = ["/ro" + "ot/", "/wo" + "rk/"]
    for path in _committed():
        if path.suffix in {".opus", ".wav", ".png", ".mjs", ".bin", ".mp4"}:
            continue
        text = path.read_text(errors="replace")
        for needle in [*hosts, *places]:
            assert needle not in text, f"{needle} in {path.relative_to(ROOT)}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_and_functions_keep_their_budget(source: Path) -> None:
    text = source.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, node.name


def test_the_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert (
        hashlib.sha256(text).hexdigest() == "8486a10c4393cee1c25392769ddd3b2d6c242d6ec7928e1414efff7dfb2f07ef"
    )


def test_ci_runs_exactly_dev_test() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec ./dev test"
    assert [line for line in lines[1:-1] if not line.startswith(("set ", "cd "))] == []
    for script in ("dev", ".ci/run"):
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_dev_explains_itself_and_refuses_the_unknown() -> None:
    helped = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True)
    assert helped.returncode == 0
    for command in ("setup", "demo", "test", "check", "bench", "lock"):
        assert f"./dev {command}" in helped.stdout
    assert subprocess.run([ROOT / "dev", "nonsense"], capture_output=True).returncode == 2


def test_import_rules() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_few_failures_are_tried_again_alone_and_many_are_not(tmp_path: Path) -> None:
    """`./dev test` at its end: what fails for want of time passes alone, what is broken fails twice."""
    file = tmp_path / "test_some.py"
    file.write_text(
        "from pathlib import Path\ndef test_a(): assert Path('mended').exists()\ndef test_b(): pass\n"
    )
    tool = ROOT / "tools" / "failed_again.py"

    def again(*failed: str) -> subprocess.CompletedProcess[str]:
        cache = tmp_path / ".pytest_cache" / "v" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(failed, True)))
        command = [sys.executable, str(tool)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert again("test_some.py::test_a").returncode == 1, "fails twice"
    (tmp_path / "mended").touch()
    passed = again("test_some.py::test_a")
    assert passed.returncode == 0
    assert "test_some.py::test_a" in passed.stdout
    assert again(*(f"test_some.py::test_{n}" for n in range(6))).returncode == 1, "too many"
    assert again().returncode == 1, "nobody knows what failed"
    assert again("test_some.py").returncode == 1, "could not be read at all"
